#pragma once
/* Checksums, each once, in the order in which they came: rows may be walked by number while more are added.
 * Half a million take 26 MiB. */
#include <stdbool.h>

#include "base/cleanup.h"
#include "update/ostree_object.h"

enum { CHECKSUM_SET_MAX = 1 << 26 };

typedef struct ChecksumSet {
    uint8_t (*rows)[OSTREE_CHECKSUM];
    uint32_t *slots; /* number of the row + 1; 0: free */
    uint64_t key[4]; /* nobody can make names that all fall into one place */
    size_t n, size, n_slots;
} ChecksumSet;
#define CHECKSUM_SET_NONE SIZE_MAX

void checksum_set_done(ChecksumSet *s);
#define _cleanup_checksum_set_ _cleanup_(checksum_set_done)
/* 1: it is new; 0: it was there; -E2BIG. */
int checksum_set_add(ChecksumSet *s, const uint8_t checksum[OSTREE_CHECKSUM]);
/* Its row, or CHECKSUM_SET_NONE. */
size_t checksum_set_find(const ChecksumSet *s, const uint8_t checksum[OSTREE_CHECKSUM]);
static inline bool checksum_set_has(const ChecksumSet *s, const uint8_t checksum[OSTREE_CHECKSUM])
{
    return checksum_set_find(s, checksum) != CHECKSUM_SET_NONE;
}
