/* `ignition-apply`: the files and units of a config into a root, such as a container image that is being
 * built. What cannot be done to a root that is in use or being built (partitions, filesystems, users, kernel
 * arguments) is refused, or left out when asked. Never the root of a running host: that one is reprovisioned.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/config_chain.h"
#include "provision/config_text.h"
#include "provision/engine.h"
#include "provision/go_flags.h"
#include "provision/program.h"
#include "provision/stage_files.h"

typedef struct ApplyOptions {
    const char *root;
    bool ignore_unsupported, offline;
} ApplyOptions;

static bool in_container(void)
{
    const char *container = getenv("container");

    return (container && *container) || access("/run/.containerenv", F_OK) == 0 ||
           access("/.dockerenv", F_OK) == 0;
}

static bool is_host_root(int root)
{
    struct stat a, b;

    return fstat(root, &a) == 0 && stat("/", &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int unsupported_check(const IgnConfig *c, Error *e)
{
    const IgnStorage *s = &c->storage;
    const struct {
        size_t n;
        const char *what;
    } sections[] = {
        {c->kernel_arguments.should_exist.n + c->kernel_arguments.should_not_exist.n, "kargs modifications"},
        {s->disks.n + s->raid.n + s->volume_groups.n + s->luks.n, "disk modifications"},
        {s->filesystems.n, "filesystems modifications"},
        {c->passwd.users.n + c->passwd.groups.n, "passwd"},
    };

    for (size_t i = 0; i < ELEMENTS(sections); i++)
        if (sections[i].n > 0)
            return error_set(e, EOPNOTSUPP, "cannot apply %s live", sections[i].what);
    return 0;
}

static void unsupported_drop(IgnConfig *c)
{
    c->kernel_arguments = (IgnKernelArguments){0};
    c->passwd = (IgnPasswd){0};
    c->storage.disks = c->storage.raid = c->storage.volume_groups = (IgnList){0};
    c->storage.luks = c->storage.filesystems = (IgnList){0};
}

/* The config with what it refers to. */
static int config_load(Arena *a, const char *path, Fetcher *f, State *s, IgnConfig **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    IgnConfig *config;
    bool merged;
    int r;

    r = file_read_at(AT_FDCWD, path, PLATFORM_CONFIG_MAX, &text, e);
    if (r < 0)
        return error_wrap(e, r, "couldn't read config");
    r = config_text_read(a, path, &text, &config, e);
    if (r < 0)
        return error_wrap(e, r, "couldn't parse config");
    r = fetcher_configure(f, &config->ignition, e);
    if (r >= 0)
        r = config_chain_render(a, f, s, config, ret, &merged, e);
    if (r >= 0 && merged)
        r = engine_validate_merged(a, *ret, e);
    return r;
}

static int files_run(StageContext *c, const ApplyOptions *o, Error *e)
{
    FilesStageOptions files;
    int r = stage_files_options(&files, e);

    if (r < 0)
        return r;
    files.live = true;
    files.ignore_unsupported = o->ignore_unsupported;
    return stage_files_run_with(c, &files, e);
}

static int apply(const char *path, const ApplyOptions *o, Error *e)
{
    _cleanup_(fetcher_freep)
    Fetcher *fetcher = NULL;
    _cleanup_arena_ Arena *arena = arena_new();
    _cleanup_free_ char *root_path = realpath(o->root, NULL);
    State state = {.arena = arena};
    IgnConfig *config;
    int r;

    if (!root_path)
        return error_errno(e, -errno, "root '%s'", o->root);
    _cleanup_close_ int root = root_open(root_path, e);
    if (root < 0)
        return root;
    if (is_host_root(root) && !in_container())
        return error_set(
            e, EPERM, "this tool is not designed to run on a host system; reprovision the machine instead");
    r = fetcher_new(&fetcher, e);
    if (r < 0)
        return r;
    fetcher_set_offline(fetcher, o->offline);
    r = config_load(arena, path, fetcher, &state, &config, e);
    if (r < 0)
        return r;
    StageContext c = {
        .stage = "files",
        .platform = "",
        .root_path = root_path,
        .root = root,
        .arena = arena,
        .config = config,
        .fetcher = fetcher,
        .state = &state,
    };
    if (o->offline)
        r = stage_fetch_offline_run(&c, e);
    if (r >= 0 && o->ignore_unsupported)
        unsupported_drop(config);
    else if (r >= 0)
        r = unsupported_check(config, e);
    return r < 0 ? r : files_run(&c, o, e);
}

int program_apply(int argc, char **argv)
{
    ApplyOptions o = {.root = "/"};
    bool version = false;
    const GoFlag flags[] = {
        {"ignore-unsupported", GO_FLAG_BOOL, &o.ignore_unsupported, "ignore unsupported config sections"},
        {"offline", GO_FLAG_BOOL, &o.offline, "error out if config references remote resources"},
        {"root", GO_FLAG_STRING, &o.root, "root of the filesystem (default \"/\")"},
        {"version", GO_FLAG_BOOL, &version, "print the version of ignition-apply"},
        {.name = NULL},
    };
    const ProgramUsage usage = {flags, argv[0], "[flags] config.ign"};
    int code;
    Error e = ERROR_INIT;

    if (!program_goes_on(&usage, &(ProgramWords){argc, argv, 1, 1}, &version, &code))
        return code;
    program_log_open(true);
    if (apply(argv[0], &o, &e) < 0)
        return program_failed(true, "failed to apply", e.text);
    return 0;
}
