/* The table of `basalt`'s verbs. Everything a verb does stands in its own file. */
#include "installer/verbs.h"

static const Verb create_verbs[] = {
    {.name = "install-config",
     .help = "write an install config: from options, or by asking",
     .options = create_options,
     .run = verb_create},
    {.name = "manifests",
     .help = "write the cluster's manifests, to be edited",
     .options = create_options,
     .run = verb_create},
    {.name = "ignition-configs",
     .help = "write the machines' Ignition configs and the admin's credentials",
     .options = create_options,
     .run = verb_create},
    {.name = "machine-config",
     .help = "make a MachineConfig of a directory tree and units",
     .options = machine_config_options,
     .run = verb_machine_config},
    {0},
};

static const Verb certs_verbs[] = {
    {.name = "show",
     .help = "show until when certificates are good, and what renews them",
     .options = certs_show_options,
     .run = verb_certs_show},
    {.name = "renew",
     .help = "issue again what is due, from its signer's key",
     .options = certs_renew_options,
     .run = verb_certs_renew},
    {.name = "recover",
     .help = "make all of a directory good again, offline, or change nothing",
     .options = certs_recover_options,
     .run = verb_certs_recover},
    {0},
};

static const Verb image_verbs[] = {
    {.name = "delta",
     .arguments = "FROM TO",
     .help = "write what a machine at FROM needs to fetch to be at TO",
     .options = image_delta_options,
     .run = verb_image_delta,
     .min_args = 2,
     .max_args = 2},
    {0},
};

static const Verb wait_verbs[] = {
    {.name = "pools",
     .help = "until every machine config pool has its config on all of its nodes",
     .options = wait_pools_options,
     .run = verb_wait_pools},
    {0},
};

static const Verb machine_verbs[] = {
    {.name = "list",
     .help = "show the machines of basalt up",
     .options = machine_list_options,
     .run = verb_machine_list},
    {.name = "shell",
     .arguments = "NAME [COMMAND...]",
     .help = "run a command inside a machine",
     .options = machine_options,
     .run = verb_machine_shell,
     .min_args = 1,
     .max_args = 1000},
    {.name = "log",
     .arguments = "NAME",
     .help = "show everything a machine wrote",
     .options = machine_options,
     .run = verb_machine_log,
     .min_args = 1,
     .max_args = 1},
    {0},
};

static const Verb verbs[] = {
    {.name = "create", .help = "make the files of a new cluster", .verbs = create_verbs},
    {.name = "render",
     .arguments = "FILE|DIR...",
     .help = "merge MachineConfigs into what a pool gets",
     .options = render_options,
     .run = verb_render,
     .min_args = 1,
     .max_args = 1000},
    {.name = "validate",
     .arguments = "FILE...",
     .help = "check install configs, MachineConfigs, Ignition configs",
     .options = validate_options,
     .run = verb_validate,
     .min_args = 1,
     .max_args = 1000},
    {.name = "convert",
     .arguments = "FILE",
     .help = "write an Ignition config in another spec version",
     .options = convert_options,
     .run = verb_convert,
     .min_args = 1,
     .max_args = 1},
    {.name = "explain",
     .arguments = "installconfig[.PATH]",
     .words = "installconfig",
     .help = "say what a field of a format means",
     .run = verb_explain,
     .min_args = 1,
     .max_args = 1},
    {.name = "graph", .help = "print what is made of what, for dot(1)", .run = verb_graph},
    {.name = "certs", .help = "look at and renew certificates", .verbs = certs_verbs},
    {.name = "image", .help = "work with images of the operating system", .verbs = image_verbs},
    {.name = "up",
     .help = "run a local cluster of directory machines",
     .options = up_options,
     .run = verb_up},
    {.name = "down", .help = "end the local cluster", .options = down_options, .run = verb_down},
    {.name = "machine", .help = "look into the machines of the local cluster", .verbs = machine_verbs},
    {.name = "wait-for", .help = "wait until a cluster is as far", .verbs = wait_verbs},
    {.name = "completion",
     .arguments = "bash",
     .words = "bash",
     .help = "print a completion script for a shell",
     .run = verb_completion,
     .min_args = 1,
     .max_args = 1},
    {.name = "version", .help = "print the version", .run = verb_version},
    {0},
};

static const Program program = {
    .name = "basalt",
    .summary = "Make and run the machines of a cluster",
    .version = BASALT_VERSION,
    .man = "basalt(1)",
    .verbs = verbs,
};

int main(int argc, char **argv)
{
    return program_main(&program, argc, argv);
}
