/* A walk over the managed state, each thing held against the root. Nothing is followed that is a link where a
 * file was declared. */
#include "daemon/node_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "system/authorized_keys.h"

enum { SHOWN_MAX = 60, KEYS_MAX = 1 << 20, SHADOW_MAX = 16 << 20 };

typedef struct Verify {
    const Machine *m;
    Arena *arena;
    const MachineConfig *mc;
    const ManagedState *state;
    const VerifyScope *scope;
    Report *report;
    NodeRepair repair;
    const char **paths, **units;
} Verify;

static bool in_scope(const Verify *v, const char *path)
{
    for (size_t i = 0; v->scope && i < v->scope->n; i++)
        if (!strcmp(v->scope->paths[i], path))
            return true;
    return !v->scope;
}

static void finding(Verify *v, const char *declared, const Node *at, const char *text)
{
    report_add(v->report, SEVERITY_ERROR, &(PathStep){.key = declared}, at, "%s", text);
}

/* ---- contents ---- */

/* A line as it can be shown, from `at`. */
static const char *shown_line(Arena *a, const char *data, size_t len, size_t at)
{
    size_t n = 0;
    if (at >= len)
        return "nothing";
    while (at + n < len && n < SHOWN_MAX && data[at + n] != '\n')
        n++;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)data[at + i] < ' ' && data[at + i] != '\t')
            return "bytes that are no text";
    return arena_printf(a, "\"%.*s%s\"", (int)n, data + at, n == SHOWN_MAX ? "…" : "");
}

static const char *difference(Arena *a, const ManagedPath *m, const Buf *is)
{
    const char *there = is->data ? is->data : "";
    size_t at = 0, line = 1, start = 0;
    while (at < m->len && at < is->len && m->data[at] == there[at])
        if (m->data[at++] == '\n') {
            line++;
            start = at;
        }
    if (managed_path_is_secret(m))
        return arena_printf(a, "contents differ from line %zu on (not shown)", line);
    return arena_printf(a, "line %zu is %s, should be %s", line, shown_line(a, there, is->len, start),
                        shown_line(a, m->data, m->len, start));
}

/* ---- paths ---- */

static const char *check_attributes(Verify *v, const ManagedPath *m, const struct stat *st, Error *e)
{
    uint32_t uid = 0, gid = 0;
    if ((st->st_mode & 07777) != m->mode)
        return arena_printf(v->arena, "mode is %04o, should be %04o", st->st_mode & 07777, m->mode);
    if (node_owner(v->arena, v->m->root, m->user, false, &uid, e) < 0 ||
        node_owner(v->arena, v->m->root, m->group, true, &gid, e) < 0)
        return arena_strdup(v->arena, e->text);
    if (st->st_uid != uid || st->st_gid != gid)
        return arena_printf(v->arena, "owner is %u:%u, should be %u:%u", st->st_uid, st->st_gid, uid, gid);
    return NULL;
}

static const char *check_mask(Verify *v, int dir, const char *name)
{
    char to[64];
    ssize_t n = readlinkat(dir, name, to, sizeof(to));
    return n == (ssize_t)strlen("/dev/null") && !memcmp(to, "/dev/null", (size_t)n)
               ? NULL
               : arena_strdup(v->arena, "is not masked");
}

/* NULL, or what is wrong. */
static const char *check_path(Verify *v, const ManagedPath *m)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_buf_ Buf is = BUF_INIT;
    Error own = ERROR_INIT;
    struct stat st;
    _cleanup_close_ int dir = root_open_parent(v->m->root, m->path, false, 0, &name);
    int r = dir < 0 ? dir : fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    if (r == -ENOENT)
        return "is missing";
    if (r < 0)
        return arena_printf(v->arena, "cannot be looked at: %s", strerror(-r));
    if (m->kind == MANAGED_MASK)
        return check_mask(v, dir, name);
    if (!S_ISREG(st.st_mode))
        return "is no regular file";
    const char *wrong = check_attributes(v, m, &st, &own);
    if (wrong)
        return wrong;
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    r = fd < 0                                  ? -errno
        : (size_t)st.st_size > MANAGED_SIZE_MAX ? -EFBIG
                                                : file_read_fd(fd, MANAGED_SIZE_MAX, &is);
    if (r < 0)
        return arena_printf(v->arena, "cannot be read: %s", strerror(-r));
    if (is.len == m->len && !memcmp(is.data ? is.data : "", m->data, m->len))
        return NULL;
    return difference(v->arena, m, &is);
}

static void check_paths(Verify *v)
{
    for (size_t i = 0; i < v->state->n; i++) {
        const ManagedPath *m = &v->state->paths[i];
        const char *wrong = m->problem || !in_scope(v, m->path) ? NULL : check_path(v, m);
        if (!wrong)
            continue;
        finding(v, m->declared, m->at, arena_printf(v->arena, "%s: %s", m->path, wrong));
        v->paths[v->repair.n_paths++] = m->path;
    }
}

/* ---- enablement ---- */

static int link_stands(const Verify *v, const char *path)
{
    _cleanup_free_ char *name = NULL;
    struct stat st;
    _cleanup_close_ int dir = root_open_parent(v->m->root, path, false, 0, &name);
    return dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int check_unit(Verify *v, const ManagedUnit *u, Error *e)
{
    UnitLinks links;
    int r = u->enabled ? node_unit_links(v->arena, v->m->root, v->state, u->name, &links, e)
                       : unit_links_present(v->arena, v->m->root, UNIT_LINKS_DIR, u->name, &links, e);
    const char *wrong = NULL;
    bool concerned = !v->scope || !u->enabled;
    for (size_t i = 0; r >= 0 && i < links.n && !wrong; i++) {
        concerned |= in_scope(v, links.items[i].path);
        if (!u->enabled)
            wrong = arena_printf(v->arena, "is enabled, by %s", links.items[i].path);
        else if (!link_stands(v, links.items[i].path))
            wrong = arena_printf(v->arena, "is not enabled: %s is missing", links.items[i].path);
    }
    if (r < 0 || !wrong || !concerned)
        return r < 0 ? r : 0;
    finding(v, "spec.config.systemd.units", u->at, arena_printf(v->arena, "%s %s", u->name, wrong));
    v->units[v->repair.n_units++] = u->name;
    return 0;
}

static int check_units(Verify *v, Error *e)
{
    int r = 0;
    for (size_t i = 0; i < v->state->n_units && r >= 0; i++)
        r = check_unit(v, &v->state->units[i], e);
    return r;
}

/* ---- core ---- */

static int check_keys(Verify *v, Error *e)
{
    _cleanup_buf_ Buf is = BUF_INIT;
    _cleanup_user_act_ UserAct act = {0};
    UserEntry core;
    int r = v->state->n_keys ? user_find(v->m->root, v->arena, MANAGED_CORE_USER, &core, e) : 0;
    if (r <= 0)
        return r;
    const char *path = authorized_keys_path(v->arena, core.home, v->m->keys_fragment);
    const char *text = authorized_keys_text(v->arena, v->state->keys, v->state->n_keys);
    if (!in_scope(v, path))
        return 0;
    r = user_act_begin(&core, &act, e);
    if (r < 0)
        return r;
    r = root_read(v->m->root, path, KEYS_MAX, &is);
    if (r >= 0 && is.len == strlen(text) && !memcmp(is.data, text, is.len))
        return 0;
    finding(v, "spec.config.passwd.users", NULL,
            r < 0 ? arena_printf(v->arena, "%s: %s", path, strerror(-r))
                  : arena_printf(v->arena, "%s: other keys than declared (not shown)", path));
    v->repair.keys = true;
    return 0;
}

static int check_password(Verify *v, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    const char *hash = v->state->password_hash;
    if (!hash || v->scope)
        return 0;
    int r = root_read(v->m->root, "/etc/shadow", SHADOW_MAX, &text);
    if (r < 0)
        return error_errno(e, r, "/etc/shadow");
    const char *line = arena_printf(v->arena, "\n" MANAGED_CORE_USER ":%s:", *hash ? hash : "*");
    if ((text.data && !strncmp(text.data, line + 1, strlen(line + 1))) ||
        (text.data && strstr(text.data, line)))
        return 0;
    finding(v, "spec.config.passwd.users", NULL,
            "the password of " MANAGED_CORE_USER " is another one (not shown)");
    v->repair.password = true;
    return 0;
}

/* ---- the system ---- */

static int check_kernel_arguments(Verify *v, Error *e)
{
    const char *missing = NULL;
    if (v->scope)
        return 0;
    int r = node_booted_with(v->m, v->arena, v->mc->kernel_arguments, v->mc->n_kernel_arguments, &missing, e);
    if (r >= 0 && missing)
        finding(v, "spec.kernelArguments", NULL,
                arena_printf(v->arena, "booted without the kernel argument %s", missing));
    return r;
}

static int check_system(Verify *v, Error *e)
{
    OsState s;
    const char *url = v->mc->os_image_url;
    if (!url || !*url || v->scope || !v->m->os)
        return 0;
    int r = v->m->os->state(v->m->os->context, v->arena, &s, e);
    if (r >= 0 && (s.image || s.digest) && !os_state_is(&s, url))
        finding(v, "spec.osImageURL", NULL,
                arena_printf(v->arena, "booted %s, should be %s", s.digest ? s.digest : s.image, url));
    return r < 0 ? r : 0;
}

/* ---- the whole ---- */

int node_verify(const Machine *m, Arena *a, const MachineConfig *mc, const VerifyScope *scope, Report *report,
                NodeRepair *ret, Error *e)
{
    static int (*const checks[])(Verify *, Error *) = {check_units, check_keys, check_password,
                                                       check_kernel_arguments, check_system};
    Verify v = {.m = m, .arena = a, .mc = mc, .scope = scope, .report = report};
    v.state = managed_state_read(a, mc->config);
    v.paths = ARENA_ARRAY(a, const char *, v.state->n + 1);
    v.units = ARENA_ARRAY(a, const char *, v.state->n_units + 1);
    check_paths(&v);
    int r = 0;
    for (size_t i = 0; i < ELEMENTS(checks) && r >= 0; i++)
        r = checks[i](&v, e);
    v.repair.paths = v.paths;
    v.repair.units = v.units;
    if (r >= 0)
        *ret = v.repair;
    return r;
}

int node_verify_paths(const Machine *m, Arena *a, const MachineConfig *mc, const char ***ret, size_t *ret_n,
                      Error *e)
{
    const ManagedState *s = managed_state_read(a, mc->config);
    const char **paths = ARENA_ARRAY(a, const char *, s->n + s->n_units * UNIT_LINKS_MAX + 1);
    size_t n = 0;
    UserEntry core;
    for (size_t i = 0; i < s->n; i++)
        if (!s->paths[i].problem)
            paths[n++] = s->paths[i].path;
    for (size_t i = 0; i < s->n_units; i++) {
        UnitLinks links = {.n = 0};
        int r = s->units[i].enabled ? node_unit_links(a, m->root, s, s->units[i].name, &links, e) : 0;
        if (r < 0)
            return r;
        for (size_t k = 0; k < links.n; k++)
            paths[n++] = links.items[k].path;
    }
    int r = s->n_keys ? user_find(m->root, a, MANAGED_CORE_USER, &core, e) : 0;
    if (r > 0)
        paths[n++] = authorized_keys_path(a, core.home, m->keys_fragment);
    if (r >= 0) {
        *ret = paths;
        *ret_n = n;
    }
    return r < 0 ? r : 0;
}
