#pragma once
/* A layer as a commit of its own, and how layers are laid over each other.
 *
 * As of ostree-ext a whiteout is a file of its name (".wh.X"), so that either program merges the layers of the
 * other. What a tree of files cannot say stands in the commit's metadata, key "basalt.layer", as JSON: names
 * that are links to files of lower layers, directories that were only implied, and the layer's diff_id. Layers
 * of objects are a flat directory in which each file's name is its checksum.
 *
 * Merging: first links are resolved, to what lower layers have there. Then, directory by directory, an opaque
 * one (".wh..wh..opq") loses what lower layers put there, whiteouts take away, and the layer's own comes. A
 * directory over a file, or the reverse, replaces it, as overlayfs does; attributes of a directory are those
 * of the highest layer that has an entry for it (ostree-ext keeps the lowest, and loses a chmod). */
#include "update/file_tree.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

enum { LAYER_RECORD_MAX = 8 << 20 /* of basalt.layer */ };

typedef enum LayerKind { LAYER_FILES, LAYER_OBJECTS, LAYER_COMMIT } LayerKind; /* LAYER_COMMIT: objects, the
                                                                                  commit first */
