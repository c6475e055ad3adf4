#pragma once
/* A commit's tree as directories and files. Files and symlinks are hard links to the repository's objects,
 * which in mode "bare" carry owner, mode and attributes; directories get those of their dirmeta, from the
 * leaves to the root, and the time 0 as libostree gives them. No lock is taken and nothing is synced: who
 * makes a deployment of it does both. */
#include "base/error.h"
#include "update/ostree_object.h"

typedef int (*CheckoutStep)(void *context, const char *what);
typedef struct CheckoutOptions {
    const char *subpath; /* "usr/etc"; NULL or "": all of it */
    bool copy; /* files of their own (reflinks where the file system can), dated as the objects are */
    /* Called before each change of the disk, for tests; a negative answer ends the work; NULL allowed. */
    CheckoutStep step;
    void *context;
} CheckoutOptions;

/* Into the open, empty directory `to`, which becomes the tree's root; `repo` is an open repository directory.
 * -ENOENT: an object or the subpath is missing; -ENOTDIR: the subpath is no directory; -EBADMSG: a damaged
 * object; -ELOOP: deeper than REPO_DEPTH_MAX; -EXDEV: `to` lies on another file system; -ENOTEMPTY. After a
 * failure `to` has a part of the tree, for the caller to remove. An object that can have no more links (ext4:
 * 65,000) is copied. */
int tree_checkout(int repo, const uint8_t commit[OSTREE_CHECKSUM], int to, const CheckoutOptions *o,
                  Error *e);

/* The same for a deployment: the whole tree, whose /etc (if it has one) is called usr/etc, and an etc of its
 * own, copied from usr/etc. -EEXIST: the commit has both (an empty etc beside usr/etc counts as none); with
 * neither there is no etc. Of the options step and context count. */
int tree_checkout_deployment(int repo, const uint8_t commit[OSTREE_CHECKSUM], int to,
                             const CheckoutOptions *o, Error *e);
