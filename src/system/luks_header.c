/* The binary part of a header (4096 bytes, big-endian numbers) and its JSON part, as the on-disk format of
 * LUKS2 1.1 describes them: magic, version, size, sequence number, label, digest, UUID, subsystem; then
 * tokens and flags. What has the magic but is neither sound nor LUKS1 is told as damaged, never as empty: an
 * empty device may be written to. A second copy without a first one is none: it may be left of a container
 * that went long ago. */
#include "system/luks_header.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "format/digest.h"
#include "format/json.h"
#include "system/clevis_policy.h"

enum {
    MAGIC_SIZE = 6,
    BINARY_SIZE = 4096,
    AT_VERSION = 6,
    AT_SIZE = 8,
    AT_SEQUENCE = 16,
    AT_LABEL = 24,
    AT_DIGEST_NAME = 72,
    AT_UUID = 168,
    AT_SUBSYSTEM = 208,
    AT_DIGEST = 448,
    DIGEST_ROOM = 64,
    UUID_ROOM = 40,
    LABEL_ROOM = 48,
};
static const char magics[2][MAGIC_SIZE] = {{'L', 'U', 'K', 'S', (char)0xba, (char)0xbe},
                                           {'S', 'K', 'U', 'L', (char)0xba, (char)0xbe}};
/* Where second copies may be: a header's size is a power of two. */
static const uint64_t second_copies[] = {0x4000,  0x8000,   0x10000,  0x20000, 0x40000,
                                         0x80000, 0x100000, 0x200000, 0x400000};

static uint64_t number_at(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v = v << 8 | p[i];
    return v;
}

static const char *text_at(Arena *a, const uint8_t *p, size_t room)
{
    size_t n = strnlen((const char *)p, room);
    return n ? arena_memdup(a, p, n) : NULL;
}

/* 1: the digest is right, or of a kind that is not known here. */
static int digest_right(const uint8_t *data, size_t n)
{
    static const uint8_t zeroes[DIGEST_ROOM];
    uint8_t found[DIGEST_SIZE_MAX];
    DigestKind kind;
    if (memcmp(data + AT_DIGEST_NAME, "sha256", 7) == 0)
        kind = DIGEST_SHA256;
    else if (memcmp(data + AT_DIGEST_NAME, "sha512", 7) == 0)
        kind = DIGEST_SHA512;
    else
        return 1;
    _cleanup_(digest_freep)
    Digest *d = NULL;
    int r = digest_new(kind, &d, NULL);
    if (r < 0)
        return r;
    digest_update(d, data, AT_DIGEST);
    digest_update(d, zeroes, DIGEST_ROOM);
    digest_update(d, data + AT_DIGEST + DIGEST_ROOM, n - AT_DIGEST - DIGEST_ROOM);
    size_t size = digest_finish(d, found);
    return memcmp(found, data + AT_DIGEST, size) == 0;
}

static void read_tokens(Arena *a, const Node *tokens, LuksFacts *ret)
{
    size_t n = 0;
    const char **types = ARENA_ARRAY(a, const char *, (tokens->kind == NODE_OBJECT ? tokens->n : 0) + 1);
    if (tokens->kind == NODE_OBJECT)
        NODE_EACH (token, tokens) {
            const char *type = node_string(node_get(token, "type"));
            if (!type)
                continue;
            types[n++] = type;
            if (strcmp(type, "clevis") == 0 && !ret->policy)
                ret->policy = clevis_policy_of_jwe(a, node_get(token, "jwe"));
        }
    ret->tokens = types;
}

static int read_json(Arena *a, const char *text, size_t n, LuksFacts *ret)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *root = NULL;
    *source = (Source){.name = "LUKS2 header", .text = text, .len = n, .secret = true};
    if (json_read(a, source, SEVERITY_WARNING, &root, &r) < 0 || root->kind != NODE_OBJECT)
        return -EBADMSG;
    const Node *flags = node_get_path(root, "config.flags"), *tokens = node_get(root, "tokens");
    if (flags && flags->kind == NODE_ARRAY)
        NODE_EACH (flag, flags)
            if (node_string(flag) && strcmp(node_string(flag), "allow-discards") == 0)
                ret->discard = true;
    read_tokens(a, tokens ? tokens : node_new(a, NODE_OBJECT), ret);
    return 0;
}

int luks_header_parse(Arena *a, const void *data, size_t n, LuksFacts *ret, uint64_t *ret_sequence)
{
    const uint8_t *p = data;
    LuksFacts f = {.version = 2};
    if (n < BINARY_SIZE || (memcmp(p, magics[0], MAGIC_SIZE) != 0 && memcmp(p, magics[1], MAGIC_SIZE) != 0) ||
        number_at(p + AT_VERSION, 2) != 2)
        return -EBADMSG;
    uint64_t size = number_at(p + AT_SIZE, 8);
    if (size <= BINARY_SIZE || size > LUKS_HEADER_MAX || size > n)
        return -EBADMSG;
    int r = digest_right(p, size);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    f.label = text_at(a, p + AT_LABEL, LABEL_ROOM);
    f.uuid = text_at(a, p + AT_UUID, UUID_ROOM);
    f.subsystem = text_at(a, p + AT_SUBSYSTEM, LABEL_ROOM);
    size_t length = strnlen((const char *)p + BINARY_SIZE, size - BINARY_SIZE);
    r = read_json(a, arena_memdup(a, p + BINARY_SIZE, length), length, &f);
    if (r < 0)
        return r;
    *ret = f;
    *ret_sequence = number_at(p + AT_SEQUENCE, 8);
    return 0;
}

/* 1: has the magic of that copy. */
static int copy_read(int fd, uint64_t at, const char *magic, Buf *ret)
{
    uint8_t head[16];
    ssize_t n = pread(fd, head, sizeof(head), (off_t)at);
    if (n < 0)
        return -errno;
    if (n < (ssize_t)sizeof(head) || memcmp(head, magic, MAGIC_SIZE) != 0)
        return 0;
    uint64_t size = number_at(head + AT_SIZE, 8);
    if (number_at(head + AT_VERSION, 2) != 2)
        size = BINARY_SIZE;
    if (size > LUKS_HEADER_MAX)
        return 1;
    char *to = buf_reserve(ret, size);
    n = pread(fd, to, size, (off_t)at);
    if (n < 0)
        return -errno;
    ret->len = (size_t)n;
    return 1;
}

static int copies_look(Arena *a, int fd, LuksFacts *ret, Error *e)
{
    LuksFacts best = {0};
    uint64_t best_sequence = 0;
    bool sound = false;
    for (size_t i = 0; i <= ELEMENTS(second_copies); i++) {
        _cleanup_buf_ Buf copy = BUF_INIT;
        LuksFacts f;
        uint64_t sequence;
        if (i && best.version != 2)
            break;
        int r = copy_read(fd, i ? second_copies[i - 1] : 0, magics[i > 0], &copy);
        if (r < 0)
            return error_errno(e, r, "reading a LUKS header");
        if (r == 0)
            continue;
        if (i == 0)
            best.version = 2;
        if (i == 0 && copy.len > AT_UUID + UUID_ROOM && copy.data[AT_VERSION] == 0 &&
            copy.data[AT_VERSION + 1] == 1)
            best = (LuksFacts){.version = 1, .uuid = text_at(a, (uint8_t *)copy.data + AT_UUID, UUID_ROOM)};
        r = luks_header_parse(a, copy.data, copy.len, &f, &sequence);
        if (r < 0 && r != -EBADMSG)
            return error_errno(e, r, "checking a LUKS header");
        if (r == 0 && (!sound || sequence > best_sequence)) {
            best = f;
            best_sequence = sequence;
            sound = true;
        }
    }
    *ret = best;
    return 0;
}

/* dm/uuid is "CRYPT-LUKS2-" + the container's UUID without dashes + "-" + the name. */
const char *luks_mapping_find(Arena *a, const char *sysfs, const char *uuid)
{
    char plain[UUID_ROOM + 1];
    size_t n = 0;
    for (const char *s = uuid; *s && n < UUID_ROOM; s++)
        if (*s != '-')
            plain[n++] = *s;
    plain[n] = '\0';
    const char *block = arena_printf(a, "%s/block", sysfs);
    _cleanup_closedir_ DIR *d = opendir(block);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        _cleanup_buf_ Buf id = BUF_INIT;
        if (strncmp(entry->d_name, "dm-", 3) != 0 ||
            file_read_at(dirfd(d), arena_printf(a, "%s/dm/uuid", entry->d_name), 4096, &id, NULL) < 0 ||
            !id.len)
            continue;
        id.data[strcspn(id.data, "\n")] = '\0';
        const char *rest = strncmp(id.data, "CRYPT-LUKS", 10) == 0 ? strchr(id.data + 10, '-') : NULL;
        if (rest && strncmp(rest + 1, plain, n) == 0 && rest[1 + n] == '-')
            return arena_strdup(a, rest + 1 + n + 1);
    }
    return NULL;
}

int luks_header_look_fd(Arena *a, int fd, LuksFacts *ret, Error *e)
{
    struct stat st;
    int r = copies_look(a, fd, ret, e);
    if (r < 0)
        return r;
    if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) && ret->uuid) {
        ret->mapping = luks_mapping_find(a, "/sys", ret->uuid);
        ret->opened = ret->mapping != NULL;
    }
    return 0;
}

int luks_header_look(Arena *a, const char *path, LuksFacts *ret, Error *e)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_errno(e, -errno, "%s", path);
    int r = luks_header_look_fd(a, fd, ret, e);
    return r < 0 ? error_wrap(e, r, "%s", path) : 0;
}
