#pragma once
/* A name of a layer's archive as the tree has it: relative, without "." and doubled or final slashes, etc at
 * usr/etc. As of ostree-ext (crates/ostree-ext/src/tar/write.rs) an absolute name is one below the root and
 * ".." is refused; other directories of the top are kept (it drops them, unless the root is transient or of
 * composefs, which it takes an image without an encapsulated commit to be). Refused too: what cannot stand in
 * a tree of objects, and whiteouts of nothing. */
#include "base/buf.h"
#include "base/error.h"
#include "update/ostree_object.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

enum { LAYER_NAME_MAX = 255 /* of a component */ };

typedef enum LayerPath {
    LAYER_PATH_KEPT,
    LAYER_PATH_RUNTIME,    /* below run, tmp, proc, sys, dev: made anew at each boot */
    LAYER_PATH_REPOSITORY, /* below sysroot/ostree/repo: how an encapsulated commit travels */
    LAYER_PATH_OTHER,      /* aufs' own */
} LayerPath;

/* What becomes of it (LayerPath), or -EBADMSG; *ret is "" for the root. */
int layer_path_read(const char *name, Buf *ret, Error *e);
/* Of such a path the file object that it is: sysroot/ostree/repo/objects/XX/REST.file. */
bool layer_path_object(const char *path, uint8_t ret[OSTREE_CHECKSUM]);
