#pragma once
/* What an administrator changed in /etc, and how it comes into the next deployment. What was changed against
 * the old defaults (usr/etc of the old deployment) wins, whole files at a time; all else is as the new
 * defaults are. libostree's merge (ostree-sysroot-deploy.c, merge_configuration_from), but that here
 *  - modes, owners and attributes of a directory count even when nothing in it was changed, and a directory
 * that was not changed gets the new default's, whatever was changed in it;
 *  - extended attributes count, without security.selinux, which differs between usr/etc and /etc by itself;
 *  - a directory that was replaced by a file or a link stays replaced, instead of ending every update;
 *  - what cannot be merged is known before anything is written, and so is what hides a new default.
 * Device nodes, sockets and pipes are never carried over. Only directory descriptors, no link is followed. */
#include <sys/stat.h>

#include "base/arena.h"
#include "base/error.h"

enum { ETC_DEPTH_MAX = 200, ETC_CHANGES_MAX = 1 << 18 };

typedef enum EtcKind { ETC_ADDED, ETC_MODIFIED, ETC_REMOVED } EtcKind;

enum { ETC_TYPE = 1, ETC_CONTENTS = 2, ETC_MODE = 4, ETC_OWNER = 8, ETC_XATTRS = 16 };

typedef struct EtcChange {
    const char *path; /* "ssh/sshd_config" */
    EtcKind kind;
    mode_t type; /* S_IFREG, S_IFLNK, S_IFDIR, …: of the local one; of the old default when it was removed */
    unsigned what; /* of ETC_MODIFIED: in what it differs from the old default */
    bool conflict; /* the new default differs from the old one and from the local one, which hides it */
} EtcChange;

/* In the order of the paths, a directory before what is in it. What lies below an added directory has rows of
 * its own, what lay below a removed one has none. */
typedef struct EtcMerge {
    EtcChange *changes;
    size_t n, conflicts;
} EtcMerge;

/* Without a next deployment: what `basalt-os diff --etc` shows. No conflicts. */
int etc_changes(Arena *a, int old_defaults, int etc, EtcMerge *ret, Error *e);

/* The plan. -EISDIR: what was changed is a file whose new default is a directory; -ENOTDIR: something was
 * changed below what is no directory any more; the message has the path. */
int etc_merge_plan(Arena *a, int old_defaults, int etc, int new_defaults, EtcMerge *ret, Error *e);

/* Onto new_etc, which has the new defaults: the etc that tree_checkout_deployment() made. Stopped anywhere,
 * it can be done again. `step` is called before each change of the disk, for tests; NULL allowed. Nothing is
 * synced. What has vanished from `etc` since the plan is an error. */
typedef int (*EtcStep)(void *context, const char *what);
int etc_merge_apply(const EtcMerge *m, int etc, int new_etc, EtcStep step, void *context, Error *e);
