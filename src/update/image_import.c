/* Resolve; if the ref of the name has that already, done. Else, holding the repository: plan, fetch, merge
 * the layers in memory, put the commit, make all objects part of the repository, then the refs of the layers,
 * and last that of the image. What is cut off before leaves objects at most, that nothing refers to. */
#include "update/image_import.h"

#include <string.h>
#include <time.h>

#include "update/commit_read.h"
#include "update/import_plan.h"
#include "update/layer_worker.h"
#include "update/ostree_ref.h"

#define KEY_CONFIG   "ostree.container.image-config"
#define KEY_MANIFEST "ostree.manifest"
#define KEY_INDEX    "basalt.index-digest" /* of the index that led to the manifest */
#define KEY_CREATED  "org.opencontainers.image.created"

char *image_import_ref(Arena *a, const ImageReference *reference)
{
    return ostree_ref_escape(a, OSTREE_REF_IMAGE, image_reference_plain(a, reference));
}

/* ---- what a commit says of itself ---- */

/* ostree-ext stores its own rendering of the config, which has not the digest that the manifest names: the
 * manifest is made to name what is there. */
static int config_read(Arena *a, const char *text, ImportRecord *record, Error *e)
{
    Manifest m = record->manifest;
    size_t n = strlen(text);

    m.config.size = n;
    int r = content_digest_of(m.config.digest.kind, text, n, &m.config.digest, e);
    if (r >= 0)
        r = image_config_read(a, text, n, &m, &record->config, e);
    return r;
}

int image_import_record(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Arena *a,
                        ImportRecord *ret, Error *e)
{
    ImportRecord record = {0};
    OstreeCommit c;
    int r = commit_read(s, commit, a, &c, e);

    if (r < 0)
        return r;
    const char *digest = ostree_commit_text(&c, IMPORT_KEY_DIGEST),
               *index = ostree_commit_text(&c, KEY_INDEX);
    const char *manifest = ostree_commit_text(&c, KEY_MANIFEST);
    record.config_text = ostree_commit_text(&c, KEY_CONFIG);
    if (!digest || !manifest || !record.config_text)
        return error_set(e, ENOENT, "the commit is not that of an image");
    index = index ? index : digest;
    r = content_digest_read(digest, strlen(digest), &record.digest, e);
    if (r >= 0)
        r = content_digest_read(index, strlen(index), &record.index, e);
    if (r >= 0)
        r = manifest_read(a, &(ManifestText){.data = manifest, .n = strlen(manifest)}, &record.manifest, e);
    if (r >= 0)
        r = config_read(a, record.config_text, &record, e);
    if (r < 0)
        return error_wrap(e, r, "what the commit says of its image");
    record.timestamp = c.timestamp;
    record.has_base = c.parent != NULL;
    if (c.parent)
        memcpy(record.base, c.parent, OSTREE_CHECKSUM);
    *ret = record;
    return 0;
}

/* ---- is it an operating system? ---- */

/* The directory of usr/lib/modules that has a vmlinuz, when it is the only one. */
static int kernel_find(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM],
                       char ret[IMPORT_KERNEL_MAX], Error *e)
{
    static const char *const path[] = {"usr", "lib", "modules"};
    _cleanup_arena_ Arena *a = arena_new();
    OstreeCommit c;
    OstreeTree t, modules;
    unsigned kernels = 0;

    ret[0] = '\0';
    int r = commit_read(s, commit, a, &c, e);
    if (r >= 0)
        r = commit_read_tree(s, c.tree, a, &t, e);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(path); i++) {
        const OstreeDirectoryRow *row = ostree_tree_directory(&t, path[i]);
        if (!row)
            return 0;
        r = commit_read_tree(s, row->tree, a, &t, e);
    }
    modules = t;
    for (size_t i = 0; r >= 0 && i < modules.n_directories; i++) {
        if ((r = commit_read_tree(s, modules.directories[i].tree, a, &t, e)) < 0)
            break;
        for (size_t k = 0; k < t.n_files; k++)
            if (strcmp(t.files[k].name, "vmlinuz") == 0 && kernels++ == 0)
                snprintf(ret, IMPORT_KERNEL_MAX, "%s", modules.directories[i].name);
    }
    if (kernels > 1)
        ret[0] = '\0';
    return r < 0 ? r : 0;
}

static bool has_label(const ImageConfig *config)
{
    return image_config_label(config, "containers.bootc") || image_config_label(config, "ostree.bootable");
}

static int result_describe(const ObjectStore *s, const ImageConfig *config, ImportResult *ret, Error *e)
{
    ret->label = has_label(config);
    int r = kernel_find(s, ret->commit, ret->kernel, e);
    ret->bootable = ret->label && ret->kernel[0];
    return r;
}

/* ---- is it here already? ---- */

/* 1: the ref has an image whose record is *ret. */
static int current_read(const ObjectStore *s, const char *ref, Arena *a, uint8_t ret_commit[OSTREE_CHECKSUM],
                        ImportRecord *ret, Error *e)
{
    int r = ostree_ref_read(object_store_directory(s), ref, ret_commit, e);

    if (r == -ENOENT || (r >= 0 && !object_store_has(s, OBJECT_COMMIT, ret_commit)))
        return 0;
    if (r >= 0)
        r = image_import_record(s, ret_commit, a, ret, e);
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* By what the name leads to, which a registry says for a HEAD. Its word is not verified; a registry that
 * would hide an update could as well serve the old one. */
static int is_current(ImageSource *source, const ImportRecord *record, Error *e)
{
    ContentDigest now;
    int r = image_source_resolve(source, &now, e);

    if (r < 0)
        return r;
    return content_digest_equal(&now, &record->index) || content_digest_equal(&now, &record->digest);
}

static void result_of_record(const ImportRecord *record, ImportResult *ret)
{
    ret->manifest = record->digest;
    ret->layers = ret->kept = record->manifest.n_items;
    ret->has_base = record->has_base;
    memcpy(ret->base, record->base, OSTREE_CHECKSUM);
}

/* ---- the commit ---- */

/* RFC 3339. */
static bool time_read(const char *text, uint64_t *ret)
{
    struct tm tm = {0};
    const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int hours = 0, minutes = 0, n = 0;
    char sign = '+';

    if (!p)
        return false;
    if (*p == '.')
        p += 1 + strspn(p + 1, "0123456789");
    if (strcmp(p, "Z") != 0 &&
        (sscanf(p, "%c%2d:%2d%n", &sign, &hours, &minutes, &n) != 3 || p[n] || (sign != '+' && sign != '-')))
        return false;
    int64_t t = timegm(&tm) - (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    *ret = (uint64_t)t;
    return t >= 0;
}

static uint64_t timestamp_of(const ImportPlan *p)
{
    const Node *annotation = p->manifest.annotations ? node_get(p->manifest.annotations, KEY_CREATED) : NULL;
    const char *created = node_string(annotation);
    uint64_t t;

    if ((created && time_read(created, &t)) || (p->config.created && time_read(p->config.created, &t)))
        return t;
    return 0; /* not known; the time of the import would make another commit each time */
}

/* What builders leave where they had mounted something. */
static int remove_injected(FileTree *t, const ObjectStore *s, Error *e)
{
    static const char *const paths[] = {"usr/etc/hostname", "usr/etc/resolv.conf"};

    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        FileTreeNode n = file_tree_find(t, paths[i]);
        struct stat st;
        if (file_tree_kind(t, n) != FILE_TREE_FILE)
            continue;
        int r = object_store_stat(s, file_tree_checksum(t, n), &st, e);
        if (r < 0)
            return r;
        if (S_ISREG(st.st_mode) && st.st_size == 0)
            file_tree_remove(t, n);
    }
    return 0;
}

static int merge(const ImportPlan *p, ObjectStore *s, OstreeCommit *c, Error *e)
{
    _cleanup_(file_tree_freep)
    FileTree *t = file_tree_new();
    int r = 0;

    for (size_t i = 0; r >= 0 && i < p->n_layers; i++) {
        const ImportLayer *l = &p->layers[i];
        if (l->kind != LAYER_OBJECTS)
            r = layer_commit_merge(t, s, l->commit, l->kind == LAYER_COMMIT, e);
        if (r < 0)
            (void)error_wrap(e, r, "layer %zu (%.19s)", i + 1, l->blob->digest.text);
    }
    if (r >= 0)
        r = remove_injected(t, s, e);
    return r < 0 ? r : file_tree_store(t, s, c->tree, c->meta, e);
}

static int commit_put(const ImportPlan *p, ObjectStore *s, ImportResult *ret, Error *e)
{
    const bool through_index = !content_digest_equal(&p->index.digest, &p->manifest.digest);
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf out = BUF_INIT;
    const char *version = image_config_label(&p->config, "org.opencontainers.image.version");
    const char *const metadata[] = {KEY_INDEX,
                                    p->index.digest.text,
                                    KEY_CONFIG,
                                    p->config_text,
                                    IMPORT_KEY_VERSION,
                                    "basalt " BASALT_VERSION,
                                    KEY_MANIFEST,
                                    arena_memdup(a, p->manifest.bytes, p->manifest.n_bytes),
                                    IMPORT_KEY_DIGEST,
                                    p->manifest.digest.text,
                                    version ? "version" : NULL,
                                    version,
                                    NULL};
    OstreeCommit c = {.metadata = through_index ? metadata : metadata + 2, .timestamp = timestamp_of(p)};

    if (p->layers[0].kind == LAYER_COMMIT) {
        ret->has_base = true;
        memcpy(ret->base, p->layers[0].commit, OSTREE_CHECKSUM);
        c.parent = ret->base;
    }
    memcpy(c.tree, p->tree, OSTREE_CHECKSUM);
    memcpy(c.meta, p->meta, OSTREE_CHECKSUM);
    int r = p->has_tree ? 0 : merge(p, s, &c, e);
    if (r < 0)
        return r;
    ostree_commit_encode(&c, &out);
    r = object_store_put(s, OBJECT_COMMIT, out.data, out.len, ret->commit, e);
    return r < 0 ? r : 0;
}

/* ---- all of it ---- */

static int step(const ImportOptions *o, Error *e)
{
    int r = o->step ? o->step(o->step_context, "a ref") : 0;
    return r < 0 ? error_errno(e, r, "interrupted before a ref") : 0;
}

static int refs_write(const ImportOptions *o, const ImportPlan *p, const ObjectStore *s, const char *image,
                      const ImportResult *result, Error *e)
{
    const int repo = object_store_directory(s);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < p->n_layers; i++) {
        if (!p->layers[i].have)
            continue; /* a delta was fetched instead */
        r = step(o, e);
        if (r >= 0)
            r = ostree_ref_write(repo, p->layers[i].ref, p->layers[i].commit, e);
    }
    if (r >= 0)
        r = step(o, e);
    return r < 0 ? r : ostree_ref_write(repo, image, result->commit, e);
}

/* What the name stood for until now, or any other image that is here. */
static void like_find(const ImportOptions *o, const ObjectStore *s, const char *ref, Arena *a,
                      ImportPlan *plan)
{
    const int repo = object_store_directory(s);
    uint8_t commit[OSTREE_CHECKSUM];
    OstreeRef *refs;
    OstreeCommit c;
    size_t n;

    if (o->like)
        memcpy(commit, o->like, OSTREE_CHECKSUM);
    else if (ostree_ref_read(repo, ref, commit, NULL) < 0) {
        if (ostree_ref_list(repo, OSTREE_REF_IMAGE, a, &refs, &n, NULL) < 0 || n == 0)
            return;
        memcpy(commit, refs[0].checksum, OSTREE_CHECKSUM);
    }
    plan->has_like = commit_read(s, commit, a, &c, NULL) >= 0;
    if (plan->has_like)
        memcpy(plan->like, c.tree, OSTREE_CHECKSUM);
}

static int allowed_ask(const ImportOptions *o, const ImageReference *reference, ImageSource *source,
                       const ImportPlan *plan, ImportResult *ret, Error *e)
{
    const PolicyImage image = {.reference = reference,
                               .top = &plan->index,
                               .image = &plan->manifest,
                               .registry = image_source_registry(source)};
    int r = o->policy ? policy_check_image(o->policy, o->arena, &image, &ret->verdict, e) : 0;
    if (r >= 0 && o->bootable && !has_label(&plan->config))
        return error_set(
            e, ENOEXEC, "no operating system: it has neither the label containers.bootc nor ostree.bootable");
    return r;
}

/* Not even a directory could be made: what it would take is worth asking for. */
static int full_from_the_start(const ImportOptions *o, ImageSource *source, Arena *a, Error *e)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    Error why = ERROR_INIT;
    ImportPlan plan;
    int r = object_store_open_reading(o->dirfd, o->repository, &s, NULL);

    if (r >= 0)
        r = import_plan_make(source, o->platform, s, a, &plan, NULL);
    if (r >= 0 && import_space_check(object_store_directory(s), &plan, &why) == -ENOSPC)
        return error_set(e, ENOSPC, "%s", why.text);
    return error_wrap(e, -ENOSPC, "the file system of the repository is full");
}

/* While there is one thread. */
static int workers_start(const ImportOptions *o, ImportPlan *plan, Error *e)
{
    char lacks[SANDBOX_LACKS_TEXT_MAX];

    if (o->in_process || plan->missing == 0)
        return 0;
    int r =
        layer_host_new(o->uid ? o->uid : SANDBOX_NOBODY, o->gid ? o->gid : SANDBOX_NOBODY, &plan->workers, e);
    if (r < 0)
        return r;
    /* What the process that fetches lacks as well has been told by whoever has started that. */
    const unsigned told = o->registry && o->registry->http ? worker_host_lacks(o->registry->http) : 0;
    const unsigned missing = worker_host_lacks(plan->workers) & ~told;
    if (!missing || !o->warn)
        return 0;
    sandbox_lacks_text(missing, lacks);
    _cleanup_buf_ Buf text = BUF_INIT;
    buf_addf(&text, "layers are unpacked by processes that lack %s: this system does not let us have it",
             lacks);
    o->warn(o->context, text.data);
    return 0;
}

static void plan_done(ImportPlan *p)
{
    worker_host_free(p->workers);
}

static int import_new(const ImportOptions *o, const ImageReference *reference, ImageSource *source,
                      const char *ref, ImportResult *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_object_store_ ObjectStore *s = NULL;
    _cleanup_(plan_done)
    ImportPlan plan = {0};

    int r = object_store_open(o->dirfd, o->repository, o->step, o->step_context, &s, e);
    if (r == -ENOSPC)
        return full_from_the_start(o, source, a, e);
    if (r >= 0)
        object_store_suspect(s, o->suspects);
    if (r >= 0)
        r = import_plan_make(source, o->platform, s, a, &plan, e);
    if (r >= 0 && o->only && !content_digest_equal(o->only, &plan.manifest.digest))
        r = error_set(e, ESTALE, "the image's name leads to %s now, and what is here is of %s",
                      plan.manifest.digest.text, o->only->text);
    if (r >= 0)
        r = allowed_ask(o, reference, source, &plan, ret, e);
    if (r < 0)
        return r;
    ret->manifest = plan.manifest.digest;
    ret->layers = plan.n_layers;
    like_find(o, s, ref, a, &plan);
    r = workers_start(o, &plan, e);
    if (r >= 0 && !o->suspects) /* a delta starts from files that may be the damaged ones */
        r = import_delta(o, reference, source, &s, &plan, ret, e);
    if (r == 0)
        r = import_fetch(o, reference, s, &plan, ret, e);
    if (r >= 0)
        r = commit_put(&plan, s, ret, e);
    if (r >= 0)
        r = result_describe(s, &plan.config, ret, e);
    if (r >= 0 && o->bootable && !ret->bootable)
        r = error_set(e, ENOEXEC,
                      "no operating system: it has no usr/lib/modules/VERSION/vmlinuz, or several");
    if (r >= 0 && o->cancelled && o->cancelled(o->context))
        r = error_set(e, ECANCELED, "cancelled");
    if (r >= 0)
        r = object_store_commit(s, &ret->written, e);
    if (r >= 0)
        r = refs_write(o, &plan, s, ref, ret, e);
    if (r == -ENOSPC)
        return error_wrap(e, r, "the file system of the repository is full");
    return r < 0 ? r : 1;
}

/* The platform in place, a source and the ref. */
static int prepare(ImportOptions *o, Platform *platform, const ImageReference *reference, Arena *a,
                   ImageSource **ret_source, char **ret_ref, Error *e)
{
    int r = o->platform ? 0 : platform_of_host(platform, e);

    if (!o->platform)
        o->platform = platform;
    if (r >= 0 && reference->transport == TRANSPORT_REGISTRY && !o->registry)
        r = error_set(e, EINVAL, "no registry may be asked");
    *ret_ref = r < 0 ? NULL : image_import_ref(a, reference);
    if (r >= 0 && !*ret_ref)
        r = error_set(e, EINVAL, "the name of the image is too long");
    return r < 0 ? r : image_source_open(o->registry, reference, ret_source, e);
}

int image_import(const ImportOptions *options, const ImageReference *reference, ImportResult *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(image_source_freep)
    ImageSource *source = NULL;
    _cleanup_object_store_ ObjectStore *s = NULL;
    ImportOptions o = *options;
    ImportResult result = {0};
    ImportRecord record;
    Platform platform;
    char *ref;

    int r = prepare(&o, &platform, reference, a, &source, &ref, e);
    if (r >= 0)
        r = object_store_open_reading(o.dirfd, o.repository, &s, e);
    if (r >= 0)
        r = o.suspects ? 0 : current_read(s, ref, a, result.commit, &record, e);
    if (r > 0)
        r = is_current(source, &record, e);
    if (r > 0) {
        result_of_record(&record, &result);
        r = result_describe(s, &record.config, &result, e);
    } else if (r == 0)
        r = import_new(&o, reference, source, ref, &result, e);
    if (r >= 0)
        *ret = result;
    return r;
}

int image_import_check(const ImportOptions *options, const ImageReference *reference, Arena *a,
                       ImportCheck *ret, Error *e)
{
    _cleanup_(image_source_freep)
    ImageSource *source = NULL;
    _cleanup_object_store_ ObjectStore *s = NULL;
    ImportOptions o = *options;
    uint8_t commit[OSTREE_CHECKSUM];
    ImportRecord record;
    ImportDelta delta = {0};
    Platform platform;
    ImportPlan plan;
    char *ref;

    int r = prepare(&o, &platform, reference, a, &source, &ref, e);
    if (r >= 0)
        r = object_store_open_reading(o.dirfd, o.repository, &s, e);
    if (r >= 0)
        r = import_plan_make(source, o.platform, s, a, &plan, e);
    if (r >= 0 && o.check_refuses)
        r = allowed_ask(&o, reference, source, &plan, &(ImportResult){0}, e);
    if (r >= 0)
        r = current_read(s, ref, a, commit, &record, e);
    if (r < 0)
        return r;
    (void)import_delta_find(&o, source, s, &plan, a, &delta, NULL);
    *ret = (ImportCheck){.index = plan.index,
                         .manifest = plan.manifest,
                         .config = plan.config,
                         .config_text = plan.config_text,
                         .changed = r == 0 || !content_digest_equal(&record.digest, &plan.manifest.digest),
                         .layers = plan.n_layers,
                         .missing = plan.missing,
                         .missing_bytes = plan.missing_bytes,
                         .delta_bytes = delta.size};
    return 0;
}
