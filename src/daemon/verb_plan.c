/* `plan`: what would be done between two configs, without a machine. */
#include <stdio.h>

#include "daemon/config_file.h"
#include "daemon/program.h"
#include "machineconfig/machine_config_plan.h"

static struct {
    const char *from, *to, *policy;
} opt;

const Option plan_options[] = {
    {"from", 0, OPTION_STRING, &opt.from, "FILE", "the MachineConfig that a machine has (none)", NULL},
    {"to", 0, OPTION_STRING, &opt.to, "FILE", "the one that it is to have", NULL},
    {"policy", 0, OPTION_STRING, &opt.policy, "FILE", "MachineConfiguration with node disruption policies",
     NULL},
    {0},
};

static int inputs(Arena *a, MachineConfig **from, MachineConfig **to, DisruptionPolicy **policy, Report *r,
                  Error *e)
{
    Node *document = NULL;
    int k = opt.from ? config_file_read(a, opt.from, from, r, e) : 0;
    if (k >= 0)
        k = config_file_read(a, opt.to, to, r, e);
    if (k >= 0 && opt.policy)
        k = config_file_document(a, opt.policy, &document, r, e);
    if (k >= 0)
        k = disruption_policy_read(a, document, policy, r);
    return k < 0 && !e->code ? error_set(e, -k, "%s cannot be used", opt.policy) : k;
}

int verb_plan(int argc _unused_, char **argv _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf out = BUF_INIT;
    MachineConfig *from = NULL, *to = NULL;
    MachineConfigDiff *d;
    DisruptionPolicy *policy;
    Disruption x;
    Error e = ERROR_INIT;
    if (!opt.to) {
        fprintf(stderr, "machine-config-daemon: plan needs --to FILE\n");
        return EXIT_USAGE;
    }
    if (inputs(a, &from, &to, &policy, &r, &e) < 0) {
        program_report(&r);
        return program_failed(&e);
    }
    int k = machine_config_diff(a, from, to, &d, &r);
    disruption_decide(a, policy, d, &x);
    if (options.json)
        json_write(machine_config_plan_to_node(a, d, &x, PLAN_NAMES), JSON_PRETTY2, &out);
    else
        machine_config_plan_print(d, &x, PLAN_NAMES, &out);
    fwrite(out.data, 1, out.len, stdout);
    if (options.json)
        putchar('\n');
    program_report(&r);
    return k < 0 ? EXIT_DIFFERENT : EXIT_DONE;
}
