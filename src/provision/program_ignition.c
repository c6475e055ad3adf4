/* `ignition`: one stage of the provisioner. Exit codes, the contract with the initramfs: 0 done, 1 the stage
 * failed or the state could not be written, 2 wrong usage, 3 no such platform or the state cannot be read.
 * Arguments that are no flags are ignored, as Ignition does. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "provision/engine.h"
#include "provision/go_flags.h"
#include "provision/program.h"

enum { EXIT_WRONG_USAGE = 2, EXIT_NO_PLATFORM = 3 };

static int stage_names_usage(const char *stage)
{
    fprintf(stderr, "invalid value \"%s\" for flag -stage: %s is not a valid stage; there are:", stage,
            stage);
    for (const Stage *s = stages; s->name; s++)
        fprintf(stderr, " %s", s->name);
    fputc('\n', stderr);
    return EXIT_WRONG_USAGE;
}

static int platform_names_usage(const char *platform)
{
    _cleanup_buf_ Buf names = BUF_INIT;

    platform_names(&names);
    fprintf(stderr, "%s is not a valid platform; there are: %s\n", platform, names.data);
    return EXIT_NO_PLATFORM;
}

/* The stage, then the state: what a failed stage did to the state is not kept. */
static int run(const EngineOptions *o, const char *state_file, bool to_stdout)
{
    _cleanup_arena_ Arena *arena = arena_new();
    Error e = ERROR_INIT;
    State state;
    int r;

    r = state_load(arena, state_file, &state, &e);
    if (r < 0) {
        program_failed(to_stdout, "reading state", e.text);
        return EXIT_NO_PLATFORM;
    }
    r = engine_run(o, &state, &e);
    if (r < 0) {
        fprintf(stderr, "%s failed\n", o->stage->name);
        return program_failed(to_stdout, "Ignition failed", e.text);
    }
    r = state_save(&state, state_file, &e);
    if (r < 0)
        return program_failed(to_stdout, "writing state", e.text);
    log_info("Ignition finished successfully");
    return 0;
}

int program_ignition(int argc, char **argv)
{
    const char *platform = NULL, *stage = NULL, *state_file = "/run/ignition/state";
    bool version = false, to_stdout = false;
    EngineOptions o = {
        .root = "/",
        .config_cache = "/run/ignition.json",
        .neednet = "/run/ignition/neednet",
        .fetch_timeout_ns = 120 * 1000000000LL,
    };
    const GoFlag flags[] = {
        {"config-cache", GO_FLAG_STRING, &o.config_cache,
         "where to cache the config (default \"/run/ignition.json\")"},
        {"fetch-timeout", GO_FLAG_DURATION, &o.fetch_timeout_ns,
         "how long to wait for the provider's config (default 2m0s)"},
        {"log-to-stdout", GO_FLAG_BOOL, &to_stdout, "log to stdout instead of the journal"},
        {"neednet", GO_FLAG_STRING, &o.neednet,
         "file to make in fetch-offline if networking is needed (default \"/run/ignition/neednet\")"},
        {"platform", GO_FLAG_STRING, &platform, "current platform"},
        {"root", GO_FLAG_STRING, &o.root, "root of the filesystem (default \"/\")"},
        {"stage", GO_FLAG_STRING, &stage, "fetch-offline, fetch, kargs, disks, mount, files or umount"},
        {"state-file", GO_FLAG_STRING, &state_file,
         "where to keep what stages tell each other (default \"/run/ignition/state\")"},
        {"version", GO_FLAG_BOOL, &version, "print the version and exit"},
        {.name = NULL},
    };
    const char *name = argv[0], *synopsis = "-platform id -stage stage [flags]";
    Error e = ERROR_INIT;

    int r = go_flags_parse(flags, GO_FLAGS_LEADING, argc, argv, &e);
    if (r == -ECANCELED)
        return program_usage(&(ProgramUsage){flags, name, synopsis}, NULL, 0);
    if (r < 0)
        return program_usage(&(ProgramUsage){flags, name, synopsis}, &e, EXIT_WRONG_USAGE);
    if (version) {
        puts(PROGRAM_VERSION);
        return 0;
    }
    if (!platform || !*platform) {
        fputs("'--platform' must be provided\n", stderr);
        return EXIT_WRONG_USAGE;
    }
    if (!stage || !*stage) {
        fputs("'--stage' must be provided\n", stderr);
        return EXIT_WRONG_USAGE;
    }
    o.stage = stage_find(stage);
    if (!o.stage)
        return stage_names_usage(stage);
    o.platform = platform_find(platform);
    if (!o.platform)
        return platform_names_usage(platform);
    program_log_open(to_stdout);
    log_info("%s", PROGRAM_VERSION);
    log_info("Stage: %s", stage);
    return run(&o, state_file, to_stdout);
}
