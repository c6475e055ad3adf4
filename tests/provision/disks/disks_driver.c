/* Runs the disks stage on a config, for the scripts beside this file:
 *
 *     disks-driver [--fail-at N | --kill-at N] [--trace] [--count] [--plan] [--wait SEC] CONFIG
 *
 * --fail-at and --kill-at interrupt before the Nth change of a device (from 1), by an error or by SIGKILL;
 * --count says how many changes there were; --plan only shows what would be done. Exit: 0 done, 1 failed,
 * 3 interrupted as asked. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/command.h"
#include "base/file.h"
#include "base/log.h"
#include "ignition/parse.h"
#include "provision/device_inspect.h"
#include "provision/fetcher.h"
#include "provision/stage_disks.h"
#include "provision/storage_run.h"

typedef struct Interrupt {
    pthread_mutex_t lock;
    unsigned n, fail_at, kill_at;
    bool trace;
} Interrupt;

static int interrupt_step(void *context, const char *what)
{
    Interrupt *i = context;
    pthread_mutex_lock(&i->lock);
    unsigned n = ++i->n;
    if (i->trace)
        fprintf(stderr, "step %u: %s\n", n, what);
    if (n == i->kill_at)
        raise(SIGKILL);
    pthread_mutex_unlock(&i->lock);
    return n == i->fail_at ? -ECANCELED : 0;
}

typedef struct Arguments {
    const char *config;
    bool count, plan;
    unsigned wait_sec;
    Interrupt interrupt;
} Arguments;

static bool arguments_read(int argc, char **argv, Arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--fail-at"))
            a->interrupt.fail_at = (unsigned)atoi(next), i++;
        else if (!strcmp(argv[i], "--kill-at"))
            a->interrupt.kill_at = (unsigned)atoi(next), i++;
        else if (!strcmp(argv[i], "--wait"))
            a->wait_sec = (unsigned)atoi(next), i++;
        else if (!strcmp(argv[i], "--trace"))
            a->interrupt.trace = true;
        else if (!strcmp(argv[i], "--count"))
            a->count = true;
        else if (!strcmp(argv[i], "--plan"))
            a->plan = true;
        else
            a->config = argv[i];
    }
    return a->config;
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

static int plan_show(const StageContext *c, Error *e)
{
    StorageContext storage = {.config = c->config, .inspector = &device_inspector, .offline = true};
    _cleanup_report_ Report report = REPORT_INIT(c->arena);
    _cleanup_buf_ Buf out = BUF_INIT;
    StorageItem *items;
    size_t n;

    storage_context_init(&storage);
    int r = storage_plan(&storage, &items, &n, &report, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < items[i].changes.n; k++)
            buf_addf(&out, "%s %s%s%s%s\n", storage_verb_name(items[i].changes.items[k].verb),
                     items[i].changes.items[k].object, items[i].changes.items[k].detail ? " (" : "",
                     items[i].changes.items[k].detail ? items[i].changes.items[k].detail : "",
                     items[i].changes.items[k].detail ? ")" : "");
    storage_items_free(items, n);
    report_write(&report, REPORT_TEXT, &out);
    fputs(out.data ? out.data : "", stdout);
    return report.errors ? error_set(e, EPERM, "%zu refusals", report.errors) : 0;
}

int main(int argc, char **argv)
{
    Arguments a = {.interrupt.lock = PTHREAD_MUTEX_INITIALIZER};
    if (!arguments_read(argc, argv, &a))
        return EXIT_USAGE;
    log_open(LOG_TARGET_STDERR, "disks-driver", LOG_LEVEL_INFO);
    _cleanup_arena_ Arena *arena = arena_new();
    Error e = ERROR_INIT;
    Source source;
    State state = {.arena = arena};
    _cleanup_(fetcher_freep)
    Fetcher *fetcher = NULL;
    IgnConfig *config = config_read(arena, a.config, &source);
    if (!config)
        return 1;
    int r = fetcher_new(&fetcher, &e);
    StageContext c = {.stage = "disks",
                      .platform = "file",
                      .root_path = "",
                      .root = -EBADF,
                      .arena = arena,
                      .config = config,
                      .fetcher = fetcher,
                      .state = &state};
    const StorageHooks hooks = {interrupt_step, &a.interrupt};
    const DisksStageOptions options = {.hooks = &hooks, .wait_sec = a.wait_sec};
    if (r >= 0)
        r = a.plan ? plan_show(&c, &e) : stage_disks_run_with(&c, &options, &e);
    if (r < 0) {
        fprintf(stderr, "%s\n", e.text);
        return r == -ECANCELED ? 3 : 1;
    }
    if (a.count)
        printf("%u\n", a.interrupt.n);
    return 0;
}
