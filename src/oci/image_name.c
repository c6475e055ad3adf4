/* The text is cut from its right end: the digest behind '@', the tag behind the last ':' that no '/' follows,
 * the registry before the first '/'. Each part is then held against its own grammar, so that nothing of a
 * name can be read in two ways. */
#include "oci/image_name.h"

#include <string.h>

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Letters, digits and '-' with neither a '-' nor nothing at the ends, joined by dots. */
static bool is_host(const char *p, size_t n)
{
    size_t label = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i == n || p[i] == '.') {
            if (!label || p[i - 1] == '-')
                return false;
            label = 0;
        } else if (is_letter(p[i]) || is_digit(p[i]) || (p[i] == '-' && label))
            label++;
        else
            return false;
    }
    return true;
}

static bool is_address(const char *p, size_t n) /* "[…]" */
{
    if (n < 4 || p[0] != '[' || p[n - 1] != ']')
        return false;
    for (size_t i = 1; i < n - 1; i++)
        if (!is_hex(p[i]) && p[i] != ':')
            return false;
    return true;
}

static bool is_port(const char *p, size_t n)
{
    unsigned v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(p[i]) || n > 5)
            return false;
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    return n && v >= 1 && v <= 65535;
}

bool image_registry_valid(const char *p, size_t n)
{
    const char *bracket = memrchr(p, ']', n);
    const char *from = bracket ? bracket : p, *colon = memchr(from, ':', n - (size_t)(from - p));
    size_t host = colon ? (size_t)(colon - p) : n;
    if (n > IMAGE_NAME_MAX || (colon && !is_port(colon + 1, n - host - 1)))
        return false;
    return is_host(p, host) || is_address(p, host);
}

/* Between runs of lower-case letters and digits: one '.', one or two '_', or any number of '-'. */
static bool is_component(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t run = i;
        while (i < n && (is_lower(p[i]) || is_digit(p[i])))
            i++;
        if (i == run)
            return false;
        if (i == n)
            return true;
        char separator = p[i];
        size_t most = separator == '.' ? 1 : separator == '_' ? 2 : separator == '-' ? n : 0, start = i;
        while (i < n && p[i] == separator)
            i++;
        if (i - start > most)
            return false;
    }
    return false;
}

bool image_repository_valid(const char *p, size_t n)
{
    if (!n || n > IMAGE_NAME_MAX)
        return false;
    for (const char *end = p + n; p <= end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        const char *stop = slash ? slash : end;
        if (!is_component(p, (size_t)(stop - p)))
            return false;
        p = stop + 1;
    }
    return true;
}

bool image_tag_valid(const char *p, size_t n)
{
    if (!n || n > IMAGE_TAG_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_letter(p[i]) && !is_digit(p[i]) && p[i] != '_' && (!i || (p[i] != '.' && p[i] != '-')))
            return false;
    return true;
}

static int cut_digest(Arena *a, const char *text, size_t *n, ImageName *ret, Error *e)
{
    const char *at = memchr(text, '@', *n);
    if (!at)
        return 0;
    ContentDigest digest;
    int r = content_digest_read(at + 1, *n - (size_t)(at + 1 - text), &digest, e);
    if (r < 0)
        return r;
    ContentDigest *kept = ARENA_NEW(a, ContentDigest);
    *kept = digest;
    ret->digest = kept;
    *n = (size_t)(at - text);
    return 0;
}

static int cut_tag(Arena *a, const char *text, size_t *n, ImageName *ret, Error *e)
{
    const char *colon = memrchr(text, ':', *n), *slash = memrchr(text, '/', *n);
    if (!colon || (slash && colon < slash))
        return 0;
    size_t len = *n - (size_t)(colon + 1 - text);
    if (!image_tag_valid(colon + 1, len))
        return error_set(e, EINVAL,
                         "a tag has letters, digits, '_', '.' and '-', not more than %d, and starts with "
                         "neither '.' nor '-'",
                         IMAGE_TAG_MAX);
    ret->tag = arena_memdup(a, colon + 1, len);
    *n = (size_t)(colon - text);
    return 0;
}

/* What podman takes for a registry: it has a dot or a port, or is localhost; or has upper case, which no
 * repository has. */
static bool names_registry(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == '.' || p[i] == ':' || p[i] == '[' || (is_letter(p[i]) && !is_lower(p[i])))
            return true;
    return n == strlen("localhost") && !memcmp(p, "localhost", n);
}

bool image_name_is_short(const char *text)
{
    const char *slash = strchr(text, '/');
    return !slash || slash == text || !names_registry(text, (size_t)(slash - text));
}

static int read_name(Arena *a, const char *text, size_t n, ImageName *ret, Error *e)
{
    const char *slash = memchr(text, '/', n);
    size_t host = slash ? (size_t)(slash - text) : 0;
    if (!host || !names_registry(text, host))
        return error_set(e, EINVAL, "the name of an image is written with its registry, such as %s%.200s",
                         host ? "docker.io/" : "docker.io/library/", text);
    if (!image_registry_valid(text, host))
        return error_set(e, EINVAL, "the registry is no host name with or without a port");
    const char *repository = slash + 1;
    size_t len = n - host - 1;
    if (!image_repository_valid(repository, len))
        return error_set(e, EINVAL,
                         "the repository has lower-case letters and digits, single '.', '_', '__' or '-' "
                         "between them, and '/' between its parts");
    ret->registry = arena_memdup(a, text, host);
    ret->repository = arena_memdup(a, repository, len);
    if (!strcmp(ret->registry, "index.docker.io"))
        ret->registry = "docker.io";
    if (!strcmp(ret->registry, "docker.io") && !strchr(ret->repository, '/'))
        ret->repository = arena_printf(a, "library/%s", ret->repository);
    if (strlen(ret->registry) + 1 + strlen(ret->repository) > IMAGE_NAME_MAX)
        return error_set(e, EINVAL, "the name has more than %d characters", IMAGE_NAME_MAX);
    return 0;
}

int image_name_read_bare(Arena *a, const char *text, ImageName *ret, Error *e)
{
    ImageName name = {0};
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
            return error_set(e, EINVAL, "the name of an image has no spaces and no special characters");
    int r = cut_digest(a, text, &n, &name, e);
    if (r < 0 || (r = cut_tag(a, text, &n, &name, e)) < 0 || (r = read_name(a, text, n, &name, e)) < 0)
        return r;
    *ret = name;
    return 0;
}

int image_name_read(Arena *a, const char *text, ImageName *ret, Error *e)
{
    ImageName name;
    int r = image_name_read_bare(a, text, &name, e);
    if (r < 0)
        return r;
    if (!name.tag && !name.digest)
        name.tag = "latest";
    *ret = name;
    return 0;
}

char *image_name_text(Arena *a, const ImageName *n)
{
    return arena_printf(a, "%s/%s%s%s%s%s", n->registry, n->repository, n->tag ? ":" : "",
                        n->tag ? n->tag : "", n->digest ? "@" : "", n->digest ? n->digest->text : "");
}
