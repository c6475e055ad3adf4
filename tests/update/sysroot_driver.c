/* What the tests of sysroots drive: each function of the headers as a verb. Trees are plain directories, a
 * second backend: $BASALT_TREES/<checksum> is the commit's tree; without BASALT_TREES they are commits of the
 * repository. BASALT_STEP=n fails before step n, with BASALT_KILL=1 the process kills itself there;
 * BASALT_BOOTED plays the running deployment; BASALT_FREEZE=1 freezes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/tree_copy.h"
#include "update/boot_counting.h"
#include "update/commit_tree.h"
#include "update/deployment_edit.h"
#include "update/deployment_stage.h"

static unsigned steps, stop_at;

static int step(void *context, const char *what)
{
    (void)context;
    if (++steps != stop_at)
        return 0;
    fprintf(stderr, "stopped before %s\n", what);
    if (getenv("BASALT_KILL"))
        raise(SIGKILL);
    return -EINTR;
}

/* ---- plain directories ---- */

static int trees = -EBADF;
static TreeCopyCounts counts;

static int plain_checkout(void *context, const char *checksum, int to, Error *e)
{
    (void)context;
    _cleanup_close_ int from = openat(trees, checksum, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = from < 0 ? error_errno(e, -errno, "tree %s", checksum)
                     : tree_copy(from, to, TREE_COPY_PLAIN, &counts, e);
    _cleanup_close_ int defaults = r < 0 ? -EBADF : openat(to, "usr/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (r < 0 || defaults < 0)
        return r;
    if (mkdirat(to, "etc", 0755) < 0)
        return error_errno(e, -errno, "etc");
    _cleanup_close_ int etc = openat(to, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return tree_copy(defaults, etc, TREE_COPY_PLAIN, &counts, e);
}

/* Files of the top level that differ from their defaults. */
static int plain_merge(void *context, int from, int to, Report *r, Error *e)
{
    (void)context;
    (void)r;
    int own = openat(from, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = own < 0 ? NULL : fdopendir(own);

    for (struct dirent *f; d && (f = readdir(d));) {
        _cleanup_buf_ Buf now = BUF_INIT, before = BUF_INIT;
        char path[300];
        if (f->d_type != DT_REG || file_read_at(own, f->d_name, 1 << 20, &now, NULL) < 0)
            continue;
        snprintf(path, sizeof(path), "usr/etc/%s", f->d_name);
        (void)file_read_at(from, path, 1 << 20, &before, NULL);
        if (before.len == now.len && (now.len == 0 || memcmp(before.data, now.data, now.len) == 0))
            continue;
        snprintf(path, sizeof(path), "etc/%s", f->d_name);
        int k = step(NULL, "a merged file");
        if (k >= 0)
            k = file_write_at(to, path, now.data, now.len, FILE_WRITE());
        if (k < 0)
            return error_errno(e, k, "%s", path);
    }
    return 0;
}

static int plain_measure(void *context, const char *checksum, uint64_t *bytes, uint64_t *files, Error *e)
{
    const char *text = getenv("BASALT_MEASURE");
    (void)context;
    (void)checksum;
    (void)e;
    *bytes = text ? strtoull(text, NULL, 10) : 0;
    *files = 0;
    return 0;
}

static DeploymentTree tree = {.checkout = plain_checkout, .merge_etc = plain_merge};

/* ---- verbs ---- */

static Report report;

static void list_trial(Sysroot *s)
{
    BootTrial trial;
    BootFailure f;

    if (boot_trial_read(s, &trial) > 0)
        printf("trial %s %u/%u%s\n", trial.deployment, trial.left, trial.tries,
               trial.counted ? " counted" : "");
    if (boot_fell_back(s, &f))
        printf("fallback %s %s %u\n", f.deployment, f.instead, f.tries);
}

static void list(Sysroot *s)
{
    const DeploymentList *l = sysroot_deployments(s);
    const Report *p = sysroot_problems(s);

    for (size_t i = 0; i < l->n; i++) {
        const Deployment *d = l->items[i];
        const char *image = origin_get(&d->origin, ORIGIN_GROUP, ORIGIN_REFSPEC);
        printf("%zu %s %s.%u boot=%s/%u%s%s%s%s version=%s time=%" PRIu64
               " kernel=%s origin=%s options=[%s] title=[%s]\n",
               i, d->stateroot, d->checksum, d->serial, d->boot_checksum, d->boot_serial,
               d->booted ? " booted" : "", d->staged ? " staged" : "", d->pinned ? " pinned" : "",
               d->finalization_locked ? " locked" : "", d->version ? d->version : "", d->timestamp,
               d->kernel_version ? d->kernel_version : "", image ? image : "", d->options ? d->options : "-",
               d->title ? d->title : "");
    }
    for (size_t i = 0; i < p->n; i++)
        printf("problem %s\n", p->entries[i].message);
    list_trial(s);
    if (sysroot_failure(s))
        printf("failure %s\n", sysroot_failure(s));
    if (getenv("BASALT_USAGE")) {
        struct rusage u;
        (void)getrusage(RUSAGE_SELF, &u);
        fprintf(stderr, "rss_kib=%ld cpu_us=%ld\n", u.ru_maxrss,
                (long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
                    u.ru_stime.tv_usec);
    }
}

static DeploymentMake make_of(Arena *a, int argc, char **argv, Origin *origin)
{
    DeploymentMake m = {.checksum = argc > 0 ? argv[0] : ""};

    *origin = (Origin){.arena = a};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "options=", 8) == 0)
            m.options = argv[i] + 8;
        else if (strncmp(argv[i], "stateroot=", 10) == 0)
            m.stateroot = argv[i] + 10;
        else if (strncmp(argv[i], "refspec=", 8) == 0) {
            (void)origin_set(origin, ORIGIN_GROUP, ORIGIN_REFSPEC, argv[i] + 8);
            m.origin = origin;
        } else if (strcmp(argv[i], "no-merge") == 0)
            m.no_merge = true;
        else if (strcmp(argv[i], "locked") == 0)
            m.locked = true;
        else if (strcmp(argv[i], "retain-all") == 0)
            m.retain = RETAIN_ALL;
        else if (strcmp(argv[i], "retain-rollback") == 0)
            m.retain = RETAIN_ROLLBACK;
    }
    return m;
}

static int change(Sysroot *s, const char *verb, int argc, char **argv, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const Deployment *d = NULL;
    Origin origin;
    DeploymentMake m = make_of(a, argc, argv, &origin);

    if (strcmp(verb, "deploy") == 0)
        return deployment_make(s, &tree, &m, &report, e);
    if (strcmp(verb, "stage") == 0)
        return deployment_stage(s, &tree, &m, &report, e);
    if (strcmp(verb, "finalize") == 0)
        return deployment_finalize(s, &tree, &report, e);
    if (strcmp(verb, "lock") == 0)
        return deployment_set_locked(s, argv[0][0] == '1', e);
    if (strcmp(verb, "complete") == 0)
        return boot_complete(s, &tree, e);
    if (strcmp(verb, "rollback") == 0)
        return deployment_rollback(s, &tree, e);
    if (strcmp(verb, "cleanup") == 0)
        return deployment_cleanup(s, &tree, (unsigned)atoi(argv[0]), &report, e);
    if (strcmp(verb, "repair") == 0)
        return sysroot_repair(s, &report, e);
    if (strcmp(verb, "hold") == 0) {
        puts("held");
        fflush(stdout);
        return (int)getchar() < 0 ? 0 : 1;
    }
    int r = argc > 0 ? sysroot_select(s, argv[0], &d, e) : error_set(e, EINVAL, "verb '%s'", verb);
    if (r < 0)
        return r;
    if (strcmp(verb, "pin") == 0)
        return deployment_set_pinned(s, d, argv[1][0] == '1', e);
    if (strcmp(verb, "kargs") == 0)
        return deployment_set_options(s, d, argv[1], e);
    if (strcmp(verb, "remove") == 0)
        return deployment_remove(s, &tree, d, e);
    return error_set(e, EINVAL, "verb '%s'", verb);
}

static bool waits(void *context, const char *holder)
{
    static unsigned n;
    (void)context;
    fprintf(stderr, "held by %s\n", holder ? holder : "?");
    return getenv("BASALT_WAIT") && n++ < 5;
}

int main(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_sysroot_ Sysroot *s = NULL;
    Error e = ERROR_INIT;
    int r;

    if (argc < 3)
        return 2;
    report = REPORT_INIT(a);
    if (getenv("BASALT_MEASURE"))
        tree.measure = plain_measure;
    stop_at = getenv("BASALT_STEP") ? (unsigned)atoi(getenv("BASALT_STEP")) : 0;
    if (getenv("BASALT_TREES"))
        trees = open(getenv("BASALT_TREES"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (strcmp(argv[1], "init") == 0) {
        r = sysroot_init(argv[2], argc > 3 ? argv[3] : "os", &e);
    } else {
        bool write = strcmp(argv[1], "list") != 0;
        r = sysroot_open(argv[2],
                         &(SysrootOptions){.write = write,
                                           .freeze = getenv("BASALT_FREEZE") != NULL,
                                           .mutable = getenv("BASALT_MUTABLE") != NULL,
                                           .wait = waits,
                                           .step = step,
                                           .booted = getenv("BASALT_BOOTED")},
                         &s, &e);
        if (r >= 0 && trees < 0) {
            trees = openat(sysroot_fd(s), "ostree/repo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            tree = commit_tree_of(&trees);
        }
        if (r >= 0 && !write)
            list(s);
        else if (r >= 0)
            r = change(s, argv[1], argc - 3, argv + 3, &e);
    }
    for (size_t i = 0; i < report.n; i++)
        printf("finding %s\n", report.entries[i].message);
    if (r < 0)
        fprintf(stderr, "%s\n", e.text);
    else
        printf("result %d\n", r);
    report_done(&report);
    if (trees >= 0)
        close(trees);
    return r < 0 ? 1 : 0;
}
