#pragma once
/* A layer as a commit of its own, and how layers are laid over each other.
 *
 * As of ostree-ext a whiteout is a file of its name (".wh.X"), so that either program merges the layers of
 * the other, and a layer of objects is a flat directory in which each file's name is its checksum. What a
 * tree of files cannot say stands in the commit's metadata, key "basalt.layer", as JSON: names that are links
 * to files of lower layers, directories that were only implied, and the layer's diff_id.
 *
 * Merging: links are resolved first, to what lower layers have there. Then, directory by directory, an opaque
 * one (".wh..wh..opq") loses what lower layers put there, whiteouts take away, and the layer's own comes. A
 * directory over a file, or the reverse, replaces it, as overlayfs has it; attributes of a directory are
 * those of the highest layer that has an entry for it (ostree-ext keeps the lowest's, and so loses a chmod).
 */
#include "update/file_tree.h"
#include "update/layer_path.h"

enum { LAYER_RECORD_MAX = 8 << 20 /* of basalt.layer */ };

typedef enum LayerKind {
    LAYER_FILES,
    LAYER_OBJECTS,
    LAYER_COMMIT, /* objects, a commit the first of them */
} LayerKind;

/* `objects`: n checksums, sorted and none twice. *ret is the commit. */
int layer_commit_files(const FileTree *t, const char *diff_id, ObjectStore *s, uint8_t ret[OSTREE_CHECKSUM],
                       Error *e);
int layer_commit_objects(const uint8_t (*objects)[OSTREE_CHECKSUM], size_t n, const char *diff_id,
                         ObjectStore *s, uint8_t ret[OSTREE_CHECKSUM], Error *e);

/* What is known of a layer's commit without its files. */
typedef struct LayerRecord {
    const char *diff_id; /* NULL: not recorded, as by ostree-ext */
    bool objects;
} LayerRecord;
int layer_commit_record(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Arena *a,
                        LayerRecord *ret, Error *e);

/* Lays a commit over the tree; plain: it is no layer, a name like a whiteout's is a name. -ENOENT: something
 * of it is not in the repository; -EBADMSG: a link leads nowhere. */
int layer_commit_merge(FileTree *into, const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM],
                       bool plain, Error *e);
