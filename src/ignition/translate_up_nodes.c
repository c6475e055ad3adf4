/* Files, directories and links of 2.x. There a config is a script: directories are made, then files are
 * written in the order of the list, then links; a path may come up again, and `append` adds to what stands
 * there. The newest spec says each path once, so the script is run here, on entries in memory, and what it
 * leaves is the result. networkd units are files that 2.x writes last. What cannot be kept is said: parents
 * of a directory get the newest spec's mode and owner, and modes lose the bits above 0777, which 2.x ignored.
 */
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "format/data_url.h"
#include "ignition/translate_up.h"

enum { NETWORKD_MODE = 0644, USUAL_DIRECTORY_MODE = 0755 };

/* "/a/../b//c/" → "/b/c": what joining it to a root gave in 2.x */
static const char *path_joined(Arena *a, const char *base, const char *path)
{
    const char *raw = arena_printf(a, "/%s/%s", base, path ?: "");
    char *out = arena_strdup(a, raw);
    size_t n = 0;

    while (*raw) {
        size_t len = strcspn(raw, "/");

        if (len == 2 && strncmp(raw, "..", 2) == 0) {
            while (n > 0 && out[--n] != '/')
                ;
        } else if (len > 0 && !(len == 1 && *raw == '.')) {
            out[n++] = '/';
            memmove(out + n, raw, len);
            n += len;
        }
        raw += len + (raw[len] == '/');
    }
    out[n] = '\0';
    return n ? out : "/";
}

/* Places the node below the root; false after a finding. *ret_mount (may be NULL): the filesystem's place. */
static bool lift_node(Lift *l, IgnNode *n, const PathStep *path, const char **ret_mount)
{
    const char *mount = lift_mount_point(l, n, path);

    if (!mount)
        return false;
    n->path = path_joined(l->arena, mount, n->path);
    n->filesystem = NULL;
    if (n->user.name && !*n->user.name)
        n->user.name = NULL;
    if (n->group.name && !*n->group.name)
        n->group.name = NULL;
    if (ret_mount)
        *ret_mount = mount;
    return true;
}

static OptInt lift_mode(Lift *l, OptInt mode, const IgnNode *n, const PathStep *path)
{
    if (!mode.set && !l->options->default_modes)
        return (OptInt){.set = true};
    if (mode.set && mode.value & 07000) {
        report_add(
            l->report, SEVERITY_WARNING, PATH_KEY(path, "mode"), node_get(n->node, "mode") ?: n->node,
            "setuid/setgid/sticky bits are not supported or functional in spec versions older than 3.6.0");
        mode.value &= 0777;
    }
    return mode;
}

/* ---- directories ---- */
static void directory_note_parents(Lift *l, const IgnDirectory *d, const Map *by_path, const PathStep *path)
{
    const char *slash = strrchr(d->base.path, '/');
    const char *parent = arena_printf(l->arena, "%.*s", (int)(slash - d->base.path), d->base.path);

    if (!*parent || map_has(by_path, parent))
        return;
    if ((d->mode.set && d->mode.value != USUAL_DIRECTORY_MODE) || d->base.user.id.value ||
        d->base.user.name || d->base.group.id.value || d->base.group.name)
        report_add(
            l->report, SEVERITY_INFO, path, d->base.node,
            "parents of this directory that do not exist will have mode 0755 and belong to root; spec 2.x "
            "gave them the mode and owner of the directory");
}

static IgnList lift_directories(Lift *l)
{
    const IgnList *from = &l->from->storage.directories;
    const PathStep *list = PATH_KEY(PATH_KEY(l->options->path, "storage"), "directories");
    _cleanup_map_ Map by_path = MAP_INIT;
    IgnList out = list_with_room(l->arena, from->n, sizeof(IgnDirectory), from->node);
    size_t *origin = ARENA_ARRAY(l->arena, size_t, from->n + 1); /* which entry the last one of a path was */

    for (size_t i = 0; i < from->n; i++) {
        IgnDirectory d = *IGN_AT(*from, IgnDirectory, i), *same;

        if (!lift_node(l, &d.base, PATH_INDEX(list, i), NULL))
            continue;
        d.mode = lift_mode(l, d.mode, &d.base, PATH_INDEX(list, i));
        same = map_get(&by_path, d.base.path);
        if (!same)
            map_put(&by_path, d.base.path, same = list_add(&out, &d, sizeof(d)));
        *same = d;
        origin[same - (IgnDirectory *)out.items] = i;
    }
    for (size_t i = 0; i < out.n; i++)
        directory_note_parents(l, IGN_AT(out, IgnDirectory, i), &by_path, PATH_INDEX(list, origin[i]));
    return out;
}

/* ---- files ---- */
/* One more entry of the script; `f` is placed, its contents are lifted. */
static void file_write(Lift *l, IgnList *out, Map *by_path, const IgnFile *f)
{
    IgnFile *same = map_get(by_path, f->base.path);
    IgnFile n = *f;

    n.append = (IgnList){0};
    n.append_to = BOOL_UNSET;
    if (f->append_to != BOOL_TRUE) {
        if (n.base.overwrite == BOOL_UNSET)
            n.base.overwrite = BOOL_TRUE;
        if (same)
            *same = n;
        else
            map_put(by_path, n.base.path, list_add(out, &n, sizeof(n)));
        return;
    }
    if (!same) {
        n.base.overwrite = BOOL_FALSE;
        n.contents = (IgnResource){0};
        same = list_add(out, &n, sizeof(n));
        map_put(by_path, n.base.path, same);
    }
    list_push(l->arena, &same->append, &f->contents, sizeof(f->contents));
    if (f->mode.set)
        same->mode = f->mode;
    if (f->base.user.id.set || f->base.user.name)
        same->base.user = f->base.user;
    if (f->base.group.id.set || f->base.group.name)
        same->base.group = f->base.group;
}

static void networkd_write(Lift *l, IgnList *out, Map *by_path, const char *path, const char *contents,
                           const Node *node)
{
    _cleanup_buf_ Buf url = BUF_INIT;
    IgnFile f = {.base = {.node = node, .path = path_joined(l->arena, "/etc/systemd/network", path)},
                 .mode = {.set = true, .value = NETWORKD_MODE}};

    if (!contents || !*contents)
        return;
    data_url_encode_percent(contents, strlen(contents), &url);
    f.contents = (IgnResource){.node = node, .source = arena_strdup(l->arena, url.data)};
    file_write(l, out, by_path, &f);
}

static void lift_networkd(Lift *l, IgnList *out, Map *by_path)
{
    IGN_EACH (IgnUnit, u, l->from->networkd.units) {
        IGN_EACH (IgnDropin, d, u->dropins) {
            networkd_write(l, out, by_path, arena_printf(l->arena, "%s.d/%s", u->name ?: "", d->name ?: ""),
                           d->contents, d->node);
        }
        networkd_write(l, out, by_path, u->name, u->contents, u->node);
    }
    l->to->networkd = (IgnNetworkd){0};
}

static IgnList lift_files(Lift *l)
{
    const IgnList *from = &l->from->storage.files;
    const PathStep *list = PATH_KEY(PATH_KEY(l->options->path, "storage"), "files");
    _cleanup_map_ Map by_path = MAP_INIT;
    size_t room = from->n;
    IgnList out;

    IGN_EACH (IgnUnit, u, l->from->networkd.units) {
        room += 1 + u->dropins.n;
    }
    out = list_with_room(l->arena, room, sizeof(IgnFile), from->node);
    for (size_t i = 0; i < from->n; i++) {
        IgnFile f = *IGN_AT(*from, IgnFile, i);
        const PathStep *path = PATH_INDEX(list, i);

        f.contents = lift_source(l, &f.contents, PATH_KEY(path, "contents"));
        if (!lift_node(l, &f.base, path, NULL))
            continue;
        /* an append keeps the mode of what is there */
        if (f.append_to != BOOL_TRUE || f.mode.set)
            f.mode = lift_mode(l, f.mode, &f.base, path);
        file_write(l, &out, &by_path, &f);
    }
    lift_networkd(l, &out, &by_path);
    return out;
}

/* ---- links ---- */
static IgnList lift_links(Lift *l)
{
    const IgnList *from = &l->from->storage.links;
    const PathStep *list = PATH_KEY(PATH_KEY(l->options->path, "storage"), "links");
    _cleanup_map_ Map by_path = MAP_INIT;
    IgnList out = list_with_room(l->arena, from->n, sizeof(IgnLink), from->node);

    for (size_t i = 0; i < from->n; i++) {
        IgnLink k = *IGN_AT(*from, IgnLink, i), *same;
        const char *mount;

        if (!lift_node(l, &k.base, PATH_INDEX(list, i), &mount))
            continue;
        if (k.hard == BOOL_TRUE && k.target && *k.target)
            k.target = path_joined(l->arena, mount, k.target);
        if (k.hard == BOOL_FALSE)
            k.hard = BOOL_UNSET;
        same = map_get(&by_path, k.base.path);
        if (same)
            *same = k;
        else
            map_put(&by_path, k.base.path, list_add(&out, &k, sizeof(k)));
    }
    return out;
}

/* ---- one path, two kinds ---- */
/* Drops from `list` what a later step of the script removes: nodes whose path one of `over` overwrites. A
 * path that both claim without overwriting is left for the validator to refuse. */
static void list_drop_overwritten(IgnList *list, size_t size, const IgnList *over, size_t over_size)
{
    _cleanup_map_ Map gone = MAP_INIT;
    size_t kept = 0;

    for (size_t i = 0; i < over->n; i++) {
        IgnNode *n = (IgnNode *)((char *)over->items + i * over_size);

        if (n->overwrite == BOOL_TRUE)
            map_put(&gone, n->path, n);
    }
    for (size_t i = 0; i < list->n; i++) {
        const IgnNode *n = (const IgnNode *)((char *)list->items + i * size);

        if (!map_has(&gone, n->path))
            memmove((char *)list->items + size * kept++, n, size);
    }
    list->n = kept;
}

void lift_nodes(Lift *l)
{
    IgnStorage *to = &l->to->storage;

    to->directories = lift_directories(l);
    to->files = lift_files(l);
    to->links = lift_links(l);
    list_drop_overwritten(&to->directories, sizeof(IgnDirectory), &to->files, sizeof(IgnFile));
    list_drop_overwritten(&to->directories, sizeof(IgnDirectory), &to->links, sizeof(IgnLink));
    list_drop_overwritten(&to->files, sizeof(IgnFile), &to->links, sizeof(IgnLink));
}
