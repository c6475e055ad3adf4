/* Rules of volume groups and their volumes: names as LVM takes them, sizes, and devices that two would use.
 * What may not be said in the options is what the fields say: the name and the size of a volume. */
#include <string.h>

#include "base/map.h"
#include "ignition/validate_rule.h"

enum {
    NAME_LENGTH_MAX = 127,
    BOTH_NAMES_MAX = 125
}; /* as a device of the kernel both share 127 with a "-" */

static bool has_only_name_characters(const char *s)
{
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-")] == '\0';
}

static const char *name_message(const char *name)
{
    if (!has_only_name_characters(name) || name[0] == '-')
        return "names of volume groups and volumes have letters, digits and + _ . - only, and begin with no "
               "-";
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return "the name is reserved";
    return strlen(name) > NAME_LENGTH_MAX
               ? "names of volume groups and volumes cannot be longer than 127 characters"
               : NULL;
}

/* What LVM calls the parts of its volumes. */
static bool volume_name_reserved(const char *name)
{
    static const char *const prefixes[] = {"snapshot", "pvmove"};
    static const char *const parts[] = {
        "_cdata",  "_cmeta", "_corig", "_iorig", "_mimage", "_mlog",    "_pmspare",
        "_rimage", "_rmeta", "_tdata", "_tmeta", "_vdata",  "_vorigin", "_wcorig",
    };
    for (size_t i = 0; i < ELEMENTS(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    for (size_t i = 0; i < ELEMENTS(parts); i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

/* "--size", "--size=1g", "-L", "-L1g" */
static bool option_is(const char *option, const char *name, const char *letter)
{
    size_t n = strlen(name);
    if (strncmp(option, letter, 2) == 0)
        return true;
    return strncmp(option, name, n) == 0 && (option[n] == '\0' || option[n] == '=');
}

static void check_volume(const Checker *k, const void *object)
{
    static const struct {
        const char *name, *letter, *message;
    } taken[] = {
        {"--size", "-L", "the size of a volume is given by sizeMiB, not by an option"},
        {"--extents", "-l", "the size of a volume is given by sizeMiB, not by an option"},
        {"--name", "-n", "the name of a volume is given by name, not by an option"},
    };
    const IgnVolume *v = object;
    if (is_empty(v->name))
        check_field(k, SEVERITY_ERROR, "name", "volume name is required");
    else if (volume_name_reserved(v->name))
        check_field(k, SEVERITY_ERROR, "name", "the name is reserved");
    else
        check_field(k, SEVERITY_ERROR, "name", name_message(v->name));
    if (v->size_mib.value < 0)
        check_field(k, SEVERITY_ERROR, "sizeMiB", "the size of a volume cannot be negative");
    if (v->should_exist == BOOL_FALSE &&
        (v->size_mib.value > 0 || v->options.n > 0 || v->resize == BOOL_TRUE || v->wipe_volume == BOOL_TRUE))
        check_object(k, SEVERITY_ERROR, "shouldExist specified false with other options also specified");
    for (size_t i = 0; i < v->options.n; i++)
        for (size_t t = 0; t < ELEMENTS(taken); t++)
            if (option_is(IGN_STRING_AT(v->options, i), taken[t].name, taken[t].letter))
                check_entry(k, SEVERITY_ERROR, "options", &v->options, i, NULL, taken[t].message);
}

static void check_group(const Checker *k, const void *object)
{
    const IgnVolumeGroup *g = object;
    bool rest = false;
    if (is_empty(g->name))
        check_field(k, SEVERITY_ERROR, "name", "volume group name is required");
    else
        check_field(k, SEVERITY_ERROR, "name", name_message(g->name));
    if (g->devices.n == 0)
        check_field(k, SEVERITY_ERROR, "devices", "volume group devices required");
    for (size_t i = 0; i < g->devices.n; i++)
        check_entry(k, SEVERITY_ERROR, "devices", &g->devices, i, NULL,
                    check_path(IGN_STRING_AT(g->devices, i)));
    for (size_t i = 0; i < g->volumes.n; i++) {
        const IgnVolume *v = IGN_AT(g->volumes, IgnVolume, i);
        if (g->name && v->name && strlen(g->name) + strlen(v->name) > BOTH_NAMES_MAX)
            check_entry(k, SEVERITY_ERROR, "volumes", &g->volumes, i, "name",
                        "the names of group and volume together cannot be longer than 125 characters");
        if (v->should_exist == BOOL_FALSE || v->size_mib.value != 0)
            continue;
        if (rest)
            check_entry(k, SEVERITY_ERROR, "volumes", &g->volumes, i, NULL,
                        "only one volume of a group can take all that is left: sizeMiB is required");
        rest = true;
    }
}

/* ---- one device, two users ---- */

static void check_user(const Checker *k, const Map *users, const IgnList *groups, const char *device,
                       const char *message)
{
    const IgnVolumeGroup *g = map_get(users, device ? device : "");
    if (g)
        check_entry(k, SEVERITY_ERROR, "volumeGroups", groups, (size_t)(g - (IgnVolumeGroup *)groups->items),
                    "devices", message);
}

static void check_shared_devices(const Checker *k, const void *object)
{
    const IgnStorage *s = object;
    const IgnList *groups = &s->volume_groups;
    _cleanup_map_ Map users = MAP_INIT;
    for (size_t i = 0; i < groups->n; i++) {
        IgnVolumeGroup *g = IGN_AT(*groups, IgnVolumeGroup, i);
        void *other = NULL;
        for (size_t d = 0; d < g->devices.n; d++)
            if (map_put_new(&users, IGN_STRING_AT(g->devices, d), g, &other) == 0 && other != g)
                check_entry(k, SEVERITY_ERROR, "volumeGroups", groups, i, "devices",
                            "a device cannot be in two volume groups");
    }
    if (groups->n == 0)
        return;
    IGN_EACH (IgnRaid, r, s->raid)
        for (size_t d = 0; d < r->devices.n; d++)
            check_user(k, &users, groups, IGN_STRING_AT(r->devices, d),
                       "a device cannot be in a volume group and in an array");
    IGN_EACH (IgnLuks, l, s->luks)
        check_user(k, &users, groups, l->device,
                   "a device cannot be in a volume group and hold an encrypted volume");
    IGN_EACH (IgnFilesystem, f, s->filesystems)
        check_user(k, &users, groups, f->device,
                   "a device cannot be in a volume group and hold a filesystem");
}

const IgnRule ign_lvm_rules[] = {
    {&ign_volume_type, check_volume, IGN_3_2, IGN_3_7_EXP},
    {&ign_volume_group_type, check_group, IGN_3_2, IGN_3_7_EXP},
    {&ign_storage_type, check_shared_devices, IGN_3_2, IGN_3_7_EXP},
    {},
};
