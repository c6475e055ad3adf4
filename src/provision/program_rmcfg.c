/* `ignition-rmcfg`: makes the platform forget the config, so that programs of the running system cannot read
 * it. Few platforms can; the others say so and fail. */
#include <stdio.h>

#include "base/log.h"
#include "provision/go_flags.h"
#include "provision/platform.h"
#include "provision/program.h"

static int config_remove(const Platform *p, bool to_stdout)
{
    _cleanup_(fetcher_freep)
    Fetcher *fetcher = NULL;
    Error e = ERROR_INIT;
    int r;

    program_log_open(to_stdout);
    r = fetcher_new(&fetcher, &e);
    if (r >= 0 && !p->remove)
        r = error_set(&e, EOPNOTSUPP, "platform %s does not support deleting its config", p->id);
    else if (r >= 0)
        r = p->remove(fetcher, &e);
    if (r < 0)
        return program_failed(to_stdout, "couldn't delete config", e.text);
    log_info("Successfully deleted config");
    return 0;
}

int program_rmcfg(int argc, char **argv)
{
    const char *platform = NULL;
    bool version = false, to_stdout = false;
    const GoFlag flags[] = {
        {"log-to-stdout", GO_FLAG_BOOL, &to_stdout, "log to stdout instead of the journal"},
        {"platform", GO_FLAG_STRING, &platform, "current platform"},
        {"version", GO_FLAG_BOOL, &version, "print the version and exit"},
        {.name = NULL},
    };
    const ProgramUsage usage = {flags, argv[0], "-platform id [flags]"};
    int code;

    if (!program_goes_on(&usage, &(ProgramWords){argc, argv, 0, 2}, &version, &code))
        return code;
    if (!platform || !*platform) {
        fputs("'--platform' must be provided\n", stderr);
        return 2;
    }
    const Platform *p = platform_find(platform);
    if (!p) {
        fprintf(stderr, "%s is not a valid platform\n", platform);
        return 3;
    }
    return config_remove(p, to_stdout);
}
