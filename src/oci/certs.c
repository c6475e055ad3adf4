/* The name of the registry has passed image_registry_valid(), so that it is one component of a path. */
#include "oci/certs.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "oci/image_name.h"

static const char *const places[] = {"root/.config/containers/certs.d", "etc/containers/certs.d",
                                     "etc/docker/certs.d"};

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && !strcmp(name + n - k, end);
}

static int load(Arena *a, int root, const char *path, const char **ret, Error *e)
{
    Buf text = BUF_INIT;
    int r = root_read(root, path, CERTS_FILE_MAX, &text);
    if (r >= 0)
        *ret = arena_memdup(a, text.len ? text.data : "", text.len);
    buf_done_secret(&text);
    return r < 0 ? error_errno(e, r, "reading /%s", path) : 0;
}

static const char *partner(Arena *a, const char *name, const char *end, const char *other)
{
    return arena_printf(a, "%.*s%s", (int)(strlen(name) - strlen(end)), name, other);
}

static int load_pair(Arena *a, int root, const char *directory, const char *name, RegistryCerts *c, Error *e)
{
    const char *path = arena_printf(a, "%s/%s", directory, name), *key = partner(a, path, ".cert", ".key");
    int r = load(a, root, path, &c->certificate, e);
    if (r < 0 || (r = load(a, root, key, &c->key, e)) < 0) {
        c->certificate = NULL;
        return r == -ENOENT ? error_set(e, EINVAL, "/%s has no key beside it: /%s", path, key) : r;
    }
    c->certificate_path = arena_printf(a, "/%s", path);
    return 0;
}

static int load_file(Arena *a, int root, const char *directory, const char *name, RegistryCerts *c, Error *e)
{
    const char *path = arena_printf(a, "%s/%s", directory, name), *text;
    if (ends_in(name, ".cert"))
        return c->certificate ? 0 : load_pair(a, root, directory, name, c, e);
    if (ends_in(name, ".key")) {
        const char *certificate = partner(a, path, ".key", ".cert");
        _cleanup_close_ int fd = root_openat(root, certificate, O_PATH | O_CLOEXEC, 0);
        return fd >= 0 ? 0 : error_set(e, EINVAL, "/%s has no certificate beside it: /%s", path, certificate);
    }
    if (!ends_in(name, ".crt"))
        return 0;
    int r = load(a, root, path, &text, e);
    if (r >= 0)
        c->authorities = arena_printf(a, "%s%s\n", c->authorities ? c->authorities : "", text);
    return r;
}

int registry_certs_load(Arena *a, int root, const char *registry, RegistryCerts *ret, Error *e)
{
    RegistryCerts c = {0};
    if (!image_registry_valid(registry, strlen(registry)))
        return error_set(e, EINVAL, "'%.100s' is no registry", registry);
    for (size_t i = 0; i < ELEMENTS(places); i++) {
        const char *directory = arena_printf(a, "%s/%s", places[i], registry);
        _cleanup_close_ int fd = root_openat(root, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        struct dirent **names = NULL;
        int r = 0, n = fd < 0 ? -1 : scandirat(fd, ".", &names, NULL, by_name);
        if (n < 0)
            continue;
        for (int k = 0; k < n; k++) {
            if (r >= 0)
                r = load_file(a, root, directory, names[k]->d_name, &c, e);
            free(names[k]);
        }
        free(names);
        if (r < 0)
            return r;
        *ret = c;
        return 1;
    }
    *ret = c;
    return 0;
}
