/* basalt-ignition: the provisioner of the initramfs, under its own name and under those of the programs whose
 * place it takes. Which one it is says the name it was called by; called as basalt-ignition, the first
 * argument may be a verb. Everything else is in the programs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/command.h"
#include "base/log.h"
#include "provision/program.h"

static const struct {
    const char *name, *verb;
    int (*run)(int argc, char **argv);
} programs[] = {
    {"ignition", NULL, program_ignition},
    {"ignition-validate", "validate", program_validate},
    {"ignition-apply", "apply", program_apply},
    {"ignition-rmcfg", "rmcfg", program_rmcfg},
    {"ignition-transposefs", "transposefs", program_transposefs},
    {"basalt-ignition-plan", "plan", program_plan},
    {"basalt-ignition-inspect", "inspect", program_inspect},
};

int program_usage(const ProgramUsage *u, const Error *e, int code)
{
    if (e && e->code)
        fprintf(stderr, "%s\n", e->text);
    fprintf(stderr, "Usage: %s %s\n", u->name, u->synopsis);
    go_flags_print(u->flags, stderr);
    return code;
}

bool program_goes_on(const ProgramUsage *u, const ProgramWords *w, const bool *version, int *ret_code)
{
    Error e = ERROR_INIT;
    int n = go_flags_parse(u->flags, GO_FLAGS_INTERSPERSED, w->argc, w->argv, &e);
    if (n == -ECANCELED)
        *ret_code = program_usage(u, NULL, 0);
    else if (n < 0)
        *ret_code = program_usage(u, &e, 2);
    else if (*version) {
        puts(PROGRAM_VERSION);
        *ret_code = 0;
    } else if (n != w->wanted)
        *ret_code = program_usage(u, NULL, w->code);
    else
        return true;
    return false;
}

void program_log_open(bool to_stdout)
{
    /* Messages of every layer belong on stdout then, so the descriptor is what changes, not the messages. */
    if (to_stdout)
        dup2(STDOUT_FILENO, STDERR_FILENO);
    /* Who calls it at a terminal reads there why it failed. */
    log_open(to_stdout || isatty(STDERR_FILENO) ? LOG_TARGET_STDERR : LOG_TARGET_JOURNAL, "ignition",
             LOG_LEVEL_INFO);
}

int program_failed(bool to_stdout, const char *what, const char *why)
{
    if (to_stdout)
        printf("CRITICAL : %s: %s\n", what, why);
    else
        log_error("CRITICAL : %s: %s", what, why);
    fflush(stdout);
    return EXIT_FAILURE;
}

static int run(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";

    for (size_t i = 0; i < ELEMENTS(programs); i++)
        if (strcmp(name, programs[i].name) == 0)
            return programs[i].run(argc, argv);
    for (size_t i = 0; argc > 1 && i < ELEMENTS(programs); i++)
        if (programs[i].verb && strcmp(argv[1], programs[i].verb) == 0)
            return programs[i].run(argc - 1, argv + 1);
    if (argc > 1 && argv[1][0] != '-') {
        fprintf(stderr,
                "%s: unknown part '%s'; there are validate, plan, inspect, apply, rmcfg and transposefs, and "
                "-stage for "
                "provisioning\n",
                name, argv[1]);
        return 2;
    }
    return program_ignition(argc, argv);
}

int main(int argc, char **argv)
{
    int code = run(argc, argv), flushed = command_flush("basalt-ignition");
    return code ? code : flushed;
}
