/* Pools are read as the bootstrap writes them: machine-pools/P.yaml names in status.configuration the
 * rendered config machine-configs/NAME.yaml. A pool whose config is missing or broken fails the whole: the
 * former snapshot stays. */
#include "server/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/json.h"
#include "format/yaml.h"
#include "server/token.h"

#define MORE_DIR "machine-more"

enum { FILE_MAX = 16 << 20 };

static int read_text(Arena *a, const char *path, const Source **ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = file_read_at(AT_FDCWD, path, FILE_MAX, &text, e);
    if (r < 0)
        return r;
    Source *s = ARENA_NEW(a, Source);
    *s = (Source){.name = arena_strdup(a, path),
                  .text = arena_memdup(a, text.data, text.len),
                  .len = text.len,
                  .secret = true};
    explicit_bzero(text.data, text.len);
    *ret = s;
    return 0;
}

static int read_yaml(Arena *a, const char *path, Node **ret, Error *e)
{
    const Source *s = NULL;
    _cleanup_report_ Report report = REPORT_INIT(a);
    int r = read_text(a, path, &s, e);
    if (r < 0 || (r = yaml_read(a, s, SEVERITY_ERROR, ret, &report)) == 0)
        return r;
    for (size_t i = 0; i < report.n; i++) {
        const ReportEntry *at = &report.entries[i];
        if (at->severity == SEVERITY_ERROR)
            return error_set(e, EBADMSG, "%s:%u:%u: %s", path, at->line, at->column, at->message);
    }
    return error_errno(e, r, "%s", path);
}

static int read_pool(Arena *a, const SnapshotPaths *paths, const char *file, Node *pools, Error *e)
{
    Node *pool, *config;
    int r = read_yaml(a, arena_printf(a, "%s/machine-pools/%s", paths->base, file), &pool, e);
    if (r < 0)
        return r;
    const char *name = node_string(node_get_path(pool, "status.configuration.name"));
    if (!name || strchr(name, '/') || name[0] == '.')
        return error_set(e, EBADMSG, "%s/machine-pools/%s: status.configuration.name names no config",
                         paths->base, file);
    r = read_yaml(a, arena_printf(a, "%s/machine-configs/%s.yaml", paths->base, name), &config, e);
    if (r < 0)
        return r;
    char *pool_name = arena_memdup(a, file, strlen(file) - strlen(".yaml"));
    node_set(a, pools, pool_name, config);
    return 0;
}

static int is_yaml(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return d->d_name[0] != '.' && n > 5 && !strcmp(d->d_name + n - 5, ".yaml");
}

static int add_more(Arena *a, const SnapshotPaths *paths, const char *file, Node *more, Error *e)
{
    Node *config;
    int r = read_yaml(a, arena_printf(a, "%s/" MORE_DIR "/%s", paths->base, file), &config, e);
    if (r >= 0)
        node_set(a, more, arena_memdup(a, file, strlen(file) - strlen(".yaml")), config);
    return r;
}

typedef int ReadFile(Arena *a, const SnapshotPaths *paths, const char *file, Node *to, Error *e);

/* Each file of a directory; how many there are. */
static int read_files(Arena *a, const SnapshotPaths *paths, const char *name, ReadFile *read, Node *to,
                      Error *e)
{
    struct dirent **files;
    const char *dir = arena_printf(a, "%s/%s", paths->base, name);
    int n = scandir(dir, &files, is_yaml, alphasort), r = n;
    if (n < 0)
        return error_errno(e, -errno, "%s", dir);
    for (int i = 0; i < n; i++) {
        int k = r < 0 ? r : read(a, paths, files[i]->d_name, to, e);
        r = k < 0 ? k : r;
        free(files[i]);
    }
    free(files);
    return r;
}

static int read_pools(Arena *a, const SnapshotPaths *paths, Node *pools, Error *e)
{
    int n = read_files(a, paths, "machine-pools", read_pool, pools, e);
    return n ? n : error_set(e, ENOENT, "%s/machine-pools has no pools", paths->base);
}

static int read_more(Arena *a, const SnapshotPaths *paths, Node *more, Error *e)
{
    int n = read_files(a, paths, MORE_DIR, add_more, more, e);
    return n == -ENOENT ? 0 : n;
}

static int add_text(Arena *a, Node *snapshot, const char *key, const char *path, Error *e)
{
    const Source *s = NULL;
    int r = read_text(a, path, &s, e);
    if (r >= 0)
        node_set(a, snapshot, key, node_new_string_n(a, s->text, s->len));
    return r;
}

static int add_tokens(Arena *a, Node *snapshot, const char *path, Error *e)
{
    Node *tokens;
    int r = read_yaml(a, path, &tokens, e);
    if (r < 0)
        return r;
    const Node *list = node_get(tokens, "tokens");
    if ((r = token_list_check(list, e)) < 0)
        return error_wrap(e, r, "%s", path);
    node_set(a, snapshot, "tokens", node_copy(a, list));
    return 0;
}

int snapshot_read(Arena *a, const SnapshotPaths *paths, Node *pools, Node **ret, Error *e)
{
    Node *snapshot = node_new(a, NODE_OBJECT),
         *more = node_set(a, snapshot, "more", node_new(a, NODE_OBJECT));
    bool from_files = !pools;
    node_set(a, snapshot, "pools", from_files ? (pools = node_new(a, NODE_OBJECT)) : pools);
    int r = add_text(a, snapshot, "certificate", paths->certificate, e);
    if (r >= 0)
        r = add_text(a, snapshot, "key", paths->key, e);
    if (r >= 0)
        r = add_text(a, snapshot, "kubeconfig", paths->kubeconfig, e);
    if (r >= 0)
        r = add_tokens(a, snapshot, paths->tokens, e);
    if (r >= 0 && from_files)
        r = read_pools(a, paths, pools, e);
    if (r >= 0)
        r = read_more(a, paths, more, e);
    if (r >= 0)
        *ret = snapshot;
    return r;
}

static void mix(uint64_t *mark, const char *path)
{
    struct stat st = {0};
    uint64_t v[4] = {0};
    if (stat(path, &st) == 0) {
        v[0] = st.st_ino;
        v[1] = (uint64_t)st.st_size;
        v[2] = (uint64_t)st.st_mtim.tv_sec;
        v[3] = (uint64_t)st.st_mtim.tv_nsec;
    }
    for (size_t i = 0; i < ELEMENTS(v); i++)
        *mark = (*mark ^ v[i]) * 1099511628211u;
}

static void mix_dir(Arena *a, uint64_t *mark, const char *dir)
{
    struct dirent **files;
    int n = scandir(dir, &files, is_yaml, alphasort);
    for (int i = 0; i < n; i++) {
        mix(mark, arena_printf(a, "%s/%s", dir, files[i]->d_name));
        free(files[i]);
    }
    if (n >= 0)
        free(files);
}

uint64_t snapshot_mark(const SnapshotPaths *paths)
{
    _cleanup_arena_ Arena *a = arena_new();
    uint64_t mark = 14695981039346656037u;
    const char *files[] = {paths->certificate, paths->key, paths->kubeconfig, paths->tokens};
    for (size_t i = 0; i < ELEMENTS(files); i++)
        mix(&mark, files[i]);
    mix_dir(a, &mark, arena_printf(a, "%s/machine-pools", paths->base));
    mix_dir(a, &mark, arena_printf(a, "%s/machine-configs", paths->base));
    mix_dir(a, &mark, arena_printf(a, "%s/" MORE_DIR, paths->base));
    return mark;
}
