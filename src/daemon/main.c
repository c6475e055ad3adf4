/* machine-config-daemon: the table of verbs. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/program.h"

struct DaemonOptions options = {.root = "/"};

static const Option program_options[] = {
    {"root", 0, OPTION_STRING, &options.root, "DIR", "the machine below DIR instead of this one", NULL},
    {"os-socket", 0, OPTION_STRING, &options.os_socket, "PATH", "where basalt-os is asked (below DIR)", NULL},
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
    {"start", NULL, "keep this machine at its pool's config", start_options, verb_start, NULL, 0, 0, NULL},
    {"join", NULL, "be the node's place in its cluster, where no kubelet is", join_options, verb_join, NULL,
     0, 0, NULL},
    {"firstboot-complete-machineconfig", NULL, "what a first boot still lacks of its pool's config",
     first_boot_options, verb_first_boot, NULL, 0, 0, NULL},
    {"verify", "[FILE]", "whether the machine is what its config, or another one, says", NULL, verb_verify,
     NULL, 0, 1, NULL},
    {"status", NULL, "what the machine has, and what differs", NULL, verb_status, NULL, 0, 0, NULL},
    {"plan", NULL, "what would be done between two MachineConfigs", plan_options, verb_plan, NULL, 0, 0,
     NULL},
    {0},
};

void program_print(const Node *n)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    json_write(n, JSON_PRETTY2, &out);
    printf("%s\n", out.data);
}

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
