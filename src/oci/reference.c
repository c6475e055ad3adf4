/* Two tables: the schemes, which are prefixes, and the transports, which read what stands behind theirs. A
 * word that no table has is no transport: "localhost:5000/os" is an image in a registry. */
#include "oci/reference.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *prefix;
    ImageScheme scheme;
    bool registry; /* the transport is in the prefix */
} schemes[] = {
    {"ostree-unverified-registry:", SCHEME_UNVERIFIED, true},
    {"ostree-unverified-image:", SCHEME_UNVERIFIED, false},
    {"ostree-image-signed:", SCHEME_SIGNED, false},
    {"ostree-remote-registry:", SCHEME_REMOTE, true},
    {"ostree-remote-image:", SCHEME_REMOTE, false},
};

static int read_registry(Arena *a, const char *text, ImageReference *ret, Error *e)
{
    return image_name_read(a, text, &ret->name, e);
}

static int read_index(const char *digits, long *ret, Error *e)
{
    char *end;
    errno = 0;
    long n = strtol(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end || errno || n > INT32_MAX)
        return error_set(e, EINVAL, "behind '@' stands the number of an image of the archive, from 0");
    *ret = n;
    return 0;
}

/* PATH[:IMAGE | :@N]; the first colon ends the path, as in containers/image. */
static int read_file(Arena *a, const char *text, ImageReference *ret, Error *e)
{
    size_t path = strcspn(text, ":");
    if (!path)
        return error_set(e, EINVAL, "the path is missing");
    ret->path = arena_memdup(a, text, path);
    if (!text[path])
        return 0;
    const char *image = text + path + 1;
    if (*image == '@')
        return read_index(image + 1, &ret->index, e);
    if (!*image)
        return error_set(e, EINVAL, "the name behind the last ':' is missing");
    ret->image = arena_strdup(a, image);
    return 0;
}

/* The name is compared with those that the archive has, which are written in full. */
static int read_docker_archive(Arena *a, const char *text, ImageReference *ret, Error *e)
{
    ImageName name;
    int r = read_file(a, text, ret, e);
    if (r < 0 || !ret->image)
        return r;
    if ((r = image_name_read(a, ret->image, &name, e)) < 0)
        return r;
    if (name.digest)
        return error_set(e, EINVAL, "the images of a docker-archive have no digests");
    ret->image = image_name_text(a, &name);
    return 0;
}

static int read_storage(Arena *a, const char *text, ImageReference *ret, Error *e)
{
    if (!*text)
        return error_set(e, EINVAL, "the name of the image is missing");
    ret->image = arena_strdup(a, text);
    return 0;
}

static const struct Transport {
    const char *name;
    const char *alias; /* another word for it */
    ImageTransport transport;
    int (*read)(Arena *a, const char *text, ImageReference *ret, Error *e);
    const char *refused; /* why, when there is no read */
} transports[] = {
    {"registry", "docker", TRANSPORT_REGISTRY, read_registry, NULL},
    {"oci", NULL, TRANSPORT_OCI, read_file, NULL},
    {"oci-archive", NULL, TRANSPORT_OCI_ARCHIVE, read_file, NULL},
    {"docker-archive", NULL, TRANSPORT_DOCKER_ARCHIVE, read_docker_archive, NULL},
    {"containers-storage", NULL, TRANSPORT_CONTAINERS_STORAGE, read_storage, NULL},
    {"dir", NULL, 0, NULL,
     "is a form for debugging that no tool promises to keep; use oci:, such as by `skopeo copy dir:… oci:…`"},
    {"docker-daemon", NULL, 0, NULL,
     "needs Docker's daemon; save the image with `docker save -o FILE` and use docker-archive:FILE"},
    {"ostree", NULL, 0, NULL, "keeps images in a form that is no longer made; use oci:"},
    {"sif", NULL, 0, NULL, "holds no image of an operating system; use oci:"},
    {"tarball", NULL, 0, NULL, "holds files and no image; use oci-archive:"},
};

static bool is_word(const char *word, const char *text, size_t n)
{
    return word && strlen(word) == n && !memcmp(word, text, n);
}

/* "docker" is "docker://" only: it may be a host. "registry" is with or without the slashes. */
static int read_transport(Arena *a, const char *text, ImageReference *ret, Error *e)
{
    size_t n = strcspn(text, ":");
    for (size_t i = 0; text[n] && i < ELEMENTS(transports); i++) {
        const struct Transport *t = &transports[i];
        if (!is_word(t->name, text, n) && !is_word(t->alias, text, n))
            continue;
        const char *rest = text + n + 1;
        if (!t->read)
            return error_set(e, ENOTSUP, "the transport '%s:' %s", t->name, t->refused);
        bool slashes = t->transport == TRANSPORT_REGISTRY && !strncmp(rest, "//", 2);
        if (is_word(t->alias, text, n) && !slashes)
            return error_set(e, EINVAL, "it is written %s://", t->alias);
        ret->transport = t->transport;
        return t->read(a, slashes ? rest + 2 : rest, ret, e);
    }
    ret->transport = TRANSPORT_REGISTRY;
    return read_registry(a, text, ret, e);
}

static int read_scheme(Arena *a, const char **text, bool *ret_registry, ImageReference *ret, Error *e)
{
    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        size_t n = strlen(schemes[i].prefix);
        if (strncmp(*text, schemes[i].prefix, n))
            continue;
        *text += n;
        *ret_registry = schemes[i].registry;
        ret->scheme = schemes[i].scheme;
        if (ret->scheme != SCHEME_REMOTE)
            return 0;
        n = strcspn(*text, ":/");
        if (!n || (*text)[n] != ':')
            return error_set(e, EINVAL, "behind %s stands the name of a remote and a ':'", schemes[i].prefix);
        ret->remote = arena_memdup(a, *text, n);
        *text += n + 1;
        return 0;
    }
    if (!strncmp(*text, "ostree-", 7))
        return error_set(e, EINVAL,
                         "it starts with no known scheme: ostree-unverified-registry:, "
                         "ostree-unverified-image:, ostree-image-signed:, ostree-remote-registry:, "
                         "ostree-remote-image:");
    return 0;
}

int image_reference_read(Arena *a, const char *text, ImageReference *ret, Error *e)
{
    ImageReference reference = {.index = REFERENCE_NO_INDEX};
    const char *rest = text;
    bool registry = false;
    int r = 0;
    if (strlen(text) > REFERENCE_TEXT_MAX)
        return error_set(e, EINVAL, "the image reference has more than %d characters", REFERENCE_TEXT_MAX);
    for (const char *p = text; *p; p++) /* it ends up in origin files, a line each */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(e, EINVAL, "the image reference has control characters");
    if ((r = read_scheme(a, &rest, &registry, &reference, e)) >= 0)
        r = registry ? read_registry(a, rest, &reference, e) : read_transport(a, rest, &reference, e);
    if (r < 0)
        return error_wrap(e, r, "image '%.300s'", text);
    *ret = reference;
    return 0;
}

const char *image_transport_name(ImageTransport t)
{
    return transports[t].name;
}

static const char *details(Arena *a, const ImageReference *r)
{
    if (r->transport == TRANSPORT_REGISTRY)
        return image_name_text(a, &r->name);
    if (r->transport == TRANSPORT_CONTAINERS_STORAGE)
        return r->image;
    if (r->index != REFERENCE_NO_INDEX)
        return arena_printf(a, "%s:@%ld", r->path, r->index);
    return arena_printf(a, "%s%s%s", r->path, r->image ? ":" : "", r->image ? r->image : "");
}

char *image_reference_plain(Arena *a, const ImageReference *r)
{
    bool registry = r->transport == TRANSPORT_REGISTRY;
    return arena_printf(a, "%s%s",
                        registry ? "docker://" : arena_printf(a, "%s:", image_transport_name(r->transport)),
                        details(a, r));
}

char *image_reference_text(Arena *a, const ImageReference *r)
{
    bool registry = r->transport == TRANSPORT_REGISTRY;
    switch (r->scheme) {
    case SCHEME_UNVERIFIED:
        return registry ? arena_printf(a, "ostree-unverified-registry:%s", details(a, r))
                        : arena_printf(a, "ostree-unverified-image:%s", image_reference_plain(a, r));
    case SCHEME_SIGNED:
        return arena_printf(a, "ostree-image-signed:%s", image_reference_plain(a, r));
    case SCHEME_REMOTE:
        return arena_printf(a, "ostree-remote-image:%s:%s", r->remote, image_reference_plain(a, r));
    case SCHEME_PLAIN:
        break;
    }
    return image_reference_plain(a, r);
}
