/* Groups are not in the spec; their fields mean what those of partitions mean. By what the devices hold:
 *
 *   nothing, or physical volumes without a group     the group is made
 *   all, and no other device, are of this group      it is kept; only its volumes are looked at
 *   some are of this group, which has no volume yet  making it was interrupted: it is made again
 *   some are of this group, which has volumes        refused: a device was exchanged
 *   anything else                                    refused, unless wipeVolumeGroup; then what is there
 * goes, at each run, as with wipeTable
 *
 * Volumes of a group that is kept: one that is there stays when its size is the declared one, rounded up as
 * LVM does; it grows with `resize`; it never shrinks, which no file system would survive. wipeVolume makes it
 * anew. Volumes that are not declared stay. Without a size a volume that is there may have any.
 *
 * Order: deletions, changes, new volumes in the order of the config, last the one that takes the rest. A new
 * volume carries a tag until all of them are done: LVM clears old signatures only after the volume is written
 * down, and a cut in between would give an old file system back. What has the tag is made again. */
#include "provision/lvm_plan.h"

#include <inttypes.h>
#include <string.h>

#include "provision/wiped_device.h"
#include "system/block_device.h"

enum { MIB_SHIFT = 20, WORDS_MAX = 16, STEPS_BASE = 8, STEPS_A_VOLUME = 3 };

typedef struct Group {
    const IgnVolumeGroup *declared;
    const LvmFacts *found; /* the newest of its devices' metadata, when the group is kept */
    const StorageContext *context;
    StorageItem *item;
    LvmPlan *plan;
    bool wipe;
} Group;

/* ---- steps ---- */

/* Words, ended by NULL, then the words of a list; then `last`, if it is not NULL. */
static const char *const *words(Arena *a, const char *const *first, const IgnList *list, const char *last)
{
    size_t n = 0, m = list ? list->n : 0;
    while (first[n])
        n++;
    const char **argv = ARENA_ARRAY(a, const char *, n + m + 2);
    for (size_t i = 0; i < n; i++)
        argv[i] = first[i];
    for (size_t i = 0; i < m; i++)
        argv[n++] = IGN_STRING_AT(*list, i);
    if (last)
        argv[n++] = last;
    return argv;
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void step_add(Group *g, const char *what, const char *const *argv)
{
    g->plan->steps[g->plan->n++] = (LvmStep){.what = arena_strdup(g->item->arena, what), .argv = argv};
}

static const char *both_names(const Group *g, const IgnVolume *v)
{
    return arena_printf(g->item->arena, "%s/%s", g->declared->name, v->name);
}

static void plan_removal(Group *g, const IgnVolume *v)
{
    Arena *a = g->item->arena;
    const char *name = both_names(g, v);
    step_add(g, arena_printf(a, "deleting volume %s", name),
             words(a, WORDS("lvremove", "--yes", "--force"), NULL, name));
}

static void plan_creation(Group *g, const IgnVolume *v)
{
    Arena *a = g->item->arena;
    bool rest = v->size_mib.value == 0;
    const char *const *first = WORDS("lvcreate", "--yes", "--name", v->name, "--addtag", LVM_UNFINISHED,
                                     rest ? "--extents" : "--size",
                                     rest ? "100%FREE" : arena_printf(a, "%" PRId64 "m", v->size_mib.value));
    step_add(g, arena_printf(a, "creating volume %s", both_names(g, v)),
             words(a, first, &v->options, g->declared->name));
}

/* ---- volumes ---- */

static const LvmVolume *volume_found(const Group *g, const char *name)
{
    for (size_t i = 0; g->found && i < g->found->n_volumes; i++)
        if (strcmp(g->found->volumes[i].name, name) == 0)
            return &g->found->volumes[i];
    return NULL;
}

static bool is_unfinished(const LvmVolume *v)
{
    for (size_t i = 0; v->tags && v->tags[i]; i++)
        if (strcmp(v->tags[i], LVM_UNFINISHED) == 0)
            return true;
    return false;
}

static const char *size_text(Arena *a, const IgnVolume *v)
{
    return v->size_mib.value == 0 ? "all that is left"
                                  : arena_printf(a, "%" PRId64 " MiB", v->size_mib.value);
}

/* At the field of the volume; storage_refuse() knows only those of the group. */
static void refuse_volume(Group *g, size_t i, const char *text)
{
    storage_refuse(g->item, "volumes", "volume %s/%s: %s", g->declared->name,
                   IGN_AT(g->declared->volumes, IgnVolume, i)->name, text);
}

static void judge_size(Group *g, size_t i, const LvmVolume *found)
{
    Arena *a = g->item->arena;
    const IgnVolume *v = IGN_AT(g->declared->volumes, IgnVolume, i);
    const char *object = arena_printf(a, "volume %s", both_names(g, v));
    uint64_t wanted = (uint64_t)v->size_mib.value << MIB_SHIFT, size = found->size;
    uint64_t round = found->granularity ? found->granularity : 1;

    if (v->size_mib.value == 0 || (size >= wanted && size - wanted < round)) {
        storage_change_add(g->item,
                           (StorageChange){.verb = STORAGE_KEEP,
                                           .noun = "logical volume",
                                           .object = object,
                                           .detail = arena_printf(a, "%" PRIu64 " MiB", size >> MIB_SHIFT)});
        return;
    }
    if (size > wanted) {
        refuse_volume(g, i,
                      arena_printf(a,
                                   "it has %" PRIu64 " MiB, %" PRId64
                                   " MiB are declared; volumes are not made smaller: declare its size, or "
                                   "wipeVolume to make it anew",
                                   size >> MIB_SHIFT, v->size_mib.value));
        return;
    }
    if (v->resize != BOOL_TRUE) {
        refuse_volume(g, i,
                      arena_printf(a,
                                   "it has %" PRIu64 " MiB, %" PRId64
                                   " MiB are declared; resize lets it grow, wipeVolume makes it anew",
                                   size >> MIB_SHIFT, v->size_mib.value));
        return;
    }
    step_add(g, arena_printf(a, "growing volume %s", both_names(g, v)),
             words(a,
                   WORDS("lvextend", "--yes", "--size", arena_printf(a, "%" PRId64 "m", v->size_mib.value)),
                   NULL, both_names(g, v)));
    storage_change_add(g->item,
                       (StorageChange){.verb = STORAGE_CHANGE,
                                       .noun = "logical volume",
                                       .object = object,
                                       .detail = arena_printf(a, "from %" PRIu64 " to %" PRId64 " MiB",
                                                              size >> MIB_SHIFT, v->size_mib.value)});
}

/* What is there goes, or need not come. */
static bool is_removed(const Group *g, const IgnVolume *v)
{
    const LvmVolume *found = volume_found(g, v->name);
    return v->should_exist == BOOL_FALSE || (found && (v->wipe_volume == BOOL_TRUE || is_unfinished(found)));
}

/* What is there and declared. True: it is to be made. */
static bool judge_volume(Group *g, size_t i)
{
    Arena *a = g->item->arena;
    const IgnVolume *v = IGN_AT(g->declared->volumes, IgnVolume, i);
    const LvmVolume *found = volume_found(g, v->name);
    const char *object = arena_printf(a, "volume %s", both_names(g, v));

    if (v->should_exist == BOOL_FALSE) {
        if (found) {
            plan_removal(g, v);
            storage_change_add(
                g->item, (StorageChange){.verb = STORAGE_DELETE, .noun = "logical volume", .object = object});
        }
        return false;
    }
    if (!found) {
        storage_change_add(g->item, (StorageChange){.verb = STORAGE_CREATE,
                                                    .noun = "logical volume",
                                                    .object = object,
                                                    .detail = size_text(a, v)});
        return true;
    }
    if (is_removed(g, v)) {
        plan_removal(g, v);
        storage_change_add(
            g->item,
            (StorageChange){
                .verb = STORAGE_RECREATE,
                .noun = "logical volume",
                .object = object,
                .detail = is_unfinished(found)
                              ? arena_printf(a, "%s; an interrupted creation is made again", size_text(a, v))
                              : size_text(a, v)});
        return true;
    }
    judge_size(g, i, found);
    return false;
}

static void plan_volumes(Group *g)
{
    const IgnList *volumes = &g->declared->volumes;
    Arena *a = g->item->arena;
    bool *make = ARENA_ARRAY(a, bool, volumes->n);
    const char **tagged = ARENA_ARRAY(a, const char *, volumes->n + 4);
    size_t n = 0;

    for (unsigned stays = 0; stays < 2; stays++) /* what goes makes room */
        for (size_t i = 0; i < volumes->n; i++)
            if (is_removed(g, IGN_AT(*volumes, IgnVolume, i)) != stays)
                make[i] = judge_volume(g, i);
    tagged[n++] = "lvchange";
    tagged[n++] = "--deltag";
    tagged[n++] = LVM_UNFINISHED;
    for (unsigned rest = 0; rest < 2; rest++)
        for (size_t i = 0; i < volumes->n; i++) {
            const IgnVolume *v = IGN_AT(*volumes, IgnVolume, i);
            if (!make[i] || (v->size_mib.value == 0) != rest)
                continue;
            plan_creation(g, v);
            tagged[n++] = both_names(g, v);
        }
    if (n > 3)
        step_add(g, arena_printf(a, "marking the volumes of %s as done", g->declared->name), tagged);
}

/* ---- the group ---- */

static bool is_of(const Group *g, const DeviceFacts *f)
{
    return f->exists && f->lvm.group && strcmp(f->lvm.group, g->declared->name) == 0;
}

/* What stands there and is not the group; NULL: nothing. */
static const char *foreign_content(const Group *g, const DeviceFacts *f)
{
    Arena *a = g->item->arena;
    if (!f->exists || is_of(g, f))
        return NULL;
    if (f->lvm.group)
        return arena_printf(a, "belongs to volume group %s", f->lvm.group);
    if (f->lvm.pv_uuid)
        return NULL;
    if (f->superblock.type || f->superblock.ambivalent)
        return arena_printf(a, "holds %s", f->superblock.type ? f->superblock.type : "several signatures");
    if (f->table.kind != TABLE_NONE)
        return "has a partition table";
    return NULL;
}

/* In use by anything but the group's own volumes. */
static void refuse_busy(const Group *g, const DeviceFacts *f)
{
    for (size_t i = 0; i < f->n_holders; i++) {
        const DeviceHolder *h = &f->holders[i];
        if ((h->kind == HOLDER_LVM || h->kind == HOLDER_DM) && h->partition == 0 && is_of(g, f))
            continue;
        const char *who = device_holder_text(g->item->arena, h);
        if (h->partition)
            storage_refuse(g->item, "devices", "partition %u of %s is in use: %s", h->partition, f->path,
                           who);
        else
            storage_refuse(g->item, "devices", "%s is in use: %s", f->path, who);
    }
}

/* The devices one by one; *ret_of: how many belong to the group already. */
static void judge_devices(Group *g, size_t *ret_of)
{
    const IgnList *devices = &g->declared->devices;
    const LvmFacts *first = NULL;
    for (size_t i = 0; i < devices->n; i++) {
        const DeviceFacts *f = &g->item->facts[i];
        for (size_t k = 0; k < i; k++)
            if (f->exists && g->item->facts[k].exists && f->real && g->item->facts[k].real &&
                strcmp(f->real, g->item->facts[k].real) == 0)
                storage_refuse(g->item, "devices", "%s and %s are the same device", g->item->facts[k].path,
                               f->path);
        if (!f->exists)
            continue;
        refuse_busy(g, f);
        const char *foreign = foreign_content(g, f);
        if (foreign && !g->wipe && !device_is_given_up(g->context, g->item->arena, f))
            storage_refuse(g->item, "devices",
                           "%s %s; volume group '%s' is made over it only with wipeVolumeGroup", f->path,
                           foreign, g->declared->name);
        if (!is_of(g, f))
            continue;
        if (first && strcmp(first->group_uuid, f->lvm.group_uuid) != 0 && !g->wipe)
            storage_refuse(
                g->item, "devices",
                "%s belongs to another volume group of the name '%s'; wipeVolumeGroup makes one of all "
                "devices, and ends what is in them",
                f->path, g->declared->name);
        first = &f->lvm;
        if (!g->found || f->lvm.seqno > g->found->seqno)
            g->found = &f->lvm;
        (*ret_of)++;
    }
}

static void judge_members(Group *g, size_t of)
{
    size_t n = g->declared->devices.n;
    if (of == 0 || g->wipe)
        return;
    if (of < n && g->found->n_volumes > 0)
        for (size_t i = 0; i < n; i++) {
            const DeviceFacts *f = &g->item->facts[i];
            if (!is_of(g, f))
                storage_refuse(
                    g->item, "devices",
                    "volume group '%s' has volumes and %s is no part of it; add it with 'vgextend', or "
                    "let wipeVolumeGroup make the group anew",
                    g->declared->name, f->path);
        }
    else if (of == n && g->found->group_devices != n)
        storage_refuse(
            g->item, "devices",
            "volume group '%s' has %u devices, %zu are declared; declare all of them, take the others "
            "out with 'vgreduce', or let wipeVolumeGroup make the group anew",
            g->declared->name, g->found->group_devices, n);
}

static const char *device_path(const DeviceFacts *f)
{
    return f->real ? f->real : f->path;
}

static void plan_group(Group *g, bool active)
{
    Arena *a = g->item->arena;
    const IgnVolumeGroup *d = g->declared;
    const char **devices = ARENA_ARRAY(a, const char *, d->devices.n + 1);
    const IgnList list = {.items = devices, .n = d->devices.n};
    _cleanup_buf_ Buf detail = BUF_INIT;
    bool clear = false;

    g->plan->clear = devices;
    buf_add_str(&detail, "of");
    for (size_t i = 0; i < d->devices.n; i++) {
        const DeviceFacts *f = &g->item->facts[i];
        devices[i] = device_path(f);
        clear = clear || (f->exists && (f->lvm.pv_uuid || foreign_content(g, f)));
        buf_addf(&detail, " %s", f->path);
    }
    if (active)
        step_add(g, arena_printf(a, "deactivating volume group %s", d->name),
                 words(a, WORDS("vgchange", "--activate", "n", d->name), NULL, NULL));
    if (clear) /* by superblock_wipe(): lvm does not touch a disk with partitions, nor a group that lacks some
                */
        step_add(g, arena_printf(a, "clearing the devices of volume group %s", d->name), NULL);
    step_add(g, arena_printf(a, "creating volume group %s", d->name),
             words(a, words(a, WORDS("vgcreate", "--yes"), &d->options, d->name), &list, NULL));
    storage_change_add(g->item, (StorageChange){.verb = clear ? STORAGE_RECREATE : STORAGE_CREATE,
                                                .noun = "volume group",
                                                .object = arena_printf(a, "volume group %s", d->name),
                                                .detail = detail.data});
}

/* Volumes of it hold one of the devices. */
static bool is_active(const Group *g)
{
    for (size_t i = 0; i < g->declared->devices.n; i++)
        for (size_t h = 0; h < g->item->facts[i].n_holders; h++)
            if (g->item->facts[i].holders[h].kind == HOLDER_LVM)
                return true;
    return false;
}

static bool is_there(const StorageContext *c, StorageItem *item, const char *device)
{
    DeviceFacts f = {0};
    return inspector_look(c->inspector, item->arena, device, 0, &f, NULL) >= 0 && f.exists;
}

/* After a boot nothing has activated what is kept. */
static void plan_activation(const StorageContext *c, Group *g)
{
    Arena *a = g->item->arena;
    const IgnList *volumes = &g->declared->volumes;
    const char **devices = ARENA_ARRAY(a, const char *, volumes->n + 1);
    size_t n = 0;
    bool missing = false;
    IGN_EACH (IgnVolume, v, *volumes) {
        if (v->should_exist == BOOL_FALSE)
            continue;
        devices[n] = arena_printf(a, "/dev/%s", both_names(g, v));
        missing = missing || (volume_found(g, v->name) && !is_there(c, g->item, devices[n]));
        n++;
    }
    g->plan->devices = devices;
    if (!missing)
        return;
    step_add(g, arena_printf(a, "activating volume group %s", g->declared->name),
             words(a, WORDS("vgchange", "--activate", "y", g->declared->name), NULL, NULL));
    if (!storage_changes_any(&g->item->changes))
        storage_change_add(g->item,
                           (StorageChange){.verb = STORAGE_CHANGE,
                                           .noun = "volume group",
                                           .object = arena_printf(a, "volume group %s", g->declared->name),
                                           .detail = "is activated"});
}

void lvm_plan_make(const StorageContext *c, StorageItem *item)
{
    Group g = {
        .declared = item->object,
        .context = c,
        .item = item,
        .plan = ARENA_NEW(item->arena, LvmPlan),
    };
    size_t of = 0, n = g.declared->devices.n;

    g.wipe = g.declared->wipe_volume_group == BOOL_TRUE;
    g.plan->steps = ARENA_ARRAY(item->arena, LvmStep, STEPS_BASE + STEPS_A_VOLUME * g.declared->volumes.n);
    judge_devices(&g, &of);
    judge_members(&g, of);
    if (item->report.errors > 0)
        return;
    if (g.wipe || of < n) {
        plan_group(&g, is_active(&g));
        g.found = NULL;
    } else {
        storage_change_add(
            item, (StorageChange){.verb = STORAGE_KEEP,
                                  .noun = "volume group",
                                  .object = arena_printf(item->arena, "volume group %s", g.declared->name)});
    }
    plan_volumes(&g);
    plan_activation(c, &g);
    if (item->report.errors == 0)
        item->plan = g.plan;
}
