/* A change is written down whole before any of it is done: the rename of the pending file decides. What
 * follows can be repeated at will: files are moved aside only where nothing stands yet, written files appear
 * whole, and the state comes last but for the removal of the pending file itself. Paths in these files are
 * our own, but they are checked all the same: nothing outside the directory is ever touched. */
#include "installer/asset_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "format/data_url.h"
#include "format/json.h"

enum { STATE_SIZE_MAX = 64 << 20, DIR_MODE = 0750, SECRET_DIR_MODE = 0700 };

/* Reads one of our JSON files. 1 with *ret, 0 when it is not there. */
static int object_read(Arena *a, int dirfd, const char *name, Node **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);

    int n = file_read_at(dirfd, name, STATE_SIZE_MAX, &text, NULL);
    if (n == -ENOENT)
        return 0;
    if (n < 0)
        return error_errno(e, n, "reading %s", name);
    *source = (Source){.name = name, .text = text.data, .len = text.len, .secret = true};
    if (json_read(a, source, SEVERITY_ERROR, ret, &r) < 0 || r.errors || (*ret)->kind != NODE_OBJECT)
        return error_set(e, EUCLEAN, "%s is damaged: move it away to start afresh", name);
    return 1;
}

int asset_state_read(Arena *a, int dirfd, Node **ret, Error *e)
{
    Node *file;
    int r = object_read(a, dirfd, ASSET_STATE_FILE, &file, e);
    if (r < 0)
        return r;
    Node *assets = r ? node_get(file, "assets") : NULL;
    if (r && (!assets || assets->kind != NODE_OBJECT))
        return error_set(e, EUCLEAN, "%s was written by another program: move it away to start afresh",
                         ASSET_STATE_FILE);
    *ret = r ? assets : node_new(a, NODE_OBJECT);
    return 0;
}

static int file_take(Arena *a, const Node *n, AssetValue *v)
{
    _cleanup_(buf_done_secret)
    Buf data = BUF_INIT;
    const char *text = node_string(n);

    if (!text || base64_decode(text, n->len, &data) < 0)
        return -EUCLEAN;
    asset_value_add(a, v, n->key, data.data ? data.data : "", data.len);
    return 0;
}

int asset_state_get(Arena *a, const Node *state, const char *asset, AssetValue *ret, Error *e)
{
    const Node *files = node_get(state, asset);
    AssetValue v = {0};

    if (!files)
        return 0;
    NODE_EACH (f, files)
        if (files->kind != NODE_OBJECT || file_take(a, f, &v) < 0)
            return error_set(e, EUCLEAN, "%s is damaged at '%s': move it away to start afresh",
                             ASSET_STATE_FILE, asset);
    *ret = v;
    return 1;
}

static Node *data_node(Arena *a, const AssetFile *f)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    base64_encode(f->data, f->len, &text);
    return node_new_string(a, text.data ? text.data : "");
}

void asset_state_put(Arena *a, Node *state, const char *asset, const AssetValue *v)
{
    Node *files = node_new(a, NODE_OBJECT);
    for (size_t i = 0; i < v->n; i++)
        node_set(a, files, v->files[i].path, data_node(a, &v->files[i]));
    node_set(a, state, asset, files);
}

/* ---- changes ---- */

void asset_change_init(Arena *a, AssetChange *c, Node *state, const char *aside)
{
    *c = (AssetChange){
        .state = state,
        .writes = node_new(a, NODE_ARRAY),
        .moves = node_new(a, NODE_ARRAY),
        .aside = aside,
    };
}

void asset_change_write(Arena *a, AssetChange *c, const AssetFile *f, mode_t mode)
{
    Node *w = node_new(a, NODE_OBJECT);
    node_set_string(a, w, "path", f->path);
    node_set(a, w, "mode", node_new_int(a, mode));
    node_set(a, w, "data", data_node(a, f));
    node_append(c->writes, w);
}

void asset_change_move(Arena *a, AssetChange *c, const char *path)
{
    node_append(c->moves, node_new_string(a, path));
}

static bool path_inside(const char *path)
{
    if (!path || !*path || *path == '/')
        return false;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
            return false;
    }
    return true;
}

static int make_parent(int dirfd, const char *path, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = NULL;

    if (!slash)
        return 0;
    parent = strndup(path, (size_t)(slash - path));
    if (!parent)
        return -ENOMEM;
    int r = dir_make_all_at(dirfd, parent, mode);
    return r < 0 ? r : 0;
}

static int move_aside(int dirfd, const char *path, const char *aside, Error *e)
{
    _cleanup_free_ char *to = NULL;

    if (!path_inside(path) || asprintf(&to, "%s/%s", aside, path) < 0)
        return error_set(e, EUCLEAN, "%s is damaged", ASSET_PENDING_FILE);
    int r = make_parent(dirfd, to, SECRET_DIR_MODE);
    if (r < 0)
        return error_errno(e, r, "making room for %s", to);
    if (renameat2(dirfd, path, dirfd, to, RENAME_NOREPLACE) < 0 && errno != ENOENT && errno != EEXIST)
        return error_errno(e, -errno, "moving %s to %s", path, to);
    /* A directory that is empty now was ours; one that is not stays. */
    char *slash = strrchr(to, '/');
    _cleanup_free_ char *parent = strndup(path, strlen(path) - strlen(slash));
    if (strchr(path, '/') && parent)
        unlinkat(dirfd, parent, AT_REMOVEDIR);
    return 0;
}

static int write_file(int dirfd, const Node *w, Error *e)
{
    const char *path = node_string(node_get(w, "path"));
    const Node *data = node_get(w, "data"), *mode = node_get(w, "mode");
    _cleanup_(buf_done_secret)
    Buf bytes = BUF_INIT;
    int64_t bits;

    if (!path_inside(path) || !data || !node_string(data) || !mode || node_int(mode, &bits) < 0 ||
        base64_decode(data->string, data->len, &bytes) < 0)
        return error_set(e, EUCLEAN, "%s is damaged", ASSET_PENDING_FILE);
    int r =
        make_parent(dirfd, path, *path == '.' || strncmp(path, "auth/", 5) == 0 ? SECRET_DIR_MODE : DIR_MODE);
    if (r >= 0)
        r = file_write_at(dirfd, path, bytes.data ? bytes.data : "", bytes.len,
                          FILE_WRITE(.mode = (mode_t)bits, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s", path) : 0;
}

static int object_write(int dirfd, const char *name, const Node *object, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;

    json_write(object, JSON_PRETTY, &text);
    buf_add_char(&text, '\n');
    int r = file_write_at(dirfd, name, text.data, text.len, FILE_WRITE(.mode = 0600, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s", name) : 0;
}

static int change_do(int dirfd, const Node *change, Error *e)
{
    const Node *state = node_get(change, "state"), *writes = node_get(change, "writes");
    const Node *moves = node_get(change, "moves");
    const char *aside = node_string(node_get(change, "aside"));
    int r;

    if (!writes || !moves || writes->kind != NODE_ARRAY || moves->kind != NODE_ARRAY || !path_inside(aside))
        return error_set(e, EUCLEAN, "%s is damaged: move it away", ASSET_PENDING_FILE);
    NODE_EACH (path, moves) {
        r = move_aside(dirfd, node_string(path), aside, e);
        if (r < 0)
            return r;
    }
    NODE_EACH (w, writes) {
        r = write_file(dirfd, w, e);
        if (r < 0)
            return r;
    }
    r = state ? object_write(dirfd, ASSET_STATE_FILE, state, e) : 0;
    if (r < 0)
        return r;
    if (unlinkat(dirfd, ASSET_PENDING_FILE, 0) < 0)
        return error_errno(e, -errno, "removing %s", ASSET_PENDING_FILE);
    return 0;
}

int asset_change_commit(Arena *a, const AssetChange *c, int dirfd, Error *e)
{
    Node *change = node_new(a, NODE_OBJECT), *state = node_new(a, NODE_OBJECT);

    node_set(a, state, "version", node_new_int(a, 1));
    if (c->state) {
        node_set(a, state, "assets", c->state);
        node_set(a, change, "state", state);
    }
    node_set(a, change, "writes", c->writes);
    node_set(a, change, "moves", c->moves);
    node_set_string(a, change, "aside", c->aside);
    int r = object_write(dirfd, ASSET_PENDING_FILE, change, e);
    return r < 0 ? r : change_do(dirfd, change, e);
}

int asset_change_resume(Arena *a, int dirfd, Error *e)
{
    Node *change;
    int r = object_read(a, dirfd, ASSET_PENDING_FILE, &change, e);
    if (r <= 0)
        return r;
    r = change_do(dirfd, change, e);
    return r < 0 ? r : 1;
}
