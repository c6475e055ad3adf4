/* `basalt-os verify`: the objects of a deployment's commit against their names, and its /usr against the
 * commit; with --repository everything that is stored. Reads only. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "update/deployment_verify.h"
#include "update/program.h"
#include "update/progress.h"
#include "update/repo_verify.h"

enum { SHOW_EVERY_MS = 500, EXIT_DAMAGED = 3 };

static struct {
    bool repository;
} opt;

const Option verify_options[] = {
    {"repository", 0, OPTION_FLAG, &opt.repository, NULL, "everything that is stored", NULL},
    {0},
};

typedef struct Shown {
    int64_t at;
    bool terminal, open;
} Shown;

static int show(void *context, const CheckProgress *p)
{
    Shown *s = context;
    const int64_t now = monotonic_ms();
    char bytes[16];
    if (cancel_asked(NULL))
        return -ECANCELED;
    if (options.quiet || !s->terminal || now - s->at < SHOW_EVERY_MS)
        return 0;
    bytes_text(p->bytes, bytes);
    fprintf(stderr, "\r\033[K%llu of %llu objects, %s", (unsigned long long)p->objects,
            (unsigned long long)p->all, bytes);
    fflush(stderr);
    s->at = now;
    s->open = true;
    return 0;
}

static void bad_objects(Arena *a, const VerifyResult *v, Node *out)
{
    Node *list = node_set(a, out, "objects", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < v->n_bad; i++) {
        const VerifyBad *b = v->bad + i;
        char name[OBJECT_NAME_SIZE];
        object_name(b->kind, b->checksum, name);
        Node *n = node_append(list, node_new(a, NODE_OBJECT)), *paths = node_new(a, NODE_ARRAY);
        node_set_string(a, n, "object", name);
        node_set_string(a, n, "state", object_state_text(b->state));
        if (!options.json)
            printf("%s: object %s", object_state_text(b->state), name);
        for (size_t k = 0; k < VERIFY_PATHS_MAX && b->paths[k]; k++) {
            node_append(paths, node_new_string(a, b->paths[k]));
            if (!options.json)
                printf("%s/%s", k ? ", " : " of ", b->paths[k]);
        }
        node_set(a, n, "paths", paths);
        if (!options.json)
            putchar('\n');
    }
}

static void changed_files(Arena *a, const DeploymentResult *d, Node *out)
{
    static const char *const words[] = {"added", "missing", "replaced", "changed"};
    Node *list = node_set(a, out, "files", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < d->n; i++) {
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "change", words[d->rows[i].change]);
        node_set_string(a, n, "path", arena_printf(a, "/%s", d->rows[i].path));
        if (!options.json)
            printf("%s: /%s\n", words[d->rows[i].change], d->rows[i].path);
    }
}

/* 1: something is not as it should be. */
static int verify_deployment(Session *s, const Deployment *d, const CheckRun *run, Node *out, Error *e)
{
    uint8_t commit[1][OSTREE_CHECKSUM];
    VerifyResult objects;
    DeploymentResult files = {0};
    if (!ostree_checksum_read(d->checksum, commit[0]))
        return error_set(e, EINVAL, "%s is no checksum", d->checksum);
    int bad = repo_verify(s->repo, s->arena, &(VerifyOptions){.commits = commit, .n_commits = 1, .run = *run},
                          &objects, e);
    if (bad < 0)
        return bad;
    bad_objects(s->arena, &objects, out);
    _cleanup_close_ int top = openat(sysroot_fd(s->sysroot), d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return error_errno(e, -errno, "%s", d->path);
    int r = deployment_verify(s->repo, s->arena, commit[0], top, run, &files, e);
    if (r < 0)
        return r;
    changed_files(s->arena, &files, out);
    return bad || r;
}

static int verify_repository(Session *s, const CheckRun *run, Node *out, Error *e)
{
    VerifyResult objects;
    int r = repo_verify(s->repo, s->arena, &(VerifyOptions){.run = *run}, &objects, e);
    if (r >= 0)
        bad_objects(s->arena, &objects, out);
    return r;
}

int verb_verify(int argc, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    Shown shown = {.at = monotonic_ms(), .terminal = isatty(STDERR_FILENO)};
    const CheckRun run = {.progress = show, .context = &shown};
    const Deployment *d = NULL;
    cancel_catch();
    int r = session_open(&s, false, &e);
    if (r >= 0 && !opt.repository) {
        d = sysroot_find(s.sysroot, DEPLOYMENT_BOOTED, options.stateroot);
        d = d ? d : session_newest(&s);
        if (argc > 1)
            r = sysroot_select(s.sysroot, argv[1], &d, &e);
        else if (!d)
            r = error_set(&e, ENOENT, "nothing is deployed in %s", options.sysroot);
    }
    Node *out = r < 0 ? NULL : node_new(s.arena, NODE_OBJECT);
    if (r >= 0)
        r = opt.repository ? verify_repository(&s, &run, out, &e) : verify_deployment(&s, d, &run, out, &e);
    if (shown.open)
        fputs("\r\033[K", stderr);
    if (r == -ECANCELED)
        error_set(&e, ECANCELED, "cancelled");
    if (r < 0)
        return verb_failed(argv[0], &e);
    node_set(s.arena, out, "good", node_new_bool(s.arena, r == 0));
    if (options.json)
        verb_json(out);
    else if (r == 0)
        verb_say("Everything is as it was made.");
    else
        verb_say("This is not what was fetched. Next: basalt-os repair --objects, or basalt-os rollback");
    return r ? EXIT_DAMAGED : EXIT_DONE;
}
