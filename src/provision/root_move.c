/* A filesystem of the config takes the place of the root when it has the root's label (or path /, or the
 * UUID that root= names) and is made anew or on another device. The root of now is what root= of the kernel's
 * command line names, else the filesystem labelled "root"; /boot is the one labelled "boot". Mistakes are
 * told before anything is touched, since afterwards it is too late: the device of the root is made into
 * something else (a volume, an array, another filesystem, a new table) and no filesystem takes its place; the
 * root goes into a container whose only key would lie inside it. */
#include "provision/root_move.h"

#include <errno.h>
#include <string.h>

#include "provision/clevis.h"
#include "system/cmdline.h"

static const char *const places[] = {"root", "boot"}; /* labels, and names in the store */

static const char *by(Arena *a, const char *dir, const char *value)
{
    return arena_printf(a, "/dev/disk/by-%s/%s", dir, value);
}

const char *root_move_name(Arena *a, const char *cmdline, const char **ret_label)
{
    static const struct {
        const char *tag, *dir;
    } tags[] = {
        {"LABEL=", "label"}, {"UUID=", "uuid"}, {"PARTLABEL=", "partlabel"}, {"PARTUUID=", "partuuid"}};
    const char *root = cmdline_last(a, cmdline, CMDLINE_QUOTED, "root");
    *ret_label = "root";
    for (size_t i = 0; root && i < ELEMENTS(tags); i++)
        if (strncmp(root, tags[i].tag, strlen(tags[i].tag)) == 0) {
            const char *value = root + strlen(tags[i].tag);
            if (i == 0)
                *ret_label = value;
            return by(a, tags[i].dir, value);
        }
    return root && strncmp(root, "/dev/", 5) == 0 ? root : by(a, "label", "root");
}

/* The UUID of root=UUID=…, NULL: it says something else. */
static const char *root_uuid(Arena *a, const char *cmdline)
{
    const char *root = cmdline_last(a, cmdline, CMDLINE_QUOTED, "root");
    return root && strncmp(root, "UUID=", 5) == 0 ? root + 5 : NULL;
}

static bool takes_place(const IgnFilesystem *f, const char *label, const char *path)
{
    return (f->label && strcmp(f->label, label) == 0) || (f->path && strcmp(f->path, path) == 0);
}

const IgnFilesystem *root_move_filesystem(Arena *a, const IgnConfig *c, const char *cmdline)
{
    const char *label, *uuid = root_uuid(a, cmdline);
    const IgnFilesystem *found = NULL;
    (void)root_move_name(a, cmdline, &label);
    IGN_EACH (const IgnFilesystem, f, c->storage.filesystems)
        if (takes_place(f, label, "/") || (uuid && f->uuid && strcasecmp(f->uuid, uuid) == 0))
            found = f;
    return found;
}

static const IgnFilesystem *boot_filesystem(const IgnConfig *c)
{
    const IgnFilesystem *found = NULL;
    IGN_EACH (const IgnFilesystem, f, c->storage.filesystems)
        if (takes_place(f, "boot", "/boot"))
            found = f;
    return found;
}

static bool same_device(Arena *a, const RootDevices *d, const char *name, const char *device)
{
    const char *now = name ? d->resolve(d->context, a, name) : NULL;
    return now && strcmp(now, device) == 0;
}

static const IgnLuks *luks_of(const IgnStorage *s, const char *device)
{
    IGN_EACH (const IgnLuks, l, s->luks)
        if (strncmp(device, "/dev/mapper/", 12) == 0 && strcmp(device + 12, l->name) == 0)
            return l;
    return NULL;
}

/* One object of the config that takes the device of a filesystem which is not moved. */
typedef struct Taker {
    const char *section;
    size_t index;
    const Node *node;
    const char *device, *how;
} Taker;

static void taken(const RootMove *m, const Taker *t, Report *r)
{
    report_add(r, SEVERITY_ERROR, PATH_INDEX(PATH_KEY(PATH_KEY(NULL, "storage"), t->section), t->index),
               t->node,
               "%s holds the filesystem '%s', which would be lost: add a filesystem with that label and "
               "wipeFilesystem %s",
               t->device, m->label, t->how);
}

static void check_members(Arena *a, const RootDevices *d, const RootMove *m, const IgnList *devices, Taker t,
                          Report *r)
{
    for (size_t i = 0; i < devices->n; i++) {
        t.device = IGN_STRING_AT(*devices, i);
        if (same_device(a, d, t.device, m->from))
            taken(m, &t, r);
    }
}

/* The device becomes a part of something else while the filesystem on it is not moved. */
static void check_lost(Arena *a, const IgnConfig *c, const RootDevices *d, const RootMove *m, Report *r)
{
    size_t i = 0;
    IGN_EACH (const IgnLuks, l, c->storage.luks) {
        const Taker t = {"luks", i++, l->node, l->device,
                         arena_printf(a, "on /dev/mapper/%s to move it into the volume", l->name)};
        if (same_device(a, d, l->device, m->from))
            taken(m, &t, r);
    }
    i = 0;
    IGN_EACH (const IgnRaid, raid, c->storage.raid)
        check_members(a, d, m, &raid->devices, (Taker){"raid", i++, raid->node, NULL, "to move it"}, r);
    i = 0;
    IGN_EACH (const IgnVolumeGroup, g, c->storage.volume_groups)
        check_members(a, d, m, &g->devices, (Taker){"volumeGroups", i++, g->node, NULL, "to move it"}, r);
    i = 0;
    IGN_EACH (const IgnFilesystem, f, c->storage.filesystems) {
        const Taker t = {"filesystems", i++, f->node, f->device, "to move it, or give this one the label"};
        if (f->wipe_filesystem == BOOL_TRUE && same_device(a, d, f->device, m->from))
            taken(m, &t, r);
    }
}

/* Its partition goes. */
static bool partition_goes(const IgnDisk *disk, int number)
{
    if (disk->wipe_table == BOOL_TRUE)
        return true;
    IGN_EACH (const IgnPartition, p, disk->partitions)
        if (p->number.set && p->number.value == number && p->should_exist == BOOL_FALSE &&
            p->wipe_partition_entry == BOOL_TRUE)
            return true;
    return false;
}

/* The partition goes with its table, or from it. Of /boot only where it is on the root's disk: another disk
 * may have one of an older system. A root that the config declares without wipeFilesystem is not meant: its
 * partition is made in the same place again, and it is found there, as after a power cut. */
static void check_table(Arena *a, const IgnConfig *c, const RootDevices *d, const RootMove *m,
                        const char *root, Report *r)
{
    int number, ignored;
    const char *disk = d->disk(d->context, a, m->from, &number);
    const char *other = disk && root ? d->disk(d->context, a, root, &ignored) : NULL;
    size_t i = 0;
    if (!other || strcmp(disk, other) != 0)
        return;
    IGN_EACH (const IgnDisk, k, c->storage.disks) {
        const Taker t = {"disks", i++, k->node, k->device, "to move it"};
        if (partition_goes(k, number) && same_device(a, d, k->device, disk))
            taken(m, &t, r);
    }
}

static void check_key(const IgnStorage *s, const RootMove *m, Report *r)
{
    const IgnLuks *l = luks_of(s, m->to->device);
    if (!l || clevis_wanted(l))
        return;
    bool given = l->key_file.source && *l->key_file.source;
    report_add(r, given ? SEVERITY_WARNING : SEVERITY_ERROR, NULL, l->node,
               given ? "the key file of '%s' will lie inside the volume that it opens: without clevis "
                       "somebody has to type "
                       "the key at each boot"
                     : "the key of '%s' would lie inside the volume that it opens, and nobody could open it: "
                       "add clevis (tpm2 "
                       "or tang)",
               l->name);
}

/* A root that is named by what does not outlive the move is waited for in vain. */
static void check_named(Arena *a, const char *cmdline, const RootMove *m, Report *r)
{
    const char *root = cmdline_last(a, cmdline, CMDLINE_QUOTED, "root");
    if (strcmp(m->label, "root") != 0 || !root || strncmp(root, "LABEL=", 6) == 0 ||
        strncmp(root, "/dev/disk/by-label/", 19) == 0)
        return;
    const char *uuid = root_uuid(a, cmdline);
    if (uuid && m->to->uuid && strcasecmp(uuid, m->to->uuid) == 0)
        return;
    report_add(r, SEVERITY_ERROR, NULL, m->to->node,
               "the root is to move, but the kernel argument root=%s names it where it is now: boot with "
               "root=LABEL=root, or "
               "with root=UUID=… of the uuid that the config gives the new one",
               root);
}

static const char *loader_partition(const char *type_guid)
{
    static const char *const types[][2] = {
        {"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "an EFI system partition"},
        {"21686148-6449-6e6f-744e-656564454649", "a BIOS boot partition"},
        {"9e1a2d38-c612-4316-aa26-8b49521e5a8b", "a PReP partition"}};
    for (size_t i = 0; type_guid && i < ELEMENTS(types); i++)
        if (strcasecmp(type_guid, types[i][0]) == 0)
            return types[i][1];
    return NULL;
}

/* The disk that the machine started from gets a new table, and new partitions for a boot loader: what was in
 * the old ones does not come along. */
static void check_loader(Arena *a, const IgnConfig *c, const RootDevices *d, const char *root, Report *r)
{
    int ignored;
    const char *disk = root ? d->disk(d->context, a, root, &ignored) : NULL;
    size_t i = 0;
    IGN_EACH (const IgnDisk, k, c->storage.disks) {
        const PathStep *at = PATH_INDEX(PATH_KEY(PATH_KEY(NULL, "storage"), "disks"), i++);
        if (k->wipe_table != BOOL_TRUE || !disk || !same_device(a, d, k->device, disk))
            continue;
        IGN_EACH (const IgnPartition, p, k->partitions)
            if (loader_partition(p->type_guid))
                report_add(
                    r, SEVERITY_ERROR, at, p->node,
                    "%s, which the machine started from, would get %s that is empty, since a boot loader is "
                    "not moved with the root, and would not start again: keep its table (no wipeTable) and "
                    "declare only what is new",
                    k->device, loader_partition(p->type_guid));
    }
}

void root_move_plan(Arena *a, const IgnConfig *c, const char *cmdline, const RootDevices *d, RootMoves *ret,
                    Report *report)
{
    const char *label;
    const char *const names[] = {root_move_name(a, cmdline, &label), by(a, "label", "boot")};
    const char *root = d->resolve(d->context, a, names[0]);
    *ret = (RootMoves){0};
    for (size_t i = 0; i < ELEMENTS(places); i++) {
        RootMove m = {.label = places[i], .from = d->resolve(d->context, a, names[i])};
        if (!m.from)
            continue;
        m.to = i == 0 ? root_move_filesystem(a, c, cmdline) : boot_filesystem(c);
        if (!m.to) {
            check_table(a, c, d, &m, root, report);
            check_lost(a, c, d, &m, report);
            continue;
        }
        if (m.to->wipe_filesystem != BOOL_TRUE && same_device(a, d, m.to->device, m.from))
            continue;
        check_key(&c->storage, &m, report);
        check_named(a, cmdline, &m, report);
        ret->items[ret->n++] = m;
    }
    if (ret->n)
        check_loader(a, c, d, root, report);
}

static const IgnRaid *raid_of(const IgnStorage *s, const char *device)
{
    IGN_EACH (const IgnRaid, r, s->raid)
        if (strncmp(device, "/dev/md/", 8) == 0 && strcmp(device + 8, r->name) == 0)
            return r;
    return NULL;
}

static bool needs_network(const IgnLuks *l)
{
    return l->clevis.tang.n ||
           (l->clevis.custom.pin && *l->clevis.custom.pin && l->clevis.custom.needs_network == BOOL_TRUE);
}

/* From the disks up, so that the last one is root= itself. A name may go through more layers than a config
 * can have. */
static int chain_arguments(Arena *a, const IgnStorage *s, const char *device, unsigned depth,
                           RootUuid uuid_of, StringList *ret, Error *e)
{
    const IgnLuks *l = luks_of(s, device);
    const IgnRaid *raid = l ? NULL : raid_of(s, device);
    const char *uuid;
    int r = 0;
    if (depth > s->luks.n + s->raid.n)
        return error_set(e, ELOOP, "%s stands on itself", device);
    if (raid && raid->devices.n)
        r = chain_arguments(a, s, IGN_STRING_AT(raid->devices, 0), depth + 1, uuid_of, ret, e);
    if (l)
        r = chain_arguments(a, s, l->device, depth + 1, uuid_of, ret, e);
    if (r >= 0 && (l || raid))
        r = uuid_of(a, l ? "luks" : "raid", l ? l->device : device, &uuid, e);
    if (r < 0)
        return r;
    if (raid)
        string_list_add(ret, arena_printf(a, "rd.md.uuid=%s", uuid));
    if (l)
        string_list_add(ret, arena_printf(a, "rd.luks.name=%s=%s", uuid, l->name));
    if (l && needs_network(l)) {
        string_list_add(ret, "rd.neednet=1");
        string_list_add(ret, "rd.luks.options=_netdev");
    }
    return 0;
}

int root_move_arguments(Arena *a, const IgnStorage *s, const IgnFilesystem *root, RootUuid uuid_of,
                        StringList *ret, Error *e)
{
    const char *uuid;
    int r = chain_arguments(a, s, root->device, 0, uuid_of, ret, e);
    if (r >= 0)
        r = uuid_of(a, "filesystem", root->device, &uuid, e);
    if (r < 0)
        return r;
    string_list_add(ret, arena_printf(a, "root=UUID=%s", uuid));
    string_list_add(ret, "rw");
    return 0;
}
