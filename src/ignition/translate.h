#pragma once
/* One meaning in any version. Lifting keeps what a config does: 2.x's defaults (overwrite true for files,
 * append, filesystem names, networkd units) become what the newest spec writes for the same result. Lowering
 * refuses what the older version cannot say, and names the field. Rules: coreos/ignition
 * config/v3_x/translate; coreos/ign-converter translate/; spec2x config/translate. */
#include "format/report.h"
#include "ignition/config.h"

/* 2.x mounts a named filesystem only while it writes the files on it; the newest spec writes them below the
 * place where the filesystem belongs. That place is taken from here, else from a .mount unit of the same
 * config; a filesystem that has files and neither is a finding. */
typedef struct IgnMountPoint {
    const char *filesystem, *path;
} IgnMountPoint;
typedef struct IgnLiftOptions {
    const IgnMountPoint *mounts;
    size_t n_mounts;
    const PathStep *path; /* where the config stands in its document, as in parse.h */
    /* A 2.x file or directory without a mode: false: 0000, as Ignition 0.35 made it; true: left to the newest
     * spec's default (0644, 0755), as the daemon that applies machine configs does. */
    bool default_modes;
} IgnLiftOptions;

/* Any version to the newest; findings have the positions of the original. -EINVAL when 2.x says what the
 * newest spec cannot do (with a finding that names it), or what its rules refuse. The result shares strings
 * and nodes with `c`. */
int ign_config_lift(Arena *a, const IgnConfig *c, IgnConfig **ret, Report *r);
/* The same; NULL options are those of ign_config_lift(). */
int ign_config_lift_with(Arena *a, const IgnConfig *c, const IgnLiftOptions *options, IgnConfig **ret,
                         Report *r);
/* The newest to `to` (2.2 to 2.4, 3.0 to 3.6). -EINVAL with a finding for each field that stands in the way.
 * A field that `to` lacks and that says what happens there anyway (`resize: false`) is no obstacle; it may
 * stay set in *ret, where ign_config_to_node() does not write it. */
int ign_config_lower(Arena *a, const IgnConfig *newest, IgnVersion to, IgnConfig **ret, Report *r);
