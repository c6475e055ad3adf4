/* Azure: user data of the metadata service; when there is none, custom data on a CD that the host puts in. No
 * other disk is looked at: a user may have attached anything. Azure Stack has the CD alone. */
#include <fcntl.h>
#include <limits.h>
#include <linux/cdrom.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/drive.h"
#include "provision/platform.h"

typedef struct Cd {
    const char *const *types;
    Buf *ret;
} Cd;

static bool type_known(const Cd *cd, const char *type)
{
    if (!*type)
        return true; /* a test's directory */
    for (const char *const *t = cd->types; *t; t++)
        if (strcmp(*t, type) == 0)
            return true;
    return false;
}

static bool is_cd_with_disc(const DriveDevice *d)
{
    if (!*d->type)
        return true;
    _cleanup_close_ int fd = open(d->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && ioctl(fd, CDROM_DRIVE_STATUS, CDSL_CURRENT) == CDS_DISC_OK;
}

static int cd_read(void *context, const DriveDevice *d, const char *label _unused_)
{
    const Cd *cd = context;
    struct stat st;
    Error why = ERROR_INIT;

    if (!type_known(cd, d->type) || !is_cd_with_disc(d))
        return 0;
    _cleanup_close_ int root = drive_open(d, &why);
    if (root < 0) {
        log_warning("%s", why.text);
        return 0;
    }
    if (fstatat(root, "ovf-env.xml", &st, AT_SYMLINK_NOFOLLOW) < 0) {
        log_info("%s is no config drive: it has no ovf-env.xml", d->path);
        return 0;
    }
    int r = root_read(root, "CustomData.bin", PLATFORM_CONFIG_MAX, cd->ret);
    if (r == -ENOENT)
        return -ENODATA;
    if (r < 0) {
        log_warning("failed to read the custom data of %s: %s", d->path, strerror(-r));
        return 0;
    }
    log_info("config has been read from custom data");
    return 1;
}

static int cd_try(Cd *cd)
{
    _cleanup_arena_ Arena *a = arena_new();

    return drive_each(a, cd_read, cd);
}

static int cd_fetch(const PlatformFetch *p, const char *const *types, Buf *ret, Error *e)
{
    Cd cd = {.types = types, .ret = ret};
    int r = cd_try(&cd);

    if (r == 0)
        log_info("waiting for a CD with ovf-env.xml");
    while (r == 0 && platform_pause(p))
        r = cd_try(&cd);
    if (r == 0)
        return error_set(e, ETIMEDOUT, "no CD with ovf-env.xml appeared in time");
    return r < 0 ? r : 0;
}

int azure_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    static const char *const types[] = {"udf", NULL};
    int r = metadata_fetch(p, ret, e);

    if (r < 0)
        return r;
    if (ret->len > 0) {
        log_info("config has been read from IMDS userdata");
        return 0;
    }
    log_info("the metadata service has no user data, looking for custom data");
    return cd_fetch(p, types, ret, e);
}

int azurestack_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    static const char *const types[] = {"udf", "iso9660", NULL};

    return cd_fetch(p, types, ret, e);
}
