/* Instead of its layers an image may be made out of one that is here: when that is the same image by another
 * name, or when somebody has put a delta beside it that starts from one that is here (delta.h) and is smaller
 * than what is missing. Whoever can put a delta there says what becomes of it, as nothing ties it to the
 * layers: it has to stand up to the same policy as the image, and where a digest was asked for, only a
 * signature is as good as that. Nothing of this is ever needed: what fails is told, the store is as it was,
 * and the layers are fetched. */
#include "update/import_plan.h"

#include <string.h>
#include <sys/statvfs.h>

#include "update/commit_read.h"
#include "update/delta_apply.h"
#include "update/layer_unpack.h"
#include "update/ostree_ref.h"

/* ---- images that are here ---- */

typedef struct Here {
    ContentDigest digest;
    OstreeCommit commit;
    bool ours; /* imported by this program: layers laid over each other in the same way */
} Here;

/* 1: it is an image's. */
static int here_read(const ObjectStore *s, const uint8_t checksum[OSTREE_CHECKSUM], Arena *a, Here *ret,
                     Error *e)
{
    if (!object_store_has(s, OBJECT_COMMIT, checksum))
        return 0;
    int r = commit_read(s, checksum, a, &ret->commit, e);
    if (r < 0)
        return r;
    const char *digest = ostree_commit_text(&ret->commit, IMPORT_KEY_DIGEST);
    const char *version = ostree_commit_text(&ret->commit, IMPORT_KEY_VERSION);
    ret->ours = version && strncmp(version, "basalt ", strlen("basalt ")) == 0;
    return digest && content_digest_read(digest, strlen(digest), &ret->digest, NULL) == 0;
}

/* All that a ref keeps: of deployments and of images. */
static int here_list(const ObjectStore *s, Arena *a, Here **ret, size_t *ret_n, Error *e)
{
    OstreeRef *refs;
    size_t n;
    int r = ostree_ref_list(object_store_directory(s), "ostree", a, &refs, &n, e);

    if (r < 0)
        return r;
    *ret = ARENA_ARRAY(a, Here, n + 1);
    *ret_n = 0;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (strncmp(refs[i].name, OSTREE_REF_BLOB "/", strlen(OSTREE_REF_BLOB "/")) == 0)
            continue;
        r = here_read(s, refs[i].checksum, a, *ret + *ret_n, e);
        *ret_n += r > 0;
    }
    return r;
}

static const Here *here_find(const Here *list, size_t n, const ContentDigest *digest)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].ours && content_digest_equal(&list[i].digest, digest))
            return &list[i];
    return NULL;
}

/* ---- which delta ---- */

static bool annotation_digest(const Descriptor *d, const char *key, ContentDigest *ret)
{
    const char *text = d->annotations ? node_string(node_get(d->annotations, key)) : NULL;
    return text && content_digest_read(text, strlen(text), ret, NULL) == 0;
}

static bool annotation_size(const Descriptor *d, uint64_t *ret)
{
    const char *text = d->annotations ? node_string(node_get(d->annotations, DELTA_ANNOTATION_SIZE)) : NULL;
    if (!text || strspn(text, "0123456789") != strlen(text) || !*text || strlen(text) > 18)
        return false;
    *ret = strtoull(text, NULL, 10);
    return true;
}

/* The smallest of those that start from something that is here. Older programs that copy an index leave the
 * artifact's type out. */
static void delta_choose(const Manifest *index, const ImportPlan *plan, const Here *here, size_t n_here,
                         ImportDelta *ret)
{
    for (size_t i = 0; i < index->n_items; i++) {
        const Descriptor *d = &index->items[i];
        ImportDelta x = {.manifest = d};
        const Here *from;
        if ((d->artifact_type && strcmp(d->artifact_type, DELTA_ARTIFACT_TYPE) != 0) ||
            !annotation_digest(d, DELTA_ANNOTATION_FROM, &x.from) || !annotation_size(d, &x.size) ||
            !(from = here_find(here, n_here, &x.from)))
            continue;
        if (x.size >= plan->missing_bytes || (ret->manifest && ret->size <= x.size))
            continue;
        memcpy(x.tree, from->commit.tree, OSTREE_CHECKSUM);
        memcpy(x.meta, from->commit.meta, OSTREE_CHECKSUM);
        *ret = x;
    }
}

int import_delta_find(const ImportOptions *o, ImageSource *source, const ObjectStore *s,
                      const ImportPlan *plan, Arena *a, ImportDelta *ret, Error *e)
{
    ImportDelta found = {0};
    Manifest *index = ARENA_NEW(a, Manifest);
    Here *here;
    size_t n;

    if (o->no_delta || plan->missing_bytes == 0)
        return 0;
    int r = here_list(s, a, &here, &n, e);
    if (r < 0 || n == 0)
        return r;
    r = image_source_referrers(source, a, &plan->manifest.digest, index, e);
    if (r < 0) /* some registries deny what they do not have */
        return r == -ENOENT || r == -EACCES ? 0 : error_wrap(e, r, "looking for a delta");
    delta_choose(index, plan, here, n, &found);
    *ret = found;
    return found.manifest != NULL;
}

/* The commit that the image encapsulates, when it does; false: it cannot be that one. */
static bool base_set(ImportPlan *plan, const uint8_t *base)
{
    ImportLayer *first = &plan->layers[0];
    if ((first->kind == LAYER_COMMIT) != (base != NULL))
        return false;
    if (base && first->have)
        return memcmp(first->commit, base, OSTREE_CHECKSUM) == 0;
    if (base)
        memcpy(first->commit, base, OSTREE_CHECKSUM);
    return true;
}

/* ---- may it be used? ---- */

static int check_artifact(const Manifest *m, const ImportDelta *d, Error *e)
{
    if (m->kind != MANIFEST_IMAGE || m->n_items != 1 || strcmp(m->items[0].media_type, DELTA_MEDIA_TYPE) != 0)
        return error_set(e, EBADMSG, "it is none");
    if (m->items[0].size != d->size || d->size > DELTA_SIZE_MAX)
        return error_set(e, EBADMSG, "it has %llu bytes, and should have %llu",
                         (unsigned long long)m->items[0].size, (unsigned long long)d->size);
    return 0;
}

static int check_policy(const ImportOptions *o, const ImageReference *reference, ImageSource *source,
                        const Manifest *m, Error *e)
{
    const bool pinned = reference->transport == TRANSPORT_REGISTRY && reference->name.digest;
    ImageReference as = *reference;
    PolicyVerdict verdict = {0};
    int r = 0;

    as.name.tag = NULL;
    as.name.digest = &m->digest;
    const PolicyImage image = {
        .reference = &as, .top = m, .image = m, .registry = image_source_registry(source)};
    if (o->policy)
        r = policy_check_image(o->policy, o->arena, &image, &verdict, e);
    if (r >= 0 && pinned && !verdict.verified)
        r = error_set(e, EKEYREJECTED, "a digest was asked for, and nobody has signed the delta");
    return r;
}

/* ---- fetching ---- */

typedef struct Fetch {
    const ImportOptions *options;
    DeltaApply *apply;
    ImportProgress progress;
    Error error; /* of what took the bytes */
    int failed;
} Fetch;

static int take(void *context, const void *data, size_t n)
{
    Fetch *f = context;
    const ImportOptions *o = f->options;

    f->failed = o->cancelled && o->cancelled(o->context) ? error_set(&f->error, ECANCELED, "cancelled")
                                                         : delta_apply_feed(f->apply, data, n, &f->error);
    f->progress.done = f->progress.layer_done += n;
    if (f->failed >= 0 && o->progress)
        o->progress(o->context, &f->progress);
    return f->failed;
}

static bool has_room(void *context, uint64_t bytes, Error *e)
{
    const ObjectStore *s = context;
    struct statvfs v;

    if (fstatvfs(object_store_directory(s), &v) < 0 || (uint64_t)v.f_bavail * v.f_frsize >= bytes)
        return true;
    (void)error_set(e, ENOSPC, "it makes %llu MiB of new files, more than the file system has left",
                    (unsigned long long)(bytes >> 20));
    return false;
}

static int apply(const ImportOptions *o, ImageSource *source, ObjectStore *s, const ImportDelta *d,
                 const Descriptor *blob, ImportPlan *plan, Error *e)
{
    _cleanup_(delta_apply_freep)
    DeltaApply *made = NULL;
    const DeltaApplyOptions how = {.from = &d->from,
                                   .to = &plan->manifest.digest,
                                   .tree = d->tree,
                                   .meta = d->meta,
                                   .has_base = plan->layers[0].kind == LAYER_COMMIT,
                                   .workers = plan->workers,
                                   .max = o->layer_max ? o->layer_max
                                                       : LAYER_UNPACKED_FREE + d->size * LAYER_UNPACKED_RATIO,
                                   .room = has_room,
                                   .context = s};
    DeltaHead head;

    int r = delta_apply_new(s, &how, &made, e);
    if (r < 0)
        return r;
    Fetch f = {
        .options = o,
        .apply = made,
        .progress = {
            .descriptor = blob, .state = IMPORT_FETCHING, .total = blob->size, .layers = 1, .delta = true}};
    r = image_source_blob(source, blob, &(BlobSink){.take = take, .context = &f}, e);
    if (f.failed < 0) {
        r = f.failed;
        if (e)
            *e = f.error;
    }
    if (r >= 0)
        r = delta_apply_finish(made, &head, e);
    if (r >= 0 && !base_set(plan, head.has_base ? head.base : NULL))
        r = error_set(e, EBADMSG, "it is of an image that encapsulates another commit");
    if (r < 0)
        return r;
    plan->has_tree = true;
    memcpy(plan->tree, head.to_tree, OSTREE_CHECKSUM);
    memcpy(plan->meta, head.to_meta, OSTREE_CHECKSUM);
    return 1;
}

static int fetch(const ImportOptions *o, const ImageReference *reference, ImageSource *source, ObjectStore *s,
                 const ImportDelta *d, ImportPlan *plan, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Manifest m;
    int r = image_source_manifest(source, a, d->manifest, &m, e);

    if (r >= 0)
        r = check_artifact(&m, d, e);
    if (r >= 0)
        r = check_policy(o, reference, source, &m, e);
    if (r >= 0)
        r = apply(o, source, s, d, &m.items[0], plan, e);
    return r < 0 ? error_wrap(e, r, "the delta %s", d->manifest->digest.text) : r;
}

/* ---- all of it ---- */

/* The same image, whole, by whatever name. */
static int same_find(const ObjectStore *s, ImportPlan *plan, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    DeltaSource all = DELTA_SOURCE_INIT;
    Here *here;
    size_t n;

    int r = here_list(s, a, &here, &n, e);
    const Here *same = r < 0 ? NULL : here_find(here, n, &plan->manifest.digest);
    if (!same)
        return r < 0 ? r : 0;
    r = delta_source_read(s, same->commit.tree, same->commit.meta, NULL, &all, NULL);
    delta_source_done(&all);
    if (r < 0 || !base_set(plan, same->commit.parent))
        return 0;
    plan->has_tree = true;
    memcpy(plan->tree, same->commit.tree, OSTREE_CHECKSUM);
    memcpy(plan->meta, same->commit.meta, OSTREE_CHECKSUM);
    return 1;
}

/* What a delta that failed has put is taken away again. */
static int store_again(const ImportOptions *o, ObjectStore **s, Error *e)
{
    object_store_free(TAKE_PTR(*s));
    return object_store_open(o->dirfd, o->repository, o->step, o->step_context, s, e);
}

int import_delta(const ImportOptions *o, const ImageReference *reference, ImageSource *source,
                 ObjectStore **s, ImportPlan *plan, ImportResult *result, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    ImportDelta d;
    Error why = ERROR_INIT;

    if (plan->missing == 0 || reference->scheme == SCHEME_REMOTE)
        return 0;
    int r = same_find(*s, plan, e);
    if (r > 0)
        result->kept = plan->n_layers;
    if (r != 0)
        return r;
    r = import_delta_find(o, source, *s, plan, a, &d, &why);
    if (r > 0)
        r = fetch(o, reference, source, *s, &d, plan, &why);
    if (r > 0) {
        result->delta = true;
        result->kept = plan->n_layers - plan->missing;
        result->delta_from = d.from;
        result->fetched_bytes = d.size;
        result->delta_instead = plan->missing_bytes;
    }
    if (r >= 0)
        return r;
    if (r == -ECANCELED)
        return error_set(e, ECANCELED, "%s", why.text);
    (void)error_wrap(&why, r, "layers are fetched instead");
    if (o->warn)
        o->warn(o->context, why.text);
    r = store_again(o, s, e);
    return r < 0 ? r : 0;
}
