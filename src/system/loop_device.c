/* The kernel gives a free number; between that and its use somebody else may have taken it, so that is tried
 * again. LOOP_CONFIGURE does all at once, so no reader ever sees the whole disk through it. */
#include "system/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 64, SETTLE_TRIES = 250, PAUSE_MS = 20 };

static int configure(int control, int disk, const LoopPart *part, char name[LOOP_NAME_SIZE])
{
    const struct loop_config how = {
        .fd = (uint32_t)disk,
        .block_size = part->sector_size,
        .info = {.lo_offset = part->offset, .lo_sizelimit = part->size, .lo_flags = LO_FLAGS_AUTOCLEAR},
    };
    int number = ioctl(control, LOOP_CTL_GET_FREE);

    if (number < 0)
        return -errno;
    snprintf(name, LOOP_NAME_SIZE, "/dev/loop%d", number);
    _cleanup_close_ int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &how) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int loop_device_open(int disk, const LoopPart *part, char ret_name[LOOP_NAME_SIZE], Error *e)
{
    _cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int r = control < 0 ? -errno : -EBUSY;

    for (int i = 0; control >= 0 && r == -EBUSY && i < TRIES; i++)
        r = configure(control, disk, part, ret_name);
    return r < 0 ? error_errno(e, r, "a loop device, which every kernel with the module loop has") : r;
}

int loop_device_settle(const char *name, Error *e)
{
    int fd = -EBADF;

    for (int i = 0; fd < 0 && i < SETTLE_TRIES; i++) {
        fd = open(name, O_RDWR | O_EXCL | O_CLOEXEC);
        if (fd < 0 && errno != EBUSY)
            break;
        if (fd < 0)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
    }
    if (fd < 0)
        return error_errno(e, -errno, "what was written to %s", name);
    int r = fsync(fd) < 0 ? error_errno(e, -errno, "writing %s", name) : 0;
    close(fd);
    return r;
}
