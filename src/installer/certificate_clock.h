#pragma once
/* The certificate clock: every certificate below a directory, its signer, how much of its life is over, and
 * who renews it. Of an install directory those that its state keeps; of any other directory its files *.crt
 * and *.pem, a few levels deep. Looks only. */
#include <time.h>

#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"

enum { CERTIFICATE_DUE_PERCENT = 80 }; /* of a life, from where on it is renewed */

typedef struct ClockEntry {
    const char *path, *name, *signer; /* the names are common names */
    time_t from, until;
    bool authority, expired, early; /* early: not valid yet */
    unsigned used;                  /* percent; 100 when it has expired */
    const char *renews;             /* what renews it */
    const char *warning;            /* NULL: none */
} ClockEntry;

typedef struct CertificateClock {
    ClockEntry *entries; /* by path, directory by directory */
    size_t n, size;
    size_t expired, warnings;
} CertificateClock;

unsigned certificate_used(time_t from, time_t until, time_t now);
/* Adds a directory's; -ENOENT: it has none. */
int certificate_clock_add(CertificateClock *c, Arena *a, const char *dir, time_t now, Error *e);
void certificate_clock_done(CertificateClock *c);
void certificate_clock_text(const CertificateClock *c, time_t now, Buf *out);
Node *certificate_clock_node(const CertificateClock *c, Arena *a);
