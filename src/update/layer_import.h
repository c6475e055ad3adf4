#pragma once
/* The tar archive of a layer becomes objects and a commit (layer_commit.h). Two kinds of layers: those of
 * files, as every builder makes them, and those of objects, into which ostree-ext splits a commit
 * ("encapsulated", format 1: crates/ostree-ext/src/tar/export.rs and import.rs), where each object is held
 * against its name and all else is passed over.
 *
 * Of files: names go through layer_path.h. Dropped and counted are devices and fifos; extended attributes
 * other than user.*, security.capability and security.ima, of a symlink all; what layer_path.h says. A link
 * to a name of an earlier entry is that entry; to any other name it is left for the merge. A directory stays
 * one, and below what is none there is nothing: -EBADMSG. Of two files of a name the later one stands. */
#include "format/tar.h"
#include "update/layer_commit.h"

enum {
    LAYER_XATTRS_MAX = 1 << 20,      /* of a file, all of them */
    LAYER_XATTRS_KEPT_MAX = 4 << 20, /* of a layer of objects: what later files refer to */
    LAYER_OBJECTS_MAX = 1 << 21,     /* of a layer of objects */
};

typedef struct LayerDropped {
    uint64_t devices, fifos, xattrs;
    uint64_t runtime, repository, other; /* names, as of layer_path.h */
} LayerDropped;

typedef struct LayerImport LayerImport;
LayerImport *layer_import_new(ObjectStore *store, LayerKind kind);
void layer_import_free(LayerImport *l);
DEFINE_CLEANUP(LayerImport *, layer_import_free);
/* A directory whose large files probably come again: an earlier image's. NULL: none. */
void layer_import_expect(LayerImport *l, const uint8_t *tree);
extern const TarSink layer_import_sink; /* with a LayerImport as its context */

/* After the last event: the commit of the layer, of LAYER_COMMIT the one that it has. */
int layer_import_finish(LayerImport *l, const char *diff_id, uint8_t ret[OSTREE_CHECKSUM],
                        LayerDropped *dropped, Error *e);
