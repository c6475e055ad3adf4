/* From 2.x to the newest: sections, units, users, disks, filesystems. What 2.x keeps in plain values (an
 * empty string, false, 0) is unset afterwards; entries that stand twice become one with the result that
 * applying both in order had. Refused: sources on the OEM partition, sizes that are no whole mebibytes. */
#include "ignition/translate_up.h"

#include <string.h>

#include "base/map.h"
#include "ignition/schema.h"
#include "ignition/unit_text.h"
#include "ignition/url_parts.h"

/* ---- lists ---- */
IgnList list_with_room(Arena *a, size_t items, size_t size, const Node *node)
{
    return (IgnList){.items = items ? arena_alloc(a, items * size) : NULL, .node = node};
}

void *list_add(IgnList *list, const void *item, size_t size)
{
    return memcpy((char *)list->items + size * list->n++, item, size);
}

void list_push(Arena *a, IgnList *list, const void *item, size_t size)
{
    if ((list->n & (list->n - 1)) == 0) {
        void *items = arena_alloc(a, size * (list->n ? list->n * 2 : 1));

        if (list->n)
            memcpy(items, list->items, size * list->n);
        list->items = items;
    }
    list_add(list, item, size);
}

IgnList list_copy(Arena *a, const IgnList *from, size_t size)
{
    IgnList out = list_with_room(a, from->n, size, from->node);

    for (size_t i = 0; i < from->n; i++)
        list_add(&out, (const char *)from->items + i * size, size);
    return out;
}

static IgnList strings_unique(Arena *a, const IgnList *list)
{
    _cleanup_map_ Map seen = MAP_INIT;
    IgnList out = list_with_room(a, list->n, sizeof(char *), list->node);

    for (size_t i = 0; i < list->n; i++)
        if (map_put_new(&seen, IGN_STRING_AT(*list, i), list->items, NULL))
            list_add(&out, &IGN_STRING_AT(*list, i), sizeof(char *));
    return out;
}

/* ---- plain values ---- */
typedef struct Field {
    IgnKind kind;
    size_t offset;
    bool plain; /* "", false and 0 say nothing in 2.x */
} Field;
#define FIELD(kind, type, member, plain)                                                                     \
    {                                                                                                        \
        IGN_KIND_##kind, offsetof(type, member), plain                                                       \
    }

static void fields_unset_plain(void *object, const Field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *at = (char *)object + fields[i].offset;

        if (!fields[i].plain)
            continue;
        if (fields[i].kind == IGN_KIND_STRING && *(const char **)at && !**(const char **)at)
            *(const char **)at = NULL;
        else if (fields[i].kind == IGN_KIND_BOOL && *(OptBool *)at == BOOL_FALSE)
            *(OptBool *)at = BOOL_UNSET;
        else if (fields[i].kind == IGN_KIND_INT && ((OptInt *)at)->value == 0)
            *(OptInt *)at = (OptInt){0};
    }
}

/* What `over` says goes over what is there. */
static void fields_overlay(void *object, const void *over, const Field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *at = (char *)object + fields[i].offset;
        const void *from = (const char *)over + fields[i].offset;

        if (fields[i].kind == IGN_KIND_STRING && *(const char *const *)from)
            *(const char **)at = *(const char *const *)from;
        else if (fields[i].kind == IGN_KIND_BOOL && *(const OptBool *)from != BOOL_UNSET)
            *(OptBool *)at = *(const OptBool *)from;
        else if (fields[i].kind == IGN_KIND_INT && ((const OptInt *)from)->set)
            *(OptInt *)at = *(const OptInt *)from;
    }
}

static const Field user_fields[] = {
    FIELD(STRING, IgnUser, password_hash, false), FIELD(INT, IgnUser, uid, false),
    FIELD(STRING, IgnUser, gecos, true),          FIELD(STRING, IgnUser, home_dir, true),
    FIELD(STRING, IgnUser, primary_group, true),  FIELD(STRING, IgnUser, shell, true),
    FIELD(BOOL, IgnUser, no_create_home, true),   FIELD(BOOL, IgnUser, no_user_group, true),
    FIELD(BOOL, IgnUser, no_log_init, true),      FIELD(BOOL, IgnUser, system, true),
};
static const Field group_fields[] = {
    FIELD(STRING, IgnGroup, password_hash, true),
    FIELD(BOOL, IgnGroup, system, true),
};
static const Field proxy_fields[] = {
    FIELD(STRING, IgnProxy, http_proxy, true),
    FIELD(STRING, IgnProxy, https_proxy, true),
};
static const Field partition_fields[] = {
    FIELD(STRING, IgnPartition, type_guid, true),
    FIELD(STRING, IgnPartition, guid, true),
    FIELD(INT, IgnPartition, number, true),
    FIELD(BOOL, IgnPartition, wipe_partition_entry, true),
};
static const Field disk_fields[] = {FIELD(BOOL, IgnDisk, wipe_table, true)};
static const Field raid_fields[] = {FIELD(INT, IgnRaid, spares, true)};
static const Field filesystem_fields[] = {FIELD(BOOL, IgnFilesystem, wipe_filesystem, true)};
static const Field unit_fields[] = {
    FIELD(STRING, IgnUnit, contents, true),
    FIELD(BOOL, IgnUnit, mask, true),
    FIELD(BOOL, IgnUnit, enable, true),
};
static const Field dropin_fields[] = {FIELD(STRING, IgnDropin, contents, true)};
#define UNSET_PLAIN(object, fields) fields_unset_plain(object, fields, ELEMENTS(fields))

/* ---- sources ---- */
IgnResource lift_source(Lift *l, const IgnResource *s, const PathStep *path)
{
    IgnResource out = *s;
    UrlParts url;

    if (s->source && url_parts_read(s->source, &url) == 0 && strcmp(url.scheme, "oem") == 0)
        report_add(l->report, SEVERITY_ERROR, PATH_KEY(path, "source"),
                   node_get(s->node, "source") ?: s->node, "oem: sources are not supported in spec %s",
                   ign_version_text(IGN_NEWEST));
    out.source = s->source ?: "";
    /* in 2.x a header without a value is sent empty; in the newest spec it would take one away */
    out.http_headers = list_copy(l->arena, &s->http_headers, sizeof(IgnHeader));
    IGN_EACH (IgnHeader, h, out.http_headers) {
        h->value = h->value ?: "";
    }
    if (out.compression && !*out.compression)
        out.compression = NULL;
    return out;
}

/* Of the same source twice, the last counts: what comes later wins. */
static IgnList lift_sources(Lift *l, const IgnList *list, const PathStep *path)
{
    _cleanup_map_ Map last = MAP_INIT;
    IgnList out = list_with_room(l->arena, list->n, sizeof(IgnResource), list->node);

    for (size_t i = 0; i < list->n; i++)
        map_put(&last, IGN_AT(*list, IgnResource, i)->source ?: "", IGN_AT(*list, IgnResource, i));
    for (size_t i = 0; i < list->n; i++) {
        IgnResource s = lift_source(l, IGN_AT(*list, IgnResource, i), PATH_INDEX(path, i));

        if (map_get(&last, s.source) == IGN_AT(*list, IgnResource, i))
            list_add(&out, &s, sizeof(s));
    }
    return out;
}

static void lift_ignition(Lift *l)
{
    const IgnMeta *from = &l->from->ignition;
    IgnMeta *to = &l->to->ignition;
    const PathStep *ignition = PATH_KEY(l->options->path, "ignition");
    const PathStep *chain = PATH_KEY(ignition, "config");

    to->config.append = (IgnList){0};
    to->config.merge = lift_sources(l, &from->config.append, PATH_KEY(chain, "append"));
    if (from->config.replace.node || from->config.replace.source)
        to->config.replace = lift_source(l, &from->config.replace, PATH_KEY(chain, "replace"));
    to->security.tls.certificate_authorities =
        lift_sources(l, &from->security.tls.certificate_authorities,
                     PATH_KEY(PATH_KEY(PATH_KEY(ignition, "security"), "tls"), "certificateAuthorities"));
    UNSET_PLAIN(&to->proxy, proxy_fields);
    to->proxy.no_proxy = strings_unique(l->arena, &from->proxy.no_proxy);
}

/* ---- users ---- */
static void user_take_create(IgnUser *u)
{
    const IgnUserCreate c = u->create;

    u->create = (IgnUserCreate){0};
    if (!c.node)
        return;
    u->uid = c.uid;
    u->gecos = c.gecos;
    u->home_dir = c.home_dir;
    u->primary_group = c.primary_group;
    u->shell = c.shell;
    u->groups = c.groups;
    u->no_create_home = c.no_create_home;
    u->no_user_group = c.no_user_group;
    u->no_log_init = c.no_log_init;
    u->system = c.system;
}

static IgnList strings_joined(Arena *a, const IgnList *first, const IgnList *second)
{
    IgnList out = list_with_room(a, first->n + second->n, sizeof(char *), first->node ?: second->node);

    for (size_t i = 0; i < first->n; i++)
        list_add(&out, &IGN_STRING_AT(*first, i), sizeof(char *));
    for (size_t i = 0; i < second->n; i++)
        list_add(&out, &IGN_STRING_AT(*second, i), sizeof(char *));
    return out;
}

/* Two entries for one user: each field as it was last said, the keys of both. */
static void user_join(Arena *a, IgnUser *u, const IgnUser *over)
{
    fields_overlay(u, over, user_fields, ELEMENTS(user_fields));
    if (over->groups.n > 0)
        u->groups = over->groups;
    u->ssh_authorized_keys = strings_joined(a, &u->ssh_authorized_keys, &over->ssh_authorized_keys);
}

static void lift_users(Lift *l)
{
    const IgnList *from = &l->from->passwd.users;
    _cleanup_map_ Map by_name = MAP_INIT;
    IgnList out = list_with_room(l->arena, from->n, sizeof(IgnUser), from->node);

    for (size_t i = 0; i < from->n; i++) {
        IgnUser u = *IGN_AT(*from, IgnUser, i), *same = map_get(&by_name, u.name ?: "");

        user_take_create(&u);
        UNSET_PLAIN(&u, user_fields);
        /* 2.0 had no way to say "no password", later 2.x has */
        if (l->from->version == IGN_2_0 && u.password_hash && !*u.password_hash)
            u.password_hash = NULL;
        if (same)
            user_join(l->arena, same, &u);
        else
            map_put(&by_name, u.name ?: "", list_add(&out, &u, sizeof(u)));
    }
    IGN_EACH (IgnUser, u, out) {
        u->ssh_authorized_keys = strings_unique(l->arena, &u->ssh_authorized_keys);
        u->groups = strings_unique(l->arena, &u->groups);
    }
    l->to->passwd.users = out;
    l->to->passwd.groups = list_copy(l->arena, &l->from->passwd.groups, sizeof(IgnGroup));
    IGN_EACH (IgnGroup, g, l->to->passwd.groups) {
        UNSET_PLAIN(g, group_fields);
    }
}

/* ---- units ---- */
/* Adds drop-ins; one of the same name that has contents takes the place of the one before. */
static IgnList dropins_joined(Arena *a, const IgnList *first, const IgnList *second)
{
    _cleanup_map_ Map by_name = MAP_INIT;
    IgnList out = list_with_room(a, first->n + second->n, sizeof(IgnDropin), first->node ?: second->node);
    const IgnList *const lists[] = {first, second};

    for (size_t n = 0; n < ELEMENTS(lists); n++) {
        for (size_t i = 0; i < lists[n]->n; i++) {
            IgnDropin d = *IGN_AT(*lists[n], IgnDropin, i), *same = map_get(&by_name, d.name ?: "");

            UNSET_PLAIN(&d, dropin_fields);
            if (!same)
                map_put(&by_name, d.name ?: "", list_add(&out, &d, sizeof(d)));
            else if (d.contents)
                *same = d;
        }
    }
    return out;
}

/* The second entry is applied after the first: contents take a mask away, a mask goes over contents. */
static void unit_join(Arena *a, IgnUnit *u, const IgnUnit *over)
{
    if (over->contents) {
        u->contents = over->contents;
        u->mask = over->mask;
        u->node = over->node;
    } else if (over->mask == BOOL_TRUE) {
        u->mask = BOOL_TRUE;
    }
    if (over->enabled != BOOL_UNSET)
        u->enabled = over->enabled;
    u->dropins = dropins_joined(a, &u->dropins, &over->dropins);
}

static void lift_units(Lift *l)
{
    const IgnList *from = &l->from->systemd.units;
    _cleanup_map_ Map by_name = MAP_INIT;
    IgnList out = list_with_room(l->arena, from->n, sizeof(IgnUnit), from->node);

    for (size_t i = 0; i < from->n; i++) {
        IgnUnit u = *IGN_AT(*from, IgnUnit, i), *same = map_get(&by_name, u.name ?: "");

        UNSET_PLAIN(&u, unit_fields);
        if (u.enabled == BOOL_UNSET)
            u.enabled = u.enable;
        u.enable = BOOL_UNSET;
        u.dropins = dropins_joined(l->arena, &u.dropins, &(IgnList){0});
        if (same)
            unit_join(l->arena, same, &u);
        else
            map_put(&by_name, u.name ?: "", list_add(&out, &u, sizeof(u)));
    }
    l->to->systemd.units = out;
}

/* ---- disks ---- */
enum { SECTORS_PER_MIB = 2048 }; /* of 512 bytes: what a config in sectors was written for */

static void lift_sectors(Lift *l, OptInt *sectors, OptInt *mib, const IgnPartition *p, const PathStep *field)
{
    if (!sectors->set && l->from->version < IGN_2_3)
        *sectors = (OptInt){.set = true}; /* 0 and nothing were the same */
    if (!sectors->set)
        return;
    if (sectors->value % SECTORS_PER_MIB != 0)
        report_add(l->report, SEVERITY_ERROR, field, node_get(p->node, field->key) ?: p->node,
                   "%lld sectors are no whole number of MiB (2048 sectors); spec %s cannot say it",
                   (long long)sectors->value, ign_version_text(IGN_NEWEST));
    *mib = (OptInt){.set = true, .value = sectors->value / SECTORS_PER_MIB};
    *sectors = (OptInt){0};
}

static void lift_partition(Lift *l, IgnPartition *p, const PathStep *path)
{
    const char *colon = strchr(p->label ?: "", ':');

    UNSET_PLAIN(p, partition_fields);
    /* Until 2.2 no label was an empty one. The newest spec needs one where there is no number, and takes each
     * label but once a disk. */
    if (l->from->version < IGN_2_3 && !*(p->label ?: ""))
        p->label = p->number.set ? NULL : "";
    if (colon)
        p->label = arena_memdup(l->arena, p->label, (size_t)(colon - p->label));
    lift_sectors(l, &p->size, &p->size_mib, p, PATH_KEY(path, "size"));
    lift_sectors(l, &p->start, &p->start_mib, p, PATH_KEY(path, "start"));
}

static void lift_disks(Lift *l)
{
    IgnStorage *to = &l->to->storage;
    const PathStep *disks = PATH_KEY(PATH_KEY(l->options->path, "storage"), "disks");

    to->disks = list_copy(l->arena, &to->disks, sizeof(IgnDisk));
    for (size_t i = 0; i < to->disks.n; i++) {
        IgnDisk *d = IGN_AT(to->disks, IgnDisk, i);
        const PathStep *partitions = PATH_KEY(PATH_INDEX(disks, i), "partitions");

        UNSET_PLAIN(d, disk_fields);
        d->partitions = list_copy(l->arena, &d->partitions, sizeof(IgnPartition));
        for (size_t n = 0; n < d->partitions.n; n++)
            lift_partition(l, IGN_AT(d->partitions, IgnPartition, n), PATH_INDEX(partitions, n));
    }
    to->raid = list_copy(l->arena, &to->raid, sizeof(IgnRaid));
    IGN_EACH (IgnRaid, raid, to->raid) {
        UNSET_PLAIN(raid, raid_fields);
    }
}

/* ---- filesystems ---- */
/* Of several with one name the last one is meant. */
static const IgnFilesystem *filesystem_find(const IgnConfig *c, const char *name)
{
    const IgnFilesystem *found = NULL;

    IGN_EACH (IgnFilesystem, f, c->storage.filesystems) {
        if (f->name && strcmp(f->name, name) == 0)
            found = f;
    }
    return found;
}

static bool device_is(const char *what, const IgnMount *m)
{
    const struct {
        const char *prefix, *value;
    } names[] = {{"", m->device},
                 {"/dev/disk/by-label/", m->label},
                 {"LABEL=", m->label},
                 {"/dev/disk/by-uuid/", m->uuid},
                 {"UUID=", m->uuid}};

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        size_t n = strlen(names[i].prefix);

        if (names[i].value && *names[i].value && strncmp(what, names[i].prefix, n) == 0 &&
            strcmp(what + n, names[i].value) == 0)
            return true;
    }
    return false;
}

/* Where the machine itself will mount it, by its own .mount unit. */
static const char *mount_unit_place(Lift *l, const IgnMount *m)
{
    IGN_EACH (IgnUnit, u, l->from->systemd.units) {
        size_t n = strlen(u->name ?: "");
        UnitOption *options = NULL;
        const char *what, *where;

        if (!u->contents || n < 6 || strcmp(u->name + n - 6, ".mount") != 0 ||
            unit_text_read(l->arena, u->contents, &options, NULL) < 0)
            continue;
        what = unit_text_get(options, "Mount", "What");
        where = unit_text_get(options, "Mount", "Where");
        if (what && where && *where == '/' && device_is(what, m))
            return where;
    }
    return NULL;
}

static const char *mapped_place(const Lift *l, const char *name)
{
    for (size_t i = 0; i < l->options->n_mounts; i++)
        if (strcmp(l->options->mounts[i].filesystem, name) == 0)
            return l->options->mounts[i].path;
    return NULL;
}

static const char *filesystem_place(Lift *l, const IgnFilesystem *f)
{
    const char *path = f->path, *mapped = mapped_place(l, f->name);

    if (mapped)
        return mapped;
    if (!path)
        return mount_unit_place(l, &f->mount);
    /* 2.x says where in the initramfs; the newest spec's paths begin at the root that is mounted there */
    if (strncmp(path, "/sysroot", 8) == 0 && (path[8] == '/' || path[8] == '\0'))
        return path[8] ? path + 8 : "/";
    return path;
}

const char *lift_mount_point(Lift *l, const IgnNode *n, const PathStep *path)
{
    const char *name = n->filesystem ?: "", *place;
    const IgnFilesystem *f = filesystem_find(l->from, name);
    const Node *at = node_get(n->node, "filesystem") ?: n->node;

    if (!f && strcmp(name, "root") == 0)
        return "/";
    place = f ? filesystem_place(l, f) : mapped_place(l, name);
    if (!place)
        report_add(
            l->report, SEVERITY_ERROR, PATH_KEY(path, "filesystem"), at,
            f ? "filesystem \"%s\" has no mount point, which spec %s needs to write on it; add a .mount unit"
              : "filesystem \"%s\" is not defined in this config, which spec %s needs to place the node",
            name, ign_version_text(IGN_NEWEST));
    return place;
}

static bool filesystem_used(const IgnConfig *c, const char *name)
{
    IGN_EACH (IgnFile, f, c->storage.files) {
        if (strcmp(f->base.filesystem ?: "", name) == 0)
            return true;
    }
    IGN_EACH (IgnDirectory, d, c->storage.directories) {
        if (strcmp(d->base.filesystem ?: "", name) == 0)
            return true;
    }
    IGN_EACH (IgnLink, k, c->storage.links) {
        if (strcmp(k->base.filesystem ?: "", name) == 0)
            return true;
    }
    return false;
}

static void lift_filesystems(Lift *l)
{
    const IgnList *from = &l->from->storage.filesystems;
    const PathStep *list = PATH_KEY(PATH_KEY(l->options->path, "storage"), "filesystems");
    IgnList out = list_with_room(l->arena, from->n, sizeof(IgnFilesystem), from->node);

    for (size_t i = 0; i < from->n; i++) {
        const IgnFilesystem *f = IGN_AT(*from, IgnFilesystem, i);
        const IgnMount *m = &f->mount;
        IgnFilesystem n = {.node = m->node ?: f->node,
                           .device = m->device,
                           .format = m->format,
                           .label = m->label,
                           .uuid = m->uuid,
                           .wipe_filesystem = m->wipe_filesystem,
                           .options = m->options};

        if (!m->node && !m->device)
            continue; /* a name for a directory that is there already */
        if (m->create.node) {
            n.wipe_filesystem = m->create.force;
            n.options = m->create.options;
            if (m->create.force != BOOL_TRUE)
                report_add(
                    l->report, SEVERITY_WARNING, PATH_KEY(PATH_KEY(PATH_INDEX(list, i), "mount"), "create"),
                    m->create.node,
                    "a filesystem that is there and matches will be used, where create without force failed");
        }
        UNSET_PLAIN(&n, filesystem_fields);
        if (f->name && *f->name && filesystem_find(l->from, f->name) == f &&
            (mapped_place(l, f->name) || filesystem_used(l->from, f->name)))
            n.path = filesystem_place(l, f);
        list_add(&out, &n, sizeof(n));
    }
    l->to->storage.filesystems = out;
}

void lift_v2(Lift *l)
{
    lift_ignition(l);
    lift_users(l);
    lift_units(l);
    lift_disks(l);
    lift_filesystems(l);
    lift_nodes(l);
}
