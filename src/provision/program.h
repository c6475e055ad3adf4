#pragma once
/* The programs that one binary is, picked by its name or by the first word after `basalt-ignition`. Each
 * takes argv[0] as its own name and returns the exit code. */
#include <stdbool.h>

#include "base/error.h"
#include "provision/go_flags.h"

int program_ignition(int argc, char **argv);
int program_validate(int argc, char **argv);
int program_apply(int argc, char **argv);
int program_rmcfg(int argc, char **argv);
int program_plan(int argc, char **argv);
int program_inspect(int argc, char **argv);
int program_transposefs(int argc, char **argv);

/* What provisioner calls itself; the second number is the Ignition release whose behaviour it has. */
#define PROGRAM_VERSION "basalt-ignition " BASALT_VERSION " (Ignition 2.26.0)"

typedef struct ProgramUsage {
    const GoFlag *flags;
    const char *name, *synopsis;
} ProgramUsage;
/* How the program is called, on stderr, after what was wrong (NULL or nothing in it: not told). Returns
 * `code`. */
int program_usage(const ProgramUsage *u, const Error *e, int code);

typedef struct ProgramWords {
    int argc;
    char **argv;
    int wanted; /* arguments besides the flags */
    int code;   /* exit code when there are more or fewer */
} ProgramWords;
/* Reads the flags of a program that has no stages, and does what all of them do alike: help, version, wrong
 * flags, a wrong number of arguments. True: the arguments stand at the front of argv; otherwise *ret_code is
 * what the program ends with. */
bool program_goes_on(const ProgramUsage *u, const ProgramWords *w, const bool *version, int *ret_code);

/* The messages' way: the journal, or stdout in the initramfs' debugging flag -log-to-stdout. */
void program_log_open(bool to_stdout);
/* The one line that carries the word that harnesses look for; returns 1. */
int program_failed(bool to_stdout, const char *what, const char *why);
