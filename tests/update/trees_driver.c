/* trees_driver: what is done with trees of a repository, for tests that have `ostree` as the referee.
 *   checkout REPO COMMIT DIRECTORY [SUBPATH [copy]]     checkout-deployment REPO COMMIT DIRECTORY
 *   etc-changes DEFAULTS ETC     etc-plan DEFAULTS ETC NEW-DEFAULTS
 *   etc-merge DEFAULTS ETC NEW-DEFAULTS NEW-ETC
 *   prune REPO [dry] [COMMIT...]     diff REPO COMMIT COMMIT     packages REPO COMMIT COMMIT
 *   verify REPO [COMMIT...]     verify-deployment REPO COMMIT DIRECTORY
 * STOP=n in the environment: what writes fails before its step number n; STOP=-n: the process ends there. The
 * steps that were made are told on stderr. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "update/deployment_verify.h"
#include "update/etc_merge.h"
#include "update/package_diff.h"
#include "update/repo.h"
#include "update/repo_prune.h"
#include "update/repo_verify.h"
#include "update/tree_checkout.h"
#include "update/tree_diff.h"

static long steps;

static int step(void *context, const char *what)
{
    const char *text = getenv("STOP");
    long stop = text ? strtol(text, NULL, 10) : 0;

    (void)context;
    (void)what;
    steps++;
    if (stop < 0 && steps == -stop)
        _exit(9);
    return stop > 0 && steps == stop ? -EINTR : 0;
}

static int directory(const char *path)
{
    Error e = ERROR_INIT;
    int fd = root_open(path, &e);

    if (fd < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    return fd;
}

static int repository(const char *path)
{
    Error e = ERROR_INIT;
    int fd = repo_open(AT_FDCWD, path, &e);

    if (fd < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    return fd;
}

static const uint8_t *checksum(const char *hex)
{
    static uint8_t out[4][OSTREE_CHECKSUM];
    static unsigned n;
    uint8_t *c = out[n++ % 4];

    if (strlen(hex) != OSTREE_CHECKSUM_TEXT - 1 || !hex_decode(hex, OSTREE_CHECKSUM_TEXT - 1, c)) {
        fprintf(stderr, "%s is no checksum\n", hex);
        exit(2);
    }
    return c;
}

static int run_checkout(char **argv, int argc, Error *e)
{
    CheckoutOptions o = {.subpath = argc > 3 ? argv[3] : NULL, .copy = argc > 4, .step = step};
    _cleanup_close_ int repo = repository(argv[0]), to = directory(argv[2]);

    return tree_checkout(repo, checksum(argv[1]), to, &o, e);
}

static int run_checkout_deployment(char **argv, int argc, Error *e)
{
    CheckoutOptions o = {.step = step};
    _cleanup_close_ int repo = repository(argv[0]), to = directory(argv[2]);

    (void)argc;
    return tree_checkout_deployment(repo, checksum(argv[1]), to, &o, e);
}

static void merge_print(const EtcMerge *m)
{
    static const char letters[] = "AMD";
    static const char *const bits[] = {"type", "contents", "mode", "owner", "xattrs"};

    for (size_t i = 0; i < m->n; i++) {
        const EtcChange *c = &m->changes[i];
        printf("%c %s", letters[c->kind], c->path);
        for (unsigned k = 0; k < ELEMENTS(bits); k++)
            if (c->what & 1u << k)
                printf(" %s", bits[k]);
        puts(c->conflict ? " CONFLICT" : "");
    }
}

/* changes, plan, merge: with two, three and four directories. */
static int run_etc(char **argv, int argc, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int old = directory(argv[0]), etc = directory(argv[1]),
                        new = argc > 2 ? directory(argv[2]) : -EBADF,
                        to = argc > 3 ? directory(argv[3]) : -EBADF;
    EtcMerge m;
    int r = argc > 2 ? etc_merge_plan(a, old, etc, new, &m, e) : etc_changes(a, old, etc, &m, e);

    if (r < 0)
        return r;
    merge_print(&m);
    return argc > 3 ? etc_merge_apply(&m, etc, to, step, NULL, e) : 0;
}

static int run_prune(char **argv, int argc, Error *e)
{
    static uint8_t commits[16][OSTREE_CHECKSUM];
    PruneOptions o = {.commits = commits, .step = step};
    PruneCounts counts;
    _cleanup_close_ int repo = repository(argv[0]);

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "dry") == 0)
            o.dry_run = true;
        else
            memcpy(commits[o.n_commits++], checksum(argv[i]), OSTREE_CHECKSUM);
    int r = repo_prune(repo, &o, &counts, e);
    if (r >= 0)
        printf("kept %llu removed %llu bytes %llu\n", (unsigned long long)counts.kept,
               (unsigned long long)counts.removed, (unsigned long long)counts.bytes);
    return r;
}

static int run_diff(char **argv, int argc, Error *e)
{
    static const char letters[] = "ADM";
    static const char *const bits[] = {"type", "contents", "meta"};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int repo = repository(argv[0]);
    TreeDiff d;
    int r = tree_diff(repo, a, checksum(argv[1]), checksum(argv[2]), &d, e);

    (void)argc;
    for (size_t i = 0; r >= 0 && i < d.n; i++) {
        printf("%c /%s", letters[d.rows[i].kind], d.rows[i].path);
        for (unsigned k = 0; k < ELEMENTS(bits); k++)
            if (d.rows[i].what & 1u << k)
                printf(" %s", bits[k]);
        puts("");
    }
    return r;
}

static int run_packages(char **argv, int argc, Error *e)
{
    static const char *const kinds[] = {"added", "removed", "upgraded", "downgraded"};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int repo = repository(argv[0]);
    PackageDiff d;
    int r = package_diff(repo, a, checksum(argv[1]), checksum(argv[2]), &d, e);

    (void)argc;
    for (size_t i = 0; r >= 0 && i < d.n; i++)
        printf("%s %s %s %s %s\n", kinds[d.changes[i].kind], d.changes[i].name, d.changes[i].architecture,
               d.changes[i].from ? d.changes[i].from : "-", d.changes[i].to ? d.changes[i].to : "-");
    if (r >= 0)
        printf("%s %s\n", d.known ? "known" : "unknown", d.unsupported ? d.unsupported : "-");
    return r;
}

static int verify_print(const VerifyResult *v)
{
    static const char *const kinds[] = {"file", "dirtree", "dirmeta", "commit"};

    for (size_t i = 0; i < v->n_bad; i++) {
        char hex[OSTREE_CHECKSUM_TEXT];
        hex_encode(v->bad[i].checksum, OSTREE_CHECKSUM, hex);
        printf("%s %s.%s", object_state_text(v->bad[i].state), hex, kinds[v->bad[i].kind]);
        for (unsigned k = 0; k < VERIFY_PATHS_MAX && v->bad[i].paths[k]; k++)
            printf(" /%s", v->bad[i].paths[k]);
        puts("");
    }
    printf("%llu objects %llu bytes %zu commits %zu partial\n", (unsigned long long)v->objects,
           (unsigned long long)v->bytes, v->commits, v->partial);
    return 0;
}

static int progress(void *context, const CheckProgress *p)
{
    const char *text = getenv("STOP");

    (void)context;
    if (p->objects > p->all)
        abort();
    return text ? -EINTR : 0;
}

static int run_verify(char **argv, int argc, Error *e)
{
    static uint8_t commits[16][OSTREE_CHECKSUM];
    VerifyOptions o = {.commits = commits, .run = {.progress = progress}};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int repo = repository(argv[0]);
    VerifyResult v;

    for (int i = 1; i < argc; i++)
        memcpy(commits[o.n_commits++], checksum(argv[i]), OSTREE_CHECKSUM);
    int r = repo_verify(repo, a, &o, &v, e);
    return r < 0 ? r : verify_print(&v);
}

static int run_deployment_verify(char **argv, int argc, Error *e)
{
    static const char *const changes[] = {"added", "missing", "replaced", "changed"};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int repo = repository(argv[0]), deployment = directory(argv[2]);
    DeploymentResult d;
    int r = deployment_verify(repo, a, checksum(argv[1]), deployment, NULL, &d, e);

    (void)argc;
    for (size_t i = 0; r >= 0 && i < d.n; i++)
        printf("%s %s%s\n", changes[d.rows[i].change], d.rows[i].path, d.rows[i].directory ? "/" : "");
    return r;
}

static const struct {
    const char *name;
    int (*run)(char **argv, int argc, Error *e);
    int least;
} verbs[] = {
    {"checkout", run_checkout, 3}, {"checkout-deployment", run_checkout_deployment, 3},
    {"etc-changes", run_etc, 2},   {"etc-plan", run_etc, 3},
    {"etc-merge", run_etc, 4},     {"prune", run_prune, 1},
    {"diff", run_diff, 3},         {"packages", run_packages, 3},
    {"verify", run_verify, 1},     {"verify-deployment", run_deployment_verify, 3},
};

int main(int argc, char **argv)
{
    Error e = ERROR_INIT;

    for (size_t i = 0; argc > 1 && i < ELEMENTS(verbs); i++) {
        if (strcmp(verbs[i].name, argv[1]) != 0 || argc - 2 < verbs[i].least)
            continue;
        int r = verbs[i].run(argv + 2, argc - 2, &e);
        fprintf(stderr, "steps %ld\n", steps);
        if (r < 0)
            fprintf(stderr, "error %d: %s\n", -r, e.text);
        return r < 0;
    }
    return 2;
}
