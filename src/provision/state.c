/* Reads and writes the state file. Reading takes what it knows and skips what it does not (a newer program
 * may have written it); a member of the wrong shape is a failure: going on with half a state would lose keys.
 * The files of a provider are in the form of the config's `storage.files`, so they are read and written as
 * part of a config that has nothing else. Writing is a temporary file, fsync, rename. */
#include "provision/state.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/json.h"
#include "ignition/merge.h"
#include "ignition/parse.h"

enum { STATE_SIZE_MAX = 64 * 1024 * 1024 };

/* Room for one more in an array that was made by this function alone: it doubles at each power of two, since
 * the arena keeps the old ones. */
static void *array_grow(Arena *a, void *old, size_t n, size_t size)
{
    if (n & (n - 1))
        return old;
    char *grown = arena_alloc(a, (n ? 2 * n : 1) * size);

    if (n > 0)
        memcpy(grown, old, n * size);
    return grown;
}

void state_add_config(State *s, const char *kind, const char *source, bool referenced)
{
    s->fetched_configs =
        array_grow(s->arena, s->fetched_configs, s->n_fetched_configs, sizeof(FetchedConfig));
    s->fetched_configs[s->n_fetched_configs++] = (FetchedConfig){
        .kind = arena_strdup(s->arena, kind),
        .source = arena_strdup(s->arena, source),
        .referenced = referenced,
    };
}

void state_add_directory(State *s, const char *path)
{
    s->notated_directories =
        array_grow(s->arena, s->notated_directories, s->n_notated_directories, sizeof(char *));
    s->notated_directories[s->n_notated_directories++] = arena_strdup(s->arena, path);
}

static void key_add(Arena *a, StateKey **keys, size_t *n, const char *name, const char *contents)
{
    *keys = array_grow(a, *keys, *n, sizeof(StateKey));
    (*keys)[(*n)++] = (StateKey){.name = arena_strdup(a, name), .contents = arena_strdup(a, contents)};
}

void state_add_key(State *s, const char *volume, const char *contents)
{
    key_add(s->arena, &s->luks_key_files, &s->n_luks_key_files, volume, contents);
}

void state_forget_keys(State *s)
{
    s->n_luks_key_files = 0;
    s->n_luks_volume_key_files = 0;
}

/* A member that may be missing or null; otherwise it has to be of this kind. */
static int member(const Node *object, const char *key, NodeKind kind, const Node **ret, Error *e)
{
    const Node *n = node_get(object, key);

    *ret = NULL;
    if (!n || n->kind == NODE_NULL)
        return 0;
    if (n->kind != kind)
        return error_set(e, EBADMSG, "%s is a %s, not a %s", key, node_kind_name(n->kind),
                         node_kind_name(kind));
    *ret = n;
    return 0;
}

static int read_configs(State *s, const Node *top, Error *e)
{
    const Node *list;
    int r = member(top, "fetchedConfigs", NODE_ARRAY, &list, e);

    if (r < 0 || !list)
        return r;
    NODE_EACH (c, list) {
        const char *kind = node_string(node_get(c, "kind")), *source = node_string(node_get(c, "source"));
        const Node *referenced = node_get(c, "referenced");
        if (!kind || !source)
            return error_set(e, EBADMSG, "an entry of fetchedConfigs has no kind or no source");
        state_add_config(s, kind, source, referenced && referenced->kind == NODE_BOOL && referenced->boolean);
    }
    return 0;
}

static int read_keys(Arena *a, const Node *top, const char *name, StateKey **keys, size_t *n, Error *e)
{
    const Node *object;
    int r = member(top, name, NODE_OBJECT, &object, e);

    if (r < 0 || !object)
        return r;
    NODE_EACH (k, object) {
        const char *contents = node_string(k);
        if (!contents)
            return error_set(e, EBADMSG, "an entry of %s is no string", name);
        key_add(a, keys, n, k->key, contents);
    }
    return 0;
}

static int read_directories(State *s, const Node *top, Error *e)
{
    const Node *list;
    int r = member(top, "notatedDirectories", NODE_ARRAY, &list, e);

    if (r < 0 || !list)
        return r;
    NODE_EACH (d, list) {
        const char *path = node_string(d);
        if (!path)
            return error_set(e, EBADMSG, "an entry of notatedDirectories is no string");
        state_add_directory(s, path);
    }
    return 0;
}

static int read_provider_files(State *s, const Node *top, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(s->arena);
    const Node *list;
    IgnConfig *config;
    int r = member(top, "providerOutputFiles", NODE_ARRAY, &list, e);

    if (r < 0 || !list || list->n == 0)
        return r;
    Node *wrapper = node_new(s->arena, NODE_OBJECT);
    Node *ignition = node_set(s->arena, wrapper, "ignition", node_new(s->arena, NODE_OBJECT));
    node_set_string(s->arena, ignition, "version", ign_version_text(IGN_NEWEST));
    Node *storage = node_set(s->arena, wrapper, "storage", node_new(s->arena, NODE_OBJECT));
    node_set(s->arena, storage, "files", node_copy(s->arena, list));
    r = ign_config_from_node(s->arena, wrapper, NULL, &config, &report);
    if (r < 0)
        return error_set(e, EBADMSG, "providerOutputFiles: %s",
                         report.n > 0 ? report.entries[0].message : "cannot be read");
    s->provider_output_files = config->storage.files;
    return 0;
}

int state_load(Arena *a, const char *path, State *ret, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    State s = {.arena = a};
    const Node *covered = NULL;
    Node *top;
    int r;

    r = file_read_at(AT_FDCWD, path, STATE_SIZE_MAX, &text, NULL);
    if (r == -ENOENT) {
        *ret = s;
        return 0;
    }
    if (r < 0)
        return error_errno(e, r, "reading state file '%s'", path);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = arena_strdup(a, path), .text = text.data, .len = text.len, .secret = true};
    r = json_read(a, source, SEVERITY_ERROR, &top, &report);
    source->text = NULL;
    if (r < 0)
        return error_set(e, EBADMSG, "parsing state file '%s': %s", path,
                         report.n > 0 ? report.entries[0].message : "no JSON");
    if (top->kind != NODE_OBJECT)
        return error_set(e, EBADMSG, "parsing state file '%s': it is no object", path);
    r = read_configs(&s, top, e);
    if (r >= 0)
        r = read_keys(a, top, "luksPersistKeyFiles", &s.luks_key_files, &s.n_luks_key_files, e);
    if (r >= 0)
        r = read_keys(a, top, "luksPersistVolumeKeyFiles", &s.luks_volume_key_files,
                      &s.n_luks_volume_key_files, e);
    if (r >= 0)
        r = read_directories(&s, top, e);
    if (r >= 0)
        r = member(top, "rootCovered", NODE_BOOL, &covered, e);
    if (r >= 0)
        r = read_provider_files(&s, top, e);
    if (r < 0)
        return error_wrap(e, r, "parsing state file '%s'", path);
    s.root_covered = covered && covered->boolean;
    *ret = s;
    return 0;
}

static Node *keys_to_node(Arena *a, const StateKey *keys, size_t n)
{
    Node *object = node_new(a, n > 0 ? NODE_OBJECT : NODE_NULL);

    for (size_t i = 0; i < n; i++)
        node_set_string(a, object, keys[i].name, keys[i].contents);
    return object;
}

static Node *provider_files_to_node(const State *s, Arena *a)
{
    if (s->provider_output_files.n == 0)
        return node_new(a, NODE_NULL);
    IgnConfig *c = ign_config_empty(a);
    c->storage.files = s->provider_output_files;
    Node *files = node_get_path(ign_config_to_node(a, c), "storage.files");
    return files ? node_copy(a, files) : node_new(a, NODE_NULL);
}

static Node *state_to_node(const State *s, Arena *a)
{
    Node *top = node_new(a, NODE_OBJECT);
    Node *configs = node_set(a, top, "fetchedConfigs", node_new(a, NODE_ARRAY));

    for (size_t i = 0; i < s->n_fetched_configs; i++) {
        const FetchedConfig *c = &s->fetched_configs[i];
        Node *o = node_append(configs, node_new(a, NODE_OBJECT));
        node_set_string(a, o, "kind", c->kind);
        node_set_string(a, o, "source", c->source);
        node_set(a, o, "referenced", node_new_bool(a, c->referenced));
    }
    node_set(a, top, "luksPersistKeyFiles", keys_to_node(a, s->luks_key_files, s->n_luks_key_files));
    Node *dirs = node_set(a, top, "notatedDirectories",
                          node_new(a, s->n_notated_directories > 0 ? NODE_ARRAY : NODE_NULL));
    for (size_t i = 0; i < s->n_notated_directories; i++)
        node_append(dirs, node_new_string(a, s->notated_directories[i]));
    node_set(a, top, "providerOutputFiles", provider_files_to_node(s, a));
    node_set(a, top, "luksPersistVolumeKeyFiles",
             keys_to_node(a, s->luks_volume_key_files, s->n_luks_volume_key_files));
    if (s->root_covered)
        node_set(a, top, "rootCovered", node_new_bool(a, true));
    return top;
}

int state_save(const State *s, const char *path, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    const char *slash = strrchr(path, '/');
    int r;

    json_write(state_to_node(s, a), JSON_COMPACT, &text);
    buf_add_char(&text, '\n');
    if (slash && slash != path) {
        const char *dir = arena_printf(a, "%.*s", (int)(slash - path), path);
        r = dir_make_all_at(AT_FDCWD, dir, 0700);
        if (r < 0)
            return error_errno(e, r, "creating directory for state file '%s'", path);
    }
    r = file_write_at(AT_FDCWD, path, text.data, text.len, FILE_WRITE(.mode = 0600, .sync = true));
    if (r < 0)
        return error_errno(e, r, "writing state file '%s'", path);
    return 0;
}
