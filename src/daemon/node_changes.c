/* Taken over: what stands at a path that no config had is kept. Released: what was kept comes back, else what
 * the image has in /usr/etc, else nothing stays. Enablement is links: those that are wanted and missing are
 * made, those that are there and not wanted go. A password is a line of /etc/shadow, and the file is written
 * as a whole like any other. The record of the config comes last. */
#include "daemon/node_changes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/config_file.h"
#include "system/authorized_keys.h"

enum { ALSO_MAX = 64, SHADOW_MAX = 16 << 20 };
#define SHADOW "/etc/shadow"

static RootChange *add(NodeChanges *c, const RootChange *change)
{
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->items[i].path, change->path)) {
            c->items[i] = *change; /* the later one counts */
            return &c->items[i];
        }
    if (c->n == c->room) {
        RootChange *old = c->items;
        c->room = c->room ? 2 * c->room : 32;
        c->items = ARENA_ARRAY(c->arena, RootChange, c->room);
        if (c->n)
            memcpy(c->items, old, c->n * sizeof(*old));
    }
    c->items[c->n] = *change;
    return &c->items[c->n++];
}

static void add_remove(NodeChanges *c, const char *path)
{
    add(c, &(RootChange){ROOT_REMOVE, path});
}

/* 1: something stands there, links themselves; 0: nothing. */
static int stands(const NodeChanges *c, const char *path, Error *e)
{
    _cleanup_free_ char *name = NULL;
    struct stat st;
    _cleanup_close_ int dir = root_open_parent(c->root, path, false, 0, &name);
    int r = dir < 0 ? dir : fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 1;
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    return r < 0 ? error_errno(e, r, "%s", path) : 1;
}

int node_owner(Arena *a, int root, const IgnOwner *o, bool group, uint32_t *ret, Error *e)
{
    *ret = 0;
    if (!o || (!o->id.set && (!o->name || !*o->name)))
        return 0;
    if (o->id.set) {
        if (o->id.value < 0 || o->id.value >= UINT32_MAX)
            return error_set(e, ERANGE, "%s id %lld", group ? "group" : "user", (long long)o->id.value);
        *ret = (uint32_t)o->id.value;
        return 0;
    }
    UserEntry u;
    int r = group ? group_find(root, a, o->name, &u, e) : user_find(root, a, o->name, &u, e);
    if (r == 0)
        return error_set(e, ENOENT, "no such %s \"%s\"", group ? "group" : "user", o->name);
    *ret = r < 0 ? 0 : group ? u.gid : u.uid;
    return r < 0 ? r : 0;
}

/* ---- paths ---- */

static int path_write(NodeChanges *c, const ManagedPath *m, Error *e)
{
    RootChange w = {ROOT_WRITE, m->path, m->data, m->len, m->mode};
    if (m->kind == MANAGED_MASK) {
        add(c, &(RootChange){ROOT_LINK, m->path, .target = "/dev/null"});
        return 0;
    }
    int r = node_owner(c->arena, c->root, m->user, false, &w.uid, e);
    if (r >= 0)
        r = node_owner(c->arena, c->root, m->group, true, &w.gid, e);
    if (r < 0)
        return error_wrap(e, r, "%s", m->path);
    add(c, &w);
    return 0;
}

static const char *kept(Arena *a, const char *path)
{
    return arena_printf(a, KEPT_DIR "%s" KEPT_END, path);
}

static const char *absent(Arena *a, const char *path)
{
    return arena_printf(a, ABSENT_DIR "%s" ABSENT_END, path);
}

/* Only the first config that has a path finds what was there before. */
static int path_take(NodeChanges *c, const char *path, Error *e)
{
    const char *was = kept(c->arena, path), *none = absent(c->arena, path);
    int r = stands(c, was, e), k = r < 0 ? r : stands(c, none, e);
    if (k < 0 || r > 0 || k > 0)
        return k < 0 ? k : 0;
    r = stands(c, path, e);
    if (r > 0)
        add(c, &(RootChange){ROOT_COPY, was, .target = path});
    else if (r == 0)
        add(c, &(RootChange){ROOT_WRITE, none, "", 0, 0600});
    return r < 0 ? r : 0;
}

static int path_release(NodeChanges *c, const char *path, Error *e)
{
    const char *was = kept(c->arena, path), *none = absent(c->arena, path);
    const char *image = !strncmp(path, "/etc/", 5) ? arena_printf(c->arena, "/usr%s", path) : NULL;
    int had = stands(c, was, e), had_none = had < 0 ? had : stands(c, none, e);
    int default_there = had_none < 0 ? had_none : image ? stands(c, image, e) : 0;
    if (default_there < 0)
        return default_there;
    if (had)
        add(c, &(RootChange){ROOT_COPY, path, .target = was});
    else if (default_there && !had_none)
        add(c, &(RootChange){ROOT_COPY, path, .target = image});
    else
        add_remove(c, path);
    if (had)
        add_remove(c, was);
    if (had_none)
        add_remove(c, none);
    return 0;
}

static int path_change(NodeChanges *c, const PathChange *p, Error *e)
{
    if ((p->from && p->from->problem && !p->to) || (p->to && p->to->problem))
        return 0; /* made at a first boot, never by us */
    if (!p->to)
        return path_release(c, p->from->path, e);
    int r = p->from ? 0 : path_take(c, p->to->path, e);
    return r < 0 ? r : path_write(c, p->to, e);
}

/* ---- enablement ---- */

/* Of the config that will be, else of the root. */
static int unit_text(Arena *a, int root, const ManagedState *s, const char *unit, const char **ret_path,
                     const char **ret_text, Error *e)
{
    const char *names[] = {unit, unit_file_name(a, unit)};
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        const ManagedPath *m = managed_path_find(s, arena_printf(a, MANAGED_UNITS_DIR "/%s", names[i]));
        if (m && m->data) {
            *ret_path = m->path;
            *ret_text = m->data;
            return 1;
        }
    }
    return unit_file_find(a, root, unit, ret_path, ret_text, e);
}

int node_unit_links(Arena *a, int root, const ManagedState *s, const char *unit, UnitLinks *ret, Error *e)
{
    _cleanup_(string_list_done)
    StringList units = {0};
    UnitLinks all = {.items = ARENA_ARRAY(a, UnitLink, UNIT_LINKS_MAX)};
    string_list_add(&units, unit);
    for (size_t i = 0; i < units.n && i < ALSO_MAX; i++) {
        const char *file, *text;
        UnitLinks links = {.n = 0};
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = !strcmp(units.items[k], units.items[i]);
        int r = seen ? 0 : unit_text(a, root, s, units.items[i], &file, &text, e);
        if (r > 0)
            r = unit_links_wanted(a, units.items[i], file, text, &links, &units, e);
        else if (r == 0 && i == 0)
            log_warning("%s is to be enabled, but there is no such unit", unit);
        if (r < 0)
            return r;
        for (size_t k = 0; k < links.n && all.n < UNIT_LINKS_MAX; k++)
            all.items[all.n++] = links.items[k];
    }
    *ret = all;
    return 0;
}

static bool among(const UnitLinks *l, const char *path)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].path, path))
            return true;
    return false;
}

/* `to` NULL: as the image has it, by its own /usr/etc. */
static int unit_change(NodeChanges *c, const char *name, const ManagedUnit *to, const ManagedState *s,
                       Error *e)
{
    UnitLinks wanted = {.n = 0}, there = {.n = 0};
    int r = to && to->enabled ? node_unit_links(c->arena, c->root, s, name, &wanted, e)
            : !to             ? unit_links_present(c->arena, c->root, "/usr" UNIT_LINKS_DIR, name, &wanted, e)
                              : 0;
    if (r >= 0)
        r = unit_links_present(c->arena, c->root, UNIT_LINKS_DIR, name, &there, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < wanted.n; i++) {
        const char *path = wanted.items[i].path + (to ? 0 : strlen("/usr"));
        wanted.items[i].path = path;
        r = among(&there, path) ? 1 : to ? stands(c, path, e) : 0;
        if (r < 0)
            return r;
        if (r == 0)
            add(c, &(RootChange){ROOT_LINK, path, .target = wanted.items[i].target});
    }
    for (size_t i = 0; i < there.n; i++)
        if (!among(&wanted, there.items[i].path))
            add_remove(c, there.items[i].path);
    return 0;
}

static int units_change(NodeChanges *c, const MachineConfigDiff *d, Error *e)
{
    int r = 0;
    for (size_t i = 0; i < d->n_units && r >= 0; i++)
        r = unit_change(c, d->units[i].name, d->units[i].to, d->state_to, e);
    /* Where only the text changed its [Install] section may have. */
    for (size_t i = 0; i < d->n_paths && r >= 0; i++) {
        const ManagedPath *m = d->paths[i].to;
        const ManagedUnit *u = m && m->kind == MANAGED_UNIT ? managed_unit_find(d->state_to, m->unit) : NULL;
        if (u && u->enabled)
            r = unit_change(c, u->name, u, d->state_to, e);
    }
    return r;
}

/* ---- the account ---- */

static int keys_change(NodeChanges *c, const ManagedState *s, Error *e)
{
    UserEntry *core = ARENA_NEW(c->arena, UserEntry);
    int r = user_find(c->root, c->arena, MANAGED_CORE_USER, core, e);
    if (r < 0)
        return r;
    if (r == 0)
        return s->n_keys ? error_set(e, ENOENT, "ssh keys: there is no user " MANAGED_CORE_USER) : 0;
    const char *path = authorized_keys_path(c->arena, core->home, c->keys_fragment);
    const char *text = authorized_keys_text(c->arena, s->keys, s->n_keys);
    if (s->n_keys)
        add(c, &(RootChange){ROOT_WRITE, path, text, strlen(text), 0600, .as = core});
    else
        add(c, &(RootChange){ROOT_REMOVE, path, .as = core});
    return 0;
}

/* An empty hash must not mean "no password needed". */
static int password_change(NodeChanges *c, const ManagedState *s, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf old = BUF_INIT, out = BUF_INIT;
    struct stat st;
    const char *hash = s->password_hash && *s->password_hash ? s->password_hash : "*";
    const size_t n = strlen(MANAGED_CORE_USER ":");
    bool found = false;
    if (strpbrk(hash, ":\n"))
        return error_set(e, EINVAL, "the password hash of " MANAGED_CORE_USER " is none");
    _cleanup_close_ int fd = root_openat(c->root, SHADOW, O_RDONLY, 0);
    int r = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : file_read_fd(fd, SHADOW_MAX, &old);
    if (r < 0)
        return error_errno(e, r, SHADOW);
    for (const char *p = old.data ? old.data : ""; *p;) {
        size_t k = strcspn(p, "\n");
        if (!strncmp(p, MANAGED_CORE_USER ":", n)) {
            size_t rest = n + strcspn(p + n, ":\n");
            buf_addf(&out, MANAGED_CORE_USER ":%s%.*s", hash, (int)(k - rest), p + rest);
            found = true;
        } else {
            buf_add(&out, p, k);
        }
        buf_add_char(&out, '\n');
        p += k + (p[k] == '\n');
    }
    if (!found)
        buf_addf(&out, MANAGED_CORE_USER ":%s::0:99999:7:::\n", hash);
    add(c, &(RootChange){ROOT_WRITE, SHADOW, arena_memdup(c->arena, out.data, out.len), out.len,
                         st.st_mode & 07777, st.st_uid, st.st_gid});
    return 0;
}

/* ---- the whole ---- */

static void current_record(NodeChanges *c, const MachineConfig *mc)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    json_write(mc->node, JSON_COMPACT, &text);
    add(c, &(RootChange){ROOT_WRITE, CURRENT_CONFIG, arena_memdup(c->arena, text.data, text.len), text.len,
                         0600});
}

int node_changes_make(NodeChanges *c, const MachineConfigDiff *d, Error *e)
{
    int r = 0;
    for (size_t i = 0; i < d->n_paths && r >= 0; i++)
        r = path_change(c, &d->paths[i], e);
    if (r >= 0)
        r = units_change(c, d, e);
    if (r >= 0 && d->keys)
        r = keys_change(c, d->state_to, e);
    if (r >= 0 && d->password)
        r = password_change(c, d->state_to, e);
    if (r >= 0)
        current_record(c, d->to);
    return r;
}

int node_changes_repair(NodeChanges *c, const ManagedState *s, const NodeRepair *what, Error *e)
{
    int r = 0;
    for (size_t i = 0; i < what->n_paths && r >= 0; i++) {
        const ManagedPath *m = managed_path_find(s, what->paths[i]);
        r = m && !m->problem ? path_write(c, m, e) : 0;
    }
    for (size_t i = 0; i < what->n_units && r >= 0; i++) {
        const ManagedUnit *u = managed_unit_find(s, what->units[i]);
        r = u ? unit_change(c, u->name, u, s, e) : 0;
    }
    if (r >= 0 && what->keys)
        r = keys_change(c, s, e);
    if (r >= 0 && what->password)
        r = password_change(c, s, e);
    return r;
}
