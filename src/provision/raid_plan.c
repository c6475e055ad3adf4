/* Ignition makes arrays over whatever the devices hold, each time it runs. Here an array that is there stays,
 * and data of others is not lost in silence. By the members' superblocks:
 *
 *   no member has one               the array is made; other contents (file systems, …) are written over, as
 *                                   Ignition does, which the plan says
 *   all have those of one array,    it is kept; started when it does not run, also when it is degraded. A
 *   of this name, level and count   resync that goes on, or is still due, is no difference
 *   some lack them, or they are of  making it was interrupted: mdadm writes the superblocks one by one before
 *   several makings; none ever ran  the array first runs. It is made again. What udev put together of the
 *                                   pieces is stopped
 *   the same, but it once ran       refused: a disk was exchanged, or the config means other disks than last
 *                                   time; a new array would end the data on the others
 *   one is of any other array       refused
 *
 * That an array once ran is seen by its event count: mdadm --create writes 0 or 1, the kernel counts on. Of
 * arrays without redundancy it does not; there the order tells: mdadm writes the members one after the other,
 * so that of an interrupted creation the first ones have superblocks, and no other.
 * What a disk with wipeTable, or a partition with wipePartitionEntry, holds is given up by the config: there
 * no other array is refused, only a whole one of this name is still kept.
 * Devices in use (mounted, swap, of a volume group, mapped) are refused whatever they hold. A way out is told
 * with each refusal. */
#include "provision/raid_plan.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "provision/wiped_device.h"
#include "system/block_device.h"
#include "system/raid_device.h"

enum { NAME_MAX_STORED = 31, EVENTS_AT_CREATION = 1 };

typedef enum MemberKind { MEMBER_FREE, MEMBER_OURS, MEMBER_FOREIGN, MEMBER_GIVEN_UP } MemberKind;

/* The array of the config, and what was found of it. */
typedef struct Array {
    const IgnRaid *raid;
    const char *name, *level, *uuid; /* uuid: hex digits, when an option gives one */
    unsigned places;
    bool journal; /* an option adds a device that is no member */
    size_t ours, in_place;
    bool redundant;
    bool one;               /* all superblocks are of the same making */
    bool started, running;  /* of those that are not given up: it once ran, an array has them now */
    const char *first_uuid; /* of one of ours */
    bool active;            /* ours runs */
} Array;

static const DeviceFacts *facts_of(const StorageItem *item, size_t i)
{
    return &item->facts[i];
}

const char *raid_plan_device(Arena *a, const char *name)
{
    return strncmp(name, "/dev/", 5) == 0 ? name : arena_printf(a, "/dev/md/%s", name);
}

/* ---- what the config says ---- */

/* The value of "--name=x" or of the two words "--name", "x"; the last one counts. */
static const char *option_value(const IgnList *options, const char *name)
{
    const char *value = NULL;
    size_t n = strlen(name);
    for (size_t i = 0; i < options->n; i++) {
        const char *o = IGN_STRING_AT(*options, i);
        if (strncmp(o, name, n) != 0)
            continue;
        if (o[n] == '=')
            value = o + n + 1;
        else if (!o[n] && i + 1 < options->n)
            value = IGN_STRING_AT(*options, i + 1);
    }
    return value;
}

const char *raid_plan_name(Arena *a, const IgnRaid *raid)
{
    const char *name = option_value(&raid->options, "--name"), *colon;
    if (!name) {
        name = raid_plan_device(a, raid->name);
        bool kernel = strncmp(name, "/dev/md", 7) == 0 && isdigit((unsigned char)name[7]);
        name = kernel ? name + 7 : strrchr(name, '/') + 1;
    }
    colon = strchr(name, ':');
    name = colon ? colon + 1 : name;
    return arena_memdup(a, name, strnlen(name, NAME_MAX_STORED));
}

static const char *hex_digits(Arena *a, const char *text)
{
    char *hex = arena_strdup(a, text ? text : ""), *to = hex;
    for (const char *p = hex; *p; p++)
        if (isxdigit((unsigned char)*p))
            *to++ = (char)tolower((unsigned char)*p);
    *to = '\0';
    return hex;
}

static Array array_declared(StorageItem *item)
{
    const IgnRaid *raid = item->object;
    const char *uuid = option_value(&raid->options, "--uuid");
    int64_t spares = raid->spares.set ? raid->spares.value : 0;
    const char *level = raid_level_name(raid->level ? raid->level : "") ?: "";
    Array w = {
        .raid = raid,
        .name = raid_plan_name(item->arena, raid),
        .level = level,
        .redundant = strcmp(level, "linear") != 0 && strcmp(level, "raid0") != 0,
        .uuid = uuid ? hex_digits(item->arena, uuid) : NULL,
        .journal = option_value(&raid->options, "--write-journal") != NULL,
        .one = true,
    };
    if (spares < 0 || (uint64_t)spares >= raid->devices.n)
        storage_refuse(item, "spares", "%" PRId64 " spares are declared for an array of %zu devices", spares,
                       raid->devices.n);
    else
        w.places = (unsigned)(raid->devices.n - (size_t)spares);
    return w;
}

/* ---- what is there ---- */

static MemberKind member_kind(Arena *a, const Array *w, const DeviceFacts *f)
{
    const RaidFacts *r = &f->raid;
    const char *type = f->superblock.type;
    if (!r->member)
        return type && strstr(type, "_raid_member") ? MEMBER_FOREIGN : MEMBER_FREE;
    if ((r->name && strcmp(r->name, w->name) != 0) || strcmp(r->level, w->level) != 0 ||
        r->devices != w->places || (w->uuid && strcmp(hex_digits(a, r->uuid), w->uuid) != 0))
        return MEMBER_FOREIGN;
    return MEMBER_OURS;
}

#define CLEAR_MEMBERS                                                                                        \
    "to give it up, clear the device with 'mdadm --zero-superblock', or let its partition be made anew "     \
    "(wipePartitionEntry or wipeTable of the disk)"

static void refuse_foreign(StorageItem *item, const Array *w, const DeviceFacts *f)
{
    const RaidFacts *r = &f->raid;
    if (!r->member)
        storage_refuse(item, "devices", "%s holds a %s; array '%s' is not made over it; " CLEAR_MEMBERS,
                       f->path, f->superblock.type, w->raid->name);
    else
        storage_refuse(item, "devices",
                       "%s belongs to %s array '%s' (%s of %u devices, UUID %s), not to array '%s' (%s of %u "
                       "devices%s%s); " CLEAR_MEMBERS,
                       f->path, r->active ? "the running" : "the", r->name ? r->name : "", r->level,
                       r->devices, r->uuid, w->raid->name, w->level, w->places, w->uuid ? ", UUID " : "",
                       w->uuid ? w->uuid : "");
}

/* Whoever uses the device, but for an array: that is judged by its members. */
static void refuse_busy(StorageItem *item, const DeviceFacts *f)
{
    for (size_t i = 0; i < f->n_holders; i++) {
        const DeviceHolder *h = &f->holders[i];
        if (h->kind == HOLDER_MD && h->partition == 0 && f->raid.array)
            continue;
        const char *who = device_holder_text(item->arena, h);
        if (h->partition)
            storage_refuse(item, "devices", "partition %u of %s is in use: %s", h->partition, f->path, who);
        else
            storage_refuse(item, "devices", "%s is in use: %s", f->path, who);
    }
}

static bool is_same_device(const DeviceFacts *a, const DeviceFacts *b)
{
    return a->exists && b->exists && a->real && b->real && strcmp(a->real, b->real) == 0;
}

static void refuse_twice(StorageItem *item, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (is_same_device(facts_of(item, i), facts_of(item, k)))
            storage_refuse(item, "devices", "%s and %s are the same device", facts_of(item, k)->path,
                           facts_of(item, i)->path);
}

static void member_judge(const StorageContext *c, StorageItem *item, Array *w, const DeviceFacts *f)
{
    MemberKind kind = member_kind(item->arena, w, f);
    bool given_up = (kind != MEMBER_FREE || f->raid.active) && device_is_given_up(c, item->arena, f);

    if (kind == MEMBER_FOREIGN && given_up)
        kind = MEMBER_GIVEN_UP;
    if (kind == MEMBER_FOREIGN)
        refuse_foreign(item, w, f);
    else if (kind == MEMBER_FREE && f->raid.active && !given_up)
        storage_refuse(item, "devices", "%s is part of the running array %s", f->path, f->raid.array);
    w->running = w->running || (f->raid.active && !given_up);
    if (kind != MEMBER_OURS)
        return;
    w->active = w->active || f->raid.active;
    w->one = w->one && (!w->first_uuid || strcmp(w->first_uuid, f->raid.uuid) == 0);
    w->first_uuid = f->raid.uuid;
    bool first_ones = f - item->facts == (ptrdiff_t)w->ours && f->raid.role == (int)w->ours;
    w->started =
        w->started || (!given_up && (f->raid.events > EVENTS_AT_CREATION || (!w->redundant && !first_ones)));
    w->in_place += f->raid.role >= 0;
    w->ours++;
}

/* An array in the kernel that takes in more than was declared is someone else's. */
static void refuse_strangers(StorageItem *item, const Array *w, const DeviceFacts *f)
{
    for (size_t m = 0; f->raid.members && f->raid.members[m] && !w->journal; m++) {
        bool known = false;
        for (size_t i = 0; i < w->raid->devices.n && !known; i++)
            known = strcmp(f->raid.members[m], arena_printf(item->arena, "%u:%u", facts_of(item, i)->major,
                                                            facts_of(item, i)->minor)) == 0;
        if (!known)
            storage_refuse(item, "devices",
                           "array %s, which %s is part of, also has device %s, which is not declared",
                           f->raid.array, f->path, f->raid.members[m]);
    }
}

/* ---- what to do ---- */

/* The arrays in the kernel that have members. */
static const char *const *arrays_of(StorageItem *item, size_t n)
{
    const char **arrays = ARENA_ARRAY(item->arena, const char *, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const char *array = facts_of(item, i)->raid.array;
        bool known = !array;
        for (size_t j = 0; j < k && !known; j++)
            known = strcmp(arrays[j], array) == 0;
        if (!known)
            arrays[k++] = array;
    }
    return arrays;
}

static const char *member_path(const DeviceFacts *f)
{
    return f->real ? f->real : f->path;
}

static const char *const *create_argv(StorageItem *item, const Array *w)
{
    const IgnRaid *raid = w->raid;
    const char **argv = ARENA_ARRAY(item->arena, const char *, 14 + raid->options.n + raid->devices.n);
    size_t n = 0, spares = raid->devices.n - w->places;
    const char *const head[] = {
        "mdadm",
        "--create",
        raid->name,
        "--force",
        "--run",
        "--homehost",
        "any",
        "--level",
        raid->level,
        "--raid-devices",
        arena_printf(item->arena, "%u", w->places),
    };
    for (size_t i = 0; i < ELEMENTS(head); i++)
        argv[n++] = head[i];
    if (spares > 0) {
        argv[n++] = "--spare-devices";
        argv[n++] = arena_printf(item->arena, "%zu", spares);
    }
    for (size_t i = 0; i < raid->options.n; i++)
        argv[n++] = IGN_STRING_AT(raid->options, i);
    for (size_t i = 0; i < raid->devices.n; i++)
        argv[n++] = member_path(facts_of(item, i));
    return argv;
}

static const char *const *assemble_argv(StorageItem *item, const Array *w, const char *device)
{
    const IgnRaid *raid = w->raid;
    const char **argv = ARENA_ARRAY(item->arena, const char *, 7 + raid->devices.n);
    size_t n = 0;
    const char *const head[] = {"mdadm", "--assemble", device, "--run", "--homehost", "any"};
    for (size_t i = 0; i < ELEMENTS(head); i++)
        argv[n++] = head[i];
    for (size_t i = 0; i < raid->devices.n; i++)
        argv[n++] = member_path(facts_of(item, i));
    return argv;
}

/* "raid1 of /dev/vda1 /dev/vdb1, spare /dev/vdc1; over the ext4 on /dev/vdb1" */
static const char *create_detail(StorageItem *item, const Array *w)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    buf_addf(&b, "%s of", w->level);
    for (size_t i = 0; i < w->raid->devices.n; i++)
        buf_addf(&b, "%s %s", i == w->places ? ", spare" : "", facts_of(item, i)->path);
    for (size_t i = 0; i < w->raid->devices.n; i++) {
        const DeviceFacts *f = facts_of(item, i);
        if (f->exists && f->raid.member && member_kind(item->arena, w, f) != MEMBER_OURS)
            buf_addf(&b, "; over what %s has of array '%s'", f->path, f->raid.name ? f->raid.name : "");
        else if (f->exists && f->superblock.type && !f->raid.member)
            buf_addf(&b, "; over the %s on %s", f->superblock.type, f->path);
        else if (f->exists && f->table.kind != TABLE_NONE)
            buf_addf(&b, "; over the partition table of %s", f->path);
    }
    return arena_memdup(item->arena, b.data, b.len);
}

static void plan_create(StorageItem *item, const Array *w, RaidPlan *p)
{
    const char *object = arena_printf(item->arena, "array %s", w->raid->name);
    p->action = RAID_CREATE;
    p->argv = create_argv(item, w);
    p->stop = arrays_of(item, w->raid->devices.n);
    storage_change_add(
        item,
        (StorageChange){.verb = w->ours || p->stop[0] ? STORAGE_RECREATE : STORAGE_CREATE,
                        .noun = "array",
                        .object = object,
                        .detail = w->ours ? arena_printf(item->arena, "%s; an incomplete one is made again",
                                                         create_detail(item, w))
                                          : create_detail(item, w)});
}

/* Everything is there; `named` says whether its device leads to it. */
static void plan_use(StorageItem *item, const Array *w, RaidPlan *p, bool named)
{
    const char *object = arena_printf(item->arena, "array %s", w->raid->name);
    const char *health =
        w->in_place < w->places
            ? arena_printf(item->arena, "%s, degraded: %zu of %u devices", w->level, w->in_place, w->places)
            : arena_printf(item->arena, "%s of %u devices", w->level, w->places);
    if (w->active && named) {
        p->action = RAID_KEEP;
        storage_change_add(
            item, (StorageChange){.verb = STORAGE_KEEP, .noun = "array", .object = object, .detail = health});
        return;
    }
    p->action = RAID_ASSEMBLE;
    p->argv = assemble_argv(item, w, p->device);
    p->stop = arrays_of(item, w->raid->devices.n);
    storage_change_add(item,
                       (StorageChange){.verb = STORAGE_CHANGE,
                                       .noun = "array",
                                       .object = object,
                                       .detail = arena_printf(item->arena, "%s; %s", health,
                                                              w->active ? "is started again under its name"
                                                                        : "is started")});
}

/* The name is free, or leads to an array of the members; *ret_named: the latter. */
static void check_name(const StorageContext *c, StorageItem *item, const char *device, bool *ret_named)
{
    DeviceFacts f = {0};
    Error e = ERROR_INIT;
    *ret_named = false;
    if (inspector_look(c->inspector, item->arena, device, 0, &f, &e) < 0 || !f.exists)
        return;
    const char *slash = f.real ? strrchr(f.real, '/') : NULL;
    for (size_t i = 0; slash && i < item->needs.n; i++)
        *ret_named = *ret_named ||
                     (facts_of(item, i)->raid.array && strcmp(slash + 1, facts_of(item, i)->raid.array) == 0);
    if (!*ret_named)
        storage_refuse(item, "name",
                       "%s is there already and is another array, %s; stop it with 'mdadm --stop'", device,
                       f.real ? f.real : f.path);
}

/* It once ran, and what is there is not all of it, or of several. */
static void refuse_incomplete(StorageItem *item, const Array *w, const char *device)
{
    if (w->ours == w->raid->devices.n)
        storage_refuse(item, "devices",
                       "the devices of array '%s' belong to several arrays of that name that were in use; "
                       "clear those that are not meant with 'mdadm --zero-superblock'",
                       w->raid->name);
    for (size_t i = 0; i < w->raid->devices.n; i++) {
        const DeviceFacts *f = facts_of(item, i);
        if (member_kind(item->arena, w, f) == MEMBER_OURS)
            continue;
        storage_refuse(
            item, "devices",
            "array '%s' (UUID %s) was in use and %s is no part of it; %s, or clear the others with "
            "'mdadm --zero-superblock'",
            w->raid->name, w->first_uuid, f->path,
            w->redundant ? arena_printf(item->arena, "add it with 'mdadm %s --add %s'", device, f->path)
                         : "declare the devices that it was made of");
    }
}

void raid_plan_make(const StorageContext *c, StorageItem *item)
{
    Array w = array_declared(item);
    RaidPlan *p = ARENA_NEW(item->arena, RaidPlan);
    size_t n = w.raid->devices.n;
    bool named;

    p->device = raid_plan_device(item->arena, w.raid->name);
    for (size_t i = 0; i < n; i++) {
        refuse_twice(item, i);
        if (!facts_of(item, i)->exists)
            continue;
        refuse_busy(item, facts_of(item, i));
        member_judge(c, item, &w, facts_of(item, i));
    }
    for (size_t i = 0; i < n; i++)
        if (facts_of(item, i)->raid.array && item->report.errors == 0)
            refuse_strangers(item, &w, facts_of(item, i));
    check_name(c, item, p->device, &named);
    if (item->report.errors > 0)
        return;
    if (w.ours == n && w.one)
        plan_use(item, &w, p, named);
    else if (w.ours == 0 || (!w.started && !w.running))
        plan_create(item, &w, p);
    else
        refuse_incomplete(item, &w, p->device);
    item->plan = p;
}
