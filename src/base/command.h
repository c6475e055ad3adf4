#pragma once
/* A command line as tables: verbs and options. Usage text, `--help`, unknown-option messages with the nearest
 * name, and shell completion all come from the same rows. GNU long options; one dash also opens a long
 * option where the program asks for it (the provisioner's contract). */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { EXIT_USAGE = 2 }; /* documented in every man page */

typedef enum OptionKind {
    OPTION_FLAG,   /* bool *: true */
    OPTION_STRING, /* const char **: the last one counts */
    OPTION_LIST,   /* StringList *: every one */
    OPTION_CHOICE, /* const char **: one of the words of `choices`, separated by spaces */
    OPTION_UINT,   /* unsigned * */
} OptionKind;

typedef struct StringList {
    const char **items;
    size_t n;
} StringList;
void string_list_add(StringList *l, const char *s); /* borrowed */
void string_list_done(StringList *l);

typedef struct Option {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    OptionKind kind;
    void *to;
    const char *argument, *help; /* argument: its name in the usage text; NULL for flags */
    const char *choices;
} Option; /* tables end with a NULL name */

typedef struct Verb {
    const char *name, *arguments, *help;
    const Option *options;             /* its own, beside the program's; NULL: none */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit code */
    const struct Verb *verbs;          /* a verb of verbs, such as `create`; run is then NULL */
    unsigned min_args, max_args;       /* positional arguments after the verb; max 0 with min 0: none */
    const char *words;                 /* what completion offers as first of them, separated by spaces */
} Verb;                                /* tables end with a NULL name */

typedef struct Program {
    const char *name, *summary, *version, *man; /* man: page to name under the usage, such as "basalt(1)" */
    const Option *options;
    const Verb *verbs;                 /* NULL: a program without verbs; then run, arguments, min/max_args */
    int (*run)(int argc, char **argv); /* argv: positional arguments only */
    const char *arguments;
    unsigned min_args, max_args;
    bool single_dash_long;
} Program;

/* Parses, dispatches, returns the exit code; `--help` and `--version` are handled here (exit 0), usage errors
 * go to stderr with EXIT_USAGE. What cannot be written to stdout makes exit 1 of exit 0. A hidden verb
 * `__complete` feeds the shell completion. */
int program_main(const Program *p, int argc, char **argv);
/* Writes out what stdout still holds. 0, or 1 when anything that was printed did not arrive; then it is told
 * once, with the name in front. For processes that end without program_main(). */
int command_flush(const char *name);
