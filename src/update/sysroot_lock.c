/* The lock is libostree's: a lock of the open file (F_OFD_SETLK) on ostree/lock, which flock() does not know
 * of. Who holds one the kernel does not say; the processes that have the file open do, in their fdinfo. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/file.h"
#include "update/sysroot_state.h"

enum { WAIT_MS = 1000, FDINFO_MAX = 16 << 10, DESCRIPTORS_MAX = 4096 };

/* ---- who holds it ---- */

static bool holds(int process, const char *number, const struct stat *lock)
{
    _cleanup_buf_ Buf info = BUF_INIT;
    char path[300];
    struct stat st;

    snprintf(path, sizeof(path), "fd/%s", number);
    if (fstatat(process, path, &st, 0) < 0 || st.st_dev != lock->st_dev || st.st_ino != lock->st_ino)
        return false;
    snprintf(path, sizeof(path), "fdinfo/%s", number);
    return file_read_at(process, path, FDINFO_MAX, &info, NULL) >= 0 && info.data &&
           strstr(info.data, "lock:");
}

static bool process_holds(int process, const struct stat *lock)
{
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    unsigned n = 0;

    for (struct dirent *f; d && (f = readdir(d)) && n < DESCRIPTORS_MAX; n++)
        if (isdigit((unsigned char)f->d_name[0]) && holds(process, f->d_name, lock))
            return true;
    return false;
}

/* "process 123 (ostree)"; NULL: cannot be known. */
static const char *holder_of(int fd, char text[static 128])
{
    _cleanup_closedir_ DIR *d = opendir("/proc");
    struct stat lock;

    if (!d || fstat(fd, &lock) < 0)
        return NULL;
    for (struct dirent *f; (f = readdir(d));) {
        if (!isdigit((unsigned char)f->d_name[0]))
            continue;
        _cleanup_close_ int process = openat(dirfd(d), f->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (process < 0 || !process_holds(process, &lock))
            continue;
        _cleanup_buf_ Buf name = BUF_INIT;
        (void)file_read_at(process, "comm", 64, &name, NULL);
        snprintf(text, 128, "process %.20s (%.*s)", f->d_name,
                 (int)strcspn(name.data ? name.data : "?", "\n"), name.data ? name.data : "?");
        return text;
    }
    return NULL;
}

int sysroot_lock_take(Sysroot *s, Error *e)
{
    char text[128];

    s->lock = openat(s->ostree, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->lock < 0)
        return error_errno(e, -errno, "ostree/lock");
    for (;;) {
        int r = file_lock_try(s->lock);
        if (r != -EAGAIN)
            return r < 0 ? error_errno(e, r, "ostree/lock") : 0;
        const char *holder = holder_of(s->lock, text);
        if (!s->options.wait || !s->options.wait(s->options.context, holder))
            return error_set(e, EBUSY, "the sysroot is being changed by %s",
                             holder ? holder : "another program");
        nanosleep(&(struct timespec){WAIT_MS / 1000, WAIT_MS % 1000 * 1000000L}, NULL);
    }
}

/* ---- a running system's /sysroot and /boot are read-only ---- */

static int remount(const char *path, Error *e)
{
    struct statvfs v;

    if (statvfs(path, &v) < 0)
        return errno == ENOENT ? 0 : error_errno(e, -errno, "%s", path);
    if (!(v.f_flag & ST_RDONLY))
        return 0;
    if (mount(path, path, NULL, MS_REMOUNT | MS_SILENT, NULL) < 0)
        return error_errno(e, -errno, "making %s writable", path);
    return 0;
}

/* Nobody else sees it: the mounts of this process become its own first. */
int sysroot_make_writable(const char *path, Error *e)
{
    if (strcmp(path, "/") != 0 || faccessat(AT_FDCWD, "/run/ostree-booted", F_OK, 0) < 0)
        return 0;
    if (unshare(CLONE_NEWNS) < 0)
        return error_errno(e, -errno, "a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return error_errno(e, -errno, "mounts of our own");
    int r = remount("/sysroot", e);
    return r < 0 ? r : remount("/boot", e);
}
