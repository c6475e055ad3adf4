#pragma once
/* The tar archive of a layer becomes objects and a tree of names. Two kinds of layers: those of files, as
 * every builder makes them, and those of objects, into which ostree-ext splits a commit ("encapsulated",
 * format 1: crates/ostree-ext/src/tar/export.rs and import.rs), where each object is held against its name.
 *
 * Of files: names go through layer_path.h. Devices and fifos, extended attributes other than user.*,
 * security.capability and security.ima, what lies below run, tmp, proc, sys and dev, and a repository inside
 * (sysroot/ostree/repo) are dropped and counted. A link to a name of an earlier entry is that entry; to any
 * other name it is left for the merge (file_tree.h). A name that was a directory stays one, below a name that
 * is none there is nothing: -EBADMSG. Of two files the last one stands. */
#include "format/tar.h"
#include "update/file_tree.h"
#include "update/object_store.h"

enum {
    LAYER_METADATA_MAX = 10 << 20,    /* of a dirtree, dirmeta or commit object */
    LAYER_XATTRS_MAX = 1 << 20,       /* of a file, all of them */
    LAYER_XATTRS_KEPT_MAX = 16 << 20, /* of all that later files of a layer of objects may name */
    LAYER_OBJECTS_MAX = 1 << 20,      /* of a layer of objects */
};

typedef struct LayerDropped {
    uint64_t devices, fifos;
    uint64_t runtime; /* below run, tmp, proc, sys, dev */
    uint64_t repository, xattrs;
    uint64_t other; /* aufs' own files */
} LayerDropped;

typedef enum LayerKind { LAYER_FILES, LAYER_OBJECTS, LAYER_COMMIT } LayerKind; /* LAYER_COMMIT: objects, the commit
                                                                                  first */

typedef struct LayerImport LayerImport;
LayerImport *layer_import_new(ObjectStore *store, LayerKind kind);
void layer_import_free(LayerImport *l);
DEFINE_CLEANUP(LayerImport *, layer_import_free);
extern const TarSink layer_import_sink; /* with a LayerImport as context */

/* After the last event: writes what is left and the layer's commit, whose metadata gets `diff_id`. */
int layer_import_finish(LayerImport *l, const char *diff_id, uint8_t ret_commit[OSTREE_CHECKSUM],
                        LayerDropped *ret, Error *e);
const FileTree *layer_import_tree(const LayerImport *l); /* of LAYER_FILES */
