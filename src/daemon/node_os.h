#pragma once
/* The operating system as whoever applies a config sees it: what is booted, what is to be booted next. A
 * table with two implementations: basalt-os over its socket, and one of the tests. */
#include "base/arena.h"
#include "base/error.h"

typedef struct OsState {
    const char *image, *digest; /* booted; NULL: not an image, or nobody there to ask */
    const char *failure;        /* why what was to be booted is not; NULL */
    bool staged;                /* something will be booted next */
} OsState;

typedef struct OsChange {
    const char *image;                         /* NULL: stays */
    const char *const *remove, *const *append; /* kernel arguments, a word each */
    size_t n_remove, n_append;
} OsChange;

typedef struct NodeOs {
    int (*state)(void *context, Arena *a, OsState *ret, Error *e);
    int (*stage)(void *context, const OsChange *c, Error *e); /* for the next boot */
    int (*discard)(void *context, Error *e);                  /* what was staged */
    void *context;
} NodeOs;

/* By the socket of basalt-os; NULL: its usual one. */
NodeOs node_os_basalt(const char *socket);

/* An osImageURL with a digest is that digest, another one a name. */
bool os_state_is(const OsState *s, const char *url);
