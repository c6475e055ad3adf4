/* What a device is tell its signatures (libblkid, loaded for this alone), not the links of udev: they may not
 * be there yet, and there may be no udev. A partition's type is read from the table of its disk, which
 * libblkid finds by sysfs. The mount is a detached one: it has no path, so nothing can walk into it, and it
 * is gone with its descriptor, however this process ends. */
#include "system/boot_partition.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/library.h"
#include "system/mount_table.h"

enum { CANDIDATES_MAX = 64 };

static blkid_probe (*new_probe)(void);
static void (*free_probe)(blkid_probe);
static int (*set_device)(blkid_probe, int, blkid_loff_t, blkid_loff_t);
static int (*enable_superblocks)(blkid_probe, int);
static int (*set_superblocks)(blkid_probe, int);
static int (*enable_partitions)(blkid_probe, int);
static int (*set_partitions)(blkid_probe, int);
static int (*do_safeprobe)(blkid_probe);
static int (*lookup_value)(blkid_probe, const char *, const char **, size_t *);

static const LibrarySymbol symbols[] = {
    {"blkid_new_probe", &new_probe},
    {"blkid_free_probe", &free_probe},
    {"blkid_probe_set_device", &set_device},
    {"blkid_probe_enable_superblocks", &enable_superblocks},
    {"blkid_probe_set_superblocks_flags", &set_superblocks},
    {"blkid_probe_enable_partitions", &enable_partitions},
    {"blkid_probe_set_partitions_flags", &set_partitions},
    {"blkid_do_safeprobe", &do_safeprobe},
    {"blkid_probe_lookup_value", &lookup_value},
};

/* By rank: the first row is tried first. */
static const struct {
    const char *value, *wanted, *why;
} marks[] = {
    {"LABEL", "boot", "labelled boot"},
    {"PART_ENTRY_TYPE", "bc13c2ff-59e6-4262-a352-b275fd6f7172", "an extended boot loader partition"},
    {"PART_ENTRY_TYPE", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "an EFI system partition"},
};

typedef struct Candidate {
    BootPartition partition;
    size_t rank;
} Candidate;

static const char *value_of(blkid_probe p, const char *name)
{
    const char *value = NULL;

    return lookup_value(p, name, &value, NULL) == 0 && value ? value : "";
}

static bool is_candidate(Arena *a, const char *device, blkid_probe p, Candidate *ret)
{
    if (do_safeprobe(p) != 0 || strcmp(value_of(p, "USAGE"), "filesystem") != 0)
        return false;
    for (size_t i = 0; i < ELEMENTS(marks); i++) {
        if (strcasecmp(value_of(p, marks[i].value), marks[i].wanted) != 0)
            continue;
        *ret = (Candidate){
            .partition = {.device = arena_strdup(a, device),
                          .format = arena_strdup(a, value_of(p, "TYPE")),
                          .why = marks[i].why},
            .rank = i,
        };
        return true;
    }
    return false;
}

/* The node of a device of sysfs, if it is that device; -EBADF: there is nothing to be read. */
static int device_open(const char *sysfs_dir, const char *name, const char *device)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    char path[512];
    unsigned major, minor;
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s/dev", sysfs_dir, name);
    if (file_read_at(AT_FDCWD, path, 64, &text, NULL) < 0 || !text.data ||
        sscanf(text.data, "%u:%u", &major, &minor) != 2)
        return -EBADF;
    _cleanup_close_ int fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != makedev(major, minor))
        return -EBADF;
    return TAKE_FD(fd);
}

static bool examine(Arena *a, const char *sysfs_dir, const char *name, Candidate *ret)
{
    static const char *const never[] = {"ram", "zram", "fd", "sr"};
    char device[300];

    for (size_t i = 0; i < ELEMENTS(never); i++)
        if (strncmp(name, never[i], strlen(never[i])) == 0)
            return false;
    snprintf(device, sizeof(device), "/dev/%s", name);
    for (char *p = device; *p; p++)
        *p = *p == '!' ? '/' : *p;
    _cleanup_close_ int fd = device_open(sysfs_dir, name, device);
    if (fd < 0)
        return false;
    blkid_probe p = new_probe();
    if (!p)
        abort();
    bool found = set_device(p, fd, 0, 0) == 0 && enable_superblocks(p, 1) == 0 &&
                 set_superblocks(p, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_LABEL) == 0 &&
                 enable_partitions(p, 1) == 0 && set_partitions(p, BLKID_PARTS_ENTRY_DETAILS) == 0 &&
                 is_candidate(a, device, p, ret);
    free_probe(p);
    return found;
}

static int compare(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return strcmp(x->partition.device, y->partition.device);
}

int boot_partitions_find(Arena *a, BootPartition **ret, size_t *ret_n, Error *e)
{
    const char *sysfs = getenv("BASALT_SYSFS");
    const char *dir = arena_printf(a, "%s/class/block", sysfs && *sysfs ? sysfs : "/sys");
    Candidate found[CANDIDATES_MAX];
    size_t n = 0;
    int r = library_load("libblkid.so.1", "looking for the boot partition", symbols, ELEMENTS(symbols), e);

    if (r < 0)
        return r;
    _cleanup_closedir_ DIR *d = opendir(dir);
    for (struct dirent *f; d && n < CANDIDATES_MAX && (f = readdir(d));)
        if (f->d_name[0] != '.' && examine(a, dir, f->d_name, &found[n]))
            n++;
    qsort(found, n, sizeof(*found), compare);
    *ret = ARENA_ARRAY(a, BootPartition, n + 1);
    for (size_t i = 0; i < n; i++)
        (*ret)[i] = found[i].partition;
    *ret_n = n;
    return 0;
}

static int failed(const BootPartition *p, int r, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    MountTable t;
    struct stat st;

    if (r == -EBUSY && stat(p->device, &st) == 0 && mount_table_read(a, &t, NULL) >= 0)
        for (size_t i = 0; i < t.n; i++)
            if (mount_entry_is_of(&t.entries[i], st.st_rdev))
                return error_set(e, EBUSY,
                                 "%s (%s) is mounted on %s, perhaps only for reading: mount it for writing",
                                 p->device, p->why, t.entries[i].point);
    return error_errno(e, r, "mounting %s (%s)", p->device, p->why);
}

int boot_partition_mount(const BootPartition *p, Error *e)
{
    _cleanup_close_ int fs = fsopen(p->format, FSOPEN_CLOEXEC);

    if (fs < 0)
        return failed(p, -errno, e);
    if (fsconfig(fs, FSCONFIG_SET_STRING, "source", p->device, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return failed(p, -errno, e);
    int top = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return top < 0 ? failed(p, -errno, e) : top;
}
