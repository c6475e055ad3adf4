/* FIFREEZE writes the journal's contents to their places; FITHAW lets go again. Everything that writes to the
 * file system meanwhile waits, perhaps this program's own log too, so nothing is done in between, and a child
 * holds the descriptor and the other end of a socket: when that closes without a word, or nothing comes for
 * too long, it thaws. A thaw too much does no harm (EINVAL). The child is made before the freeze: afterwards
 * nobody could count on making one. */
#include "update/boot_freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCH_MS = 30000 };

static _noreturn_ void watch(int fd, int socket)
{
    struct pollfd p = {.fd = socket, .events = POLLIN};
    char done = 0;
    sigset_t all;

    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    (void)setsid();
    int r;
    do
        r = poll(&p, 1, WATCH_MS);
    while (r < 0 && errno == EINTR);
    if (r <= 0 || read(socket, &done, 1) != 1)
        (void)ioctl(fd, FITHAW, 0);
    _exit(0);
}

/* 0, or why the file system cannot be frozen: then a sync has to do. */
static int freeze_and_thaw(int fd)
{
    if (ioctl(fd, FIFREEZE, 0) < 0)
        return -errno;
    return ioctl(fd, FITHAW, 0) < 0 && errno != EINVAL ? -errno : 0;
}

static int frozen_once(int fd, Error *e)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(e, -errno, "a pair of sockets");
    _cleanup_close_ int ours = ends[1];
    _cleanup_close_ int theirs = ends[0];
    pid_t child = fork();
    if (child < 0)
        return error_errno(e, -errno, "a child that watches the freeze");
    if (child == 0) {
        close(ours);
        watch(fd, theirs);
    }
    int r = freeze_and_thaw(fd);
    (void)send(ours, "x", 1, MSG_NOSIGNAL);
    closep(&ours);
    ours = -EBADF;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (r == -EOPNOTSUPP || r == -EPERM || r == -ENOSYS || r == -EBUSY || r == -ENOTTY)
        return 0;
    return r < 0 ? error_errno(e, r, "freezing the file system of /boot") : 0;
}

int boot_freeze_sync(int fd, bool freeze, Error *e)
{
    if (syncfs(fd) < 0)
        return error_errno(e, -errno, "syncing");
    return freeze ? frozen_once(fd, e) : 0;
}

static bool is_same_device(const struct statx *a, const struct statx *b)
{
    return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

bool boot_freeze_is_due(const char *sysroot)
{
    struct statx top, boot, host;
    int fd = open(sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool known = statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &top) == 0 &&
                 statx(fd, "boot", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &boot) == 0 &&
                 statx(AT_FDCWD, "/", 0, STATX_BASIC_STATS, &host) == 0;
    close(fd);
    if (!known || is_same_device(&boot, &host))
        return false;
    return (boot.stx_attributes & STATX_ATTR_MOUNT_ROOT) ||
           (is_same_device(&boot, &top) && (top.stx_attributes & STATX_ATTR_MOUNT_ROOT));
}
