#pragma once
/* Command lines as the tools read that call the provisioner: one dash or two, `-x v` or `-x=v`, a flag's
 * value may also be `-flag=false`. The tools of the initramfs and the test harnesses were written against
 * exactly this syntax, which is why base/command.h does not do. */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef enum GoFlagKind {
    GO_FLAG_BOOL,     /* bool * */
    GO_FLAG_STRING,   /* const char ** */
    GO_FLAG_DURATION, /* int64_t *, nanoseconds; "2m0s" */
} GoFlagKind;

typedef struct GoFlag {
    const char *name;
    GoFlagKind kind;
    void *to;
    const char *help;
} GoFlag; /* tables end with a NULL name */

typedef enum GoFlagsMode {
    GO_FLAGS_LEADING,     /* the first argument without a dash ends the flags */
    GO_FLAGS_INTERSPERSED /* flags may stand after arguments */
} GoFlagsMode;

/* Moves the positional arguments to the front of argv and returns how many there are. -EINVAL: usage, with
 * the reason; -ECANCELED: help was asked for. */
int go_flags_parse(const GoFlag *flags, GoFlagsMode mode, int argc, char **argv, Error *e);
void go_flags_print(const GoFlag *flags, FILE *to);

/* Go's time.ParseDuration: "1h2m3.5s", units ns us µs ms s m h. */
int go_duration_parse(const char *text, int64_t *ret_ns);
