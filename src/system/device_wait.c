/* A link that is there is believed: who made it (udev, mdadm, device-mapper) made it when the device was
 * ready. A link that is not there is left to udev while udev runs, for two seconds; after that, and at once
 * where no udev runs, the device is looked for by what the name says of it. So a machine whose udev has no
 * rules for such links goes on too. Waiting is asking again with growing pauses: sysfs and what is on a
 * device have no event that one could wait for without udev. */
#include "system/device_wait.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "system/device_names.h"

enum {
    PAUSE_FIRST_MS = 2,
    PAUSE_LAST_MS = 200,
    TELL_AFTER_MS = 2000,
    UDEV_SEC = 120,
    SYSFS_VALUE_MAX = 4096
};

static const char udev_socket[] = "/run/udev/control";

static bool udev_runs(void)
{
    return access(udev_socket, F_OK) == 0;
}

/* ---- nodes ---- */

static bool node_is(const char *path, dev_t number)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == number;
}

/* Somewhere in /dev itself; NULL: not there. */
static const char *node_search(Arena *a, dev_t number)
{
    _cleanup_closedir_ DIR *d = opendir("/dev");
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (entry->d_type != DT_BLK && entry->d_type != DT_UNKNOWN)
            continue;
        const char *path = arena_printf(a, "/dev/%s", entry->d_name);
        if (node_is(path, number))
            return path;
    }
    return NULL;
}

int device_node(Arena *a, unsigned major, unsigned minor, const char *name, const char **ret, Error *e)
{
    const dev_t number = makedev(major, minor);
    char *path = arena_printf(a, "/dev/%s", name);

    for (char *p = path; (p = strchr(p, '!'));)
        *p = '/';
    if (!node_is(path, number)) {
        const char *other = node_search(a, number);
        if (other) {
            *ret = other;
            return 0;
        }
        /* A node of that name with another number is left over from a device that is gone. */
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISBLK(st.st_mode))
            (void)unlink(path);
        if (strchr(path + 5, '/'))
            (void)dir_make_all_at(AT_FDCWD, arena_printf(a, "%.*s", (int)(strrchr(path, '/') - path), path),
                                  0755);
        if (mknod(path, S_IFBLK | 0600, number) < 0 && !(errno == EEXIST && node_is(path, number)))
            return error_errno(e, -errno, "making the node %s", path);
    }
    *ret = path;
    return 0;
}

/* ---- names ---- */

/* What the path leads to; 0, -ENOENT, or why that cannot be told. */
static int resolve_link(Arena *a, const char *path, const char **ret, Error *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? -ENOENT : error_errno(e, -errno, "%s", path);
    if (!S_ISBLK(st.st_mode))
        return error_set(e, ENOTBLK, "%s is not a block device", path);
    _cleanup_free_ char *real = realpath(path, NULL);
    if (!real)
        return errno == ENOENT ? -ENOENT : error_errno(e, -errno, "%s", path);
    *ret = arena_strdup(a, real);
    return 0;
}

/* What the name would stand for. */
static int resolve_name(Arena *a, const char *path, const char **ret, Error *e)
{
    const char *name = device_name_find(a, path);
    _cleanup_buf_ Buf number = BUF_INIT;
    unsigned major, minor;
    if (!name ||
        file_read_at(AT_FDCWD, arena_printf(a, "/sys/class/block/%s/dev", name), SYSFS_VALUE_MAX, &number,
                     NULL) < 0 ||
        !number.len || sscanf(number.data, "%u:%u", &major, &minor) != 2)
        return error_set(e, ENOENT, "there is no %s", path);
    return device_node(a, major, minor, name, ret, e);
}

int device_resolve(Arena *a, const char *path, const char **ret, Error *e)
{
    int r = resolve_link(a, path, ret, e);
    if (r != -ENOENT)
        return r;
    return udev_runs() ? error_set(e, ENOENT, "there is no %s", path) : resolve_name(a, path, ret, e);
}

int device_wait(Arena *a, const char *path, unsigned timeout_sec, const char **ret, Error *e)
{
    const int64_t start = monotonic_ms(), end = start + (int64_t)timeout_sec * 1000;
    bool told = false;
    int r;

    for (unsigned pause = PAUSE_FIRST_MS;; pause = pause * 2 < PAUSE_LAST_MS ? pause * 2 : PAUSE_LAST_MS) {
        int64_t now = monotonic_ms();
        r = device_resolve(a, path, ret, e);
        if (r == -ENOENT && now - start >= TELL_AFTER_MS) {
            if (!told)
                log_info("waiting for %s, for at most %u seconds", path, timeout_sec);
            told = true;
            r = resolve_name(a, path, ret, e);
        }
        if (r != -ENOENT)
            break;
        if (now >= end)
            return error_set(e, ETIMEDOUT, "%s did not appear within %u seconds", path, timeout_sec);
        (void)poll(NULL, 0, (int)pause);
    }
    if (r >= 0 && e)
        *e = ERROR_INIT;
    return r;
}

/* ---- udev ---- */

static int udevadm_run(const char *const *argv, Error *e)
{
    if (!udev_runs())
        return 0;
    int r = process_run(&(ProcessRun){.argv = argv, .timeout_sec = UDEV_SEC}, e);
    return r > 0 ? -EIO : r;
}

int device_settle(Error *e)
{
    int r = udevadm_run((const char *const[]){"udevadm", "settle", NULL}, e);
    return r < 0 ? error_wrap(e, r, "waiting for udev") : 0;
}

/* A bare settle may be over before udev has even heard of what was written; an event of our own is behind
 * whatever came before it. */
int device_retrigger(const char *device, Error *e)
{
    int r = udevadm_run((const char *const[]){"udevadm", "trigger", "--settle", device, NULL}, e);
    return r < 0 ? error_wrap(e, r, "waiting for udev to look at %s again", device) : 0;
}
