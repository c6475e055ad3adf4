/* One state: which kind of bytes come next. A header block is gathered whole, extended headers too (they are
 * bounded), a file's bytes are passed on as they come, padding is skipped. Long names and pax records are
 * kept until the entry that they belong to; global headers are read over: in images they hold a comment at
 * most.
 *
 * It is not libarchive because that pulls: it would want a thread and a pipe in the middle of a chain that
 * otherwise pushes, and it brings a dozen formats to bytes that come from a network. */
#include "format/tar.h"

#include <string.h>

#include "base/buf.h"

enum { BLOCK = TAR_BLOCK };

typedef enum Expect {
    EXPECT_HEADER,
    EXPECT_EXTENDED, /* contents of a header that describes the next entry */
    EXPECT_DATA,
    EXPECT_SKIP, /* contents that nobody wants */
    EXPECT_NOTHING,
} Expect;

/* Offsets and lengths, POSIX.1-2017 pax "ustar Header Block". */
typedef struct Header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
} Header;
_Static_assert(sizeof(Header) == BLOCK, "a header is one block");

struct TarReader {
    const TarSink *sink;
    void *context;
    Expect expect;
    uint64_t offset; /* of the stream, for messages */
    uint64_t left;   /* bytes of the present contents */
    unsigned padding;
    union {
        Header header;
        char block[BLOCK];
    };
    size_t filled; /* of block */
    bool zeros;    /* the block before was all zeros */

    char kind;         /* of the extended header that is gathered: x, L, K */
    Buf extended, pax; /* the present one; the records for the next entry */
    Buf path, link;    /* set by L, K or pax; empty: not */
    bool has_path, has_link, has_size, has_uid, has_gid;
    uint64_t size, uid, gid;
    TarXattr xattrs[TAR_XATTRS_MAX]; /* into pax */
    size_t n_xattrs;
};

TarReader *tar_reader_new(const TarSink *sink, void *context)
{
    TarReader *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    r->sink = sink;
    r->context = context;
    return r;
}

void tar_reader_free(TarReader *r)
{
    if (!r)
        return;
    buf_done(&r->extended);
    buf_done(&r->pax);
    buf_done(&r->path);
    buf_done(&r->link);
    free(r);
}

static int bad(const TarReader *r, Error *e, const char *what)
{
    return error_set(e, EBADMSG, "tar stream, before byte %llu: %s", (unsigned long long)r->offset, what);
}

/* ---- numbers ---- */

/* Octal with spaces or NULs around it, or GNU's base-256 with the first bit set. */
static int field_number(const char *field, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    size_t i = 0;

    if ((unsigned char)field[0] & 0x80) {
        v = (unsigned char)field[0] & 0x7f;
        for (i = 1; i < n; i++) {
            if (v >> 55)
                return -ERANGE;
            v = v << 8 | (unsigned char)field[i];
        }
        *ret = v;
        return 0;
    }
    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        v = v << 3 | (unsigned)(field[i] - '0');
    for (; i < n; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return -EINVAL;
    *ret = v;
    return 0;
}

static int decimal(const char *s, size_t n, uint64_t *ret)
{
    uint64_t v = 0;

    if (n == 0 || n > 19)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -EINVAL;
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    *ret = v;
    return 0;
}

static bool checksum_fits(const Header *h)
{
    const unsigned char *b = (const void *)h;
    uint64_t stored;
    unsigned sum = 0;
    int signed_sum = 0; /* some old programs summed signed characters */

    for (size_t i = 0; i < BLOCK; i++) {
        bool within = i >= offsetof(Header, checksum) && i < offsetof(Header, type);
        sum += within ? ' ' : b[i];
        signed_sum += within ? ' ' : (signed char)b[i];
    }
    return field_number(h->checksum, sizeof(h->checksum), &stored) == 0 &&
           (stored == sum || (int64_t)stored == signed_sum);
}

/* ---- what describes the next entry ---- */

static int text_set(Buf *to, bool *has, const char *s, size_t n)
{
    if (n > TAR_PATH_MAX || memchr(s, '\0', n))
        return -EINVAL;
    to->len = 0;
    buf_add(to, s, n);
    *has = true;
    return 0;
}

static int xattr_set(TarReader *r, const char *name, const char *value, size_t n)
{
    for (size_t i = 0; i < r->n_xattrs; i++)
        if (strcmp(r->xattrs[i].name, name) == 0) {
            r->xattrs[i].value = value;
            r->xattrs[i].n = n;
            return 0;
        }
    if (!name[0] || r->n_xattrs == TAR_XATTRS_MAX)
        return -EINVAL;
    r->xattrs[r->n_xattrs++] = (TarXattr){name, value, n};
    return 0;
}

/* `key` ends with a NUL that stands where the '=' was. */
static int pax_record(TarReader *r, const char *key, const char *value, size_t n)
{
    static const char xattr[] = "SCHILY.xattr.";
    bool *has;

    if (strcmp(key, "path") == 0)
        return text_set(&r->path, &r->has_path, value, n);
    if (strcmp(key, "linkpath") == 0)
        return text_set(&r->link, &r->has_link, value, n);
    if (strncmp(key, xattr, sizeof(xattr) - 1) == 0)
        return xattr_set(r, key + sizeof(xattr) - 1, value, n);
    if (strncmp(key, "GNU.sparse.", 11) == 0)
        return -EOPNOTSUPP;
    uint64_t *number = strcmp(key, "size") == 0  ? (has = &r->has_size, &r->size)
                       : strcmp(key, "uid") == 0 ? (has = &r->has_uid, &r->uid)
                       : strcmp(key, "gid") == 0 ? (has = &r->has_gid, &r->gid)
                                                 : NULL;
    if (!number)
        return 0; /* times, names of users, comments */
    *has = true;
    return decimal(value, n, number);
}

/* Records "LENGTH KEY=VALUE\n"; LENGTH counts all of it. */
static int pax_read(TarReader *r, Error *e)
{
    char *p = r->pax.data, *end = p + r->pax.len;

    r->n_xattrs = 0;
    while (p < end) {
        uint64_t length;
        char *space = memchr(p, ' ', (size_t)(end - p));
        if (!space || decimal(p, (size_t)(space - p), &length) < 0 || length > (uint64_t)(end - p) ||
            length < (uint64_t)(space - p) + 3 || p[length - 1] != '\n')
            return bad(r, e, "an extended header is damaged");
        char *next = p + length, *key = space + 1;
        char *equals = memchr(key, '=', (size_t)(next - 1 - key));
        if (!equals || equals == key || memchr(key, '\0', (size_t)(equals - key)))
            return bad(r, e, "an extended header is damaged");
        *equals = '\0';
        int k = pax_record(r, key, equals + 1, (size_t)(next - 1 - (equals + 1)));
        if (k == -EOPNOTSUPP)
            return bad(r, e, "a sparse file; images have none");
        if (k < 0)
            return bad(r, e, "an extended header has a value that cannot be");
        p = next;
    }
    return 0;
}

static int extended_end(TarReader *r, Error *e)
{
    Buf *x = &r->extended;

    if (r->kind == 'x') {
        if (r->pax.len > 0)
            return bad(r, e, "two extended headers for one entry");
        buf_add(&r->pax, x->data, x->len);
        return pax_read(r, e);
    }
    size_t n = strnlen(x->data, x->len);
    return r->kind == 'L' ? text_set(&r->path, &r->has_path, x->data, n)
                          : text_set(&r->link, &r->has_link, x->data, n);
}

static void description_reset(TarReader *r)
{
    r->has_path = r->has_link = r->has_size = r->has_uid = r->has_gid = false;
    r->n_xattrs = 0;
    r->pax.len = 0;
}

static void contents_begin(TarReader *r, uint64_t size, Expect what)
{
    r->left = size;
    r->padding = (unsigned)(-size & (BLOCK - 1));
    r->expect = what;
}

/* ---- an entry ---- */

/* The digits of POSIX are in the order of TarType; 7 is a file that once lay in one piece. */
static int type_of(const Header *h, const char *path, TarType *ret)
{
    size_t n = strlen(path);

    if (h->type == '\0' || h->type == '0' ||
        h->type == '7') /* before POSIX a directory was a name with a slash */
        *ret = path[n - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
    else if (h->type >= '1' && h->type <= '6')
        *ret = TAR_HARD_LINK + (TarType)(h->type - '1');
    else
        return -EOPNOTSUPP;
    return 0;
}

static void names_from_header(TarReader *r)
{
    const Header *h = &r->header;

    if (!r->has_path) {
        r->path.len = 0;
        if (memcmp(h->magic, "ustar", 6) == 0 && h->prefix[0]) {
            buf_add(&r->path, h->prefix, strnlen(h->prefix, sizeof(h->prefix)));
            buf_add_char(&r->path, '/');
        }
        buf_add(&r->path, h->name, strnlen(h->name, sizeof(h->name)));
    }
    if (!r->has_link) {
        r->link.len = 0;
        buf_add(&r->link, h->link, strnlen(h->link, sizeof(h->link)));
    }
    *buf_reserve(&r->path, 1) = '\0';
    *buf_reserve(&r->link, 1) = '\0';
}

static int entry_begin(TarReader *r, uint64_t size, Error *e)
{
    const Header *h = &r->header;
    TarEntry entry = {.xattrs = r->xattrs, .n_xattrs = r->n_xattrs};
    uint64_t mode, uid, gid;

    names_from_header(r);
    entry.path = r->path.data;
    if (entry.path[0] == '\0')
        return bad(r, e, "an entry without a name");
    if (type_of(h, entry.path, &entry.type) < 0)
        return error_set(e, EBADMSG, "tar entry '%s' is of the type '%c', which images do not have",
                         entry.path, h->type >= ' ' && h->type <= '~' ? h->type : '?');
    if (field_number(h->mode, sizeof(h->mode), &mode) < 0 || field_number(h->uid, sizeof(h->uid), &uid) < 0 ||
        field_number(h->gid, sizeof(h->gid), &gid) < 0)
        return error_set(e, EBADMSG, "tar entry '%s': a number of its header cannot be read", entry.path);
    uid = r->has_uid ? r->uid : uid;
    gid = r->has_gid ? r->gid : gid;
    if (uid >= UINT32_MAX || gid >= UINT32_MAX)
        return error_set(e, EBADMSG, "tar entry '%s' belongs to a user or group that cannot be", entry.path);
    entry.mode = (uint32_t)mode & 07777;
    entry.uid = (uint32_t)uid;
    entry.gid = (uint32_t)gid;
    entry.link = entry.type == TAR_HARD_LINK || entry.type == TAR_SYMLINK ? r->link.data : "";
    entry.size = entry.type == TAR_FILE ? size : 0;
    int k = r->sink->entry(r->context, &entry, e);
    description_reset(r);
    if (k < 0)
        return k;
    if (entry.type != TAR_FILE)
        return 0; /* the size of a link or a device says nothing about contents */
    if (size == 0)
        return r->sink->end(r->context, e);
    contents_begin(r, size, EXPECT_DATA);
    return 0;
}

static int extended_begin(TarReader *r, uint64_t size, Error *e)
{
    if (size > TAR_EXTENDED_MAX)
        return bad(r, e, "an extended header is larger than a MiB");
    r->kind = r->header.type;
    r->extended.len = 0;
    if (size == 0)
        return r->kind == 'L' || r->kind == 'K' ? bad(r, e, "a long name that is empty") : 0;
    contents_begin(r, size, r->kind == 'g' ? EXPECT_SKIP : EXPECT_EXTENDED);
    return 0;
}

static int header_read(TarReader *r, Error *e)
{
    static const char zeros[BLOCK];
    const Header *h = &r->header;
    uint64_t size;

    if (memcmp(r->block, zeros, BLOCK) == 0) {
        r->expect = r->zeros ? EXPECT_NOTHING : EXPECT_HEADER;
        r->zeros = true;
        return 0;
    }
    r->zeros = false;
    if (!checksum_fits(h))
        return bad(r, e, "no header of an entry");
    if (field_number(h->size, sizeof(h->size), &size) < 0 || size > INT64_MAX / 2)
        return bad(r, e, "a size that cannot be");
    if (h->type && strchr("xgLK", h->type))
        return extended_begin(r, size, e);
    size = r->has_size ? r->size : size;
    if (size > INT64_MAX / 2)
        return bad(r, e, "a size that cannot be");
    return entry_begin(r, size, e);
}

/* ---- the stream ---- */

/* Contents, then their padding; both may come in any pieces. Returns how many bytes were taken. */
static int contents_feed(TarReader *r, const char *p, size_t n, size_t *ret_taken, Error *e)
{
    size_t take = r->left < n ? (size_t)r->left : n;
    int k = 0;

    *ret_taken = take;
    if (take > 0) {
        r->left -= take;
        if (r->expect == EXPECT_EXTENDED)
            buf_add(&r->extended, p, take);
        else if (r->expect == EXPECT_DATA)
            k = r->sink->data(r->context, p, take, e);
    } else {
        *ret_taken = take = r->padding < n ? r->padding : n;
        r->padding -= (unsigned)take;
    }
    if (k < 0 || r->left > 0 || r->padding > 0)
        return k;
    Expect was = r->expect;
    r->expect = EXPECT_HEADER;
    if (was == EXPECT_DATA)
        return r->sink->end(r->context, e);
    if (was == EXPECT_EXTENDED && (k = extended_end(r, e)) == -EINVAL)
        return bad(r, e, "a name that is too long, or has a NUL");
    return k;
}

int tar_reader_feed(TarReader *r, const void *data, size_t n, Error *e)
{
    const char *p = data;
    int k = 0;

    while (n > 0 && k >= 0 && r->expect != EXPECT_NOTHING) {
        size_t taken;
        if (r->expect == EXPECT_HEADER) {
            taken = BLOCK - r->filled < n ? BLOCK - r->filled : n;
            memcpy(r->block + r->filled, p, taken);
            r->filled += taken;
            if (r->filled == BLOCK) {
                r->filled = 0;
                k = header_read(r, e);
            }
        } else
            k = contents_feed(r, p, n, &taken, e);
        p += taken;
        n -= taken;
        r->offset += taken;
    }
    return k < 0 ? k : 0;
}

int tar_reader_finish(TarReader *r, Error *e)
{
    if (r->expect == EXPECT_NOTHING)
        return 0;
    if (r->expect != EXPECT_HEADER || r->filled > 0 || r->has_path || r->has_link || r->pax.len > 0)
        return bad(r, e, "it ends within an entry");
    return 0;
}
