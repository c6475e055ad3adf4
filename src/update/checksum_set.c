/* The rows lie one after the other; beside them a table of numbers, open addressing, at most two thirds full.
 * A checksum is random already, but rows of a tree need not be checksums of anything, hence the key. */
#include "update/checksum_set.h"

#include <string.h>
#include <sys/random.h>

enum { SLOTS_FIRST = 1024 };

void checksum_set_done(ChecksumSet *s)
{
    free(s->rows);
    free(s->slots);
    *s = (ChecksumSet){0};
}

static size_t place_of(const ChecksumSet *s, const uint8_t checksum[OSTREE_CHECKSUM])
{
    uint64_t words[4], hash = 0;

    memcpy(words, checksum, OSTREE_CHECKSUM);
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        hash = (hash ^ words[i] ^ s->key[i]) * (s->key[i] | 1);
        hash ^= hash >> 32;
    }
    return (size_t)hash & (s->n_slots - 1);
}

size_t checksum_set_find(const ChecksumSet *s, const uint8_t checksum[OSTREE_CHECKSUM])
{
    if (s->n_slots == 0)
        return CHECKSUM_SET_NONE;
    for (size_t i = place_of(s, checksum);; i = (i + 1) & (s->n_slots - 1)) {
        if (s->slots[i] == 0)
            return CHECKSUM_SET_NONE;
        if (memcmp(s->rows[s->slots[i] - 1], checksum, OSTREE_CHECKSUM) == 0)
            return s->slots[i] - 1;
    }
}

static void slot_put(ChecksumSet *s, size_t row)
{
    size_t i = place_of(s, s->rows[row]);

    while (s->slots[i] != 0)
        i = (i + 1) & (s->n_slots - 1);
    s->slots[i] = (uint32_t)row + 1;
}

static void grow(ChecksumSet *s)
{
    if (s->n_slots == 0 && getrandom(s->key, sizeof(s->key), 0) != sizeof(s->key))
        abort();
    free(s->slots);
    s->n_slots = s->n_slots ? 2 * s->n_slots : SLOTS_FIRST;
    s->slots = calloc(s->n_slots, sizeof(*s->slots));
    s->size = s->n_slots * 2 / 3;
    s->rows = reallocarray(s->rows, s->size, sizeof(*s->rows));
    if (!s->slots || !s->rows)
        abort();
    for (size_t i = 0; i < s->n; i++)
        slot_put(s, i);
}

int checksum_set_add(ChecksumSet *s, const uint8_t checksum[OSTREE_CHECKSUM])
{
    if (checksum_set_has(s, checksum))
        return 0;
    if (s->n >= CHECKSUM_SET_MAX)
        return -E2BIG;
    if (s->n == s->size)
        grow(s);
    memcpy(s->rows[s->n], checksum, OSTREE_CHECKSUM);
    slot_put(s, s->n++);
    return 1;
}
