/* Names are read and written again before they are compared, so that two spellings of one name are one name
 * and what is no name matches nothing. */
#include "oci/policy_identity.h"

#include <string.h>

int image_name_read_claim(Arena *a, const char *text, ImageName *ret)
{
    if (image_name_is_short(text))
        text = arena_printf(a, "docker.io/%s", text);
    return image_name_read_bare(a, text, ret, NULL);
}

bool identity_prefix_valid(const char *text)
{
    size_t host = strcspn(text, "/");
    if (!image_registry_valid(text, host))
        return false;
    return !text[host] || image_repository_valid(text + host + 1, strlen(text + host + 1));
}

static bool same_repository(const ImageName *a, const ImageName *b)
{
    return !strcmp(a->registry, b->registry) && !strcmp(a->repository, b->repository);
}

static bool same_text(const char *a, const char *b)
{
    return !strcmp(a ? a : "", b ? b : "");
}

static bool is_name_only(const ImageName *n)
{
    return !n->tag && !n->digest;
}

static bool same(const ImageName *a, const ImageName *b)
{
    return !is_name_only(a) && same_repository(a, b) && same_text(a->tag, b->tag) &&
           same_text(a->digest ? a->digest->text : NULL, b->digest ? b->digest->text : NULL);
}

/* By tag the signature is for that tag. By digest alone, which is verified anyhow, it is for any of the
 * repository. */
static bool repo_digest_or_exact(const ImageName *image, const ImageName *claimed)
{
    if (is_name_only(claimed) || is_name_only(image))
        return false;
    return image->tag ? same(image, claimed) : same_repository(image, claimed);
}

/* A prefix ends where a part of the name does; a host is no prefix of its ports. */
static bool remap(Arena *a, const SignedIdentity *by, const ImageName *image, ImageName *ret)
{
    const char *repository = arena_printf(a, "%s/%s", image->registry, image->repository);
    size_t n = strlen(by->name);
    *ret = *image;
    if (strncmp(repository, by->name, n) || (repository[n] && repository[n] != '/'))
        return true;
    const char *text = arena_printf(a, "%s%s", by->signed_prefix, image_name_text(a, image) + n);
    return image_name_read_bare(a, text, ret, NULL) >= 0 && !strcmp(image_name_text(a, ret), text);
}

bool signed_identity_matches(Arena *a, const SignedIdentity *by, const ImageName *image, const char *text)
{
    ImageName claimed, wanted;
    if (image_name_read_claim(a, text, &claimed) < 0)
        return false;
    if (by->kind == IDENTITY_EXACT_REFERENCE || by->kind == IDENTITY_EXACT_REPOSITORY) {
        if (image_name_read_claim(a, by->name, &wanted) < 0)
            return false;
        return by->kind == IDENTITY_EXACT_REFERENCE ? same(&wanted, &claimed)
                                                    : same_repository(&wanted, &claimed);
    }
    if (!image)
        return false;
    switch (by->kind) {
    case IDENTITY_EXACT:
        return same(image, &claimed);
    case IDENTITY_REPOSITORY:
        return same_repository(image, &claimed);
    case IDENTITY_REMAP:
        return remap(a, by, image, &wanted) && repo_digest_or_exact(&wanted, &claimed);
    default:
        return repo_digest_or_exact(image, &claimed);
    }
}
