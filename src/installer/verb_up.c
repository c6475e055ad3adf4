/* `basalt up` and `basalt down`: a cluster of directory machines on this host. */
#include <string.h>

#include "base/command.h"
#include "installer/guard.h"
#include "installer/up.h"
#include "installer/verbs.h"

#define DEFAULT_STATE "/var/lib/basalt/up"
enum { WORKERS_MAX = 50 };

static struct {
    const char *state, *config;
    unsigned workers;
    bool json;
} opt = {.state = DEFAULT_STATE, .workers = 2};

const Option up_options[] = {
    {"state", 's', OPTION_STRING, &opt.state, "DIR", "where the machines live (" DEFAULT_STATE ")", NULL},
    {"config", 'c', OPTION_STRING, &opt.config, "FILE",
     "an install-config.yaml; without it the built-in example", NULL},
    {"workers", 'w', OPTION_UINT, &opt.workers, "N", "how many workers (2, at most 50)", NULL},
    {"json", 0, OPTION_FLAG, &opt.json, NULL, "one JSON object a step", NULL},
    {0},
};

const Option down_options[] = {
    {"state", 's', OPTION_STRING, &opt.state, "DIR", "where the machines live (" DEFAULT_STATE ")", NULL},
    {0},
};

static int bring_up(void *context, bool *begun)
{
    UpOptions *o = context;
    Error e = ERROR_INIT;
    o->begun = begun;
    if (up_run(o, &e) < 0) {
        fprintf(stderr, "basalt up: %s\n", e.text);
        return 1;
    }
    return command_flush("basalt up");
}

static void take_down(void *context, int signal)
{
    const UpOptions *o = context;
    up_end(o->state);
    fprintf(
        stderr,
        "\nbasalt up: interrupted (%s): all that was started is ended. The logs stay in %s; to remove them: "
        "basalt down --state %s\n",
        strsignal(signal), o->state, o->state);
}

int verb_up(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (opt.workers > WORKERS_MAX) {
        fprintf(stderr, "basalt up: at most %d workers\n", WORKERS_MAX);
        return EXIT_USAGE;
    }
    UpOptions o = {
        .state = opt.state, .install_config = opt.config, .workers = opt.workers, .json = opt.json};
    return guard_run(&(GuardedWork){.work = bring_up, .undo = take_down, .context = &o});
}

int verb_down(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    Error e = ERROR_INIT;
    int r = up_undo(opt.state, &e);
    if (r < 0) {
        fprintf(stderr, "basalt down: %s\n", e.text);
        return 1;
    }
    printf(r ? "ended the machines and removed %s\n" : "nothing runs in %s\n", opt.state);
    return 0;
}
