/* All files are read before anything is made. A namespace that nobody has declared is made for the object
 * that is in it. */
#include "controller/manifests.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/yaml.h"
#include "kube/kube_kind.h"

enum { MANIFEST_MAX = 4 << 20 };

/* ---- reading ---- */

static int is_manifest(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');
    return d->d_name[0] != '.' && dot &&
           (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static int read_file(Arena *a, const char *path, Node *all, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *documents;
    int k = file_read_at(AT_FDCWD, path, MANIFEST_MAX, &text, e);
    if (k < 0)
        return k;
    *source = (Source){.name = arena_strdup(a, path),
                       .text = arena_memdup(a, text.data ? text.data : "", text.len),
                       .len = text.len,
                       .secret = true};
    if (yaml_read_all(a, source, SEVERITY_ERROR, &documents, &r) < 0)
        return error_set(e, EINVAL, "%s: %s", path, report_first_error(&r));
    NODE_EACH (document, documents)
        if (kube_name(document))
            node_append(all, node_copy(a, document));
    return 0;
}

static int read_all(Arena *a, const char *directory, Node *all, Error *e)
{
    struct dirent **files;
    int n = scandir(directory, &files, is_manifest, alphasort), r = 0;
    if (n < 0)
        return error_errno(e, -errno, "%s", directory);
    for (int i = 0; i < n; i++) {
        if (r >= 0)
            r = read_file(a, arena_printf(a, "%s/%s", directory, files[i]->d_name), all, e);
        free(files[i]);
    }
    free(files);
    return r;
}

/* ---- making ---- */

static int create(Kube *k, Arena *a, const KubeKind *kind, const Node *object, Error *e)
{
    KubeAnswer answer;
    KubeRequest q = {
        .verb = KUBE_CREATE, .kind = kind, .namespace = kube_namespace_of(object), .body = object};
    int r = kube_call(k, &q, a, &answer, e);
    return r == -EEXIST ? 0 : r < 0 ? r : 1;
}

static int make(Kube *k, Arena *a, const Node *object, Manifests *counts, Error *e)
{
    const KubeKind *kind = kube_kind_of(object);
    const char *namespace = kube_namespace_of(object);
    if (!kind) {
        counts->unknown++;
        return 0;
    }
    int r = create(k, a, kind, object, e);
    if (r == -ENOENT && namespace) {
        r = create(k, a, &kube_namespace, kube_object_new(a, &kube_namespace, NULL, namespace), e);
        if (r >= 0)
            r = create(k, a, kind, object, e);
    }
    if (r < 0)
        return error_wrap(e, r, "%s %s", kind->kind, kube_name(object));
    counts->made += r > 0;
    counts->known += r == 0;
    return 0;
}

static int are_made(Kube *k, Arena *a, Error *e)
{
    KubeAnswer answer;
    KubeRequest q = {
        .verb = KUBE_GET, .kind = &kube_config_map, .namespace = "kube-system", .name = "bootstrap"};
    int r = kube_call(k, &q, a, &answer, e);
    const char *status = r < 0 ? NULL : node_string(node_get_path(answer.object, "data.status"));
    return r == -ENOENT ? 0 : r < 0 ? r : status && !strcmp(status, "complete");
}

int manifests_make(Kube *k, const char *directory, Manifests *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *all = node_new(a, NODE_ARRAY);
    *ret = (Manifests){0};
    int r = are_made(k, a, e);
    if (r != 0)
        return r < 0 ? r : 0;
    r = read_all(a, directory, all, e);
    for (const Node *n = all->first; r >= 0 && n; n = n->next)
        r = make(k, a, n, ret, e);
    if (r < 0)
        return r;
    Node *done = kube_object_new(a, &kube_config_map, "kube-system", "bootstrap");
    node_set_string(a, node_set(a, done, "data", node_new(a, NODE_OBJECT)), "status", "complete");
    Manifests unused;
    r = make(k, a, done, &unused, e);
    return r < 0 ? r : 1;
}
