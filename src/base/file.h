#pragma once
/* Files, and files below a foreign root. Everything below a root goes through a directory descriptor and
 * openat2(RESOLVE_IN_ROOT): a path of the root may contain links, absolute ones too, and still never leaves
 * it. Files appear whole: contents and attributes first, then the name. All descriptors are
 * O_CLOEXEC. Paths "in a root" are given as in that root, with or without the leading slash. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Reads all of it; more than `max` bytes is -EFBIG. dirfd AT_FDCWD allowed; "-" with AT_FDCWD is stdin. */
int file_read_at(int dirfd, const char *path, size_t max, Buf *ret, Error *e);
int file_read_fd(int fd, size_t max, Buf *ret);        /* appends; after a failure *ret is as before */
int file_write_fd(int fd, const void *data, size_t n); /* all of it, or -errno */
/* `n` bytes at an offset, all of them; -EIO where the file or device ends before. */
int file_read_part(int fd, void *to, size_t n, uint64_t offset);
int file_write_part(int fd, const void *from, size_t n, uint64_t offset);

typedef struct FileWrite {
    mode_t mode;    /* set before the name exists */
    uid_t uid;      /* (uid_t)-1: as created */
    gid_t gid;      /* (gid_t)-1: as created */
    bool sync;      /* fsync the file and its directory before returning */
    bool exclusive; /* -EEXIST when the name is there */
} FileWrite;
#define FILE_WRITE(...) (&(FileWrite){.mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1, __VA_ARGS__})

/* One component or a path relative to dirfd whose directories exist and are trusted. */
int file_write_at(int dirfd, const char *path, const void *data, size_t n, const FileWrite *how);

/* A file in the making: write to ->fd, then commit gives it its name, or abort leaves nothing. The temporary
 * file is 0600 until commit. Killed at any time it leaves at most one name, which the next write in the
 * directory (of the same file, where the file system knows O_TMPFILE) takes away. */
typedef struct TempFile {
    int dirfd, fd; /* dirfd is borrowed */
    char name[64]; /* "": it has none yet */
} TempFile;
#define TEMP_FILE_INIT ((TempFile){.dirfd = -EBADF, .fd = -EBADF})
int temp_file_open(TempFile *t, int dirfd);
int temp_file_commit(TempFile *t, const char *name, const FileWrite *how);
void temp_file_abort(TempFile *t); /* also as cleanup; harmless after commit */
#define _cleanup_temp_file_ _cleanup_(temp_file_abort)

/* An exclusive lock of the open file, as libostree and systemd take theirs: it goes with the last descriptor
 * of it, and flock() knows nothing of it. -EAGAIN: somebody has it. */
int file_lock_try(int fd);

int dir_sync(int dirfd);
/* mkdir -p relative to dirfd for trusted paths. 1 when the last component was made. */
int dir_make_all_at(int dirfd, const char *path, mode_t mode);
/* rm -rf below a trusted directory; never follows links, never crosses into a mount (-EXDEV). -ENOENT is
 * success. */
int tree_remove_at(int dirfd, const char *name);

/* ---- below a foreign root ---- */
int root_open(const char *path, Error *e); /* a directory descriptor */
/* openat2(RESOLVE_IN_ROOT); links are followed inside the root, the last one too unless O_NOFOLLOW. */
int root_openat(int root, const char *path, int flags, mode_t mode);
/* Opens the directory that holds `path` and gives its last component. With make_parents missing directories
 * are made with `dir_mode`, owned by root; a link among them is followed inside the root. */
int root_open_parent(int root, const char *path, bool make_parents, mode_t dir_mode, char **ret_name);
/* The path with every link of its parents resolved inside the root, starting with '/'; the last component is
 * kept as it is. Components that do not exist are kept. */
int root_resolve(int root, const char *path, char **ret);
int root_read(int root, const char *path, size_t max,
              Buf *ret); /* regular files only, else -EINVAL, -EISDIR */
/* A link as the last component is replaced, not followed; missing directories are made with 0755. */
int root_write(int root, const char *path, const void *data, size_t n, const FileWrite *how);
