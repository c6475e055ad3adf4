#pragma once
/* Work that must not leave things running when it is interrupted. It is done in a child, in a process group
 * of its own; the caller only waits for the child's end or for SIGINT, SIGTERM or SIGHUP. */
#include <stdbool.h>

typedef struct GuardedWork {
    int (*work)(void *context, bool *begun); /* its exit code; sets *begun once there is something to undo */
    void (*undo)(void *context, int signal); /* after the child was killed, when it had begun */
    void *context;
} GuardedWork;

/* The exit code of the work, or 128 + the signal that ended it. */
int guard_run(const GuardedWork *w);
