/* The config is read when its bytes are those that the manifest names, and before any layer is: what a layer
 * is held against stands in it. */
#include "oci/image_config.h"

#include <string.h>

#include "oci/document.h"

static int check_bytes(const void *data, size_t n, const Manifest *m, Error *e)
{
    ContentDigest digest;
    if (n != m->config.size)
        return error_set(e, EBADMSG, "it has %zu bytes and should have %llu", n,
                         (unsigned long long)m->config.size);
    int r = content_digest_of(m->config.digest.kind, data, n, &digest, e);
    if (r < 0)
        return r;
    if (!content_digest_equal(&digest, &m->config.digest))
        return error_set(e, EBADMSG, "it should be %s and is %s", m->config.digest.text, digest.text);
    return 0;
}

static int read_platform(const Node *root, Platform *ret, Error *e)
{
    const char *variant;
    int r = document_string(root, "os", DOCUMENT_REQUIRED, &ret->os, e);
    if (r < 0 || (r = document_string(root, "architecture", DOCUMENT_REQUIRED, &ret->architecture, e)) < 0 ||
        (r = document_string(root, "variant", DOCUMENT_OPTIONAL, &variant, e)) < 0)
        return r;
    ret->variant = variant ? variant : "";
    return 0;
}

static int read_diff_ids(Arena *a, const Node *root, const Manifest *m, ImageConfig *c, Error *e)
{
    const Node *rootfs, *list;
    const char *type;
    int r = document_member(root, "rootfs", NODE_OBJECT, DOCUMENT_REQUIRED, &rootfs, e);
    if (r < 0 || (r = document_string(rootfs, "type", DOCUMENT_REQUIRED, &type, e)) < 0 ||
        (r = document_member(rootfs, "diff_ids", NODE_ARRAY,
                             m->n_items ? DOCUMENT_REQUIRED : DOCUMENT_OPTIONAL, &list, e)) < 0)
        return r;
    if (strcmp(type, "layers"))
        return document_fault(e, rootfs, "the type of 'rootfs' is not \"layers\"");
    size_t n = list ? list->n : 0;
    if (n != m->n_items)
        return document_fault(e, rootfs, "it has %zu diff_ids, the manifest has %zu layers", n, m->n_items);
    c->diff_ids = ARENA_ARRAY(a, ContentDigest, n + 1);
    for (const Node *id = list ? list->first : NULL; id; id = id->next) {
        Error why = ERROR_INIT;
        if (id->kind != NODE_STRING)
            return document_fault(e, id, "a diff_id is %s", node_kind_name(id->kind));
        if (content_digest_read(id->string, id->len, &c->diff_ids[c->n_diff_ids++], &why) < 0)
            return document_fault(e, id, "%s", why.text);
    }
    return 0;
}

static int read_rest(const Node *root, ImageConfig *c, Error *e)
{
    const Node *config;
    int r = document_member(root, "config", NODE_OBJECT, DOCUMENT_OPTIONAL, &config, e);
    if (r < 0 || (config && (r = document_texts(config, "Labels", &c->labels, e)) < 0) ||
        (r = document_string(root, "created", DOCUMENT_OPTIONAL, &c->created, e)) < 0 ||
        (r = document_member(root, "history", NODE_ARRAY, DOCUMENT_OPTIONAL, &c->history, e)) < 0)
        return r;
    for (const Node *n = c->history ? c->history->first : NULL; n; n = n->next)
        if (n->kind != NODE_OBJECT)
            return document_fault(e, n, "an entry of 'history' is %s", node_kind_name(n->kind));
    return 0;
}

int image_config_read(Arena *a, const void *data, size_t n, const Manifest *m, ImageConfig *ret, Error *e)
{
    const DocumentText text = {.name = "image config", .data = data, .n = n, .max = IMAGE_CONFIG_SIZE_MAX};
    ImageConfig c = {0};
    Node *root;
    int r = check_bytes(data, n, m, e);
    if (r < 0)
        return error_wrap(e, r, "image config");
    if ((r = document_read(a, &text, &root, e)) < 0 || (r = read_platform(root, &c.platform, e)) < 0 ||
        (r = read_diff_ids(a, root, m, &c, e)) < 0 || (r = read_rest(root, &c, e)) < 0)
        return r;
    *ret = c;
    return 0;
}

const char *image_config_label(const ImageConfig *c, const char *name)
{
    return c->labels ? node_string(node_get(c->labels, name)) : NULL;
}

int image_config_check_platform(const ImageConfig *c, const Platform *want, Error *e)
{
    if (platform_fits(want, &c->platform))
        return 0;
    return error_set(e, ENOTSUP, "the image is made for another machine than %s/%s", want->os,
                     want->architecture);
}
