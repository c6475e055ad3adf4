/* A JSON object. It is a hint: what is wrong with it makes it none, and that it cannot be written is told and
 * fails nothing. */
#include "update/update_seen.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/json.h"
#include "oci/content_digest.h"

#define PLACE "run/basalt-os/update"

int update_seen_write(int root, const UpdateSeen *u, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "image", u->image);
    node_set_string(a, n, "digest", u->digest);
    node_set_string(a, n, "version", u->version);
    node_set(a, n, "bytes", node_new_int(a, (int64_t)u->bytes));
    node_set(a, n, "time", node_new_int(a, (int64_t)u->time));
    json_write(n, JSON_COMPACT, &text);
    buf_add_char(&text, '\n');
    if (text.len > UPDATE_SEEN_MAX)
        return error_set(e, EFBIG, "/%s would have %zu bytes", PLACE, text.len);
    int r = root_write(root, PLACE, text.data, text.len, FILE_WRITE());
    return r < 0 ? error_errno(e, r, "/%s", PLACE) : 0;
}

static bool number_read(const Node *n, uint64_t *ret)
{
    int64_t v;
    if (!n || node_int(n, &v) < 0 || v < 0)
        return false;
    *ret = (uint64_t)v;
    return true;
}

int update_seen_read(Arena *a, int root, UpdateSeen *ret)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    _cleanup_report_ Report findings = REPORT_INIT(a);
    const JsonLimits limits = {.duplicate_keys = SEVERITY_ERROR, .depth = 4, .values = 32};
    ContentDigest digest;
    UpdateSeen u = {0};
    Node *n;

    if (root_read(root, PLACE, UPDATE_SEEN_MAX, &text) < 0 || !text.data)
        return 0;
    const Source source = {.name = PLACE, .text = arena_memdup(a, text.data, text.len), .len = text.len};
    if (json_read_within(a, &source, &limits, &n, &findings) < 0 || findings.errors)
        return 0;
    u.image = node_string(node_get(n, "image"));
    u.digest = node_string(node_get(n, "digest"));
    u.version = node_string(node_get(n, "version"));
    if (!u.image || !u.digest || content_digest_read(u.digest, strlen(u.digest), &digest, NULL) < 0 ||
        !number_read(node_get(n, "bytes"), &u.bytes) || !number_read(node_get(n, "time"), &u.time))
        return 0;
    *ret = u;
    return 1;
}

void update_seen_forget(int root)
{
    char *name = NULL;
    int dir = root_open_parent(root, PLACE, false, 0, &name);
    if (dir >= 0) {
        (void)unlinkat(dir, name, 0);
        close(dir);
    }
    free(name);
}
