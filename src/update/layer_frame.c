/* A frame is a head (kind, length of what follows) and a body: of an entry its numbers, then names and
 * attributes, each with its length and, names, with a NUL. Numbers are the machine's own: both sides are one
 * program. What breaks a rule here was not sent by the program that we are, so that one message does for all.
 */
#include "update/layer_frame.h"

#include <string.h>

typedef enum FrameKind { FRAME_ENTRY = 1, FRAME_DATA, FRAME_END } FrameKind;

typedef struct Head {
    uint32_t kind, length;
} Head;

typedef struct EntryBody {
    uint32_t type, mode, uid, gid;
    uint64_t size;
    uint32_t path, link, n_xattrs, reserved; /* lengths without the NUL */
} EntryBody;

typedef struct DataBody {
    uint64_t offset, n;
} DataBody;

typedef struct XattrHead {
    uint32_t name, value;
} XattrHead;

struct FrameReader {
    const FrameSink *sink;
    void *context;
    Buf frame; /* as far as it has come */
    Head head;
    bool has_head, in_file;
    uint64_t left, position; /* of the file; in the archive */
    TarXattr xattrs[TAR_XATTRS_MAX];
};

/* ---- writing ---- */

static size_t head_add(FrameKind kind, Buf *to)
{
    const Head head = {.kind = kind};
    buf_add(to, &head, sizeof(head));
    return to->len;
}

static void length_set(Buf *to, size_t begin)
{
    const uint32_t length = (uint32_t)(to->len - begin);
    memcpy(to->data + begin - sizeof(Head) + offsetof(Head, length), &length, sizeof(length));
}

void frame_entry(const TarEntry *entry, Buf *to)
{
    const size_t begin = head_add(FRAME_ENTRY, to);
    const EntryBody body = {.type = entry->type,
                            .mode = entry->mode,
                            .uid = entry->uid,
                            .gid = entry->gid,
                            .size = entry->size,
                            .path = (uint32_t)strlen(entry->path),
                            .link = (uint32_t)strlen(entry->link),
                            .n_xattrs = (uint32_t)entry->n_xattrs};
    buf_add(to, &body, sizeof(body));
    buf_add(to, entry->path, body.path + 1);
    buf_add(to, entry->link, body.link + 1);
    for (size_t i = 0; i < entry->n_xattrs; i++) {
        const TarXattr *x = &entry->xattrs[i];
        const XattrHead head = {.name = (uint32_t)strlen(x->name), .value = (uint32_t)x->n};
        buf_add(to, &head, sizeof(head));
        buf_add(to, x->name, head.name + 1);
        buf_add(to, x->value, x->n);
    }
    length_set(to, begin);
}

void frame_data(uint64_t offset, uint64_t n, Buf *to)
{
    const DataBody body = {offset, n};
    const size_t begin = head_add(FRAME_DATA, to);
    buf_add(to, &body, sizeof(body));
    length_set(to, begin);
}

void frame_end(Buf *to)
{
    head_add(FRAME_END, to);
}

/* ---- reading ---- */

FrameReader *frame_reader_new(const FrameSink *sink, void *context)
{
    FrameReader *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    r->sink = sink;
    r->context = context;
    return r;
}

void frame_reader_free(FrameReader *r)
{
    if (!r)
        return;
    buf_done(&r->frame);
    free(r);
}

static int bad(const char *what, Error *e)
{
    return error_set(e, EBADMSG, "the process that reads the layer says what cannot be: %s", what);
}

/* The next `n` bytes and a NUL: a text without one inside. NULL: it is none. */
static const char *text_take(const char **p, const char *end, uint32_t n)
{
    const char *text = *p;
    if ((uint64_t)(end - text) < (uint64_t)n + 1 || text[n] || memchr(text, '\0', n))
        return NULL;
    *p += n + 1;
    return text;
}

static int xattrs_read(FrameReader *r, uint32_t n, const char *p, const char *end, Error *e)
{
    for (uint32_t i = 0; i < n; i++) {
        XattrHead head;
        if ((size_t)(end - p) < sizeof(head))
            return bad("attributes that are cut off", e);
        memcpy(&head, p, sizeof(head));
        p += sizeof(head);
        const char *name = text_take(&p, end, head.name);
        if (!name || !*name || head.value > (size_t)(end - p))
            return bad("an attribute", e);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(r->xattrs[k].name, name) == 0)
                return bad("an attribute twice", e);
        r->xattrs[i] = (TarXattr){.name = name, .value = p, .n = head.value};
        p += head.value;
    }
    return p == end ? 0 : bad("more than an entry", e);
}

static int entry_check(const EntryBody *b, Error *e)
{
    const bool links = b->type == TAR_HARD_LINK || b->type == TAR_SYMLINK;

    if (b->type > TAR_FIFO || b->mode > 07777 || b->uid == UINT32_MAX || b->gid == UINT32_MAX)
        return bad("numbers of an entry", e);
    if (b->type == TAR_FILE ? b->size > INT64_MAX / 2 : b->size > 0)
        return bad("the size of an entry", e);
    if (b->path == 0 || b->path > TAR_PATH_MAX || b->link > TAR_PATH_MAX || (b->link && !links))
        return bad("the name of an entry", e);
    return b->n_xattrs > TAR_XATTRS_MAX ? bad("so many attributes", e) : 0;
}

static int entry_read(FrameReader *r, Error *e)
{
    const char *p = r->frame.data, *end = p + r->frame.len;
    EntryBody b;

    if (r->in_file || r->frame.len < sizeof(b))
        return bad("an entry here", e);
    memcpy(&b, p, sizeof(b));
    p += sizeof(b);
    int k = entry_check(&b, e);
    if (k < 0)
        return k;
    const char *path = text_take(&p, end, b.path), *link = path ? text_take(&p, end, b.link) : NULL;
    if (!path || !link)
        return bad("the name of an entry", e);
    if ((k = xattrs_read(r, b.n_xattrs, p, end, e)) < 0)
        return k;
    const TarEntry entry = {.type = (TarType)b.type,
                            .path = path,
                            .link = link,
                            .mode = b.mode,
                            .uid = b.uid,
                            .gid = b.gid,
                            .size = b.size,
                            .xattrs = r->xattrs,
                            .n_xattrs = b.n_xattrs};
    r->in_file = entry.type == TAR_FILE;
    r->left = b.size;
    return r->sink->entry(r->context, &entry, e);
}

static int data_read(FrameReader *r, Error *e)
{
    DataBody b;

    if (!r->in_file || r->frame.len != sizeof(b))
        return bad("bytes of no file", e);
    memcpy(&b, r->frame.data, sizeof(b));
    if (b.n == 0 || b.n > r->left || b.offset < r->position || b.offset > UINT64_MAX - b.n)
        return bad("where the bytes of a file are", e);
    r->left -= b.n;
    r->position = b.offset + b.n;
    return r->sink->data(r->context, b.offset, b.n, e);
}

static int end_read(FrameReader *r, Error *e)
{
    if (!r->in_file || r->left > 0 || r->frame.len > 0)
        return bad("the end of a file", e);
    r->in_file = false;
    return r->sink->end(r->context, e);
}

static int frame_read(FrameReader *r, Error *e)
{
    switch (r->head.kind) {
    case FRAME_ENTRY:
        return entry_read(r, e);
    case FRAME_DATA:
        return data_read(r, e);
    case FRAME_END:
        return end_read(r, e);
    default:
        return bad("a frame of no kind", e);
    }
}

/* Moves what is missing to `want` bytes; true when they are there. */
static bool gather(FrameReader *r, size_t want, const char **p, size_t *n)
{
    const size_t missing = want - r->frame.len, take = missing < *n ? missing : *n;

    buf_add(&r->frame, *p, take);
    *p += take;
    *n -= take;
    return r->frame.len == want;
}

int frame_reader_feed(FrameReader *r, const void *data, size_t n, Error *e)
{
    const char *p = data;
    int k = 0;

    while (k >= 0 && (n > 0 || (r->has_head && r->head.length == 0))) {
        if (!r->has_head) {
            if (!gather(r, sizeof(r->head), &p, &n))
                break;
            memcpy(&r->head, r->frame.data, sizeof(r->head));
            r->frame.len = 0;
            r->has_head = true;
            if (r->head.length > FRAME_ENTRY_MAX)
                return bad("a frame of such a length", e);
        }
        if (!gather(r, r->head.length, &p, &n))
            continue;
        k = frame_read(r, e);
        r->frame.len = 0;
        r->has_head = false;
    }
    return k < 0 ? k : 0;
}

int frame_reader_finish(FrameReader *r, Error *e)
{
    return r->has_head || r->frame.len > 0 || r->in_file ? bad("the end within a file", e) : 0;
}
