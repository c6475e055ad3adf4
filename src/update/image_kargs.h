#pragma once
/* Kernel arguments that an image brings along: usr/lib/bootc/kargs.d/ *.toml of its tree, in the order of
 * their names, as bootc has them (docs/src/building/kernel-arguments.md): kargs = […], and
 * match-architectures = […] with uname's words, without which it is for all. */
#include "base/arena.h"
#include "base/error.h"
#include "update/ostree_object.h"

enum { IMAGE_KARGS_FILE_MAX = 64 << 10, IMAGE_KARGS_FILES_MAX = 256, IMAGE_KARGS_MAX = 1024 };

typedef struct ImageKargs {
    const char **words;
    size_t n;
} ImageKargs;

/* `machine` is uname's. -EBADMSG names the file and what is wrong with it; -E2BIG. */
int image_kargs_read(int repo, Arena *a, const uint8_t commit[OSTREE_CHECKSUM], const char *machine,
                     ImageKargs *ret, Error *e);

/* The text with what the new version has beyond the old one at its end, and without what only the old one
 * had; all else is the administrator's and stays. */
const char *image_kargs_update(Arena *a, const char *text, const ImageKargs *old, const ImageKargs *new);
