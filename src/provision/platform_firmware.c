/* Configs that the firmware, the hypervisor or the machine's own management hands over as a file: QEMU
 * (fw_cfg, or a disk named `ignition` where the machine has no fw_cfg), NVIDIA BlueField (bootfifo), z/VM
 * (the virtual card reader). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/platform.h"

/* sysfs says of each of its files that it has a page, whatever is in it. */
enum { FW_CFG_SIZE_TEXT_MAX = 4096 };

/* Machines without fw_cfg get the config as a disk, which may take its time. */
#if defined(__powerpc64__) || defined(__s390x__)
static const bool has_fw_cfg = false;
#else
static const bool has_fw_cfg = true;
#endif

/* A device is longer than what is on it: NULs at both ends are no config's. */
static void trim_nuls(Buf *b, size_t from)
{
    size_t lead = 0;

    while (b->len > from && b->data[b->len - 1] == '\0')
        b->len--;
    while (from + lead < b->len && b->data[from + lead] == '\0')
        lead++;
    if (lead > 0) {
        memmove(b->data + from, b->data + from + lead, b->len - from - lead);
        b->len -= lead;
    }
    if (b->data)
        b->data[b->len] = '\0';
}

/* The kernel's fw_cfg driver starts each read(2) at the front again, so the file is read in as few as can be:
 * one, of the size that the firmware says. */
static int fw_cfg_read(int dir, size_t size, Buf *ret, Error *e)
{
    _cleanup_close_ int fd = openat(dir, "raw", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_errno(e, -errno, "couldn't open QEMU firmware config");
    char *to = buf_reserve(ret, size + 1);
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, to + have, size + 1 - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(e, -errno, "couldn't read QEMU firmware config");
        if (n == 0)
            return error_set(e, EIO, "couldn't read QEMU firmware config: it is shorter than it says");
        have += (size_t)n;
    }
    if (have > size)
        return error_set(e, EIO, "couldn't read QEMU firmware config: it is longer than it says");
    ret->len += size;
    ret->data[ret->len] = '\0';
    return 0;
}

/* -ENOENT: the firmware has none. */
static int fw_cfg_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    const char *base = platform_path(p->arena, "BASALT_SYSFS", "/sys", "firmware/qemu_fw_cfg");
    const char *path = arena_printf(p->arena, "%s/by_name/opt/com.coreos/config", base);
    _cleanup_buf_ Buf text = BUF_INIT;
    char *end;
    int r = platform_modprobe(p, "qemu_fw_cfg", base, e);

    if (r < 0)
        return r;
    _cleanup_close_ int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        return -ENOENT;
    if (dir < 0)
        return error_errno(e, -errno, "couldn't open '%s'", path);
    r = file_read_at(dir, "size", FW_CFG_SIZE_TEXT_MAX, &text, NULL);
    if (r < 0)
        return error_errno(e, r, "couldn't read QEMU firmware config size");
    errno = 0;
    unsigned long long size = text.len > 0 ? strtoull(text.data, &end, 10) : 0;
    if (text.len == 0 || errno || end == text.data || (*end && *end != '\n'))
        return error_set(e, EIO, "couldn't parse QEMU firmware config size");
    if (size > PLATFORM_CONFIG_MAX)
        return error_set(e, EFBIG, "QEMU firmware config has %llu bytes, more than %d", size,
                         PLATFORM_CONFIG_MAX);
    return fw_cfg_read(dir, (size_t)size, ret, e);
}

static int disk_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    const char *path = platform_path(p->arena, "BASALT_DEV", "/dev", "disk/by-id/virtio-ignition");
    size_t from = ret->len;
    int r = file_read_at(AT_FDCWD, path, PLATFORM_CONFIG_MAX, ret, NULL);

    if (r == -ENOENT)
        return r;
    if (r < 0)
        return error_errno(e, r, "couldn't read the disk '%s'", path);
    log_info("config has been read from the disk %s", path);
    trim_nuls(ret, from);
    return 0;
}

int qemu_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    int r = has_fw_cfg ? fw_cfg_fetch(p, ret, e) : -ENOENT;

    if (r == -ENOENT)
        r = disk_fetch(p, ret, e);
    if (r != -ENOENT)
        return r;
    if (has_fw_cfg) {
        log_info("QEMU firmware config was not found. Ignoring...");
        return -ENODATA;
    }
    r = platform_modprobe(
        p, "virtio_blk", platform_path(p->arena, "BASALT_SYSFS", "/sys", "bus/virtio/drivers/virtio_blk"), e);
    if (r < 0)
        return r;
    log_info("waiting for the disk 'ignition'");
    while ((r = disk_fetch(p, ret, e)) == -ENOENT && platform_pause(p))
        ;
    return r == -ENOENT ? error_set(e, ETIMEDOUT, "the disk 'ignition' did not appear in time") : r;
}

int bluefield_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    static const char *const paths[] = {"bus/platform/devices/MLNXBF04:00/bootfifo"};
    int r = platform_modprobe(p, "mlxbf_bootctl", NULL, e);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        const char *path = platform_path(p->arena, "BASALT_SYSFS", "/sys", paths[i]);
        size_t from = ret->len;
        r = file_read_at(AT_FDCWD, path, PLATFORM_CONFIG_MAX, ret, NULL);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return error_errno(e, r, "couldn't read the bootfifo '%s'", path);
        trim_nuls(ret, from);
        if (ret->len > from)
            return 0;
        log_info("%s is empty", path);
    }
    log_info("no config found in any of the NVIDIA BlueField bootfifo interfaces");
    return -ENODATA;
}

/* ---- z/VM ---- */

/* The reader is there but off, or hidden from this system and then off. */
static int reader_online(const PlatformFetch *p, Error *e)
{
    static const char device[] = "000c";
    const char *const on[] = {"chccwdev", "-e", device, NULL};
    const char *const show[] = {"cio_ignore", "-r", device, NULL};
    const char *const settle[] = {"udevadm", "settle", NULL};
    int r = platform_run(p, on, NULL, NULL);

    if (r < 0) {
        r = platform_run(p, show, NULL, e);
        if (r >= 0)
            r = platform_run(p, on, NULL, e);
    }
    if (r >= 0)
        r = platform_run(p, settle, NULL, e);
    return r < 0 ? error_wrap(e, r, "couldn't bring the reader %s online", device) : 0;
}

/* A line is ORIGINID FILE CLASSA CLASSB RECORDS CPY HOLD DATE TIME NAME TYPE DIST; the number of the first
 * file of type "ign" goes to *ret. */
static bool reader_find(Arena *a, char *list, const char **ret)
{
    for (char *line, *lines = list; (line = strsep(&lines, "\n"));) {
        char *words[12], *save = NULL;
        size_t n = 0;
        for (char *w = strtok_r(line, " \t\r", &save); w && n < ELEMENTS(words);
             w = strtok_r(NULL, " \t\r", &save))
            words[n++] = w;
        if (n <= 1)
            break;
        if (n >= 11 && strcmp(words[10], "ign") == 0) {
            *ret = arena_strdup(a, words[1]);
            return true;
        }
    }
    return false;
}

static int reader_receive(const PlatformFetch *p, const char *number, Buf *ret, Error *e)
{
    char dir[] = "/tmp/basalt-reader.XXXXXX";

    if (!mkdtemp(dir))
        return error_errno(e, -errno, "making a directory for the spool file");
    const char *file = arena_printf(p->arena, "%s/config.ign", dir);
    const char *const argv[] = {"vmur", "re", "-f", number, file, NULL};
    size_t from = ret->len;
    int r = platform_run(p, argv, NULL, e);
    if (r >= 0) {
        r = file_read_at(AT_FDCWD, file, PLATFORM_CONFIG_MAX, ret, NULL);
        if (r < 0)
            error_errno(e, r, "couldn't read the spool file");
    }
    unlink(file);
    rmdir(dir);
    if (r >= 0)
        trim_nuls(ret, from);
    return r < 0 ? error_wrap(e, r, "receiving spool file %s", number) : 0;
}

int zvm_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    const char *const argv[] = {"vmur", "li", NULL};
    _cleanup_buf_ Buf list = BUF_INIT;
    const char *number;
    int r = platform_modprobe(p, "vmur", NULL, e);

    if (r >= 0)
        r = reader_online(p, e);
    if (r < 0)
        return r;
    r = platform_run(p, argv, &list, e);
    if (r < 0)
        return error_wrap(e, r, "listing the reader's files");
    if (list.len == 0 || !reader_find(p->arena, list.data, &number)) {
        log_info("the reader has no file of type ign");
        return -ENODATA;
    }
    return reader_receive(p, number, ret, e);
}
