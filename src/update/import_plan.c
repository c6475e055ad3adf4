/* A layer is there when the ref of its digest leads to its commit, or when some layer's commit was made of
 * the same archive. Which archive that was stands in the layer's own commit, written when its bytes had been
 * held against it. What the configs of other images say of their layers is not asked: such a config could
 * name an archive that its layer never was, and so put it in the place of another image's. */
#include "update/import_plan.h"

#include <string.h>

#include "base/map.h"
#include "update/commit_read.h"
#include "update/ostree_ref.h"

#define FINAL_LABEL "ostree.final-diffid"

/* ---- what the layers are ---- */

/* Up to the one that the label names, layers are of objects, the first has the commit. */
static int layers_list(ImportPlan *p, Arena *a, Error *e)
{
    const char *final = image_config_label(&p->config, FINAL_LABEL);
    bool objects = final != NULL;

    p->n_layers = p->manifest.n_items;
    p->layers = ARENA_ARRAY(a, ImportLayer, p->n_layers + 1);
    for (size_t i = 0; i < p->n_layers; i++) {
        ImportLayer *l = &p->layers[i];
        *l = (ImportLayer){.blob = &p->manifest.items[i],
                           .diff_id = &p->config.diff_ids[i],
                           .kind = !objects ? LAYER_FILES
                                   : i == 0 ? LAYER_COMMIT
                                            : LAYER_OBJECTS,
                           .ref = ostree_ref_escape(a, OSTREE_REF_BLOB, p->manifest.items[i].digest.text),
                           .same_as = i};
        for (size_t k = 0; k < i && l->same_as == i; k++)
            if (content_digest_equal(&p->layers[k].blob->digest, &l->blob->digest) &&
                content_digest_equal(p->layers[k].diff_id, l->diff_id) && p->layers[k].kind == l->kind)
                l->same_as = k;
        if (objects && strcmp(l->diff_id->text, final) == 0)
            objects = false;
    }
    if (objects)
        return error_set(e, EBADMSG, "the label %s names a layer that the image does not have", FINAL_LABEL);
    return p->n_layers ? 0 : error_set(e, EBADMSG, "the image has no layers");
}

/* ---- what is there ---- */

/* No suspect is among what this tree is of. Of a tree that cannot be read nobody knows. */
static bool tree_is_sound(const ObjectStore *s, const uint8_t tree[OSTREE_CHECKSUM], ChecksumSet *seen,
                          unsigned depth)
{
    _cleanup_arena_ Arena *a = arena_new();
    const ChecksumSet *suspects = object_store_suspects(s);
    OstreeTree t;

    if (checksum_set_add(seen, tree) == 0)
        return true;
    if (checksum_set_has(suspects, tree) || depth > REPO_DEPTH_MAX ||
        commit_read_tree(s, tree, a, &t, NULL) < 0)
        return false;
    for (size_t i = 0; i < t.n_files; i++)
        if (checksum_set_has(suspects, t.files[i].checksum))
            return false;
    for (size_t i = 0; i < t.n_directories; i++)
        if (checksum_set_has(suspects, t.directories[i].meta) ||
            !tree_is_sound(s, t.directories[i].tree, seen, depth + 1))
            return false;
    return true;
}

static bool is_sound(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM])
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_checksum_set_ ChecksumSet seen = {0};
    OstreeCommit c;

    return !object_store_suspects(s) ||
           (commit_read(s, commit, a, &c, NULL) >= 0 && !checksum_set_has(object_store_suspects(s), c.meta) &&
            tree_is_sound(s, c.tree, &seen, 0));
}

/* 1: it can be used; 0: it is of another kind, or not whole. */
static int usable(const ObjectStore *s, const ImportLayer *l, const uint8_t commit[OSTREE_CHECKSUM],
                  LayerRecord *ret, Arena *a, Error *e)
{
    if (!object_store_has(s, OBJECT_COMMIT, commit) || !is_sound(s, commit))
        return 0;
    int r = layer_commit_record(s, commit, a, ret, e);
    if (r < 0)
        return r;
    return !ret->diff_id || ret->objects == (l->kind == LAYER_OBJECTS);
}

static int find_by_digest(const ObjectStore *s, ImportLayer *l, Arena *a, Error *e)
{
    LayerRecord record;
    int r = ostree_ref_read(object_store_directory(s), l->ref, l->commit, e);

    if (r == -ENOENT)
        return 0;
    if (r >= 0)
        r = usable(s, l, l->commit, &record, a, e);
    if (r > 0 && record.diff_id && strcmp(record.diff_id, l->diff_id->text) != 0)
        return error_set(e, EBADMSG, "the layer %s unpacks to %s, and the image's config says to %s",
                         l->blob->digest.text, record.diff_id, l->diff_id->text);
    l->have = r > 0;
    return r;
}

/* Every archive that some layer was made of, with the ref of that layer. */
static int archives_list(const ObjectStore *s, Arena *a, Map *ret, Error *e)
{
    OstreeRef *refs;
    size_t n;
    int r = ostree_ref_list(object_store_directory(s), OSTREE_REF_BLOB, a, &refs, &n, e);

    for (size_t i = 0; r >= 0 && i < n; i++) {
        LayerRecord record = {0};
        if (object_store_has(s, OBJECT_COMMIT, refs[i].checksum))
            r = layer_commit_record(s, refs[i].checksum, a, &record, e);
        if (r >= 0 && record.diff_id)
            map_put(ret, record.diff_id, &refs[i]);
    }
    return r;
}

static int find_by_archive(const ObjectStore *s, ImportPlan *p, Arena *a, Error *e)
{
    _cleanup_map_ Map archives = MAP_INIT;
    int r = archives_list(s, a, &archives, e);

    for (size_t i = 0; r >= 0 && i < p->n_layers; i++) {
        ImportLayer *l = &p->layers[i];
        const OstreeRef *ref = l->have ? NULL : map_get(&archives, l->diff_id->text);
        LayerRecord record;
        if (!ref)
            continue;
        r = usable(s, l, ref->checksum, &record, a, e);
        l->have = r > 0;
        memcpy(l->commit, ref->checksum, OSTREE_CHECKSUM);
    }
    return r;
}

static int find_layers(const ObjectStore *s, ImportPlan *p, Arena *a, Error *e)
{
    bool all = true;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < p->n_layers; i++) {
        r = find_by_digest(s, &p->layers[i], a, e);
        all = all && p->layers[i].have;
    }
    if (r >= 0 && !all)
        r = find_by_archive(s, p, a, e);
    for (size_t i = 0; r >= 0 && i < p->n_layers; i++)
        if (!p->layers[i].have && p->layers[i].same_as == i) {
            p->missing++;
            p->missing_bytes += p->layers[i].blob->size;
        }
    return r < 0 ? r : 0;
}

int import_plan_make(ImageSource *source, const Platform *platform, const ObjectStore *s, Arena *a,
                     ImportPlan *ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    ImportPlan p = {0};

    int r = image_source_image(source, a, platform, &p.index, &p.manifest, e);
    if (r >= 0)
        r = image_source_blob_read(source, &p.manifest.config, IMAGE_CONFIG_SIZE_MAX, &text, e);
    if (r >= 0)
        r = image_config_read(a, text.data, text.len, &p.manifest, &p.config, e);
    if (r >= 0)
        r = image_config_check_platform(&p.config, platform, e);
    if (r >= 0)
        r = layers_list(&p, a, e);
    if (r >= 0)
        r = find_layers(s, &p, a, e);
    if (r < 0)
        return r;
    p.config_text = arena_memdup(a, text.data, text.len);
    *ret = p;
    return 0;
}
