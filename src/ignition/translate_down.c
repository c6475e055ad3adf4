/* Downwards nothing may get lost in silence. First the rows of the schema are walked: a field that is set and
 * has no row in the older version is refused by name. Then, for 2.x, the fields that stand elsewhere there
 * are moved: filesystems get names and hold a mount object, nodes name their filesystem and overwrite
 * explicitly (the defaults differ), modes are written out (2.x's default is 0000), a file with appends
 * becomes one entry for its contents and one for each append. At last the rules of the version are asked,
 * before files are split, so that the index in a finding is that of the config in hand. */
#include "ignition/translate_down.h"

#include <string.h>

#include "ignition/schema.h"
#include "ignition/translate_up.h"
#include "ignition/validate_v2.h"

typedef struct Lower {
    IgnVersion to;
    Report *report;
} Lower;

enum { FILE_MODE = 0644, DIRECTORY_MODE = 0755, SPECIAL_MODE_BITS = 07000 };

static const Node *field_node(const void *object, const char *name)
{
    const Node *n = *(const Node *const *)object;

    return n ? node_get(n, name) ?: n : NULL;
}

#define REFUSE(l, path, object, name, ...)                                                                   \
    report_add((l)->report, SEVERITY_ERROR, PATH_KEY(path, name), field_node(object, name), __VA_ARGS__)

/* ---- what has no row ---- */
static bool object_says_something(const IgnType *type, const void *object);

/* Set, and to something other than what happens where the field does not exist. */
static bool field_says_something(const IgnField *f, const void *at)
{
    switch (f->kind) {
    case IGN_KIND_STRING:
        return *(const char *const *)at;
    case IGN_KIND_INT:
        return ((const OptInt *)at)->set;
    case IGN_KIND_BOOL:
        return *(const OptBool *)at == (strcmp(f->name, "shouldExist") == 0 ? BOOL_FALSE : BOOL_TRUE);
    case IGN_KIND_OBJECT:
        return object_says_something(f->type, at);
    case IGN_KIND_OBJECTS:
    case IGN_KIND_STRINGS:
        return ((const IgnList *)at)->n > 0;
    }
    return false;
}

static bool object_says_something(const IgnType *type, const void *object)
{
    for (const IgnField *f = type->fields; f->name; f++)
        if (ign_field_in(f, IGN_NEWEST) && field_says_something(f, ign_field_at(object, f)))
            return true;
    return false;
}

/* The row that says in 2.x what `f` says in the newest, where it goes by another name or kind. */
static const IgnField *row_elsewhere(const IgnType *type, const IgnField *f, IgnVersion to)
{
    const IgnField *mount;

    if (f->type == &ign_reference_type && f->kind == IGN_KIND_OBJECTS)
        return ign_field_find(type, "append", to); /* merge */
    if (f->type == &ign_resource_type && f->kind == IGN_KIND_OBJECTS)
        return ign_field_find(type, "contents", to); /* each append is a file entry with contents */
    mount = type == &ign_filesystem_type ? ign_field_find(type, "mount", to) : NULL;
    return mount ? ign_field_find(mount->type, f->name, to) : NULL;
}

static void check_object(const Lower *l, const IgnType *type, const void *object, const PathStep *path);

static void check_field(const Lower *l, const IgnType *type, const IgnField *f, const void *object,
                        const PathStep *path)
{
    const void *at = ign_field_at(object, f);
    const PathStep *step = PATH_KEY(path, f->name);
    const IgnField *row = ign_field_find(type, f->name, l->to);

    if (!field_says_something(f, at))
        return;
    if (l->to <= IGN_2_4 && (!row || row->kind != f->kind))
        row = row_elsewhere(type, f, l->to);
    if (!row) {
        REFUSE(l, path, object, f->name, "%s is not supported in spec %s", f->name, ign_version_text(l->to));
        return;
    }
    if (f->kind == IGN_KIND_OBJECT)
        check_object(l, row->type, at, step);
    if (f->kind == IGN_KIND_OBJECTS)
        for (size_t i = 0; i < ((const IgnList *)at)->n; i++)
            check_object(l, row->type, (const char *)((const IgnList *)at)->items + i * row->type->size,
                         PATH_INDEX(step, i));
}

static void check_object(const Lower *l, const IgnType *type, const void *object, const PathStep *path)
{
    for (const IgnField *f = type->fields; f->name; f++) {
        /* what is no whole MiB in sectors is none; 0 is the same in both and moves there */
        bool sectors = l->to == IGN_2_2 && type == &ign_partition_type && f->kind == IGN_KIND_INT &&
                       ((OptInt *)ign_field_at(object, f))->value == 0;

        if (ign_field_in(f, IGN_NEWEST) && !sectors)
            check_field(l, type, f, object, path);
    }
    if (type == &ign_header_type && l->to <= IGN_2_4 && !((const IgnHeader *)object)->value)
        REFUSE(l, path, object, "value", "a header without a value is not supported in spec %s",
               ign_version_text(l->to));
}

static void check_mode(const Lower *l, OptInt mode, const void *object, const PathStep *path)
{
    if (mode.set && mode.value & SPECIAL_MODE_BITS)
        REFUSE(l, path, object, "mode", "setuid, setgid and sticky bits are not supported in spec %s",
               ign_version_text(l->to));
}

void lower_check(const IgnConfig *newest, IgnVersion to, Report *r)
{
    const Lower l = {.to = to, .report = r};
    const PathStep *storage = PATH_KEY(NULL, "storage");

    check_object(&l, &ign_config_type, newest, NULL);
    if (to >= IGN_3_6)
        return;
    for (size_t i = 0; i < newest->storage.files.n; i++)
        check_mode(&l, IGN_AT(newest->storage.files, IgnFile, i)->mode,
                   IGN_AT(newest->storage.files, IgnFile, i), PATH_INDEX(PATH_KEY(storage, "files"), i));
    for (size_t i = 0; i < newest->storage.directories.n; i++)
        check_mode(&l, IGN_AT(newest->storage.directories, IgnDirectory, i)->mode,
                   IGN_AT(newest->storage.directories, IgnDirectory, i),
                   PATH_INDEX(PATH_KEY(storage, "directories"), i));
}

/* ---- what 2.x says elsewhere ---- */
static void lower_disks(Arena *a, IgnConfig *c)
{
    static const OptInt zero = {.set = true};

    if (c->version >= IGN_2_3)
        return;
    c->storage.disks = list_copy(a, &c->storage.disks, sizeof(IgnDisk));
    IGN_EACH (IgnDisk, d, c->storage.disks) {
        d->partitions = list_copy(a, &d->partitions, sizeof(IgnPartition));
        IGN_EACH (IgnPartition, p, d->partitions) {
            p->size = p->size_mib.set ? zero : p->size;
            p->start = p->start_mib.set ? zero : p->start;
        }
    }
}

static void lower_filesystems(Arena *a, IgnConfig *c)
{
    const IgnList *from = &c->storage.filesystems;
    IgnList out = list_with_room(a, from->n, sizeof(IgnFilesystem), from->node);
    size_t nameless = 0;

    IGN_EACH (IgnFilesystem, f, *from) {
        IgnFilesystem n = {.node = f->node,
                           .name = f->path ?: arena_printf(a, "%zu", ++nameless),
                           .mount = {.node = f->node ?: node_new(a, NODE_OBJECT),
                                     .device = f->device,
                                     .format = f->format,
                                     .label = f->label,
                                     .uuid = f->uuid,
                                     .wipe_filesystem = f->wipe_filesystem,
                                     .options = f->options}};

        list_add(&out, &n, sizeof(n));
    }
    c->storage.filesystems = out;
}

/* How much of `path` lies in the name of the filesystem (a path) that holds it; 0: it does not. */
static size_t path_below(const char *path, const char *filesystem)
{
    size_t n = strlen(filesystem);

    while (n > 0 && filesystem[n - 1] == '/')
        n--;
    return strncmp(path, filesystem, n) == 0 && (path[n] == '/' || path[n] == '\0') ? n : 0;
}

/* The name of the filesystem on which a path lies: the deepest mount point around it. *ret_rest: the path
 * there. */
static const char *filesystem_of(const IgnConfig *c, const char *path, const char **ret_rest)
{
    const char *name = "root";
    size_t best = 0;

    *ret_rest = path;
    IGN_EACH (IgnFilesystem, f, c->storage.filesystems) {
        size_t n = f->name[0] == '/' ? path_below(path, f->name) : 0;

        if (f->name[0] != '/' || n < best || (n == 0 && (strcmp(f->name, "/") != 0 || best > 0)))
            continue;
        best = n;
        name = f->name;
        *ret_rest = path[n] ? path + n : "/";
    }
    return name;
}

static void lower_node(const IgnConfig *c, IgnNode *n)
{
    n->filesystem = filesystem_of(c, n->path, &n->path);
}

static void lower_nodes(Arena *a, IgnConfig *c, Report *r)
{
    IgnStorage *s = &c->storage;
    const PathStep *storage = PATH_KEY(NULL, "storage");
    const PathStep *files = PATH_KEY(storage, "files"), *links = PATH_KEY(storage, "links");

    s->files = list_copy(a, &s->files, sizeof(IgnFile));
    for (size_t i = 0; i < s->files.n; i++) {
        IgnFile *f = IGN_AT(s->files, IgnFile, i);

        lower_node(c, &f->base);
        if (f->base.overwrite == BOOL_UNSET)
            f->base.overwrite = BOOL_FALSE;
        if (!f->mode.set && f->contents.source)
            f->mode = (OptInt){.set = true, .value = FILE_MODE};
        else if (!f->mode.set)
            report_add(r, SEVERITY_WARNING, PATH_INDEX(files, i), f->base.node,
                       "without a mode this file gets mode 0000 in spec %s if it does not exist",
                       ign_version_text(c->version));
    }
    s->directories = list_copy(a, &s->directories, sizeof(IgnDirectory));
    IGN_EACH (IgnDirectory, d, s->directories) {
        lower_node(c, &d->base);
        if (!d->mode.set)
            d->mode = (OptInt){.set = true, .value = DIRECTORY_MODE};
    }
    s->links = list_copy(a, &s->links, sizeof(IgnLink));
    for (size_t i = 0; i < s->links.n; i++) {
        IgnLink *k = IGN_AT(s->links, IgnLink, i);
        const Lower l = {.to = c->version, .report = r};
        const char *rest;

        lower_node(c, &k->base);
        if (!k->target || !*k->target)
            REFUSE(&l, PATH_INDEX(links, i), k, "target", "link target is required");
        else if (k->hard == BOOL_TRUE && strcmp(filesystem_of(c, k->target, &rest), k->base.filesystem) != 0)
            REFUSE(&l, PATH_INDEX(links, i), k, "target", "hard link target is on another filesystem");
        else if (k->hard == BOOL_TRUE)
            k->target = rest;
    }
}

/* 2.x has one source an entry and runs entries in order. An entry that only appends nothing makes the file if
 * it is not there, and sets mode and owner if it is: what a file without contents says in the newest spec. */
static void split_files(Arena *a, IgnConfig *c)
{
    const IgnList from = c->storage.files;
    size_t room = 0;
    IgnList out;

    IGN_EACH (IgnFile, f, from) {
        room += 1 + f->append.n;
    }
    out = list_with_room(a, room, sizeof(IgnFile), from.node);
    IGN_EACH (IgnFile, f, from) {
        IgnFile n = *f, tail = *f;

        n.append = (IgnList){0};
        if (n.contents.source) {
            list_add(&out, &n, sizeof(n));
        } else if (f->append.n == 0) {
            n.append_to = BOOL_TRUE;
            n.base.overwrite = BOOL_UNSET;
            n.contents = (IgnResource){0};
            list_add(&out, &n, sizeof(n));
        }
        tail.append = (IgnList){0};
        tail.append_to = BOOL_TRUE;
        tail.base.overwrite = BOOL_UNSET; /* false would fail where there is a file */
        IGN_EACH (IgnResource, s, f->append) {
            tail.contents = *s;
            list_add(&out, &tail, sizeof(tail));
        }
    }
    c->storage.files = out;
}

static void lower_units(Arena *a, IgnConfig *c)
{
    c->systemd.units = list_copy(a, &c->systemd.units, sizeof(IgnUnit));
    IGN_EACH (IgnUnit, u, c->systemd.units) {
        if (u->mask == BOOL_FALSE)
            u->mask = BOOL_UNSET;
    }
}

/* Says what the version's own rules refuse: formats, schemes, hashes. */
static void check_result(const IgnConfig *c, Report *r)
{
    _cleanup_report_ Report result = REPORT_INIT(r->arena);
    const IgnList *files = &c->storage.files;
    const PathStep *list = PATH_KEY(PATH_KEY(NULL, "storage"), "files");

    ign_config_validate_v2(c, NULL, &result);
    for (size_t i = 0; i < files->n; i++) {
        const IgnList *append = &IGN_AT(*files, IgnFile, i)->append;

        for (size_t n = 0; n < append->n; n++)
            ign_source_validate_v2(IGN_AT(*append, IgnResource, n), c->version,
                                   PATH_INDEX(PATH_KEY(PATH_INDEX(list, i), "append"), n), &result);
    }
    report_name_version(&result, c->version);
    report_adopt_errors(r, &result, c->node, NULL);
}

void lower_v2(Arena *a, IgnConfig *c, Report *r)
{
    c->ignition.config.append = c->ignition.config.merge;
    c->ignition.config.merge = (IgnList){0};
    lower_disks(a, c);
    lower_filesystems(a, c);
    lower_nodes(a, c, r);
    lower_units(a, c);
    check_result(c, r);
    split_files(a, c);
}
