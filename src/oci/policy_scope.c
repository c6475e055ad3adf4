/* A wrong rule is chosen silently where a name is left out, so that whatever cannot be named is a failure and
 * not the default. With a tag and a digest an image is named by its digest, as podman has it. */
#include "oci/policy_scope.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = IMAGE_NAME_MAX + 16, PATH_NAMES_MAX = 4096 };

typedef struct Names {
    Arena *arena;
    const char **items;
    size_t n, max;
} Names;

static Names names_new(Arena *a, size_t max)
{
    return (Names){.arena = a, .items = ARENA_ARRAY(a, const char *, max + 1), .max = max};
}

static void add(Names *to, const char *text)
{
    if (to->n < to->max) /* the longest names have fewer parts */
        to->items[to->n++] = text;
}

const char *policy_transport(ImageTransport t)
{
    return t == TRANSPORT_REGISTRY ? "docker" : image_transport_name(t);
}

/* "a/b/c", "a/b", "a", each behind `before`. */
static void add_parts(Names *to, const char *before, const char *name)
{
    for (size_t n = strlen(name);;) {
        add(to, arena_printf(to->arena, "%s%.*s", before, (int)n, name));
        const char *slash = memrchr(name, '/', n);
        if (!slash)
            return;
        n = (size_t)(slash - name);
    }
}

const char *const *policy_scope_names_of(Arena *a, const ImageName *name)
{
    Names names = names_new(a, NAMES_MAX);
    const char *repository = arena_printf(a, "%s/%s", name->registry, name->repository);
    add(&names, name->digest ? arena_printf(a, "%s@%s", repository, name->digest->text)
                             : arena_printf(a, "%s:%s", repository, name->tag));
    add_parts(&names, "", repository);
    const char *host = arena_memdup(a, name->registry, strcspn(name->registry, ":"));
    for (const char *dot = strchr(host, '.'); dot; dot = strchr(dot + 1, '.'))
        add(&names, arena_printf(a, "*%s", dot));
    return names.items;
}

static int names_of_path(Arena *a, const char *path, const char *const **ret, Error *e)
{
    _cleanup_free_ char *real = realpath(path, NULL);
    if (!real)
        return error_errno(e, -errno, "finding what %s is", path);
    Names names = names_new(a, PATH_NAMES_MAX);
    for (size_t n = strlen(real); n > 1;) {
        add(&names, arena_memdup(a, real, n));
        const char *slash = memrchr(real, '/', n);
        n = slash ? (size_t)(slash - real) : 0;
    }
    *ret = names.items;
    return 0;
}

static bool is_id(const char *text)
{
    size_t n = strspn(text, "0123456789abcdef");
    return n == 64 && !text[n];
}

/* "[driver@root+run:options]", of which a policy names driver and root. The store that is meant when none is
 * named stands in storage.conf, or is found out by the engine itself. */
static int read_store(Arena *a, const char *text, const char **ret_driver, const char **ret_root,
                      const char **ret_image, Error *e)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL;
    const char *inside = end ? arena_memdup(a, text + 1, (size_t)(end - text - 1)) : "";
    const char *at = strchr(inside, '@');
    size_t root = at ? strcspn(at + 1, "+:") : 0;
    if (!root || at == inside || at[1] != '/')
        return error_set(
            e, EINVAL,
            "which store is meant is not said; write containers-storage:[driver@/root]name, such "
            "as [overlay@/var/lib/containers/storage]");
    *ret_driver = arena_memdup(a, inside, (size_t)(at - inside));
    *ret_root = arena_memdup(a, at + 1, root);
    *ret_image = end + 1;
    return 0;
}

static int add_stored_image(Names *to, const char *store, const char *image, Error *e)
{
    Arena *a = to->arena;
    const char *at = strrchr(image, '@'), *id = at && is_id(at + 1) ? at : NULL;
    ImageName name;
    if (!*image || id == image) {
        if (id)
            add(to, arena_printf(a, "%s%s", store, id));
        return 0;
    }
    const char *text = id ? arena_memdup(a, image, (size_t)(id - image)) : image;
    int r = image_name_read(a, text, &name, e);
    if (r < 0)
        return r;
    text = image_name_text(a, &name);
    if (id)
        add(to, arena_printf(a, "%s%s%s", store, text, id));
    add(to, arena_printf(a, "%s%s", store, text));
    if (name.tag && name.digest)
        add(to, arena_printf(a, "%s%s/%s:%s", store, name.registry, name.repository, name.tag));
    add_parts(to, store, arena_printf(a, "%s/%s", name.registry, name.repository));
    return 0;
}

static int names_of_storage(Arena *a, const char *text, const char *const **ret, Error *e)
{
    const char *driver = NULL, *root = NULL, *image = NULL;
    Names names = names_new(a, NAMES_MAX);
    int r = read_store(a, text, &driver, &root, &image, e);
    if (r < 0)
        return r;
    const char *store = arena_printf(a, "[%s@%s]", driver, root);
    if ((r = add_stored_image(&names, store, image, e)) < 0)
        return r;
    add(&names, store);
    add(&names, arena_printf(a, "[%s]", root));
    *ret = names.items;
    return 0;
}

int policy_scope_names(Arena *a, const ImageReference *r, const char *const **ret, Error *e)
{
    static const char *const none[] = {NULL};
    switch (r->transport) {
    case TRANSPORT_REGISTRY:
        *ret = policy_scope_names_of(a, &r->name);
        return 0;
    case TRANSPORT_OCI:
    case TRANSPORT_OCI_ARCHIVE:
        return names_of_path(a, r->path, ret, e);
    case TRANSPORT_CONTAINERS_STORAGE:
        return names_of_storage(a, r->image, ret, e);
    case TRANSPORT_DOCKER_ARCHIVE:
        break;
    }
    *ret = none;
    return 0;
}

/* ---- what a policy may write ---- */

static const char *path_fault(const char *scope)
{
    size_t n = strlen(scope);
    if (*scope != '/')
        return "a path starts with '/'";
    if (n == 1)
        return "for all paths write \"\", not \"/\"";
    if (scope[n - 1] == '/' || strstr(scope, "//") || strstr(scope, "/./") || strstr(scope, "/../") ||
        (n >= 2 && !strcmp(scope + n - 2, "/.")) || (n >= 3 && !strcmp(scope + n - 3, "/..")))
        return "a path is written without '.', '..' and needless '/'";
    return NULL;
}

static const char *storage_fault(const char *scope)
{
    const char *end = strchr(scope, ']'), *at = strchr(scope, '@');
    const char *root = at && end && at < end ? at + 1 : scope + 1;
    if (*scope != '[' || !end || end == scope + 1 || root == scope + 2)
        return "it starts with a store: [driver@/root] or [/root]";
    return *root == '/' ? NULL : "the root of a store starts with '/'";
}

const char *policy_scope_fault(const char *transport, const char *scope)
{
    static const char *const of_paths[] = {"oci", "oci-archive", "dir", "sif"};
    if (!*scope)
        return NULL;
    for (size_t i = 0; i < ELEMENTS(of_paths); i++)
        if (!strcmp(of_paths[i], transport))
            return path_fault(scope);
    if (!strcmp(transport, "docker-archive") || !strcmp(transport, "tarball"))
        return "this transport has no scope but \"\"";
    return !strcmp(transport, "containers-storage") ? storage_fault(scope) : NULL;
}
