#pragma once
/* Rights given up for good, by a process that is about to read what strangers wrote. The order is that of the
 * functions; each wants a process with one thread, that has loaded all that it will need: afterwards there
 * are no files. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

typedef enum SandboxLack { /* what this kernel or this user did not let us have */
                           SANDBOX_LACKS_USER = 1,
                           SANDBOX_LACKS_ROOT = 2,
                           SANDBOX_LACKS_NETWORK = 4, /* a network of its own, that is: none */
                           SANDBOX_LACKS_FILTER = 8,
} SandboxLack;

enum { SANDBOX_NOBODY = 65534 };

typedef struct Sandbox {
    bool become; /* another user, without groups and bounding set */
    uid_t uid;
    gid_t gid;
    bool empty_root, no_network;
    const char *const *files; /* a root with these alone, as they are here, read only; those that are there */
    bool filter;              /* one will follow: can it be had? */
} Sandbox;

/* In any case no capabilities from here on, none that a program could bring, not to be traced, and ended with
 * the parent. `ret_lacks`: what could not be had is noted there (SandboxLack); NULL: it is an error. */
int sandbox_enter(const Sandbox *s, unsigned *ret_lacks, Error *e);
/* No files that grow, no core, no processes and threads unless `threads`; `memory` (0: any) of address space,
 * where no sanitizer needs all of it. */
int sandbox_limit(uint64_t memory, bool threads, Error *e);

typedef struct SandboxCall { /* a system call that is allowed; several of a number are tried in turn */
    uint32_t number;
    struct {
        uint8_t argument;
        uint32_t mask, value; /* of its lower half; mask 0: whatever it is */
    } only[2];
    int refuse; /* instead it fails with this errno */
} SandboxCall;
enum { SANDBOX_CALLS_MAX = 120, SANDBOX_LACKS_TEXT_MAX = 128 };
/* Any other ends the process. 0, or -errno where there are no filters. */
int sandbox_filter(const SandboxCall *calls, size_t n, Error *e);

/* Of a process that stays root: all capabilities but these (bits by number), for itself and what it starts,
 * and none that a program could bring. Those that it does not have are not asked for. */
int sandbox_keep(uint64_t capabilities, Error *e);

/* For sandbox.c: such a root. */
int sandbox_enter_root(const char *const *files, Error *e);

/* "another user, an empty root" */
void sandbox_lacks_text(unsigned lacks, char out[SANDBOX_LACKS_TEXT_MAX]);
