/* machine-config-daemon: the table of verbs. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/program.h"

struct DaemonOptions options = {.root = "/"};

static const Option program_options[] = {
    {"root", 0, OPTION_STRING, &options.root, "DIR", "the machine below DIR instead of this one", NULL},
    {"json", 0, OPTION_FLAG, &options.json, NULL, "results as JSON", NULL},
    {"verbose", 'v', OPTION_FLAG, &options.verbose, NULL, "more messages", NULL},
    {0},
};

size_t program_report(const Report *r)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    report_write(r, REPORT_TEXT, &out);
    if (r->n)
        fwrite(out.data, 1, out.len, stderr);
    return r->errors;
}

int program_failed(const Error *e)
{
    fprintf(stderr, "machine-config-daemon: %s\n", e->text);
    return EXIT_FAILED;
}

static const Verb verbs[] = {
    {"plan", NULL, "what would be done between two MachineConfigs", plan_options, verb_plan, NULL, 0, 0,
     NULL},
    {0},
};

int main(int argc, char **argv)
{
    static const Program program = {.name = "machine-config-daemon",
                                    .summary =
                                        "Brings a node to its MachineConfig, and proves that it is there.",
                                    .version = BASALT_VERSION,
                                    .man = "machine-config-daemon(8)",
                                    .options = program_options,
                                    .verbs = verbs};
    return program_main(&program, argc, argv);
}
