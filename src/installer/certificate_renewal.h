#pragma once
/* Certificates of a directory are issued again from the signers' keys in it, without an API: NAME.crt and
 * NAME.key as the table of certificates has them. What a certificate says stays; leaves get new keys, signers
 * keep theirs, so that what they have signed stays good; bundles follow. All or nothing: killed anywhere, the
 * next run ends it or nothing has happened. What was there is kept below FORMER_DIR. */
#include <time.h>

#include "base/arena.h"
#include "base/error.h"

#define RENEWAL_FORMER_DIR ".former"

typedef struct RenewalOptions {
    const char *dir; /* or its `tls` */
    time_t now;
    unsigned lifetime_scale; /* lifetimes are divided by it; for tests */
    bool all;                /* also what is not due */
    bool whole;              /* all of the directory must be good afterwards, else nothing is done */
} RenewalOptions;

typedef struct RenewalResult {
    const char **files; /* what was written, by name */
    size_t n;
    const char **left; /* what is due and could not be renewed, and why */
    size_t n_left;
    const char *former; /* where what was there is now; NULL: nothing was done */
    bool completed;     /* a run that was killed was ended first */
} RenewalResult;

/* -EKEYREJECTED: not all would be good, `left` says which. */
int certificate_renewal(Arena *a, const RenewalOptions *o, RenewalResult *ret, Error *e);
