/* From label to text: one of the first four sectors has the label, which leads to the header of the physical
 * volume, which lists the metadata areas, each of which begins with a header that says where in the rest, a
 * ring, the text of the last commit is. The text is nested sections of assignments; it becomes a tree, out of
 * which the facts are taken. All of it is outside input: places are checked against the device and the area,
 * checksums must be right, depth and sizes have limits. The first area that can be believed counts: LVM
 * writes all of them at each commit. */
#include "system/lvm_device.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "format/node.h"

enum {
    SECTOR = 512,
    LABEL_SECTORS = 4,
    LABEL_NUMBER = 8,
    LABEL_CHECKSUM = 16,
    LABEL_OFFSET = 20,
    LABEL_TYPE = 24,
    PV_UUID_SIZE = 32,
    PV_LISTS = 40, /* behind the UUID and the size of the device */
    AREA_HEADER = 512,
    AREA_MAGIC = 4,
    AREA_VERSION = 20,
    AREA_START = 24,
    AREA_SIZE = 32,
    AREA_TEXT = 40, /* offset, size, checksum, flags */
    DEPTH_MAX = 8,
};
#define AREA_MAGIC_TEXT " LVM2 x[5A%r0N*>"
#define CHECKSUM_START  0xf597a6cfu

static uint32_t word32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t word64(const uint8_t *p)
{
    return word32(p) | (uint64_t)word32(p + 4) << 32;
}

/* CRC-32 as everywhere, but with LVM's own start and nothing done at the end. */
static uint32_t checksum(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t crc = CHECKSUM_START;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return crc;
}

/* ---- the text ---- */

typedef struct Reader {
    Arena *arena;
    const char *at, *end;
} Reader;

static void skip_space(Reader *r)
{
    while (r->at < r->end) {
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        else if (isspace((unsigned char)*r->at))
            r->at++;
        else
            return;
    }
}

static bool take(Reader *r, char c)
{
    skip_space(r);
    if (r->at >= r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static const char *read_word(Reader *r)
{
    skip_space(r);
    const char *from = r->at;
    while (r->at < r->end && (isalnum((unsigned char)*r->at) || (*r->at && strchr("+_.-", *r->at))))
        r->at++;
    return r->at > from ? arena_memdup(r->arena, from, (size_t)(r->at - from)) : NULL;
}

static Node *read_string(Reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at != '"')
        r->at += *r->at == '\\' && r->at + 1 < r->end ? 2 : 1;
    Node *n = node_new_string_n(r->arena, from, (size_t)(r->at - from)); /* nothing of use has escapes */
    return take(r, '"') ? n : NULL;
}

static Node *read_scalar(Reader *r)
{
    if (take(r, '"'))
        return read_string(r);
    const char *word = read_word(r);
    if (!word)
        return NULL;
    Node *n = node_new_string(r->arena, word);
    n->kind = NODE_NUMBER;
    return n;
}

static Node *read_value(Reader *r)
{
    if (!take(r, '['))
        return read_scalar(r);
    Node *list = node_new(r->arena, NODE_ARRAY);
    while (!take(r, ']')) {
        Node *n = read_scalar(r);
        if (!n)
            return NULL;
        node_append(list, n);
        (void)take(r, ',');
    }
    return list;
}

/* Assignments and sections up to the brace, or to the end of the text. Keys are not looked for twice: a
 * section can have very many. */
static Node *read_section(Reader *r, unsigned depth)
{
    Node *section = node_new(r->arena, NODE_OBJECT);
    for (;;) {
        const char *key = read_word(r);
        if (!key) {
            bool ended = depth == 0 ? r->at >= r->end : take(r, '}');
            return ended ? section : NULL;
        }
        Node *value = NULL;
        if (take(r, '='))
            value = read_value(r);
        else if (take(r, '{') && depth < DEPTH_MAX)
            value = read_section(r, depth + 1);
        if (!value)
            return NULL;
        value->key = key;
        if (section->last)
            section->last->next = value;
        else
            section->first = value;
        section->last = value;
        section->n++;
    }
}

/* ---- the facts ---- */

static uint64_t number_at(const Node *section, const char *key)
{
    int64_t v;
    const Node *n = node_get(section, key);
    return n && node_int(n, &v) == 0 && v > 0 ? (uint64_t)v : 0;
}

static bool has_word(const Node *list, const char *word)
{
    if (!list || list->kind != NODE_ARRAY)
        return false;
    NODE_EACH (n, list)
        if (n->kind == NODE_STRING && strcmp(n->string, word) == 0)
            return true;
    return false;
}

static const char *const *words_of(Arena *a, const Node *list)
{
    size_t n = 0;
    const char **words = ARENA_ARRAY(a, const char *, list && list->kind == NODE_ARRAY ? list->n + 1 : 1);
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (w, list)
            if (w->kind == NODE_STRING)
                words[n++] = w->string;
    return words;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The size is that of its segments; stripes, and the devices of an array, are all as long. */
static LvmVolume read_volume(Arena *a, const Node *n, uint64_t extent_size)
{
    LvmVolume v = {.name = n->key, .tags = words_of(a, node_get(n, "tags")), .granularity = extent_size};
    NODE_EACH (segment, n) {
        uint64_t extents = number_at(segment, "extent_count"), bytes, parts;
        if (segment->kind != NODE_OBJECT || strncmp(segment->key, "segment", 7) != 0)
            continue;
        parts = greater(number_at(segment, "stripe_count"), number_at(segment, "device_count"));
        if (__builtin_mul_overflow(extents, extent_size, &bytes) ||
            __builtin_add_overflow(v.size, bytes, &v.size))
            v.size = UINT64_MAX;
        if (!__builtin_mul_overflow(extent_size, parts, &bytes))
            v.granularity = greater(v.granularity, bytes);
    }
    return v;
}

/* Of a volume that was being made the parts may show. */
static bool is_part(const char *name)
{
    return strstr(name, "_rmeta_") || strstr(name, "_rimage_") || strstr(name, "_mimage_");
}

int lvm_metadata_parse(Arena *a, const char *text, size_t n, LvmFacts *ret)
{
    Reader r = {.arena = a, .at = text, .end = text + n};
    const Node *root, *group = NULL, *volumes, *devices;
    uint64_t sectors;

    while (r.end > text && r.end[-1] == '\0')
        r.end--;
    root = read_section(&r, 0);
    if (!root)
        return -EINVAL;
    NODE_EACH (section, root)
        group = section->kind == NODE_OBJECT && !group ? section : group;
    if (!group || !node_string(node_get(group, "id")))
        return -EINVAL;
    sectors = number_at(group, "extent_size");
    ret->group = group->key;
    ret->group_uuid = node_string(node_get(group, "id"));
    ret->seqno = number_at(group, "seqno");
    ret->extent_size = sectors < UINT64_MAX / SECTOR ? sectors * SECTOR : 0;
    devices = node_get(group, "physical_volumes");
    ret->group_devices = devices && devices->kind == NODE_OBJECT ? (unsigned)devices->n : 0;
    volumes = node_get(group, "logical_volumes");
    if (!volumes || volumes->kind != NODE_OBJECT)
        return 0;
    LvmVolume *items = ARENA_ARRAY(a, LvmVolume, volumes->n);
    ret->volumes = items;
    NODE_EACH (v, volumes)
        if (v->kind == NODE_OBJECT && has_word(node_get(v, "status"), "VISIBLE") && !is_part(v->key))
            items[ret->n_volumes++] = read_volume(a, v, ret->extent_size);
    return 0;
}

/* ---- the device ---- */

static bool read_at(int fd, uint64_t size, uint64_t offset, void *to, size_t n)
{
    return offset <= size && n <= size - offset && pread(fd, to, n, (off_t)offset) == (ssize_t)n;
}

static const char *uuid_text(Arena *a, const uint8_t *u)
{
    return arena_printf(a, "%.6s-%.4s-%.4s-%.4s-%.4s-%.4s-%.6s", u, u + 6, u + 10, u + 14, u + 18, u + 22,
                        u + 26);
}

/* The text of an area's last commit; NULL: none, or not to be believed. */
static char *read_text(Arena *a, int fd, uint64_t size, uint64_t area, size_t *ret_n)
{
    uint8_t h[AREA_HEADER];
    if (!read_at(fd, size, area, h, sizeof(h)) ||
        checksum(h + AREA_MAGIC, sizeof(h) - AREA_MAGIC) != word32(h) ||
        memcmp(h + AREA_MAGIC, AREA_MAGIC_TEXT, strlen(AREA_MAGIC_TEXT)) != 0 ||
        word32(h + AREA_VERSION) != 1 || word64(h + AREA_START) != area)
        return NULL;
    uint64_t ring = word64(h + AREA_SIZE), from = word64(h + AREA_TEXT), n = word64(h + AREA_TEXT + 8);
    if (n == 0 || n > LVM_METADATA_MAX || ring <= AREA_HEADER || from < AREA_HEADER || from >= ring ||
        n > ring - AREA_HEADER)
        return NULL;
    char *text = arena_alloc(a, n + 1);
    uint64_t first = n < ring - from ? n : ring - from;
    if (!read_at(fd, size, area + from, text, first) ||
        !read_at(fd, size, area + AREA_HEADER, text + first, n - first) ||
        checksum(text, n) != word32(h + AREA_TEXT + 16))
        return NULL;
    *ret_n = n;
    return text;
}

/* The label's sector, or false. */
static bool find_label(int fd, uint64_t size, uint8_t label[SECTOR])
{
    for (uint64_t i = 0; i < LABEL_SECTORS; i++)
        if (read_at(fd, size, i * SECTOR, label, SECTOR) && memcmp(label, "LABELONE", 8) == 0 &&
            word64(label + LABEL_NUMBER) == i && memcmp(label + LABEL_TYPE, "LVM2 001", 8) == 0 &&
            checksum(label + LABEL_OFFSET, SECTOR - LABEL_OFFSET) == word32(label + LABEL_CHECKSUM) &&
            word32(label + LABEL_OFFSET) <= SECTOR - PV_LISTS - 32)
            return true;
    return false;
}

int lvm_device_read(Arena *a, int fd, uint64_t size, LvmFacts *ret, Error *e _unused_)
{
    uint8_t label[SECTOR];
    if (!find_label(fd, size, label))
        return 0;
    const uint8_t *header = label + word32(label + LABEL_OFFSET), *end = label + SECTOR;
    LvmFacts f = {.pv_uuid = uuid_text(a, header)};
    unsigned lists = 0;
    for (const uint8_t *at = header + PV_LISTS; lists < 2 && end - at >= 16; at += 16) {
        LvmFacts g = {.pv_uuid = f.pv_uuid};
        size_t n;
        if (word64(at) == 0) { /* first the data areas end, then the metadata areas */
            lists++;
            continue;
        }
        char *text = lists == 1 && !f.group ? read_text(a, fd, size, word64(at), &n) : NULL;
        if (text && lvm_metadata_parse(a, text, n, &g) == 0)
            f = g;
    }
    *ret = f;
    return 1;
}
