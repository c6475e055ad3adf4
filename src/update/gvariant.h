#pragma once
/* Containers of serialised GVariants ("GVariant Specification", Allison Karlitskaya), as far as OSTree's
 * files need them. What of a container is not of fixed size is followed by the offsets of where it ends: an
 * array's in order, a tuple's from the last to the first and without that of its last member. Offsets are as
 * wide as the container needs. Nothing here touches a file. */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* ---- written; `start` is where the container begins in the buffer ---- */

void gvariant_offsets_add(Buf *out, size_t start, const size_t *ends, size_t n);
void gvariant_text_add(Buf *out, const char *s);
void gvariant_pad(Buf *out, size_t start, size_t alignment);

/* a{sv} entry by entry, at a place that is a multiple of eight; open, write the value with its type behind it
 * ("\0s"), close; done writes the offsets. */
typedef struct GvariantDict {
    Buf *out;
    size_t start, entry, key_end, n, size;
    size_t *ends;
} GvariantDict;
void gvariant_dict_begin(GvariantDict *d, Buf *out);
void gvariant_dict_open(GvariantDict *d, const char *key);
void gvariant_dict_close(GvariantDict *d, const char *type);
void gvariant_dict_add_text(GvariantDict *d, const char *key, const char *value);
void gvariant_dict_done(GvariantDict *d);

/* ---- read ---- */

typedef struct GvariantBytes {
    const uint8_t *data;
    size_t n;
} GvariantBytes;

size_t gvariant_width(size_t n);
/* Offset number i of a tuple with n of them; -EBADMSG when it does not lie within the body, after `from`. */
int gvariant_tuple_offset(GvariantBytes b, size_t i, size_t n, size_t from, size_t *ret);
/* The number of elements of an array, and where its offsets begin. */
int gvariant_array_open(GvariantBytes b, size_t *ret_n, size_t *ret_offsets);
/* Element i; *at is where the one before it ended. */
int gvariant_array_next(GvariantBytes b, size_t offsets, size_t i, size_t *at, GvariantBytes *ret);
/* A text that ends with its only NUL; else NULL. */
const char *gvariant_text(Arena *a, GvariantBytes b);
/* One entry of a{sv}: its key, and its value without the type, which is apart. */
int gvariant_entry(Arena *a, GvariantBytes b, const char **ret_key, GvariantBytes *ret_value,
                   const char **ret_type);
/* The value of a key of a{sv} that has this type. -ENOENT. */
int gvariant_lookup(GvariantBytes dict, const char *key, const char *type, GvariantBytes *ret);
