#pragma once
/* Other programs, run with an argument vector (never a shell), a clean set of descriptors and a limit. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct ProcessRun {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up on PATH unless it has a slash */
    const char *const *env;  /* "NAME=value" put on top of the environment, NULL-terminated, or NULL */
    bool env_only;           /* `env` is all of it, with PATH as it is here when it has none */
    const char *chdir;
    const void *input; /* written to stdin; without it stdin is /dev/null */
    size_t input_len;
    Buf *output; /* stdout, at most output_max (default 1 MiB); NULL: inherited */
    Buf *errors; /* stderr; NULL: kept for the error message, at most 64 KiB */
    size_t output_max;
    uint64_t file_max;    /* of any file that it writes; past that SIGXFSZ ends it. 0: no limit of its own */
    unsigned timeout_sec; /* 0: none; then SIGTERM, after 2 s SIGKILL, -ETIMEDOUT */
    bool inherit_stdio;   /* stdin, stdout, stderr of the caller */
} ProcessRun;

/* 0 when it exited with 0; otherwise > 0 its exit status (128 + n for signal n) or -errno when it could not
 * be started; the Error then has the command's name and the last line that it wrote to stderr. */
int process_run(const ProcessRun *run, Error *e);

/* A program that is spoken with while it runs, by a descriptor that becomes its standard input; its output
 * goes to /dev/null. Of `run` the vector, the environment and the directory count. */
typedef struct ProcessChild {
    pid_t pid;
    int gone; /* a pidfd: readable when it has ended */
} ProcessChild;
int process_start(const ProcessRun *run, int input, int errors, ProcessChild *ret, Error *e);
/* Waits for it; what has not ended of itself after `grace_ms` gets SIGTERM, after 2 s more SIGKILL. The
 * status as process_run() has it. */
int process_stop(ProcessChild *c, int grace_ms);

/* Between fork and exec a child has all descriptors of its parent, of every thread. Who has one that must not
 * be open twice (a device opened with O_EXCL) holds programs back meanwhile: none is started by another
 * thread. Any number of threads may hold; briefly. */
void process_hold(void);
void process_release(void);
