/* Written front to back: what lies in a container is added first, its offsets when it is closed. Read without
 * copying; every offset is checked against the container that it stands in before it is followed. */
#include "update/gvariant.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- written ---- */

/* How wide the n offsets of a container with so long a body are. */
static size_t offset_width(size_t body, size_t n)
{
    for (size_t width = 1; width < 8; width *= 2)
        if (body + n * width < (size_t)1 << (8 * width))
            return width;
    return 8;
}

void gvariant_offsets_add(Buf *out, size_t start, const size_t *ends, size_t n)
{
    size_t width = offset_width(out->len - start, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t v = htole64(ends[i] - start);
        buf_add(out, &v, width);
    }
}

void gvariant_text_add(Buf *out, const char *s)
{
    buf_add(out, s, strlen(s) + 1);
}

void gvariant_pad(Buf *out, size_t start, size_t alignment)
{
    while ((out->len - start) % alignment != 0)
        buf_add_char(out, '\0');
}

void gvariant_dict_begin(GvariantDict *d, Buf *out)
{
    *d = (GvariantDict){.out = out, .start = out->len};
}

/* Entries begin at multiples of eight, variants too. */
void gvariant_dict_open(GvariantDict *d, const char *key)
{
    gvariant_pad(d->out, d->start, 8);
    d->entry = d->out->len;
    gvariant_text_add(d->out, key);
    d->key_end = d->out->len;
    gvariant_pad(d->out, d->start, 8);
}

void gvariant_dict_close(GvariantDict *d, const char *type)
{
    buf_add_char(d->out, '\0');
    buf_add_str(d->out, type);
    gvariant_offsets_add(d->out, d->entry, &d->key_end, 1);
    if (d->n == d->size) {
        d->size = d->size ? 2 * d->size : 16;
        d->ends = reallocarray(d->ends, d->size, sizeof(*d->ends));
        if (!d->ends)
            abort();
    }
    d->ends[d->n++] = d->out->len;
}

void gvariant_dict_add_text(GvariantDict *d, const char *key, const char *value)
{
    gvariant_dict_open(d, key);
    gvariant_text_add(d->out, value);
    gvariant_dict_close(d, "s");
}

void gvariant_dict_done(GvariantDict *d)
{
    gvariant_offsets_add(d->out, d->start, d->ends, d->n);
    free(d->ends);
    d->ends = NULL;
}

/* ---- read ---- */

size_t gvariant_width(size_t n)
{
    return n <= 0xff ? 1 : n <= 0xffff ? 2 : n <= 0xffffffff ? 4 : 8;
}

static uint64_t offset_at(GvariantBytes b, size_t place, size_t width)
{
    uint64_t v = 0;
    memcpy(&v, b.data + place, width);
    return le64toh(v);
}

int gvariant_tuple_offset(GvariantBytes b, size_t i, size_t n, size_t from, size_t *ret)
{
    size_t width = gvariant_width(b.n);

    if (b.n < n * width)
        return -EBADMSG;
    uint64_t v = offset_at(b, b.n - (i + 1) * width, width);
    if (v < from || v > b.n - n * width)
        return -EBADMSG;
    *ret = (size_t)v;
    return 0;
}

int gvariant_array_open(GvariantBytes b, size_t *ret_n, size_t *ret_offsets)
{
    size_t width = gvariant_width(b.n);

    *ret_n = *ret_offsets = 0;
    if (b.n == 0)
        return 0;
    if (b.n < width)
        return -EBADMSG;
    uint64_t last = offset_at(b, b.n - width, width);
    if (last >= b.n || (b.n - last) % width != 0)
        return -EBADMSG;
    *ret_n = (b.n - (size_t)last) / width;
    *ret_offsets = (size_t)last;
    return 0;
}

int gvariant_array_next(GvariantBytes b, size_t offsets, size_t i, size_t *at, GvariantBytes *ret)
{
    size_t width = gvariant_width(b.n);
    uint64_t end = offset_at(b, offsets + i * width, width);

    if (end < *at || end > offsets)
        return -EBADMSG;
    *ret = (GvariantBytes){b.data + *at, (size_t)end - *at};
    *at = (size_t)end;
    return 0;
}

const char *gvariant_text(Arena *a, GvariantBytes b)
{
    if (b.n == 0 || memchr(b.data, '\0', b.n) != b.data + b.n - 1)
        return NULL;
    return arena_memdup(a, b.data, b.n - 1);
}

int gvariant_entry(Arena *a, GvariantBytes b, const char **ret_key, GvariantBytes *ret_value,
                   const char **ret_type)
{
    size_t key_end, width = gvariant_width(b.n);

    if (gvariant_tuple_offset(b, 0, 1, 0, &key_end) < 0)
        return -EBADMSG;
    size_t value = (key_end + 7) & ~(size_t)7, end = b.n - width;
    *ret_key = gvariant_text(a, (GvariantBytes){b.data, key_end});
    if (!*ret_key || value >= end)
        return -EBADMSG;
    const uint8_t *nul = memrchr(b.data + value, '\0', end - value);
    if (!nul)
        return -EBADMSG;
    *ret_value = (GvariantBytes){b.data + value, (size_t)(nul - b.data) - value};
    *ret_type = arena_memdup(a, nul + 1, (size_t)(b.data + end - nul - 1));
    return 0;
}

int gvariant_lookup(GvariantBytes dict, const char *key, const char *type, GvariantBytes *ret)
{
    _cleanup_arena_ Arena *a = arena_new();
    size_t n, offsets, at = 0;
    GvariantBytes entry, value;
    const char *found_key, *found_type;

    if (gvariant_array_open(dict, &n, &offsets) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        at = (at + 7) & ~(size_t)7;
        int r = gvariant_array_next(dict, offsets, i, &at, &entry);
        if (r >= 0)
            r = gvariant_entry(a, entry, &found_key, &value, &found_type);
        if (r < 0)
            return r;
        if (strcmp(found_key, key) == 0 && strcmp(found_type, type) == 0) {
            *ret = value;
            return 0;
        }
    }
    return -ENOENT;
}
