/* `basalt-ignition plan`: what each stage would do with a config, and nothing done. In order: the config with
 * all it refers to, the devices (of this machine, of image files, of a document), the plan, its text. Exit
 * codes: 0 nothing is refused, 1 the config is not valid or something is refused, 2 wrong usage. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/command.h"
#include "base/file.h"
#include "base/log.h"
#include "format/json.h"
#include "provision/config_load.h"
#include "provision/device_facts_json.h"
#include "provision/device_inspect.h"
#include "provision/image_facts.h"
#include "provision/plan_make.h"
#include "provision/platform.h"
#include "provision/program.h"

enum { CMDLINE_MAX = 1 << 20 };

static const char *root_option, *inspect_option, *platform_option, *format_option = "text";
static StringList disk_options;
static bool offline_option;

static const Option options[] = {
    {"root", 0, OPTION_STRING, &root_option, "DIR",
     "what is in the root; default: nothing, or / for this machine's devices"},
    {"disk", 0, OPTION_LIST, &disk_options, "[DEVICE=]FILE",
     "an image file in place of the config's one disk, or of DEVICE"},
    {"inspect", 0, OPTION_STRING, &inspect_option, "FILE",
     "facts of devices, as `basalt-ignition inspect` writes them"},
    {"platform", 0, OPTION_STRING, &platform_option, "ID",
     "lay the config over the base configs of this system for ID"},
    {"format", 0, OPTION_CHOICE, &format_option, "FORMAT", "form of the plan (default text)", "text json"},
    {"offline", 0, OPTION_FLAG, &offline_option, NULL, "fetch nothing: a config that needs it is refused"},
    {NULL},
};

/* ---- devices ---- */

/* "/dev/vda=disk.img"; a file alone stands for the one disk that the config has. */
static int disk_add(Arena *a, const char *option, const IgnConfig *c, FactsList *list, Error *e)
{
    const char *equals = strncmp(option, "/dev/", 5) == 0 ? strchr(option, '=') : NULL;
    const IgnList *disks = &c->storage.disks;

    if (equals)
        return image_facts_add(a, arena_memdup(a, option, (size_t)(equals - option)), equals + 1, list, e);
    if (disks->n != 1 || list->n > 0)
        return error_set(e, EINVAL, "the config has %zu disks: say which one with --disk DEVICE=%s", disks->n,
                         option);
    return image_facts_add(a, IGN_AT(*disks, IgnDisk, 0)->device, option, list, e);
}

static int facts_read(Arena *a, const char *path, FactsList *list, Report *report, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *top;
    int r = file_read_at(AT_FDCWD, path, FACTS_SIZE_MAX, &text, e);

    if (r < 0)
        return error_wrap(e, r, "couldn't read the facts");
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){
        .name = path, .text = arena_memdup(a, text.data ? text.data : "", text.len), .len = text.len};
    r = json_read(a, source, SEVERITY_ERROR, &top, report);
    if (r >= 0)
        r = device_facts_from_node(a, top, list, report);
    return r < 0 ? error_set(e, EINVAL, "%s holds no facts", path) : 0;
}

typedef struct Devices {
    FactsList list;
    Inspector inspector;
    const char *note;
} Devices;

/* This machine is looked at only when nothing else is named. */
static int devices_find(Plan *p, const IgnConfig *c, Devices *ret, Error *e)
{
    int r = 0;

    if (inspect_option)
        r = facts_read(p->arena, inspect_option, &ret->list, &p->report, e);
    for (size_t i = 0; r >= 0 && i < disk_options.n; i++)
        r = disk_add(p->arena, disk_options.items[i], c, &ret->list, e);
    if (r < 0)
        return r;
    if (inspect_option || disk_options.n > 0 || root_option)
        ret->inspector = facts_list_inspector(&ret->list);
    else
        ret->inspector = device_inspector;
    if (root_option && !inspect_option && disk_options.n == 0)
        ret->note = "devices were not looked at, they are taken as blank; see --disk and --inspect";
    return 0;
}

static bool declares_devices(const IgnConfig *c)
{
    const IgnStorage *s = &c->storage;

    return s->disks.n + s->raid.n + s->luks.n + s->volume_groups.n + s->filesystems.n > 0;
}

/* ---- the program ---- */

static int make(Plan *p, Fetcher *fetcher, Error *e)
{
    State state = {.arena = p->arena};
    const ConfigLoad load = {p->config, platform_option, fetcher, &state};
    Devices devices = {0};
    IgnConfig *config;
    int r = config_load(p->arena, &load, &config, &p->report, e);

    if (r >= 0)
        r = devices_find(p, config, &devices, e);
    if (r < 0)
        return r;
    if (devices.note && declares_devices(config)) {
        string_list_add(&p->notes, devices.note);
        p->blank = true;
    }
    p->next = root_option && !declares_devices(config)
                  ? arena_printf(p->arena, "basalt-ignition apply --root %s %s", root_option, p->config)
                  : "give the config to the machine for its first boot";
    bool here = !root_option && !inspect_option && disk_options.n == 0;
    const char *root_path = root_option ? root_option : here ? "/" : "";
    _cleanup_close_ int root = *root_path ? root_open(root_path, e) : -EBADF;
    if (*root_path && root < 0)
        return root;
    StageContext c = {
        .stage = "plan",
        .platform = platform_option ? platform_option : "",
        .root_path = root_path,
        .root = root,
        .arena = p->arena,
        .config = config,
        .fetcher = fetcher,
        .state = &state,
    };
    _cleanup_buf_ Buf cmdline = BUF_INIT;
    if (here && file_read_at(AT_FDCWD, "/proc/cmdline", CMDLINE_MAX, &cmdline, NULL) >= 0 && cmdline.len > 0)
        cmdline.data[cmdline.len - 1] = '\0';
    const PlanOptions o = {&devices.inspector, offline_option, cmdline.data};
    return plan_make(p, &c, &o, e);
}

static void show(const Plan *p, const char *failure)
{
    _cleanup_buf_ Buf out = BUF_INIT;

    if (strcmp(format_option, "json") == 0)
        plan_write_json(p, &out);
    else if (failure)
        report_write(&p->report, REPORT_TEXT, &out);
    else
        plan_write_text(p, &out);
    fwrite(out.data ? out.data : "", 1, out.len, stdout);
}

static int run(int argc _unused_, char **argv)
{
    _cleanup_(fetcher_freep)
    Fetcher *fetcher = NULL;
    _cleanup_arena_ Arena *arena = arena_new();
    _cleanup_plan_ Plan plan = {.arena = arena, .config = argv[0], .report = REPORT_INIT(arena)};
    Error e = ERROR_INIT;

    if (platform_option && !platform_find(platform_option)) {
        fprintf(stderr, "basalt-ignition plan: there is no platform '%s'\n", platform_option);
        return EXIT_USAGE;
    }
    int r = fetcher_new(&fetcher, &e);
    log_open(LOG_TARGET_STDERR, "basalt-ignition", LOG_LEVEL_WARNING);
    if (r >= 0) {
        fetcher_set_offline(fetcher, offline_option);
        r = make(&plan, fetcher, &e);
    }
    report_sort(&plan.report);
    if (r >= 0 || plan.report.n > 0)
        show(&plan, r < 0 ? e.text : NULL);
    if (r < 0) {
        fflush(stdout);
        fprintf(stderr, "basalt-ignition plan: %s\n", e.text);
    }
    string_list_done(&disk_options);
    return r < 0 || plan.report.errors > 0;
}

int program_plan(int argc, char **argv)
{
    const Program program = {
        .name = "basalt-ignition plan",
        .summary = "Shows what each stage of the provisioner would do with a config. Changes nothing.",
        .version = PROGRAM_VERSION,
        .man = "basalt-ignition(8)",
        .options = options,
        .run = run,
        .arguments = "CONFIG|-",
        .min_args = 1,
        .max_args = 1,
    };

    return program_main(&program, argc, argv);
}
