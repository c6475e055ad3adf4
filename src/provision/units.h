#pragma once
/* systemd units of a config as operations of the plan, and the preset file that enables and disables them. */
#include "base/command.h"
#include "provision/files_plan.h"

#define UNITS_PRESET_PATH "/etc/systemd/system-preset/20-ignition.preset"

/* Drop-ins, the unit, its mask, in the order of the config. Findings as in files_plan_add(). */
int units_plan(FilesPlan *p, const IgnSystemd *systemd, const FilesProbe *probe, Report *r);

/* A line of the preset file: a unit, or a template with its instances. */
typedef struct UnitPreset {
    const char *unit; /* "echo@.service" for instances */
    bool enable;
    const char **instances; /* "" is the template itself */
    size_t n_instances;     /* 0: not a template */
} UnitPreset;
/* Sorted by unit, disabled before enabled. -EINVAL: an instance without a type ("echo@foo"). */
int units_presets(Arena *a, const IgnSystemd *systemd, UnitPreset **ret, size_t *ret_n, Error *e);

/* The full names behind a preset: the unit, or each instance. */
const char *unit_preset_name(Arena *a, const UnitPreset *p, size_t instance);
/* The lines that `existing` (the file as it is, NULL: none) lacks. Units to be disabled are written only when
 * `disabled` has their full name. */
const char *units_preset_text(Arena *a, const UnitPreset *presets, size_t n, const Map *disabled,
                              const char *existing);
