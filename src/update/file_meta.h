#pragma once
/* Whose a file or directory on disk is, in the form that objects have it. */
#include <sys/stat.h>

#include "update/ostree_object.h"

/* Of a name in an open directory ("." for the directory itself), a link not followed; the attributes sorted.
 * Attributes that the file system does not know are none. -errno; *ret_st may be NULL. */
int file_meta_read(Arena *a, int dirfd, const char *name, OstreeMeta *ret, struct stat *ret_st);
/* The text of a symlink. */
int file_target_read(Arena *a, int dirfd, const char *name, const char **ret);
/* 1: two regular files have the same bytes. */
int file_contents_equal(int dirfd, const char *name, int other_dirfd, const char *other);
