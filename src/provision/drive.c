/* Looks filesystems up and opens them. The mount is made with the kernel's descriptors for it (fsopen(2)): no
 * directory, nothing in /proc/mounts of anybody, nothing to be taken away when the process is killed. What
 * stands on such a filesystem comes from outside: no devices, no set-user bits, no programs. */
#include "provision/drive.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/library.h"
#include "base/log.h"
#include "provision/platform.h"

typedef struct Blkid {
    blkid_probe (*new_probe)(const char *);
    void (*free_probe)(blkid_probe);
    int (*enable)(blkid_probe, int);
    int (*flags)(blkid_probe, int);
    int (*probe)(blkid_probe);
    int (*value)(blkid_probe, const char *, const char **, size_t *);
} Blkid;

static int blkid_load(Blkid *b, Error *e)
{
    const LibrarySymbol rows[] = {
        {"blkid_new_probe_from_filename", &b->new_probe},
        {"blkid_free_probe", &b->free_probe},
        {"blkid_probe_enable_superblocks", &b->enable},
        {"blkid_probe_set_superblocks_flags", &b->flags},
        {"blkid_do_safeprobe", &b->probe},
        {"blkid_probe_lookup_value", &b->value},
    };
    return library_load("libblkid.so.1", "finding filesystems", rows, ELEMENTS(rows), e);
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What is on the device: 1, or 0 when nothing is recognised. */
static int look(const Blkid *b, Arena *a, const char *path, DriveDevice *ret, const char **ret_label)
{
    const char *type = NULL, *label = NULL;

    if (is_directory(path)) {
        *ret = (DriveDevice){.path = path, .type = ""};
        *ret_label = "";
        return 1;
    }
    blkid_probe probe = b->new_probe(path);
    if (!probe)
        return 0;
    b->enable(probe, 1);
    b->flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL);
    if (b->probe(probe) == 0) {
        b->value(probe, "TYPE", &type, NULL);
        b->value(probe, "LABEL", &label, NULL);
    }
    if (type) {
        *ret = (DriveDevice){.path = path, .type = arena_strdup(a, type)};
        *ret_label = arena_strdup(a, label ? label : "");
    }
    b->free_probe(probe);
    return type ? 1 : 0;
}

int drive_each(Arena *a, int (*each)(void *context, const DriveDevice *d, const char *label), void *context)
{
    _cleanup_closedir_ DIR *dir = opendir(platform_path(a, "BASALT_SYSFS", "/sys", "class/block"));
    Blkid blkid;
    Error why = ERROR_INIT;

    if (!dir)
        return 0;
    if (blkid_load(&blkid, &why) < 0) {
        log_debug("%s", why.text);
        return 0;
    }
    for (struct dirent *d; (d = readdir(dir));) {
        const char *path, *label;
        DriveDevice device;
        if (d->d_name[0] == '.' || strncmp(d->d_name, "ram", 3) == 0)
            continue;
        path = platform_path(a, "BASALT_DEV", "/dev", d->d_name);
        if (!look(&blkid, a, path, &device, &label))
            continue;
        int r = each(context, &device, label);
        if (r != 0)
            return r;
    }
    return 0;
}

/* ---- opening ---- */

/* The filesystem as it is mounted elsewhere, or read-only. A superblock is one or the other: whoever has it
 * writable keeps it so, and this mount of it is read-only all the same. */
static int superblock(const DriveDevice *d, bool read_only)
{
    _cleanup_close_ int fs = fsopen(d->type, FSOPEN_CLOEXEC);

    if (fs < 0)
        return -errno;
    if (fsconfig(fs, FSCONFIG_SET_STRING, "source", d->path, 0) < 0 ||
        (read_only && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0) ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    int fd = fsmount(fs, FSMOUNT_CLOEXEC,
                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return fd < 0 ? -errno : fd;
}

static int directory(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int drive_open(const DriveDevice *d, Error *e)
{
    int fd = *d->type ? superblock(d, true) : directory(d->path);

    if (fd == -EBUSY)
        fd = superblock(d, false);
    if (fd == -ENOENT)
        return fd; /* it was pulled out again */
    if (fd < 0)
        return error_errno(e, fd, "opening the %s filesystem of '%s'", d->type, d->path);
    log_info("reading the %s filesystem of %s", d->type, d->path);
    return fd;
}

typedef struct Wanted {
    const char *label;
    DriveDevice found;
} Wanted;

static int label_compare(void *context, const DriveDevice *d, const char *label)
{
    Wanted *w = context;

    if (strcmp(label, w->label) != 0)
        return 0;
    w->found = *d;
    return 1;
}

int drive_open_label(Arena *a, const char *label, Error *e)
{
    const char *path =
        arena_printf(a, "%s/%s", platform_path(a, "BASALT_DEV", "/dev", "disk/by-label"), label);
    const char *udev = platform_path(a, "BASALT_RUN", "/run", "udev/control");
    Wanted w = {.label = label};
    const char *seen;
    Blkid blkid;
    int r;

    if (access(path, F_OK) == 0) {
        r = blkid_load(&blkid, e);
        if (r < 0)
            return r;
        if (look(&blkid, a, path, &w.found, &seen))
            return drive_open(&w.found, e);
        return error_set(e, EIO, "no filesystem is recognised on '%s'", path);
    }
    /* udev would have made the link. */
    if (access(udev, F_OK) < 0 && drive_each(a, label_compare, &w) == 1)
        return drive_open(&w.found, e);
    return -ENOENT;
}
