/* Each stage is asked for its plan where it has one (disks: storage_run.h, files: stage_files.h); for the
 * others the lines are made here from what the stage would look at. Findings of all stages come together in
 * one report: a person mends them all at once. */
#include "provision/plan_make.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "provision/fetcher.h"
#include "provision/mount_points.h"
#include "provision/root_encrypt.h"
#include "provision/root_move.h"
#include "provision/stage_files.h"
#include "provision/storage_run.h"
#include "provision/units.h"
#include "provision/users.h"
#include "system/boot_entry.h"
#include "system/mount_table.h"

typedef struct Making {
    Plan *plan;
    Arena *a;
    StageContext *c;
    const PlanOptions *o;
} Making;

static void add(const Making *m, PlanStageId stage, const char *verb, const char *object, const char *detail)
{
    plan_add(m->plan, stage, (PlanLine){.verb = verb, .object = object, .detail = detail});
}

/* ---- fetch ---- */

static int plan_fetch(const Making *m, Error *e)
{
    const State *s = m->c->state;

    for (size_t i = 0; i < s->n_fetched_configs; i++) {
        const FetchedConfig *f = &s->fetched_configs[i];
        add(m, PLAN_FETCH, "read",
            arena_printf(m->a, "%s%s config", f->referenced ? "referenced " : "", f->kind),
            *f->source ? f->source : "a data URL");
    }
    int r = stage_fetch_offline_run(m->c, e);
    if (r < 0 && r != -ENETDOWN)
        return r;
    if (r < 0 && e)
        *e = ERROR_INIT;
    add(m, PLAN_FETCH, r < 0 ? "need" : "do without", "the network", NULL);
    return 0;
}

/* ---- kargs ---- */

static void plan_arguments(const Making *m, const char *verb, const IgnList *list, const char *where)
{
    const char *const *items = list->items;

    for (size_t i = 0; i < list->n; i++)
        plan_add(m->plan, PLAN_KARGS,
                 (PlanLine){.verb = verb, .object = items[i], .detail = where, .noun = "kernel argument"});
}

/* Entries of the root are looked at; those of a boot partition are known only to the machine. */
static int plan_kargs(const Making *m, Error *e)
{
    const IgnKernelArguments *k = &m->c->config->kernel_arguments;
    const CmdlineEdit edit = {k->should_exist.items, k->should_exist.n, k->should_not_exist.items,
                              k->should_not_exist.n};
    BootEntryList entries = {0};
    size_t changed = 0;

    if (k->should_exist.n + k->should_not_exist.n == 0)
        return 0;
    int r = m->c->root >= 0 ? boot_entry_list(m->a, m->c->root, &entries, e) : 0;
    if (r < 0)
        return r;
    if (entries.n == 0) {
        plan_arguments(m, "add", &k->should_exist, NULL);
        plan_arguments(m, "remove", &k->should_not_exist, NULL);
        add(m, PLAN_KARGS, "reboot", "if a boot entry changes", NULL);
        return 0;
    }
    for (size_t i = 0; i < entries.n; i++) {
        const char *options;
        bool change = cmdline_edit(m->a, entries.entries[i].options, &edit, &options) > 0;
        changed += change;
        plan_add(m->plan, PLAN_KARGS,
                 (PlanLine){.verb = change ? "change" : "keep",
                            .object = arena_printf(m->a, "boot entry %s", entries.entries[i].file),
                            .detail = change ? arena_printf(m->a, "options %s", options) : NULL,
                            .noun = "boot entry"});
    }
    if (changed > 0)
        add(m, PLAN_KARGS, "reboot", "into the changed boot entries", NULL);
    return 0;
}

/* ---- disks ---- */

static int look_at_nothing(void *context _unused_, Arena *a, const char *path, unsigned what _unused_,
                           DeviceFacts *ret, Error *e _unused_)
{
    *ret = (DeviceFacts){.path = arena_strdup(a, path)};
    return 0;
}

/* A disk that nothing is known of. */
static void note_absent(const Making *m, const StorageItem *item)
{
    if (item->kind != &storage_disk || item->needs.n == 0 || item->facts[0].exists)
        return;
    string_list_add(&m->plan->notes,
                    arena_printf(m->a, "nothing is known of %s, it is taken as blank", item->needs.items[0]));
    m->plan->blank = true;
}

static const char *device_real(void *context, Arena *a, const char *path)
{
    const Inspector *i = context;
    DeviceFacts d;

    return inspector_look(i, a, path, 0, &d, NULL) >= 0 && d.exists ? d.real : NULL;
}

/* By its name: the facts do not say what a partition is of. */
static const char *device_disk(void *context, Arena *a, const char *device, int *ret_number)
{
    size_t n = strlen(device), digits = n;

    while (digits > 0 && isdigit((unsigned char)device[digits - 1]))
        digits--;
    *ret_number = (int)strtol(device + digits, NULL, 10);
    if (digits == n || digits == 0)
        return NULL;
    bool spaced = digits > 1 && device[digits - 1] == 'p' && isdigit((unsigned char)device[digits - 2]);
    return device_real(context, a, arena_memdup(a, device, digits - spaced));
}

static int root_look(void *context, Arena *a, const char *name, RootNow *ret, Error *e)
{
    DeviceFacts d;
    int r = inspector_look(context, a, name, LOOK_SUPERBLOCK, &d, e);

    if (r < 0 || !d.exists)
        return r < 0 ? r : 0;
    const Superblock *s = &d.superblock;
    bool mapped = strncmp(d.real, "/dev/dm-", 8) == 0 || strncmp(d.real, "/dev/mapper/", 12) == 0;
    *ret = (RootNow){d.real, s->type ? s->type : "", s->label, s->uuid, mapped};
    return 1;
}

/* What /etc/clevis.json asks for, as the boot will have it before the disks stage. */
static void plan_encrypt(const Making *m)
{
    const char *cmdline = m->o->cmdline ? m->o->cmdline : "";
    const RootEncrypt how = {m->c->fetcher, cmdline, root_look, (void *)m->o->inspector};
    Error why = ERROR_INIT;
    IgnConfig *config;
    int r = m->o->inspector ? root_encrypt(m->a, &how, m->c->config, &config, &why) : 0;

    if (r > 0)
        m->c->config = config;
    else if (r == -ENXIO)
        string_list_add(&m->plan->notes, arena_strdup(m->a, why.text));
    else if (r < 0)
        report_add(&m->plan->report, SEVERITY_ERROR, NULL, NULL, "%s", why.text);
}

/* A root or /boot that goes with its device, and where its files go then. */
static void plan_moves(const Making *m)
{
    const RootDevices devices = {
        .resolve = device_real, .disk = device_disk, .context = (void *)m->o->inspector};
    RootMoves moves = {0};

    if (!m->o->inspector)
        return;
    root_move_plan(m->a, m->c->config, m->o->cmdline ? m->o->cmdline : "", &devices, &moves,
                   &m->plan->report);
    for (size_t i = 0; i < moves.n; i++)
        add(m, PLAN_DISKS, "move",
            arena_printf(m->a, "the files of %s on %s", moves.items[i].label, moves.items[i].from),
            arena_printf(m->a, "to %s", moves.items[i].to->device));
}

static int plan_disks(const Making *m, Error *e)
{
    static const Inspector nobody = {.look = look_at_nothing};
    StorageContext s = {
        .config = m->c->config,
        .fetcher = m->c->fetcher,
        .state = m->c->state,
        .inspector = m->o->inspector ? m->o->inspector : &nobody,
        .alias_dir = "/run/ignition/dev_aliases",
        .offline = m->o->offline,
    };
    StorageItem *items;
    size_t n;

    const bool told = m->plan->blank; /* of all devices at once */
    storage_context_init(&s);
    int r = storage_plan(&s, &items, &n, &m->plan->report, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (!told)
            note_absent(m, &items[i]);
        for (size_t k = 0; k < items[i].changes.n; k++) {
            const StorageChange *c = &items[i].changes.items[k];
            plan_add(m->plan, PLAN_DISKS,
                     (PlanLine){.verb = storage_verb_name(c->verb),
                                .object = arena_strdup(m->a, c->object),
                                .detail = arena_strdup(m->a, c->detail),
                                .noun = c->noun,
                                .destroys = c->verb == STORAGE_RECREATE || c->verb == STORAGE_DELETE});
        }
        if (items[i].report.errors > 0)
            add(m, PLAN_DISKS, "REFUSE", arena_strdup(m->a, items[i].name), "its findings tell why");
    }
    storage_items_free(items, n);
    plan_moves(m);
    return 0;
}

/* ---- mount, umount ---- */

static const char *options_text(Arena *a, const IgnList *options)
{
    const char *const *items = options->items;
    _cleanup_buf_ Buf text = BUF_INIT;

    for (size_t i = 0; i < options->n; i++)
        buf_addf(&text, ",%s", items[i]);
    return arena_memdup(a, text.data ? text.data : "", text.len);
}

static void plan_mount(const Making *m)
{
    const IgnFilesystem *const *list;
    size_t n = mount_points_list(m->a, &m->c->config->storage, &list);

    for (size_t i = 0; i < n; i++) {
        const IgnFilesystem *fs = list[i];
        Error e = ERROR_INIT;
        const char *missing = NULL;
        size_t index = (size_t)(fs - IGN_AT(m->c->config->storage.filesystems, IgnFilesystem, 0));
        int r = m->c->root >= 0 ? mount_point_check(m->a, m->c->root, fs->path, &missing, &e) : 0;
        if (r < 0)
            report_add(
                &m->plan->report, SEVERITY_ERROR,
                PATH_KEY(PATH_INDEX(PATH_KEY(PATH_KEY(NULL, "storage"), "filesystems"), index), "path"),
                fs->node ? node_get(fs->node, "path") : NULL, "%s", e.text);
        if (missing)
            plan_add(m->plan, PLAN_MOUNT,
                     (PlanLine){.verb = "create",
                                .object = arena_printf(m->a, "directory %s", missing),
                                .noun = "directory"});
        plan_add(m->plan, PLAN_MOUNT,
                 (PlanLine){
                     .verb = "mount",
                     .object = arena_printf(m->a, "%s on %s", fs->device, fs->path),
                     .detail = arena_printf(m->a, "%s%s", fs->format, options_text(m->a, &fs->mount_options)),
                     .noun = NULL});
    }
    for (size_t i = n; i-- > 0;)
        add(m, PLAN_UMOUNT, "unmount", list[i]->path, NULL);
}

/* ---- files ---- */

static int plan_accounts(const Making *m, Error *e)
{
    const IgnPasswd *p = &m->c->config->passwd;
    UserEntry there;

    IGN_EACH (IgnGroup, g, p->groups) {
        int r = m->c->root >= 0 ? group_find(m->c->root, m->a, g->name, &there, e) : 0;
        if (r < 0)
            return r;
        bool gone = g->should_exist == BOOL_FALSE;
        if (!gone || r > 0)
            plan_add(m->plan, PLAN_FILES,
                     (PlanLine){.verb = gone    ? "delete"
                                        : r > 0 ? "change"
                                                : "create",
                                .object = arena_printf(m->a, "group %s", g->name),
                                .noun = "group"});
    }
    IGN_EACH (IgnUser, u, p->users) {
        int r = m->c->root >= 0 ? user_find(m->c->root, m->a, u->name, &there, e) : 0;
        if (r < 0)
            return r;
        bool gone = u->should_exist == BOOL_FALSE;
        if (!gone || r > 0)
            plan_add(m->plan, PLAN_FILES,
                     (PlanLine){.verb = gone    ? "delete"
                                        : r > 0 ? "change"
                                                : "create",
                                .object = arena_printf(m->a, "user %s", u->name),
                                .detail = u->ssh_authorized_keys.n > 0
                                              ? arena_printf(m->a, "%zu ssh key%s", u->ssh_authorized_keys.n,
                                                             u->ssh_authorized_keys.n == 1 ? "" : "s")
                                              : NULL,
                                .noun = "user",
                                .destroys = gone});
    }
    return 0;
}

static void plan_preset(const Making *m, char *line)
{
    char *unit = strchr(line, ' ');

    if (!unit)
        return;
    *unit++ = '\0';
    plan_add(m->plan, PLAN_FILES, (PlanLine){.verb = line, .object = unit, .noun = "unit"});
}

/* A line of stage_files_plan(): "file /etc/x mode 0644 inline (replaces a file)". */
static void plan_file(const Making *m, char *line)
{
    size_t n = strlen(line);
    char *before = n > 0 && line[n - 1] == ')' ? strrchr(line, '(') : NULL;
    bool replaces = before && strncmp(before, "(replaces ", 10) == 0;
    bool keeps = before && strncmp(before, "(keeps ", 7) == 0;

    if (strncmp(line, "preset ", 7) == 0) {
        plan_preset(m, line + 7);
        return;
    }
    if (replaces || keeps) {
        line[n - 1] = '\0';
        before[-1] = '\0';
    }
    const char *noun = arena_memdup(m->a, line, strcspn(line, " "));
    if (strcmp(line, "file " UNITS_PRESET_PATH " empty") == 0)
        line[strlen("file " UNITS_PRESET_PATH)] = '\0'; /* its lines come below */
    plan_add(m->plan, PLAN_FILES,
             (PlanLine){.verb = replaces ? "replace"
                                : keeps  ? "change"
                                         : "create",
                        .object = line,
                        .detail = replaces || keeps ? before + 1 : NULL,
                        .noun = noun,
                        .destroys = replaces});
}

/* Mount points that nothing is mounted on now. */
static const char *const *covered_paths(const Making *m)
{
    const IgnFilesystem *const *list;
    size_t n = mount_points_list(m->a, &m->c->config->storage, &list), k = 0;
    const char **covered = ARENA_ARRAY(m->a, const char *, n + 1);

    for (size_t i = 0; i < n; i++) {
        _cleanup_close_ int fd = root_openat(m->c->root, list[i]->path, O_PATH | O_DIRECTORY, 0);
        uint64_t id;
        bool top = false;
        if (strcmp(list[i]->path, "/") != 0 && (fd < 0 || mount_of_fd(fd, &id, &top) < 0 || !top))
            covered[k++] = list[i]->path;
    }
    return covered;
}

static int plan_files(const Making *m, Error *e)
{
    _cleanup_buf_ Buf lines = BUF_INIT;
    int r = plan_accounts(m, e);

    if (r >= 0)
        r = stage_files_plan(m->c, covered_paths(m), &lines, &m->plan->report, e);
    if (r < 0)
        return r;
    for (char *line = arena_memdup(m->a, lines.data ? lines.data : "", lines.len), *next; *line;
         line = next) {
        next = strchrnul(line, '\n');
        if (*next)
            *next++ = '\0';
        plan_file(m, line);
    }
    return 0;
}

/* A directory that is gone: nothing is in it, and nothing can be put there. */
static int empty_root(Error *e)
{
    char path[] = "/tmp/basalt-plan.XXXXXX";

    if (!mkdtemp(path))
        return error_errno(e, -errno, "making a directory");
    int fd = root_open(path, e);
    rmdir(path);
    return fd;
}

int plan_make(Plan *p, StageContext *c, const PlanOptions *o, Error *e)
{
    const Making m = {.plan = p, .a = p->arena, .c = c, .o = o};
    _cleanup_close_ int empty = -EBADF;
    int r = plan_fetch(&m, e);

    plan_encrypt(&m);
    if (r >= 0)
        r = plan_kargs(&m, e);
    if (r >= 0)
        r = plan_disks(&m, e);
    if (r < 0)
        return r;
    plan_mount(&m);
    if (c->root < 0) {
        empty = empty_root(e);
        if (empty < 0)
            return empty;
        c->root = empty;
        c->root_path = "";
    }
    r = plan_files(&m, e);
    if (empty >= 0)
        c->root = -EBADF;
    return r;
}
