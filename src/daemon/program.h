#pragma once
/* What the verbs of the program share. */
#include "base/command.h"
#include "format/report.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_DIFFERENT = 3 };

extern struct DaemonOptions {
    const char *root;
    bool json, verbose;
} options;

int verb_plan(int argc, char **argv);
extern const Option plan_options[];

/* Findings on standard error; how many of them are errors. */
size_t program_report(const Report *r);
/* Says it on standard error; EXIT_FAILED. */
int program_failed(const Error *e);
