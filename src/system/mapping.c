/* Two calls: what state is it in, and away with it. */
#include "system/mapping.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>

static struct dm_ioctl request_for(const char *name)
{
    struct dm_ioctl r = {.version = {DM_VERSION_MAJOR, 0, 0}, .data_size = sizeof r};
    strncpy(r.name, name, sizeof r.name - 1);
    return r;
}

int mapping_remove_unstarted(const char *name, Error *e)
{
    struct dm_ioctl status = request_for(name), gone = status;
    _cleanup_close_ int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (strlen(name) >= sizeof status.name)
        return error_set(e, ENAMETOOLONG, "%s: the name of a mapping is too long", name);
    if (fd < 0 || ioctl(fd, DM_DEV_STATUS, &status) < 0)
        return errno == ENXIO || errno == ENOENT || errno == ENODEV
                   ? 0
                   : error_errno(e, -errno, "the device mapper's %s", name);
    if (status.flags & DM_ACTIVE_PRESENT_FLAG)
        return 0;
    if (ioctl(fd, DM_DEV_REMOVE, &gone) < 0)
        return error_errno(e, -errno, "removing the mapping %s, which was never started", name);
    return 1;
}
