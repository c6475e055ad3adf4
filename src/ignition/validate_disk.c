/* Rules of disks and their partitions, of RAID arrays and filesystems. Each partition that collides is told,
 * the later of a pair; overlaps are found by sorting, so that a table of any size costs little. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ignition/validate_rule.h"

enum { PARTITION_LABEL_MAX = 36 };

/* ---- partitions ---- */

static bool guid_valid(const char *guid)
{
    static const char form[] = "01234567-89AB-CDEF-EDCB-A98765432101";
    if (is_empty(guid))
        return true;
    if (strlen(guid) != strlen(form))
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '-' ? guid[i] != '-' : !isxdigit((unsigned char)guid[i]))
            return false;
    return true;
}

static void check_partition(const Checker *k, const void *object)
{
    static const char guid_form[] = "doesn't match the form \"01234567-89AB-CDEF-EDCB-A98765432101\"";
    const IgnPartition *p = object;
    if (p->should_exist == BOOL_FALSE &&
        (p->label || !is_empty(p->type_guid) || !is_empty(p->guid) || p->start_mib.set || p->size_mib.set))
        check_object(k, SEVERITY_ERROR, "shouldExist specified false with other options also specified");
    if (p->number.value == 0 && !p->label)
        check_object(k, SEVERITY_ERROR, "a partition number >= 1 or a label must be specified");
    if (p->label && strlen(p->label) > PARTITION_LABEL_MAX)
        check_field(k, SEVERITY_ERROR, "label", "partition labels may not exceed 36 characters");
    else if (p->label && strchr(p->label, ':'))
        check_field(k, SEVERITY_ERROR, "label", "partition label will be truncated to text before the colon");
    check_field(k, SEVERITY_ERROR, "guid", guid_valid(p->guid) ? NULL : guid_form);
    check_field(k, SEVERITY_ERROR, "typeGuid", guid_valid(p->type_guid) ? NULL : guid_form);
}

static void check_collisions(const Checker *k, const IgnList *partitions)
{
    _cleanup_map_ Map numbers = MAP_INIT, labels = MAP_INIT;
    for (size_t i = 0; i < partitions->n; i++) {
        IgnPartition *p = IGN_AT(*partitions, IgnPartition, i);
        if (p->number.value != 0 &&
            map_put_new(&numbers, arena_printf(k->scratch, "%lld", (long long)p->number.value), p, NULL) == 0)
            check_entry(k, SEVERITY_ERROR, "partitions", partitions, i, NULL, "partition numbers collide");
        if (p->label && map_put_new(&labels, p->label, p, NULL) == 0)
            check_entry(k, SEVERITY_ERROR, "partitions", partitions, i, NULL,
                        "cannot use the same partition label twice");
    }
}

typedef struct Extent {
    int64_t first, last; /* MiB, both included */
    size_t index;
} Extent;

static int extent_compare(const void *x, const void *y)
{
    const Extent *a = x, *b = y;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Only what has both a start and a size can be judged; a start of 0 is chosen when the disk is seen. */
static size_t collect_extents(const IgnList *partitions, Extent *extents)
{
    size_t n = 0;
    for (size_t i = 0; i < partitions->n; i++) {
        const IgnPartition *p = IGN_AT(*partitions, IgnPartition, i);
        int64_t start = p->start_mib.value, size = p->size_mib.value, last;
        if (!p->start_mib.set || !p->size_mib.set || start == 0)
            continue;
        if (size == 0 || __builtin_add_overflow(start, size - 1, &last))
            last = start;
        extents[n++] = (Extent){start, last, i};
    }
    return n;
}

static void check_overlaps(const Checker *k, const IgnList *partitions)
{
    Extent *extents = ARENA_ARRAY(k->scratch, Extent, partitions->n);
    bool *told = ARENA_ARRAY(k->scratch, bool, partitions->n);
    size_t n = collect_extents(partitions, extents), furthest = 0;
    qsort(extents, n, sizeof(*extents), extent_compare);
    for (size_t i = 1; i < n; i++) {
        size_t a = extents[furthest].index, b = extents[i].index;
        if (extents[i].first <= extents[furthest].last)
            told[a > b ? a : b] = true;
        if (extents[i].last > extents[furthest].last)
            furthest = i;
    }
    for (size_t i = 0; i < partitions->n; i++)
        if (told[i])
            check_entry(k, SEVERITY_ERROR, "partitions", partitions, i, NULL, "partitions overlap");
}

static void check_disk(const Checker *k, const void *object)
{
    const IgnDisk *d = object;
    if (is_empty(d->device)) {
        check_field(k, SEVERITY_ERROR, "device", "disk device is required");
        return;
    }
    check_field(k, SEVERITY_ERROR, "device", check_path(d->device));
    if (d->partitions.n > 1) {
        check_collisions(k, &d->partitions);
        check_overlaps(k, &d->partitions);
    }
}

/* ---- RAID ---- */

static const char *level_message(const IgnRaid *r, IgnVersion version)
{
    static const struct {
        const char *names[4];
        bool spares;
    } levels[] = {
        {{"linear"}, false},
        {{"raid0", "0", "stripe"}, false},
        {{"raid1", "1", "mirror"}, true},
        {{"raid4", "4"}, true},
        {{"raid5", "5"}, true},
        {{"raid6", "6"}, true},
        {{"raid10", "10"}, true},
    };
    if (is_empty(r->level) && version >= IGN_3_3)
        return "raid level is required";
    for (size_t i = 0; r->level && i < ELEMENTS(levels); i++)
        for (size_t n = 0; n < ELEMENTS(levels[i].names) && levels[i].names[n]; n++)
            if (strcmp(levels[i].names[n], r->level) == 0)
                return levels[i].spares || r->spares.value == 0
                           ? NULL
                           : "spares unsupported for linear and raid0 arrays";
    return "unrecognized raid level";
}

static void check_raid(const Checker *k, const void *object)
{
    const IgnRaid *r = object;
    check_field(k, SEVERITY_ERROR, "level", level_message(r, k->version));
    if (r->devices.n == 0)
        check_field(k, SEVERITY_ERROR, "devices", "raid devices required");
    for (size_t i = 0; i < r->devices.n; i++)
        check_entry(k, SEVERITY_ERROR, "devices", &r->devices, i, NULL,
                    check_path(IGN_STRING_AT(r->devices, i)));
}

/* ---- filesystems ---- */

typedef struct Format {
    const char *name;
    IgnVersion since;
    size_t label_max; /* SIZE_MAX: not limited */
    const char *label_message;
} Format;

static const Format formats[] = {
    {"ext4", IGN_3_0, 16, "filesystem labels cannot be longer than 16 characters when using ext4"},
    {"btrfs", IGN_3_0, 256, "filesystem labels cannot be longer than 256 characters when using btrfs"},
    {"xfs", IGN_3_0, 12, "filesystem labels cannot be longer than 12 characters when using xfs"},
    {"swap", IGN_3_0, 15, "filesystem labels cannot be longer than 15 characters when using swap"},
    {"vfat", IGN_3_0, 11, "filesystem labels cannot be longer than 11 characters when using vfat"},
    {"none", IGN_3_3, SIZE_MAX, NULL},
};

static const Format *format_find(const char *name, IgnVersion version)
{
    for (size_t i = 0; name && i < ELEMENTS(formats); i++)
        if (version >= formats[i].since && strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static const char *format_message(const IgnFilesystem *f, const Format *format)
{
    if (!is_empty(f->format))
        return format ? NULL : "invalid filesystem format";
    if (is_empty(f->path) && is_empty(f->label) && is_empty(f->uuid) && f->wipe_filesystem != BOOL_TRUE &&
        f->mount_options.n == 0 && f->options.n == 0)
        return NULL;
    return "format cannot be empty when path, label, uuid, wipeFilesystem, options, or mountOptions is "
           "specified";
}

static const char *label_message(const IgnFilesystem *f, const Format *format)
{
    if (is_empty(f->label))
        return NULL;
    if (is_empty(f->format))
        return "filesystem must specify format if label is specified";
    return format && strlen(f->label) > format->label_max ? format->label_message : NULL;
}

static void check_filesystem(const Checker *k, const void *object)
{
    const IgnFilesystem *f = object;
    const Format *format = format_find(f->format, k->version);
    check_field(k, SEVERITY_ERROR, "path", is_empty(f->path) ? NULL : check_path(f->path));
    check_field(k, SEVERITY_ERROR, "device", check_path(f->device));
    check_field(k, SEVERITY_ERROR, "format", format_message(f, format));
    check_field(k, SEVERITY_ERROR, "label", label_message(f, format));
}

/* A filesystem straight on a disk that the config also partitions or wipes. */
static void check_whole_disks(const Checker *k, const void *object)
{
    const IgnStorage *s = object;
    _cleanup_map_ Map disks = MAP_INIT;
    IGN_EACH (IgnDisk, d, s->disks)
        map_put(&disks, d->device ? d->device : "", d);
    for (size_t i = 0; i < s->filesystems.n; i++) {
        const IgnFilesystem *f = IGN_AT(s->filesystems, IgnFilesystem, i);
        const IgnDisk *d = map_get(&disks, f->device ? f->device : "");
        if (d && d->partitions.n > 0)
            check_entry(k, SEVERITY_WARNING, "filesystems", &s->filesystems, i, "device",
                        "filesystem overwrites partitioned device");
        else if (d && f->wipe_filesystem != BOOL_TRUE && d->wipe_table == BOOL_TRUE)
            check_entry(k, SEVERITY_WARNING, "filesystems", &s->filesystems, i, "device",
                        "device matches disk with wipeTable enabled; filesystem will be wiped");
    }
}

const IgnRule ign_disk_rules[] = {
    {&ign_partition_type, check_partition, IGN_3_0, IGN_3_7_EXP},
    {&ign_disk_type, check_disk, IGN_3_0, IGN_3_7_EXP},
    {&ign_raid_type, check_raid, IGN_3_0, IGN_3_7_EXP},
    {&ign_filesystem_type, check_filesystem, IGN_3_0, IGN_3_7_EXP},
    {&ign_storage_type, check_whole_disks, IGN_3_0, IGN_3_7_EXP},
    {},
};
