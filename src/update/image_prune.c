/* A layer's ref is needed when the manifest of a needed image names its digest. An image that cannot be read
 * ends the work before anything is removed. */
#include "update/image_prune.h"

#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "update/image_import.h"
#include "update/ostree_ref.h"

typedef struct Needed {
    Arena *arena;
    Map commits, layers; /* by checksum in text; by ref */
} Needed;

static const char *checksum_text(Arena *a, const uint8_t checksum[OSTREE_CHECKSUM])
{
    char *text = arena_alloc(a, OSTREE_CHECKSUM_TEXT);
    hex_encode(checksum, OSTREE_CHECKSUM, text);
    return text;
}

static bool is_deployment(const char *ref)
{
    const char *p = ref + strlen("ostree/");
    return strncmp(ref, "ostree/", strlen("ostree/")) == 0 && isdigit((unsigned char)p[0]) && p[1] == '/';
}

static int need(Needed *n, const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Error *e)
{
    ImportRecord record;
    if (map_put(&n->commits, checksum_text(n->arena, commit), n) == 0)
        return 0;
    int r = image_import_record(s, commit, n->arena, &record, e);
    if (r == -ENOENT)
        return 0; /* no image's */
    for (size_t i = 0; r >= 0 && i < record.manifest.n_items; i++) {
        const char *ref = ostree_ref_escape(n->arena, OSTREE_REF_BLOB, record.manifest.items[i].digest.text);
        if (ref)
            map_put(&n->layers, ref, n);
    }
    return r;
}

static int drop_refs(int repo, const char *prefix, Needed *n, Error *e)
{
    OstreeRef *refs;
    size_t n_refs;
    const bool layers = strcmp(prefix, OSTREE_REF_BLOB) == 0;
    int r = ostree_ref_list(repo, prefix, n->arena, &refs, &n_refs, e);
    for (size_t i = 0; r >= 0 && i < n_refs; i++)
        if (layers ? !map_has(&n->layers, refs[i].name)
                   : !map_has(&n->commits, checksum_text(n->arena, refs[i].checksum)))
            r = ostree_ref_delete(repo, refs[i].name, e);
    return r < 0 ? r : 0;
}

static int find_needed(int repo, Needed *n, Error *e)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    OstreeRef *refs;
    size_t n_refs;
    int r = object_store_open_reading(repo, ".", &s, e);
    if (r >= 0)
        r = ostree_ref_list(repo, "ostree", n->arena, &refs, &n_refs, e);
    for (size_t i = 0; r >= 0 && i < n_refs; i++)
        if (is_deployment(refs[i].name))
            r = need(n, s, refs[i].checksum, e);
    return r < 0 ? r : 0;
}

int image_prune(int repo, PruneCounts *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Needed n = {.arena = a};
    _cleanup_close_ int lock = repo_lock(repo, e);
    int r = lock < 0 ? lock : find_needed(repo, &n, e);
    /* Of an import that was cut off; nobody is at it, we have the lock. */
    if (r >= 0 && (r = tree_remove_at(repo, OBJECTS_ASIDE)) < 0)
        (void)error_errno(e, r, OBJECTS_ASIDE);
    if (r >= 0)
        r = drop_refs(repo, OSTREE_REF_IMAGE, &n, e);
    if (r >= 0)
        r = drop_refs(repo, OSTREE_REF_BLOB, &n, e);
    map_done(&n.commits);
    map_done(&n.layers);
    return r < 0 ? r : repo_prune(repo, &(PruneOptions){.locked = true}, ret, e);
}
