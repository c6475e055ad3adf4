/* `basalt-os repair`: boot entries, links and kernels agree again, from what is there. With --objects also
 * what is stored: every object is read; those that are bad count as not there, and the images of the
 * deployments are imported once more, which fetches the layers that have them and no others, and holds every
 * byte against the digests that the first import held it against. Then the deployments' files, which are
 * links to the old objects, and the kernels in /boot. What fails on the way leaves what there was; what
 * cannot be mended is told, with what to do about it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "update/deployment_repair.h"
#include "update/events.h"
#include "update/kernel_files.h"
#include "update/program.h"
#include "update/repo_verify.h"
#include "update/status_node.h"

/* What was missing below a directory that was damaged is known when that is mended. */
enum { ROUNDS = 4, EXIT_DAMAGED = 3 };

static struct {
    bool objects;
} opt;

const Option repair_options[] = {
    {"objects", 'o', OPTION_FLAG, &opt.objects, NULL,
     "also read all that is stored, and fetch what is damaged", NULL},
    {0},
};

typedef struct Repair {
    Session *s;
    const char *verb;
    Node *objects, *files;
    size_t fetched, mended, left;
} Repair;

static int go_on(void *context _unused_, const CheckProgress *p _unused_)
{
    return cancel_asked(NULL) ? -ECANCELED : 0;
}
static const CheckRun run = {.progress = go_on};

static void tell(const Repair *x, const char *text)
{
    if (events_wanted())
        events_send_text("warning", text);
    else
        fprintf(stderr, "basalt-os %s: %s\n", x->verb, text);
}

/* ---- objects ---- */

/* The image that a deployment is of, as it was: by its digest where the registry can be asked for that. */
static int refetch(Repair *x, const Deployment *d, const ChecksumSet *suspects, Error *e)
{
    Session *s = x->s;
    const char *text = origin_get(&d->origin, ORIGIN_GROUP, ORIGIN_IMAGE);
    const char *known = commit_text(s->arena, s->repo, d->checksum, "ostree.manifest-digest");
    ContentDigest digest, *only = NULL;
    ImageReference image;
    ImportResult result;
    int r = text ? image_reference_read(s->arena, text, &image, e)
                 : error_set(e, ENOENT, "deployment %s.%u is of no image", d->checksum, d->serial);

    if (r >= 0 && known && content_digest_read(known, strlen(known), &digest, NULL) >= 0)
        only = &digest;
    if (r >= 0 && only && image.transport == TRANSPORT_REGISTRY)
        image.name.digest = only;
    if (r >= 0)
        r = session_refetch(s, &(SessionRefetch){&image, suspects, only}, &result, e);
    if (r < 0)
        return r;
    x->fetched += result.fetched;
    return 0;
}

/* Each image once; that one is gone does not keep the others from being asked. */
static int refetch_all(Repair *x, const ChecksumSet *suspects, Error *e)
{
    const DeploymentList *all = sysroot_deployments(x->s->sysroot);
    for (size_t i = 0; i < all->n; i++) {
        Error why = ERROR_INIT;
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(all->items[k]->checksum, all->items[i]->checksum) == 0;
        int r = again ? 0 : refetch(x, all->items[i], suspects, &why);
        if (r == -ECANCELED || r == -EBUSY || r == -ENOSPC)
            return error_set(e, -r, "%s", why.text);
        if (r < 0)
            tell(x, arena_printf(x->s->arena, "the image of %s.%u cannot be fetched again: %s",
                                 all->items[i]->checksum, all->items[i]->serial, why.text));
    }
    return 0;
}

static void object_note(Repair *x, const VerifyBad *b)
{
    Arena *a = x->s->arena;
    char name[OBJECT_NAME_SIZE];
    object_name(b->kind, b->checksum, name);
    NODE_EACH (known, x->objects)
        if (strcmp(node_string(node_get(known, "object")), name) == 0)
            return;
    Node *n = node_append(x->objects, node_new(a, NODE_OBJECT)), *paths = node_new(a, NODE_ARRAY);
    node_set_string(a, n, "object", name);
    node_set_string(a, n, "state", object_state_text(b->state));
    node_set(a, n, "repaired", node_new_bool(a, true));
    for (size_t i = 0; i < VERIFY_PATHS_MAX && b->paths[i]; i++)
        node_append(paths, node_new_string(a, arena_printf(a, "/%s", b->paths[i])));
    node_set(a, n, "paths", paths);
}

/* What is bad still after the last round was not mended. */
static void objects_left(Repair *x, const VerifyResult *v)
{
    for (size_t i = 0; i < v->n_bad; i++) {
        char name[OBJECT_NAME_SIZE];
        object_name(v->bad[i].kind, v->bad[i].checksum, name);
        object_note(x, v->bad + i);
        NODE_EACH (n, x->objects)
            if (strcmp(node_string(node_get(n, "object")), name) == 0)
                node_set(x->s->arena, n, "repaired", node_new_bool(x->s->arena, false));
    }
    x->left += v->n_bad;
}

typedef struct Missing {
    VerifyResult *v;
    int repo;
    Arena *arena;
    size_t size;
} Missing;

/* A commit that is not there no walk of a repository comes by; a ref or a deployment names it. */
static int commit_look(void *context, const char *name _unused_, const uint8_t commit[OSTREE_CHECKSUM],
                       Error *e)
{
    Missing *m = context;
    VerifyResult *v = m->v;
    if (repo_has(m->repo, OBJECT_COMMIT, commit))
        return 0;
    for (size_t i = 0; i < v->n_bad; i++)
        if (memcmp(v->bad[i].checksum, commit, OSTREE_CHECKSUM) == 0)
            return 0;
    if (v->n_bad >= VERIFY_BAD_MAX)
        return error_set(e, E2BIG, "more than %d bad objects", VERIFY_BAD_MAX);
    if (v->n_bad >= m->size) {
        m->size = 2 * v->n_bad + 16;
        VerifyBad *more = ARENA_ARRAY(m->arena, VerifyBad, m->size);
        if (v->n_bad > 0)
            memcpy(more, v->bad, v->n_bad * sizeof(*more));
        v->bad = more;
    }
    VerifyBad *b = &v->bad[v->n_bad++];
    *b = (VerifyBad){.kind = OBJECT_COMMIT, .state = OBJECT_MISSING};
    memcpy(b->checksum, commit, OSTREE_CHECKSUM);
    return 0;
}

/* 1: something is bad. */
static int all_verify(Session *s, VerifyResult *ret, Error *e)
{
    const DeploymentList *all = sysroot_deployments(s->sysroot);
    uint8_t commit[OSTREE_CHECKSUM];
    int r = repo_verify(s->repo, s->arena, &(VerifyOptions){.run = run}, ret, e);
    Missing m = {.v = ret, .repo = s->repo, .arena = s->arena};
    if (r >= 0)
        r = repo_refs_each(s->repo, commit_look, &m, e);
    for (size_t i = 0; r >= 0 && i < all->n; i++)
        if (ostree_checksum_read(all->items[i]->checksum, commit))
            r = commit_look(&m, NULL, commit, e);
    return r < 0 ? r : ret->n_bad > 0;
}

static int objects_repair(Repair *x, Error *e)
{
    VerifyResult v;
    for (int round = 0;; round++) {
        int r = all_verify(x->s, &v, e);
        if (r <= 0)
            return r;
        size_t before = x->objects->n;
        for (size_t i = 0; i < v.n_bad; i++)
            object_note(x, v.bad + i);
        if (round == ROUNDS || x->objects->n == before) { /* it knows of nothing new: nothing came of it */
            objects_left(x, &v);
            return 0;
        }
        _cleanup_checksum_set_ ChecksumSet suspects = {0};
        for (size_t i = 0; i < v.n_bad; i++)
            if (checksum_set_add(&suspects, v.bad[i].checksum) < 0)
                return error_set(e, E2BIG, "too many damaged objects");
        r = refetch_all(x, &suspects, e);
        if (r < 0)
            return r;
    }
}

/* ---- deployments ---- */

static int kernels_repair(Repair *x, const Deployment *d, int tree, Error *e)
{
    _cleanup_close_ int boot = root_openat(sysroot_fd(x->s->sysroot), "boot", O_RDONLY | O_DIRECTORY, 0);
    const char *directory = arena_printf(x->s->arena, "ostree/%s-%s", d->stateroot, d->boot_checksum);
    KernelFiles k;
    char is[65];

    if (boot < 0 || d->staged || kernel_files_find(x->s->arena, tree, &k, NULL) < 0 ||
        kernel_files_checksum(tree, &k, is, NULL) < 0 || strcmp(is, d->boot_checksum) != 0)
        return 0; /* the deployment's own is not good, or has no entry */
    int r = kernel_files_repair(tree, boot, directory, &k, e);
    if (r > 0)
        node_append(x->files, node_new_string(x->s->arena, arena_printf(x->s->arena, "/boot/%s", directory)));
    x->mended += r > 0;
    return r;
}

static int deployment_mend(Repair *x, const Deployment *d, Error *e)
{
    Arena *a = x->s->arena;
    uint8_t commit[OSTREE_CHECKSUM];
    DeploymentRepair done;
    Error why = ERROR_INIT;
    _cleanup_close_ int tree = root_openat(sysroot_fd(x->s->sysroot), d->path, O_RDONLY | O_DIRECTORY, 0);

    if (tree < 0 || !ostree_checksum_read(d->checksum, commit))
        return error_errno(e, tree < 0 ? tree : -EINVAL, "%s", d->path);
    int r = deployment_repair(x->s->repo, a, commit, tree, &run, &done, &why);
    if (r == -ECANCELED)
        return error_set(e, ECANCELED, "cancelled");
    if (r < 0) { /* what it should be is not known, because objects are missing still */
        tell(x, arena_printf(a, "deployment %s.%u: %s", d->checksum, d->serial, why.text));
        x->left++;
        return 0;
    }
    for (size_t i = 0; i < done.n; i++)
        node_append(x->files, node_new_string(a, arena_printf(a, "/%s/%s", d->path, done.repaired[i])));
    x->mended += done.n;
    x->left += done.left;
    return kernels_repair(x, d, tree, e);
}

/* ---- telling ---- */

static int objects_tell(Repair *x, int changed)
{
    Arena *a = x->s->arena;
    verb_findings(x->verb, &x->s->report);
    if (options.json) {
        Node *n = node_new(a, NODE_OBJECT);
        node_set(a, n, "changed", node_new_bool(a, changed || x->objects->n > x->left || x->mended));
        node_set(a, n, "layers-fetched", node_new_int(a, (int64_t)x->fetched));
        node_set(a, n, "objects", x->objects);
        node_set(a, n, "files", x->files);
        node_set(a, n, "left", node_new_int(a, (int64_t)x->left));
        verb_json(n);
        return x->left ? EXIT_DAMAGED : EXIT_DONE;
    }
    NODE_EACH (n, x->objects) {
        const Node *path = node_get_path(n, "paths.0");
        verb_say("%s: %s object %s%s%s", node_get(n, "repaired")->boolean ? "repaired" : "still bad",
                 node_string(node_get(n, "state")), node_string(node_get(n, "object")), path ? " of " : "",
                 path ? path->string : "");
    }
    NODE_EACH (n, x->files)
        verb_say("repaired: %s", n->string);
    if (x->left)
        verb_say("%zu could not be repaired (`verify` lists them). Next: basalt-os upgrade, or basalt-os "
                 "rollback; "
                 "what no deployment needs goes with basalt-os cleanup --objects",
                 x->left);
    else if (x->objects->n || x->mended || changed)
        verb_say("Everything is as it was made: %zu layers were fetched again.", x->fetched);
    else
        verb_say("There was nothing to repair.");
    return x->left ? EXIT_DAMAGED : EXIT_DONE;
}

static int entries_tell(Session *s, const char *verb, int changed)
{
    verb_say(changed ? "What the boot loader offers and what there is agree again."
                     : "There was nothing to repair.");
    verb_findings(verb, &s->report);
    if (!options.json)
        return EXIT_DONE;
    Node *n = status_node(s->arena, s);
    node_set(s->arena, n, "changed", node_new_bool(s->arena, changed > 0));
    return verb_json(n);
}

int verb_repair(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    cancel_catch();
    int r = session_open(&s, true, &e);
    const int changed = r < 0 ? r : sysroot_repair(s.sysroot, &s.report, &e);
    if (changed < 0)
        return session_failed(&s, argv[0], &e);
    if (!opt.objects)
        return entries_tell(&s, argv[0], changed);
    Repair x = {.s = &s,
                .verb = argv[0],
                .objects = node_new(s.arena, NODE_ARRAY),
                .files = node_new(s.arena, NODE_ARRAY)};
    r = objects_repair(&x, &e);
    const DeploymentList *all = sysroot_deployments(s.sysroot);
    for (size_t i = 0; r >= 0 && i < all->n; i++)
        r = deployment_mend(&x, all->items[i], &e);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    return objects_tell(&x, changed);
}
