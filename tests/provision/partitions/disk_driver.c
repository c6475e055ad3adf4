/* The disks of a config without the rest of the stage, for tests:
 *   golden FILE                 plans of many cases, each from facts and a disk as text (see read_case())
 *   show DEVICE                 the table and the kernel's partitions, as such facts
 *   plan CONFIG, apply CONFIG   the disks of a config; apply ends with 3 when something was refused
 *   kernel DEVICE...            has the kernel take over the table, and makes the nodes
 *   attach FILE                 a loop device for the file: its path is printed
 *   detach DEVICE...            its partitions and itself
 * Options before the verb: --sector-size N (image files, attach), --fail-at N, --kill-at N (the step of
 * apply),
 * --steps (print them), --quiet. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/log.h"
#include "ignition/parse.h"
#include "provision/partition_plan.h"
#include "system/block_device.h"
#include "system/device_wait.h"
#include "system/kernel_partitions.h"

static unsigned sector_size, fail_at, kill_at, steps;
static bool print_steps, quiet;

/* ---- until udev and its like are there: nothing settles, nodes are made ---- */

__attribute__((weak)) int device_settle(Error *e)
{
    (void)e;
    return 0;
}

__attribute__((weak)) int device_node(Arena *a, unsigned major, unsigned minor, const char *name,
                                      const char **ret, Error *e)
{
    const char *path = arena_printf(a, "/dev/%s", name);
    struct stat st;

    *ret = path;
    if (stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == makedev(major, minor))
        return 0;
    (void)unlink(path);
    return mknod(path, S_IFBLK | 0600, makedev(major, minor)) < 0 ? error_errno(e, -errno, "%s", path) : 0;
}

/* ---- plans of facts ---- */

static void print_item(const StorageItem *item)
{
    for (size_t i = 0; i < item->changes.n; i++) {
        const StorageChange *c = &item->changes.items[i];
        printf("  %s %s%s%s\n", storage_verb_name(c->verb), c->object, c->detail ? ": " : "",
               c->detail ? c->detail : "");
    }
    for (size_t i = 0; i < item->report.n; i++)
        printf("  refused %s: %s\n", item->report.entries[i].path, item->report.entries[i].message);
    if (item->changes.n == 0 && item->report.n == 0)
        puts("  nothing to do");
}

static IgnConfig *parse_config(Arena *a, const char *name, const char *text, size_t n)
{
    Report *r = ARENA_NEW(a, Report);
    Source *source = ARENA_NEW(a, Source);
    IgnConfig *c = NULL;

    *r = REPORT_INIT(a);
    *source = (Source){.name = name, .text = text, .len = n};
    if (ign_config_parse_newest(a, source, IGN_PARSE_STRICT, &c, r) == 0) {
        report_done(r);
        return c;
    }
    for (size_t i = 0; i < r->n; i++)
        printf("  invalid %s: %s\n", r->entries[i].path, r->entries[i].message);
    report_done(r);
    return NULL;
}

static StorageItem *make_item(Arena *a, const IgnConfig *c, size_t i)
{
    StorageItem *item = ARENA_NEW(a, StorageItem);
    *item = (StorageItem){
        .kind = &storage_disk,
        .object = IGN_AT(c->storage.disks, IgnDisk, i),
        .json_path = arena_printf(a, "$.storage.disks.%zu", i),
        .arena = a,
        .facts = ARENA_NEW(a, DeviceFacts),
        .report = REPORT_INIT(a),
    };
    storage_disk.describe(item);
    return item;
}

static void drop_item(StorageItem *item)
{
    string_list_done(&item->needs);
    string_list_done(&item->gives);
    report_done(&item->report);
}

typedef struct Case {
    DeviceFacts facts;
    Partition partitions[256];
    DeviceHolder holders[16];
    KernelPartition kernel[256];
} Case;

/* "label with blanks" or a word; "-" is nothing. */
static const char *take_word(Arena *a, char **at)
{
    char *s = *at + strspn(*at, " "), end = ' ';
    if (*s == '\'') {
        s++;
        end = '\'';
    }
    char *e = strchrnul(s, end);
    *at = *e ? e + 1 : e;
    char *word = arena_memdup(a, s, (size_t)(e - s));
    return strcmp(word, "-") == 0 ? "" : word;
}

static uint64_t take_number(Arena *a, char **at)
{
    return strtoull(take_word(a, at), NULL, 0);
}

static void read_table(Arena *a, Case *c, char *rest)
{
    static const struct {
        const char *name;
        TableKind kind;
    } kinds[] = {{"none", TABLE_NONE}, {"gpt", TABLE_GPT}, {"damaged", TABLE_DAMAGED}, {"dos", TABLE_OTHER}};
    const char *kind = take_word(a, &rest);
    TableGeometry g = {c->facts.size, c->facts.sector_size};

    partition_table_blank(&g, &c->facts.table);
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        if (strcmp(kinds[i].name, kind) == 0)
            c->facts.table.kind = kinds[i].kind;
    c->facts.table.name = kind;
    c->facts.table.partitions = c->partitions;
    const char *repaired = take_word(a, &rest);
    c->facts.table.repaired = *repaired ? repaired : NULL;
}

/* "disk SECTORS SECTOR-SIZE [read-only|partition]", "table KIND [REPAIRED]", "partition NUMBER START SIZE
 * LABEL TYPE GUID [ATTRIBUTES]", "holder PARTITION KIND WHAT", "kernel NUMBER START SIZE". */
static void read_fact(Arena *a, Case *c, const char *verb, char *rest)
{
    DeviceFacts *f = &c->facts;

    if (strcmp(verb, "disk") == 0) {
        uint64_t sectors = take_number(a, &rest);
        *f = (DeviceFacts){.path = "/dev/vda", .real = "/dev/vda", .exists = true};
        f->sector_size = (unsigned)take_number(a, &rest);
        f->size = sectors * f->sector_size;
        const char *how = take_word(a, &rest);
        f->read_only = strcmp(how, "read-only") == 0;
        f->is_partition = strcmp(how, "partition") == 0;
        f->holders = c->holders;
        f->kernel = c->kernel;
        read_table(a, c, arena_strdup(a, "none"));
    } else if (strcmp(verb, "absent") == 0) {
        *f = (DeviceFacts){.path = "/dev/vda"};
    } else if (strcmp(verb, "table") == 0) {
        read_table(a, c, rest);
    } else if (strcmp(verb, "partition") == 0) {
        Partition *p = &c->partitions[f->table.n++];
        p->number = (unsigned)take_number(a, &rest);
        p->start = take_number(a, &rest);
        p->size = take_number(a, &rest);
        p->label = take_word(a, &rest);
        p->type_guid = take_word(a, &rest);
        p->guid = take_word(a, &rest);
        p->attributes = take_number(a, &rest);
        if (!*p->type_guid)
            p->type_guid = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
        if (!*p->guid)
            p->guid = arena_printf(a, "AAAAAAAA-0000-4000-8000-%012u", p->number);
    } else if (strcmp(verb, "holder") == 0) {
        static const char *const kinds[] = {"mount", "swap", "lvm", "dm", "md", "other"};
        DeviceHolder *h = &c->holders[f->n_holders++];
        h->partition = (unsigned)take_number(a, &rest);
        const char *kind = take_word(a, &rest);
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
            if (strcmp(kinds[i], kind) == 0)
                h->kind = (HolderKind)i;
        h->what = take_word(a, &rest);
    } else if (strcmp(verb, "kernel") == 0) {
        KernelPartition *k = &c->kernel[f->n_kernel++];
        f->kernel_known = true;
        k->number = (unsigned)take_number(a, &rest);
        k->start = take_number(a, &rest) * f->sector_size;
        k->size = take_number(a, &rest) * f->sector_size;
    } else {
        printf("  unknown fact '%s'\n", verb);
    }
}

/* A plan's table as facts of the next plan: what comes second must change nothing. */
static void rerun(Arena *a, Case *c, const PartitionPlan *plan, const IgnConfig *config)
{
    Partition *list = c->partitions;
    size_t n = plan->edit.new_table || plan->erase ? 0 : c->facts.table.n;

    for (size_t i = 0; i < plan->edit.n; i++) {
        const TableStep *s = &plan->edit.steps[i];
        size_t at = 0;
        while (at < n && (s->action == TABLE_CREATE ? list[at].number < s->partition.number
                                                    : list[at].number != s->partition.number))
            at++;
        if (s->action == TABLE_RESIZE) {
            list[at].size = s->partition.size;
        } else if (s->action == TABLE_DELETE) {
            memmove(&list[at], &list[at + 1], (n - at - 1) * sizeof(*list));
            n--;
        } else {
            memmove(&list[at + 1], &list[at], (n - at) * sizeof(*list));
            list[at] = s->partition;
            n++;
        }
    }
    c->facts.table.n = n;
    c->facts.table.kind = plan->erase                            ? TABLE_NONE
                          : plan->edit.n || plan->edit.new_table ? TABLE_GPT
                                                                 : c->facts.table.kind;
    c->facts.table.repaired = NULL;
    c->facts.kernel_known = false;
    StorageItem *item = make_item(a, config, 0);
    item->facts = &c->facts;
    const PartitionPlan *again = partition_plan_make(item, &(PartitionPlanOptions){.seed = 1});
    if (again->write || item->report.n) {
        puts("  A SECOND RUN WOULD NOT BE DONE:");
        print_item(item);
    }
    drop_item(item);
}

static void plan_case(Case *c, const char *disk)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *text = arena_printf(
        a, "{\"ignition\":{\"version\":\"3.6.0\"},\"storage\":{\"disks\":[{\"device\":\"/dev/vda\",%s}]}}",
        disk);
    const IgnConfig *config = parse_config(a, "case", text, strlen(text));

    if (!config)
        return;
    StorageItem *item = make_item(a, config, 0);
    item->facts = &c->facts;
    const PartitionPlan *plan = partition_plan_make(item, &(PartitionPlanOptions){.seed = 1});
    print_item(item);
    if (c->facts.exists && item->report.n == 0 && plan->write)
        rerun(a, c, plan, config);
    drop_item(item);
}

/* Each line a fact or a disk; "disk" begins the facts anew; a line with a brace is the body of a disk of a
 * config, and is planned; "#" is a comment, and printed like every other line. */
static int golden(const char *path)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    Case *c = ARENA_NEW(a, Case), *work = ARENA_NEW(a, Case);

    if (file_read_at(AT_FDCWD, path, 16 << 20, &text, NULL) < 0)
        return 1;
    for (char *line = text.data, *next; line && *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        puts(line);
        if (*line == '"') {
            *work = *c;
            work->facts.table.partitions = work->partitions;
            plan_case(work, line);
        } else if (*line && *line != '#') {
            char *rest = arena_strdup(a, line);
            const char *verb = take_word(a, &rest);
            read_fact(a, c, verb, rest);
        }
    }
    return 0;
}

/* ---- devices ---- */

static int look(void *context, Arena *a, const char *path, unsigned what, DeviceFacts *ret, Error *e)
{
    const BlockView view = {.image_sector_size = sector_size};
    int r = block_device_look(a, &view, path, what, ret, e);

    (void)context;
    if (r < 0 || !ret->exists || !(what & LOOK_TABLE))
        return r;
    _cleanup_close_ int fd = open(ret->real, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, -errno, "%s", path);
    return partition_table_read(a, fd, &(TableGeometry){ret->size, ret->sector_size}, &ret->table, e);
}

static int fail(const Error *e)
{
    fprintf(stderr, "disk_driver: %s\n", e->text);
    return 1;
}

static int show(const char *path)
{
    static const char *const kinds[] = {
        [TABLE_NONE] = "none", [TABLE_GPT] = "gpt", [TABLE_DAMAGED] = "damaged", [TABLE_OTHER] = "dos"};
    _cleanup_arena_ Arena *a = arena_new();
    Error e = ERROR_INIT;
    DeviceFacts f;

    if (look(NULL, a, path, LOOK_TABLE | LOOK_HOLDERS, &f, &e) < 0)
        return fail(&e);
    if (!f.exists)
        return puts("absent"), 0;
    printf("disk %" PRIu64 " %u%s%s\n", f.size / f.sector_size, f.sector_size,
           f.read_only ? " read-only" : "", f.is_partition ? " partition" : "");
    printf("table %s%s%s%s\n", kinds[f.table.kind], f.table.repaired ? " '" : "",
           f.table.repaired ? f.table.repaired : "", f.table.repaired ? "'" : "");
    if (f.table.kind == TABLE_GPT)
        printf("# usable %" PRIu64 " to %" PRIu64 ", %u entries, guid %s\n", f.table.first_usable,
               f.table.last_usable, f.table.max_partitions, f.table.guid);
    for (size_t i = 0; i < f.table.n; i++) {
        const Partition *p = &f.table.partitions[i];
        printf("partition %u %" PRIu64 " %" PRIu64 " '%s' %s %s %#" PRIx64 "\n", p->number, p->start, p->size,
               p->label, p->type_guid, *p->guid ? p->guid : "-", p->attributes);
    }
    for (size_t i = 0; i < f.n_holders; i++)
        printf("# partition %u: %s\n", f.holders[i].partition, device_holder_text(a, &f.holders[i]));
    for (size_t i = 0; i < f.n_kernel; i++)
        printf("kernel %u %" PRIu64 " %" PRIu64 "\n", f.kernel[i].number, f.kernel[i].start / f.sector_size,
               f.kernel[i].size / f.sector_size);
    return 0;
}

static int take_step(void *context, const char *what)
{
    (void)context;
    steps++;
    if (print_steps)
        printf("step %u: %s\n", steps, what);
    if (steps == kill_at)
        raise(SIGKILL);
    return steps == fail_at ? -EIO : 0;
}

static int run_config(const char *path, bool apply)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    const StorageHooks hooks = {.step = take_step};
    const Inspector inspector = {.look = look};
    StorageContext c = {.inspector = &inspector, .hooks = &hooks};
    Error e = ERROR_INIT;
    bool refused = false;
    int r;

    storage_context_init(&c);
    if (file_read_at(AT_FDCWD, path, 16 << 20, &text, &e) < 0)
        return fail(&e);
    const IgnConfig *config = parse_config(a, path, text.data, text.len);
    if (!config)
        return 1;
    c.config = config;
    for (size_t i = 0; i < config->storage.disks.n; i++) {
        StorageItem *item = make_item(a, config, i);
        if (inspector_look(&inspector, a, item->needs.items[0], item->kind->look, item->facts, &e) < 0)
            return fail(&e);
        item->kind->plan(&c, item);
        if (!quiet)
            print_item(item);
        refused |= item->report.errors > 0;
        r = apply && !refused && storage_changes_any(&item->changes) ? item->kind->apply(&c, item, &e) : 0;
        drop_item(item);
        if (r < 0)
            return fail(&e);
    }
    return refused ? 3 : 0;
}

static int sync_kernel(const char *path, bool none)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
    Error e = ERROR_INIT;
    DeviceFacts f;
    const char *node;

    if (fd < 0 || look(NULL, a, path, LOOK_TABLE | LOOK_HOLDERS, &f, &e) < 0)
        return fail(&e);
    if (none)
        f.table.n = 0;
    for (size_t i = 0; none && i < f.n_kernel; i++)
        (void)unlink(arena_printf(a, "/dev/%s", f.kernel[i].name));
    if (kernel_partitions_update(a, fd, &f, &f.table, NULL, &e) < 0 ||
        block_device_partitions(a, NULL, &f, &e) < 0)
        return fail(&e);
    for (size_t i = 0; i < f.n_kernel; i++)
        if (device_node(a, f.kernel[i].major, f.kernel[i].minor, f.kernel[i].name, &node, &e) < 0)
            return fail(&e);
    return 0;
}

/* LOOP_CONFIGURE says itself whether the device that LOOP_CTL_GET_FREE named is still free. */
static int attach(const char *file)
{
    _cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    _cleanup_close_ int backing = open(file, O_RDWR | O_CLOEXEC);

    for (unsigned tries = 0; control >= 0 && backing >= 0 && tries < 1000; tries++) {
        int n = ioctl(control, LOOP_CTL_GET_FREE);
        char path[32];
        if (n < 0)
            break;
        snprintf(path, sizeof(path), "/dev/loop%d", n);
        if (mknod(path, S_IFBLK | 0600, makedev(7, (unsigned)n)) < 0 && errno != EEXIST)
            break;
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        struct loop_config how = {.fd = (unsigned)backing, .block_size = sector_size};
        if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &how) == 0) {
            puts(path);
            return 0;
        }
        if (errno != EBUSY && errno != ENXIO)
            break;
    }
    perror("disk_driver: attach");
    return 1;
}

static int detach(const char *path)
{
    int r = sync_kernel(path, true);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 || ioctl(fd, LOOP_CLR_FD) < 0) {
        perror("disk_driver: detach");
        return 1;
    }
    return r;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"sector-size", required_argument, NULL, 's'},
        {"fail-at", required_argument, NULL, 'f'},
        {"kill-at", required_argument, NULL, 'k'},
        {"steps", no_argument, NULL, 'p'},
        {"quiet", no_argument, NULL, 'q'},
        {0},
    };
    unsigned *numbers[256] = {['s'] = &sector_size, ['f'] = &fail_at, ['k'] = &kill_at};
    int r = 0;

    log_open(LOG_TARGET_STDERR, "disk_driver", LOG_LEVEL_WARNING);
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == '?')
            return 2;
        if (numbers[c])
            *numbers[c] = (unsigned)strtoul(optarg, NULL, 10);
        print_steps |= c == 'p';
        quiet |= c == 'q';
    }
    if (argc - optind < 2)
        return 2;
    const char *verb = argv[optind];
    for (int i = optind + 1; r == 0 && i < argc; i++)
        r = strcmp(verb, "golden") == 0   ? golden(argv[i])
            : strcmp(verb, "show") == 0   ? show(argv[i])
            : strcmp(verb, "plan") == 0   ? run_config(argv[i], false)
            : strcmp(verb, "apply") == 0  ? run_config(argv[i], true)
            : strcmp(verb, "kernel") == 0 ? sync_kernel(argv[i], false)
            : strcmp(verb, "attach") == 0 ? attach(argv[i])
            : strcmp(verb, "detach") == 0 ? detach(argv[i])
                                          : 2;
    return fflush(stdout) == 0 ? r : 1;
}
