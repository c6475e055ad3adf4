/* Rules, in this order: what the config says of itself (options, pins); who uses the device; then what is on
 * it. nothing                     a container is made wipeVolume                  a container is made,
 * whatever was there an unfinished container     is made again: an earlier run was interrupted, nobody has
 * its key a finished LUKS2 container  is opened, when label, UUID, discard and what opens it are as declared;
 * its key comes from keyFile or from its Clevis token, bound with the same pins anything else is refused,
 * with what is there Compared with Ignition, containers bound by Clevis can be used again (it always
 * refuses), and a device with partitions counts as in use. */
#include "provision/luks_plan.h"

#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "provision/clevis.h"
#include "system/luks_device.h"

static const char how_on[] = "; to replace it set wipeVolume, which destroys everything on it";

static const char *const holder_kinds[] = {
    [HOLDER_MOUNT] = "mounted on", [HOLDER_SWAP] = "used as swap", [HOLDER_LVM] = "part of the volume group",
    [HOLDER_DM] = "mapped as",     [HOLDER_MD] = "a member of",    [HOLDER_OTHER] = "held by",
};

static void take_options(StorageItem *item, const IgnLuks *l, LuksPlan *p)
{
    static const struct {
        LuksOptionsFor which;
        const char *field;
    } lists[] = {{LUKS_FOR_FORMAT, "options"}, {LUKS_FOR_OPEN, "openOptions"}};
    for (size_t i = 0; i < ELEMENTS(lists); i++) {
        const IgnList *list = i ? &l->open_options : &l->options;
        _cleanup_(string_list_done)
        StringList problems = {0};
        luks_options_read(item->arena, lists[i].which, (const char *const *)list->items, list->n, &p->options,
                          &problems);
        for (size_t k = 0; k < problems.n; k++)
            storage_refuse(item, lists[i].field, "%s", problems.items[k]);
    }
    LuksOptions *o = &p->options;
    o->label = o->label ? o->label : l->label;
    o->uuid = o->uuid ? o->uuid : l->uuid;
    o->subsystem = LUKS_UNFINISHED;
    if (l->discard == BOOL_TRUE)
        o->flags |= LUKS_ALLOW_DISCARDS;
}

static void check_config(StorageItem *item, const IgnLuks *l)
{
    const char *contradiction = clevis_contradiction(item->arena, l);
    if (contradiction)
        storage_refuse(item, "clevis", "%s", contradiction);
    if (l->cex.enabled == BOOL_TRUE) {
        struct utsname machine = {0};
        uname(&machine);
        bool z = strcmp(machine.machine, "s390x") == 0;
        storage_refuse(item, "cex",
                       z ? "volumes bound to a CryptoExpress card are not supported yet"
                         : "a CryptoExpress card is in IBM Z machines (s390x) alone; this machine is %s",
                       machine.machine);
    }
}

/* True: refused. A mapping under our own name does not count; it is closed before its container goes. */
static bool check_holders(StorageItem *item, const IgnLuks *l, const DeviceFacts *f, LuksPlan *p)
{
    bool busy = false;
    for (size_t i = 0; i < f->n_holders; i++) {
        const DeviceHolder *h = &f->holders[i];
        if (h->kind == HOLDER_DM && !h->partition && f->luks.opened &&
            (strcmp(h->what, l->name) == 0 || strcmp(h->what, f->luks.mapping) == 0))
            continue;
        storage_refuse(item, "device", "%s is in use: %s%s %s", f->real,
                       h->partition ? "a partition of it is " : "", holder_kinds[h->kind], h->what);
        busy = true;
    }
    if (f->luks.opened && p->action == LUKS_MAKE)
        p->close = f->luks.mapping;
    return busy;
}

static const char *what_is_there(Arena *a, const DeviceFacts *f)
{
    const Superblock *s = &f->superblock;
    if (f->luks.version == 1)
        return "a container of LUKS version 1, which cannot be used";
    if (f->luks.version)
        return "a LUKS container whose header is damaged";
    if (f->raid.member)
        return arena_printf(a, "a member of the RAID array %s",
                            f->raid.name ? f->raid.name : "without a name");
    if (f->lvm.group)
        return arena_printf(a, "a physical volume of the volume group %s", f->lvm.group);
    if (s->type)
        return s->label && *s->label ? arena_printf(a, "%s, labelled '%s'", s->type, s->label)
                                     : arena_printf(a, "%s", s->type);
    if (s->ambivalent)
        return "a mix of signatures that contradict each other";
    if (f->table.kind == TABLE_GPT && f->table.n)
        return arena_printf(a, "a partition table with %zu partitions", f->table.n);
    if (f->table.kind == TABLE_DAMAGED)
        return "a damaged partition table";
    if (f->table.kind == TABLE_OTHER)
        return arena_printf(a, "a partition table (%s)", f->table.name ? f->table.name : "of another kind");
    return NULL;
}

static bool has_token(const LuksFacts *f, const char *type)
{
    for (const char *const *t = f->tokens; t && *t; t++)
        if (strcmp(*t, type) == 0)
            return true;
    return false;
}

static const char *quoted(Arena *a, const char *s)
{
    return s && *s ? arena_printf(a, "'%s'", s) : "empty";
}

static void check_opening(StorageItem *item, const IgnLuks *l, const DeviceFacts *f, const LuksPlan *p)
{
    if (!p->clevis) {
        if (p->generated)
            storage_refuse(
                item, "keyFile",
                "%s is a LUKS container already, and the config has neither keyFile nor clevis to open "
                "it with%s",
                f->real, how_on);
        return;
    }
    const char *wanted = clevis_policy_wanted(item->arena, l);
    if (!has_token(&f->luks, "clevis"))
        storage_refuse(item, "clevis", "%s is a LUKS container that is not bound by Clevis%s", f->real,
                       how_on);
    else if (f->luks.policy && strcmp(f->luks.policy, wanted) != 0)
        storage_refuse(item, "clevis", "%s is bound by %s, declared is %s%s", f->real, f->luks.policy, wanted,
                       how_on);
}

static void check_match(StorageItem *item, const IgnLuks *l, const DeviceFacts *f, const LuksPlan *p)
{
    const LuksFacts *have = &f->luks;
    bool discard = p->options.flags & LUKS_ALLOW_DISCARDS;
    if (l->label && strcmp(l->label, have->label ? have->label : "") != 0)
        storage_refuse(item, "label", "the label of %s is %s, declared is '%s'%s", f->real,
                       quoted(item->arena, have->label), l->label, how_on);
    if (l->uuid && strcasecmp(l->uuid, have->uuid) != 0)
        storage_refuse(item, "uuid", "the UUID of %s is %s, declared is %s%s", f->real, have->uuid, l->uuid,
                       how_on);
    if (discard != have->discard)
        storage_refuse(item, "discard", "%s %s discards through, declared is the opposite%s", f->real,
                       have->discard ? "lets" : "does not let", how_on);
    if (have->opened && strcmp(have->mapping, l->name) != 0)
        storage_refuse(item, "name", "%s is open as /dev/mapper/%s", f->real, have->mapping);
    check_opening(item, l, f, p);
}

static void tell_make(StorageItem *item, const IgnLuks *l, const LuksPlan *p, const char *before)
{
    Arena *a = item->arena;
    const char *object = arena_printf(a, "LUKS2 container '%s' on %s", l->name, p->device);
    _cleanup_buf_ Buf detail = BUF_INIT;
    if (before)
        buf_addf(&detail, "%s goes; ", before);
    if (p->options.label)
        buf_addf(&detail, "label '%s', ", p->options.label);
    if (p->clevis)
        buf_addf(&detail, "opened by %s%s", clevis_policy_wanted(a, l),
                 p->generated ? "" : " or its key file");
    else
        buf_addf(&detail, "opened by %s",
                 p->generated ? "a key that is made now, kept in /etc/luks" : "its key file");
    if (p->options.flags & LUKS_ALLOW_DISCARDS)
        buf_add_str(&detail, ", discards go through");
    storage_change_add(item, (StorageChange){.verb = before ? STORAGE_RECREATE : STORAGE_CREATE,
                                             .noun = "encrypted volume",
                                             .object = object,
                                             .detail = detail.data});
}

static void tell_reuse(StorageItem *item, const IgnLuks *l, const LuksPlan *p, bool opened)
{
    storage_change_add(item, (StorageChange){.verb = STORAGE_KEEP,
                                             .noun = "encrypted volume",
                                             .object = arena_printf(item->arena, "LUKS2 container '%s' on %s",
                                                                    l->name, p->device),
                                             .detail = "is as declared, what is in it stays"});
    /* Its key is needed in any case: the booted system's key file is written from it. */
    storage_change_add(item, (StorageChange){.verb = STORAGE_CHANGE,
                                             .noun = "encrypted volume",
                                             .object = arena_printf(item->arena, "/dev/mapper/%s", l->name),
                                             .detail = opened ? "is open; its key is checked" : "opened"});
}

void luks_plan_make(const StorageContext *c _unused_, StorageItem *item)
{
    const IgnLuks *l = item->object;
    const DeviceFacts *f = item->facts;
    LuksPlan *p = ARENA_NEW(item->arena, LuksPlan);

    item->plan = p;
    p->action = LUKS_MAKE;
    p->device = f->exists && f->real ? f->real : l->device;
    p->generated = !l->key_file.source || !*l->key_file.source;
    p->clevis = clevis_wanted(l);
    take_options(item, l, p);
    check_config(item, l);
    if (!f->exists) {
        tell_make(item, l, p, NULL);
        return;
    }
    bool wipe = l->wipe_volume == BOOL_TRUE, finished = f->luks.version == 2 && f->luks.uuid;
    bool unfinished = finished && f->luks.subsystem && strcmp(f->luks.subsystem, LUKS_UNFINISHED) == 0;
    if (finished && !unfinished && !wipe)
        p->action = LUKS_REUSE;
    if (f->read_only)
        storage_refuse(item, "device", "%s can only be read", f->real);
    if (check_holders(item, l, f, p))
        return;
    if (p->action == LUKS_REUSE) {
        check_match(item, l, f, p);
        tell_reuse(item, l, p, f->luks.opened);
        return;
    }
    const char *before = unfinished ? "an unfinished container of an interrupted run"
                         : finished ? "a LUKS2 container"
                                    : what_is_there(item->arena, f);
    if (before && !wipe && !unfinished)
        storage_refuse(item, "wipeVolume", "on %s there is %s, not a LUKS2 container%s", f->real, before,
                       how_on);
    tell_make(item, l, p, before);
}
