/* Files first, then units in the order of the config: where both declare one path, the unit is what counts,
 * as it does at a first boot. A masked unit gets no contents, since the link takes their place; empty
 * contents of a unit are none. A file without contents is an empty file: the machine's own would be another
 * on every machine. */
#include "machineconfig/managed_path.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ignition/resource_data.h"

typedef struct Reader {
    Arena *arena;
    ManagedState *state;
    Map paths, units; /* to their place + 1 */
} Reader;

static const PathStep spec_step = {.key = "spec"}, config_step = {.up = &spec_step, .key = "config"};

static void path_add(Reader *r, ManagedPath p, const PathStep *at)
{
    void *known = map_get(&r->paths, p.path);
    size_t i = known ? (size_t)known - 1 : r->state->n++;
    if (!known)
        map_put(&r->paths, p.path, (void *)(i + 1));
    p.declared = path_text(r->arena, at) + 2; /* without "$." */
    r->state->paths[i] = p;
}

/* NULL with *ret, or what is wrong. */
static const char *file_data(Reader *r, const IgnFile *f, Buf *ret)
{
    Error e = ERROR_INIT;
    if (f->append.n || f->append_to == BOOL_TRUE)
        return "appending is done at a machine's first boot only: give the file as a whole";
    if (!ign_resource_is_local(&f->contents))
        return "only contents that are in the config (\"data:\") reach a machine that runs";
    return ign_resource_data(&f->contents, MANAGED_SIZE_MAX, ret, &e) < 0 ? arena_strdup(r->arena, e.text)
                                                                          : NULL;
}

static void file_read(Reader *r, const IgnFile *f, const PathStep *at)
{
    _cleanup_(buf_done_secret)
    Buf bytes = BUF_INIT;
    const char *problem = file_data(r, f, &bytes);
    path_add(r,
             (ManagedPath){.kind = MANAGED_FILE,
                           .path = f->base.path,
                           .data = problem ? NULL
                                           : arena_memdup(r->arena, bytes.data ? bytes.data : "", bytes.len),
                           .len = bytes.len,
                           .mode = f->mode.set ? (unsigned)f->mode.value & 07777 : 0644,
                           .user = &f->base.user,
                           .group = &f->base.group,
                           .at = f->base.node,
                           .problem = problem},
             at);
}

static void text_add(Reader *r, ManagedKind kind, const char *path, const char *text, const IgnUnit *u,
                     const PathStep *at)
{
    path_add(r,
             (ManagedPath){.kind = kind,
                           .path = path,
                           .unit = u->name,
                           .data = text,
                           .len = text ? strlen(text) : 0,
                           .mode = 0644,
                           .at = u->node},
             at);
}

static void unit_read(Reader *r, const IgnUnit *u, const PathStep *at)
{
    const char *path = arena_printf(r->arena, MANAGED_UNITS_DIR "/%s", u->name);
    const bool contents = u->contents && *u->contents;
    size_t i = 0;
    IGN_EACH (IgnDropin, d, u->dropins) {
        if (d->contents)
            text_add(r, MANAGED_DROPIN,
                     arena_printf(r->arena, MANAGED_UNITS_DIR "/%s.d/%s", u->name, d->name), d->contents, u,
                     PATH_INDEX(PATH_KEY(at, "dropins"), i));
        i++;
    }
    if (u->mask == BOOL_TRUE)
        text_add(r, MANAGED_MASK, path, NULL, u, at);
    else if (contents)
        text_add(r, MANAGED_UNIT, path, u->contents, u, at);
    if (u->enabled == BOOL_UNSET || u->mask == BOOL_TRUE)
        return;
    void *known = map_get(&r->units, u->name);
    size_t k = known ? (size_t)known - 1 : r->state->n_units++;
    if (!known)
        map_put(&r->units, u->name, (void *)(k + 1));
    r->state->units[k] = (ManagedUnit){.name = u->name,
                                       .enabled = u->enabled == BOOL_TRUE,
                                       .contents = contents ? u->contents : NULL,
                                       .at = u->node};
}

static int path_compare(const void *a, const void *b)
{
    return strcmp(((const ManagedPath *)a)->path, ((const ManagedPath *)b)->path);
}

static int unit_compare(const void *a, const void *b)
{
    return strcmp(((const ManagedUnit *)a)->name, ((const ManagedUnit *)b)->name);
}

/* Keys of all entries of core, each once. */
static void core_read(Reader *r, const IgnConfig *c)
{
    size_t n = 0;
    IGN_EACH (IgnUser, u, c->passwd.users)
        n += u->ssh_authorized_keys.n;
    const char **keys = ARENA_ARRAY(r->arena, const char *, n + 1);
    _cleanup_map_ Map seen = MAP_INIT;
    n = 0;
    IGN_EACH (IgnUser, u, c->passwd.users) {
        if (!u->name || strcmp(u->name, MANAGED_CORE_USER))
            continue;
        for (size_t i = 0; i < u->ssh_authorized_keys.n; i++) {
            const char *key = IGN_STRING_AT(u->ssh_authorized_keys, i);
            if (map_put_new(&seen, key, r, NULL))
                keys[n++] = key;
        }
        if (u->password_hash)
            r->state->password_hash = u->password_hash;
    }
    r->state->keys = keys;
    r->state->n_keys = n;
}

static void config_read(Reader *r, const IgnConfig *c)
{
    const PathStep *files = PATH_KEY(PATH_KEY(&config_step, "storage"), "files"),
                   *units = PATH_KEY(PATH_KEY(&config_step, "systemd"), "units");
    size_t most = c->storage.files.n, i = 0;
    IGN_EACH (IgnUnit, u, c->systemd.units)
        most += 1 + u->dropins.n;
    r->state->paths = ARENA_ARRAY(r->arena, ManagedPath, most + 1);
    r->state->units = ARENA_ARRAY(r->arena, ManagedUnit, c->systemd.units.n + 1);
    IGN_EACH (IgnFile, f, c->storage.files)
        file_read(r, f, PATH_INDEX(files, i++));
    i = 0;
    IGN_EACH (IgnUnit, u, c->systemd.units)
        unit_read(r, u, PATH_INDEX(units, i++));
    core_read(r, c);
    qsort(r->state->paths, r->state->n, sizeof(*r->state->paths), path_compare);
    qsort(r->state->units, r->state->n_units, sizeof(*r->state->units), unit_compare);
}

ManagedState *managed_state_read(Arena *a, const IgnConfig *config)
{
    Reader r = {.arena = a, .state = ARENA_NEW(a, ManagedState)};
    if (config)
        config_read(&r, config);
    map_done(&r.paths);
    map_done(&r.units);
    return r.state;
}

const ManagedPath *managed_path_find(const ManagedState *s, const char *path)
{
    return s->n ? bsearch(&(ManagedPath){.path = path}, s->paths, s->n, sizeof(*s->paths), path_compare)
                : NULL;
}

const ManagedUnit *managed_unit_find(const ManagedState *s, const char *name)
{
    return s->n_units
               ? bsearch(&(ManagedUnit){.name = name}, s->units, s->n_units, sizeof(*s->units), unit_compare)
               : NULL;
}

static bool owner_equal(const IgnOwner *x, const IgnOwner *y)
{
    static const IgnOwner root = {.id = {.set = false}};
    x = x ? x : &root;
    y = y ? y : &root;
    const char *a = x->name && *x->name ? x->name : "root", *b = y->name && *y->name ? y->name : "root";
    if (x->id.set || y->id.set) {
        int64_t i = x->id.set           ? x->id.value
                    : strcmp(a, "root") ? -1
                                        : 0,
                k = y->id.set           ? y->id.value
                    : strcmp(b, "root") ? -1
                                        : 0;
        return i == k && i >= 0;
    }
    return !strcmp(a, b);
}

bool managed_path_equal(const ManagedPath *x, const ManagedPath *y)
{
    if ((x->kind == MANAGED_MASK) != (y->kind == MANAGED_MASK))
        return false;
    if (x->kind == MANAGED_MASK)
        return true;
    if (x->problem || y->problem)
        return x->problem && y->problem && x->at && y->at && node_equal(x->at, y->at);
    return x->mode == y->mode && x->len == y->len && !memcmp(x->data, y->data, x->len) &&
           owner_equal(x->user, y->user) && owner_equal(x->group, y->group);
}

bool managed_path_is_secret(const ManagedPath *m)
{
    static const char *const words[] = {"pull-secret", "kubeconfig", "config.json", "auth.json",
                                        ".key",        "token",      "/private/",   "password",
                                        "secret",      "credential"};
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (strstr(m->path, words[i]))
            return true;
    return !(m->mode & 0044);
}
