/* The table of basalt-os's verbs. Everything a verb does stands in its own file. */
#include "update/program.h"

ProgramOptions options = {.sysroot = "/"};

static const Option program_options[] = {
    {"sysroot", 0, OPTION_STRING, &options.sysroot, "DIR", "the system below DIR instead of the running one",
     NULL},
    {"stateroot", 0, OPTION_STRING, &options.stateroot, "NAME", "of the systems there the one of this name",
     NULL},
    {"json", 0, OPTION_FLAG, &options.json, NULL, "results as JSON", NULL},
    {"quiet", 'q', OPTION_FLAG, &options.quiet, NULL, "no progress and no advice", NULL},
    {"no-wait", 0, OPTION_FLAG, &options.no_wait, NULL, "fail when another program changes the system", NULL},
    {0},
};

static const Verb verbs[] = {
    {.name = "status",
     .help = "show what is booted, what comes next, and the way back",
     .options = status_options,
     .run = verb_status},
    {.name = "upgrade",
     .help = "fetch the newest image of the same name for the next boot",
     .options = upgrade_options,
     .run = verb_upgrade},
    {.name = "switch",
     .arguments = "IMAGE",
     .help = "follow another image from the next boot on",
     .options = switch_options,
     .run = verb_switch,
     .min_args = 1,
     .max_args = 1},
    {.name = "deploy",
     .arguments = "DIGEST|COMMIT|REF",
     .help = "boot a certain version next",
     .options = deploy_options,
     .run = verb_deploy,
     .min_args = 1,
     .max_args = 1},
    {.name = "rollback",
     .help = "boot the other deployment next",
     .options = rollback_options,
     .run = verb_rollback},
    {.name = "pin",
     .arguments = "DEPLOYMENT",
     .help = "keep a deployment until it is unpinned",
     .options = pin_options,
     .run = verb_pin,
     .min_args = 1,
     .max_args = 1},
    {.name = "kargs",
     .help = "show or change the kernel arguments",
     .options = kargs_options,
     .run = verb_kargs},
    {.name = "overlay",
     .help = "make /usr writable until the next boot",
     .options = overlay_options,
     .run = verb_overlay},
    {.name = "cleanup", .help = "remove what is not needed", .options = cleanup_options, .run = verb_cleanup},
    {.name = "finalize",
     .help = "put the staged deployment in place (at shutdown)",
     .options = finalize_options,
     .run = verb_finalize},
    {.name = "reset",
     .help = "boot this version as new: /etc and /var empty",
     .options = reset_options,
     .run = verb_reset},
    {.name = "boot-complete",
     .help = "end the trial of the running system (at boot)",
     .options = boot_complete_options,
     .run = verb_boot_complete},
    {.name = "init", .help = "make an empty system below --sysroot", .run = verb_init},
    {0},
};

static const Program program = {
    .name = "basalt-os",
    .summary = "Update the operating system as one image, and go back",
    .version = BASALT_VERSION,
    .man = "basalt-os(8)",
    .options = program_options,
    .verbs = verbs,
};

int main(int argc, char **argv)
{
    return program_main(&program, argc, argv);
}
