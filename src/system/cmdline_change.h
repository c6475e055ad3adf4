#pragma once
/* What an administrator asks of the kernel arguments, where an argument that is not there, or is there twice,
 * is a mistake to be told: the rules of ostree_kernel_args_append(), _delete() and _new_replace() of
 * libostree (src/libostree/ostree-kernel-args.c), which rpm-ostree's kargs command has too. Pure. */
#include "base/arena.h"
#include "base/error.h"

typedef enum CmdlineAction {
    CMDLINE_APPEND,            /* KEY[=VALUE], also where the key is there already */
    CMDLINE_APPEND_IF_MISSING, /* nothing where the very same argument is there */
    CMDLINE_DELETE,            /* KEY=VALUE, or KEY alone where it stands once */
    CMDLINE_DELETE_IF_PRESENT, /* nothing where the argument (of KEY alone: the key) is not there */
    CMDLINE_REPLACE,           /* KEY=NEW where the key stands once, KEY=OLD=NEW else */
} CmdlineAction;

typedef struct CmdlineStep {
    CmdlineAction action;
    const char *argument; /* one word; quotes keep spaces together */
} CmdlineStep;

/* The steps in their order. 1 when *ret differs from the text; else 0. -ENOENT: no such argument; -EEXIST:
 * the key stands more than once; -EINVAL: no argument. Then nothing is set. */
int cmdline_change(Arena *a, const char *text, const CmdlineStep *steps, size_t n, const char **ret,
                   Error *e);
