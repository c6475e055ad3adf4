/* How large a layer is the manifest does not say, which speaks of the packed one. Newer skopeos tell (layer
 * info); of older ones each layer is asked for once and not taken, since a reply has the size. A config is a
 * blob like others, but for one that skopeo has made itself of Docker's. */
#include "oci/containers_storage.h"

#include <string.h>

#include "format/json.h"
#include "oci/document.h"
#include "oci/image_config.h"
#include "oci/image_proxy.h"

#define LAYER_PLAIN "application/vnd.oci.image.layer.v1.tar"

enum { LAYER_INFO_MAX = 1 << 20 };

struct ContainersStorage {
    ImageProxy *proxy;
    uint64_t image; /* its number */
    ContentDigest config;
    Buf config_text; /* what it is, when the store does not have it as a blob */
};

int containers_storage_open(const ImageReference *reference, ContainersStorage **ret, Error *e)
{
    _cleanup_(containers_storage_freep)
    ContainersStorage *c = calloc(1, sizeof(*c));
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf name = BUF_INIT;
    ProxyReply reply;
    int64_t image = 0;
    if (!c)
        abort();
    int r = image_proxy_start(&c->proxy, e);
    if (r < 0)
        return r;
    json_write(node_new_string(a, arena_printf(a, "containers-storage:%s", reference->image)), JSON_COMPACT,
               &name);
    r = image_proxy_call(c->proxy, a, "OpenImage", arena_printf(a, "[%s]", name.data), &reply, e);
    if (r < 0)
        return error_wrap(e, r == -EREMOTEIO ? -ENOENT : r, "containers-storage:%.300s", reference->image);
    if (reply.fd >= 0)
        close(reply.fd);
    if (!reply.value || node_int(reply.value, &image) < 0 || image <= 0 || image > UINT32_MAX)
        return error_set(e, EBADMSG, "skopeo gives the image no number");
    c->image = (uint64_t)image;
    *ret = TAKE_PTR(c);
    return 0;
}

void containers_storage_free(ContainersStorage *c)
{
    if (!c)
        return;
    image_proxy_free(c->proxy);
    buf_done(&c->config_text);
    free(c);
}

/* ---- whole texts ---- */

typedef struct Text {
    Buf *to;
    size_t max;
} Text;

static int take_text(void *context, const void *data, size_t n)
{
    const Text *t = context;
    if (n > t->max - t->to->len)
        return -EFBIG;
    buf_add(t->to, data, n);
    return 0;
}

/* What a method gives of the image. */
static int read_text(ContainersStorage *c, const char *method, size_t max, Buf *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Text text = {.to = ret, .max = max};
    ProxyReply reply;
    const char *arguments = arena_printf(a, "[%llu]", (unsigned long long)c->image);
    int r = image_proxy_call(c->proxy, a, method, arguments, &reply, e);
    if (r < 0)
        return r;
    r = image_proxy_finish(c->proxy, &reply, &(BlobSink){.take = take_text, .context = &text}, e);
    return r == -EFBIG ? error_set(e, EFBIG, "%s gives more than %zu bytes", method, max) : r;
}

/* ---- blobs ---- */

static int ask_blob(ContainersStorage *c, Arena *a, const ContentDigest *digest, uint64_t size,
                    ProxyReply *ret, Error *e)
{
    const char *arguments = arena_printf(a, "[%llu,\"%s\",%llu]", (unsigned long long)c->image, digest->text,
                                         (unsigned long long)size);
    return image_proxy_call(c->proxy, a, "GetBlob", arguments, ret, e);
}

typedef struct Blob {
    const Descriptor *descriptor;
    const BlobSink *to;
    Digest *running;
    uint64_t received;
    bool long_one;
} Blob;

static int take_blob(void *context, const void *data, size_t n)
{
    Blob *b = context;
    if (n > b->descriptor->size - b->received) {
        b->long_one = true;
        return -EBADMSG;
    }
    digest_update(b->running, data, n);
    b->received += n;
    return b->to->take(b->to->context, data, n);
}

int containers_storage_blob(ContainersStorage *c, const Descriptor *d, const BlobSink *to, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Blob b = {.descriptor = d, .to = to};
    ContentDigest is;
    ProxyReply reply;
    if (c->config_text.len && content_digest_equal(&d->digest, &c->config))
        return to->take(to->context, c->config_text.data, c->config_text.len);
    int r = ask_blob(c, a, &d->digest, d->size, &reply, e);
    if (r < 0 || (r = digest_new(d->digest.kind, &b.running, e)) < 0)
        return error_wrap(e, r, "the blob %s", d->digest.text);
    r = image_proxy_finish(c->proxy, &reply, &(BlobSink){.take = take_blob, .context = &b}, e);
    content_digest_finish(b.running, d->digest.kind, &is);
    digest_free(b.running);
    if (b.long_one || (r >= 0 && b.received != d->size))
        return error_set(e, EBADMSG, "the blob %s has %s than the %llu bytes that it should have",
                         d->digest.text, b.long_one ? "more" : "less", (unsigned long long)d->size);
    if (r >= 0 && !content_digest_equal(&is, &d->digest))
        return error_set(e, EBADMSG, "the blob %s is in truth %s", d->digest.text, is.text);
    return r;
}

static int fetch_blob(void *from, const Descriptor *d, const BlobSink *to, Error *e)
{
    return containers_storage_blob(from, d, to, e);
}

/* ---- the image ---- */

static int read_config(ContainersStorage *c, Arena *a, const Manifest *m, ImageConfig *ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    c->config_text.len = 0;
    int r = blob_read(fetch_blob, c, &m->config, IMAGE_CONFIG_SIZE_MAX, &text, e);
    if (r == -EREMOTEIO && read_text(c, "GetFullConfig", IMAGE_CONFIG_SIZE_MAX, &text, NULL) >= 0)
        r = 0;
    if (r < 0)
        return error_wrap(e, r, "the config");
    if ((r = image_config_read(a, text.len ? text.data : "", text.len, m, ret, e)) < 0)
        return r;
    c->config = m->config.digest;
    buf_add(&c->config_text, text.data, text.len);
    return 0;
}

static int size_by_asking(ContainersStorage *c, const ContentDigest *digest, uint64_t *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    ProxyReply reply;
    int64_t size = -1;
    int r = ask_blob(c, a, digest, 0, &reply, e);
    if (r < 0)
        return r;
    if (!reply.value || node_int(reply.value, &size) < 0)
        size = -1;
    if ((r = image_proxy_finish(c->proxy, &reply, NULL, e)) < 0)
        return r;
    if (size < 0 || (uint64_t)size > LAYER_SIZE_MAX)
        return error_set(e, EBADMSG, "the store does not say how large it is");
    *ret = (uint64_t)size;
    return 0;
}

/* An array of {digest, size, media_type}, from the bottom; wrapped, as documents are objects. */
static int read_layer_info(Arena *a, const Buf *text, const ImageConfig *config, Descriptor *items, Error *e)
{
    const char *wrapped = arena_printf(a, "{\"layers\":%s}", text->len ? text->data : "");
    const DocumentText document = {
        .name = "skopeo's layers", .data = wrapped, .n = strlen(wrapped), .max = LAYER_INFO_MAX + 16};
    Node *root;
    const Node *list;
    size_t i = 0;
    int r = document_read(a, &document, &root, e);
    if (r < 0 || (r = document_member(root, "layers", NODE_ARRAY, DOCUMENT_REQUIRED, &list, e)) < 0)
        return r;
    if (root->n != 1 || list->n != config->n_diff_ids)
        return document_fault(e, list, "there are %zu layers, and the config has %zu", list->n,
                              config->n_diff_ids);
    NODE_EACH (n, list) {
        const char *digest;
        if (n->kind != NODE_OBJECT)
            return document_fault(e, n, "expected an object");
        if ((r = document_string(n, "digest", DOCUMENT_REQUIRED, &digest, e)) < 0 ||
            (r = document_size(n, "size", LAYER_SIZE_MAX, &items[i].size, e)) < 0)
            return r;
        if (strcmp(digest, config->diff_ids[i].text))
            return document_fault(e, n, "it is another layer than %s", config->diff_ids[i].text);
        i++;
    }
    return 0;
}

static bool is_unknown(int r, const Error *e)
{
    return r == -EREMOTEIO && strstr(e->text, "unknown method");
}

static int find_sizes(ContainersStorage *c, Arena *a, const ImageConfig *config, Descriptor *items, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Error why = ERROR_INIT;
    int r = read_text(c, "GetLayerInfoPiped", LAYER_INFO_MAX, &text, &why);
    if (r >= 0)
        return read_layer_info(a, &text, config, items, e);
    if (!is_unknown(r, &why))
        return error_set(e, -r, "%s", why.text);
    for (size_t i = 0; i < config->n_diff_ids; i++)
        if ((r = size_by_asking(c, &config->diff_ids[i], &items[i].size, e)) < 0)
            return error_wrap(e, r, "the layer %s", config->diff_ids[i].text);
    return 0;
}

static int unpack_items(ContainersStorage *c, Arena *a, const ImageConfig *config, Manifest *m, Error *e)
{
    Descriptor *items = ARENA_ARRAY(a, Descriptor, m->n_items + 1);
    for (size_t i = 0; i < m->n_items; i++)
        items[i] = (Descriptor){
            .media_type = LAYER_PLAIN, .digest = config->diff_ids[i], .annotations = m->items[i].annotations};
    int r = find_sizes(c, a, config, items, e);
    m->items = items;
    return r;
}

int containers_storage_image(ContainersStorage *c, Arena *a, const Platform *want, Manifest *ret_index,
                             Manifest *ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    ImageConfig config;
    Manifest m;
    int r = read_text(c, "GetManifest", MANIFEST_SIZE_MAX, &text, e);
    const ManifestText t = {
        .data = text.len ? text.data : "", .n = text.len, .media_type = MEDIA_OCI_MANIFEST};
    if (r < 0 || (r = manifest_read(a, &t, &m, e)) < 0 || (r = manifest_check_image(&m, e)) < 0 ||
        (r = read_config(c, a, &m, &config, e)) < 0 ||
        (r = image_config_check_platform(&config, want, e)) < 0 ||
        (r = unpack_items(c, a, &config, &m, e)) < 0)
        return r;
    *ret_index = *ret = m;
    return 0;
}
