/* Runs the files stage on a config, for the scripts beside this file:
 *
 *     files-driver --root R [--fail-at N | --kill-at N] [--count] [--plan] [--live] CONFIG
 *
 * --fail-at and --kill-at interrupt before the Nth change (from 1), by an error or by SIGKILL; --count says
 * how many changes there were. A state that the stage gets from earlier ones: --directory PATH (made by the
 * mount stage), --key NAME=URL (made by the disks stage); volumes have the UUID "uuid-of-" and the device's
 * name. Exit: 0 done, 1 failed, 3 interrupted as asked. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/command.h"
#include "base/file.h"
#include "base/log.h"
#include "ignition/parse.h"
#include "provision/stage_files.h"

typedef struct Interrupt {
    unsigned n, fail_at, kill_at;
    bool trace;
} Interrupt;

static int interrupt_step(void *context, const char *what)
{
    Interrupt *i = context;
    i->n++;
    if (i->trace)
        fprintf(stderr, "step %u: %s\n", i->n, what);
    if (i->n == i->kill_at)
        raise(SIGKILL);
    return i->n == i->fail_at ? -ECANCELED : 0;
}

static int fake_uuid(Arena *a, const char *device, const char **ret, Error *e)
{
    (void)e;
    *ret = arena_printf(a, "uuid-of-%s", strrchr(device, '/') + 1);
    return 0;
}

typedef struct Arguments {
    const char *root, *config;
    bool count, plan, live;
    Interrupt interrupt;
    StringList directories, keys;
} Arguments;

static bool arguments_read(int argc, char **argv, Arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--root"))
            a->root = argv[++i];
        else if (!strcmp(argv[i], "--fail-at"))
            a->interrupt.fail_at = atoi(next), i++;
        else if (!strcmp(argv[i], "--kill-at"))
            a->interrupt.kill_at = atoi(next), i++;
        else if (!strcmp(argv[i], "--directory"))
            string_list_add(&a->directories, next), i++;
        else if (!strcmp(argv[i], "--key"))
            string_list_add(&a->keys, next), i++;
        else if (!strcmp(argv[i], "--trace"))
            a->interrupt.trace = true;
        else if (!strcmp(argv[i], "--count"))
            a->count = true;
        else if (!strcmp(argv[i], "--plan"))
            a->plan = true;
        else if (!strcmp(argv[i], "--live"))
            a->live = true;
        else
            a->config = argv[i];
    }
    return a->root && a->config;
}

static void state_fill(State *s, Arena *arena, const Arguments *a)
{
    *s = (State){.arena = arena};
    s->notated_directories = a->directories.items;
    s->n_notated_directories = a->directories.n;
    s->luks_key_files = ARENA_ARRAY(arena, StateKey, a->keys.n + 1);
    for (size_t i = 0; i < a->keys.n; i++) {
        const char *equal = strchr(a->keys.items[i], '=');
        s->luks_key_files[s->n_luks_key_files++] = (StateKey){
            .name = arena_memdup(arena, a->keys.items[i], equal - a->keys.items[i]), .contents = equal + 1};
    }
    s->fetched_configs = ARENA_NEW(arena, FetchedConfig);
    s->fetched_configs[0] = (FetchedConfig){.kind = "user", .source = "driver"};
    s->n_fetched_configs = 1;
}

static IgnConfig *config_read(Arena *arena, const char *path, Source *source)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Error e = ERROR_INIT;
    if (file_read_at(AT_FDCWD, path, SIZE_MAX / 2, &text, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return NULL;
    }
    *source = (Source){.name = path, .text = arena_memdup(arena, text.data, text.len), .len = text.len};
    _cleanup_report_ Report report = REPORT_INIT(arena);
    IgnConfig *config;
    if (ign_config_parse_newest(arena, source, IGN_PARSE_STRICT, &config, &report) >= 0)
        return config;
    _cleanup_buf_ Buf out = BUF_INIT;
    report_write(&report, REPORT_TEXT, &out);
    fprintf(stderr, "%s", out.data ? out.data : "not a config");
    return NULL;
}

static int plan_show(const StageContext *c, Arena *arena, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_buf_ Buf out = BUF_INIT;
    int r = stage_files_plan(c, &out, &report, e);
    report_write(&report, REPORT_TEXT, &out);
    fputs(out.data ? out.data : "", stdout);
    return r < 0 ? r : report.errors ? error_set(e, EINVAL, "%zu conflicts", report.errors) : 0;
}

int main(int argc, char **argv)
{
    Arguments a = {0};
    if (!arguments_read(argc, argv, &a))
        return EXIT_USAGE;
    log_open(LOG_TARGET_STDERR, "files-driver", LOG_LEVEL_INFO);
    _cleanup_arena_ Arena *arena = arena_new();
    Error e = ERROR_INIT;
    Source source;
    State state;
    IgnConfig *config = config_read(arena, a.config, &source);
    if (!config)
        return 1;
    state_fill(&state, arena, &a);
    _cleanup_close_ int root = root_open(a.root, &e);
    StageContext c = {.stage = "files",
                      .platform = "file",
                      .root_path = a.root,
                      .root = root,
                      .arena = arena,
                      .config = config,
                      .state = &state};
    FilesStageOptions options;
    int r = root < 0 ? root : stage_files_options(&options, &e);
    const FilesHooks hooks = {interrupt_step, &a.interrupt};
    options.hooks = &hooks;
    options.luks_uuid = fake_uuid;
    options.luks_finish = NULL;
    options.live = a.live;
    if (r >= 0)
        r = a.plan ? plan_show(&c, arena, &e) : stage_files_run_with(&c, &options, &e);
    string_list_done(&a.directories);
    string_list_done(&a.keys);
    if (r < 0) {
        fprintf(stderr, "%s\n", e.text);
        return r == -ECANCELED ? 3 : 1;
    }
    if (a.count)
        printf("%u\n", a.interrupt.n);
    return 0;
}
