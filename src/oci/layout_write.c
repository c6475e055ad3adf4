/* Blobs go to a file without a name and get the name that their bytes are; index.json is read, changed, and
 * written whole. */
#include "oci/layout_write.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "oci/document.h"
#include "oci/manifest.h"

#define BLOBS    "blobs/sha256"
#define REF_NAME "org.opencontainers.image.ref.name"

struct LayoutWrite {
    char *path;
    int directory, blobs;
    TempFile file;
    Digest *running;
};

int layout_write_open(const char *path, LayoutWrite **ret, Error *e)
{
    static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
    _cleanup_(layout_write_freep)
    LayoutWrite *l = calloc(1, sizeof(*l));
    if (!l || !(l->path = strdup(path)))
        abort();
    l->directory = l->blobs = -EBADF;
    l->file = TEMP_FILE_INIT;
    int r = dir_make_all_at(AT_FDCWD, path, 0755);
    if (r >= 0 && (l->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = -errno;
    if (r >= 0)
        r = dir_make_all_at(l->directory, BLOBS, 0755);
    if (r >= 0 && (l->blobs = openat(l->directory, BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = -errno;
    if (r >= 0 && faccessat(l->directory, "oci-layout", F_OK, 0) < 0)
        r = file_write_at(l->directory, "oci-layout", version, sizeof(version) - 1, FILE_WRITE());
    if (r < 0)
        return error_errno(e, r, "making the image layout %s", path);
    *ret = TAKE_PTR(l);
    return 0;
}

void layout_write_free(LayoutWrite *l)
{
    if (!l)
        return;
    temp_file_abort(&l->file);
    digest_free(l->running);
    closep(&l->blobs);
    closep(&l->directory);
    free(l->path);
    free(l);
}

/* ---- blobs ---- */

int layout_write_begin(LayoutWrite *l, Error *e)
{
    temp_file_abort(&l->file);
    digest_free(TAKE_PTR(l->running));
    int r = digest_new(DIGEST_SHA256, &l->running, e);
    if (r < 0)
        return r;
    r = temp_file_open(&l->file, l->blobs);
    return r < 0 ? error_errno(e, r, "%s/" BLOBS, l->path) : 0;
}

int layout_write_add(LayoutWrite *l, const void *data, size_t n, Error *e)
{
    digest_update(l->running, data, n);
    int r = file_write_fd(l->file.fd, data, n);
    return r < 0 ? error_errno(e, r, "writing a blob of %s", l->path) : 0;
}

int layout_write_end(LayoutWrite *l, ContentDigest *ret, Error *e)
{
    content_digest_finish(l->running, DIGEST_SHA256, ret);
    int r = temp_file_commit(&l->file, content_digest_hex(ret), FILE_WRITE());
    return r < 0 ? error_errno(e, r, "%s/" BLOBS "/%s", l->path, content_digest_hex(ret)) : 0;
}

int layout_write_blob(LayoutWrite *l, const void *data, size_t n, ContentDigest *ret, Error *e)
{
    int r = layout_write_begin(l, e);
    if (r >= 0)
        r = layout_write_add(l, data, n, e);
    return r < 0 ? r : layout_write_end(l, ret, e);
}

/* ---- names ---- */

/* The tree of index.json, and the list in it. */
static int index_read(LayoutWrite *l, Arena *a, Node **ret, const Node **ret_list, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = root_read(l->directory, "index.json", MANIFEST_SIZE_MAX, &text);
    if (r == -ENOENT) {
        *ret = node_new(a, NODE_OBJECT);
        node_set(a, *ret, "schemaVersion", node_new_int(a, 2));
        *ret_list = node_set(a, *ret, "manifests", node_new(a, NODE_ARRAY));
        return 0;
    }
    if (r < 0)
        return error_errno(e, r, "%s/index.json", l->path);
    const DocumentText document = {.name = "index.json",
                                   .data = text.len ? arena_memdup(a, text.data, text.len) : "",
                                   .n = text.len,
                                   .max = MANIFEST_SIZE_MAX};
    r = document_read(a, &document, ret, e);
    if (r >= 0)
        r = document_member(*ret, "manifests", NODE_ARRAY, DOCUMENT_REQUIRED, ret_list, e);
    return r < 0 ? error_wrap(e, r, "%s/index.json", l->path) : 0;
}

static bool has_name(const Node *descriptor, const char *name)
{
    const Node *annotations = node_get(descriptor, "annotations");
    const char *is = annotations ? node_string(node_get(annotations, REF_NAME)) : NULL;
    return is && strcmp(is, name) == 0;
}

int layout_write_name(LayoutWrite *l, const char *name, const char *media_type, const ContentDigest *digest,
                      uint64_t size, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf out = BUF_INIT;
    Node *index, *kept = node_new(a, NODE_ARRAY);
    const Node *list = NULL;
    int r = index_read(l, a, &index, &list, e);
    if (r < 0)
        return r;
    NODE_EACH (n, list)
        if (!has_name(n, name))
            node_append(kept, node_copy(a, n));
    Node *d = node_append(kept, node_new(a, NODE_OBJECT));
    node_set_string(a, d, "mediaType", media_type);
    node_set_string(a, d, "digest", digest->text);
    node_set(a, d, "size", node_new_int(a, (int64_t)size));
    Node *annotations = node_set(a, d, "annotations", node_new(a, NODE_OBJECT));
    node_set_string(a, annotations, REF_NAME, name);
    node_set(a, index, "manifests", kept);
    json_write(index, JSON_COMPACT, &out);
    r = file_write_at(l->directory, "index.json", out.data, out.len, FILE_WRITE());
    return r < 0 ? error_errno(e, r, "%s/index.json", l->path) : 0;
}
