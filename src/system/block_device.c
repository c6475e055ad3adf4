/* Looking at a device: first what it says of itself (its size and sectors by ioctl, or the length of an image
 * file), then its directory in sysfs: is it a partition, which partitions has it, what stands on each of
 * them. A partition is busy by a mount (mountinfo names the file system's device number), by swap
 * (/proc/swaps names a node), or by a device that the kernel lists under its holders: device-mapper, md,
 * anything else. A multipath disk keeps its partitions as mapped devices of their own, which sysfs lists as
 * its holders: those are taken for what they are, and only who stands on them is a holder. */
#include "system/block_device.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"

enum { PROC_MAX = 16 << 20, ATTRIBUTE_MAX = 4096, HOLDERS_MAX = 4096 };

typedef struct Look {
    Arena *arena;
    const char *sysfs, *proc;
    DeviceFacts *facts;
    DeviceHolder *holders;
    size_t n, size;
    Buf mounts, swaps; /* texts of /proc */
} Look;

/* ---- small readers ---- */

/* One line of sysfs without its end; NULL when it cannot be read. */
static const char *attribute(Look *l, const char *directory, const char *name)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    const char *path = arena_printf(l->arena, "%s/%s", directory, name);

    if (file_read_at(AT_FDCWD, path, ATTRIBUTE_MAX, &b, NULL) < 0 || !b.data)
        return NULL;
    b.data[strcspn(b.data, "\n")] = 0;
    return arena_strdup(l->arena, b.data);
}

static bool attribute_number(Look *l, const char *directory, const char *name, uint64_t *ret)
{
    const char *text = attribute(l, directory, name);
    char *end;

    if (!text || !isdigit((unsigned char)*text))
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == 0;
}

static bool attribute_device(Look *l, const char *directory, unsigned *ret_major, unsigned *ret_minor)
{
    const char *text = attribute(l, directory, "dev");
    return text && sscanf(text, "%u:%u", ret_major, ret_minor) == 2;
}

static const char *sysfs_of(Look *l, unsigned major, unsigned minor)
{
    return arena_printf(l->arena, "%s/dev/block/%u:%u", l->sysfs, major, minor);
}

/* ---- holders ---- */

static void add_holder(Look *l, HolderKind kind, unsigned partition, const char *what)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->holders[i].kind == kind && l->holders[i].partition == partition &&
            strcmp(l->holders[i].what, what) == 0)
            return;
    if (l->n >= HOLDERS_MAX)
        return;
    if (l->n == l->size) {
        DeviceHolder *more = ARENA_ARRAY(l->arena, DeviceHolder, l->size ? 2 * l->size : 8);
        for (size_t i = 0; i < l->n; i++)
            more[i] = l->holders[i];
        l->holders = more;
        l->size = l->size ? 2 * l->size : 8;
    }
    l->holders[l->n++] = (DeviceHolder){kind, partition, arena_strdup(l->arena, what)};
}

/* \040 and its like, as the kernel writes blanks in names. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
            *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

/* mountinfo: "36 35 98:0 /mnt1 /mnt2 rw …": the third word is the device, the fifth where it is. btrfs has a
 * made-up device there; its source, behind the lone dash, is a node. */
static void find_mounts(Look *l, unsigned major, unsigned minor, unsigned partition)
{
    _cleanup_free_ char *text = l->mounts.data ? strdup(l->mounts.data) : NULL;

    for (char *line = text, *next; line && *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        unsigned at_major, at_minor;
        int where = 0, length = 0;
        if (sscanf(line, "%*u %*u %u:%u %*s %n%*s%n", &at_major, &at_minor, &where, &length) < 2 ||
            length <= where)
            continue;
        bool is = at_major == major && at_minor == minor;
        char *source = strstr(line + length, " - ");
        line[length] = 0;
        if (!is && at_major == 0 && source) {
            struct stat st;
            source += 3 + strcspn(source + 3, " ");
            source += *source == ' ';
            source[strcspn(source, " ")] = 0;
            unescape(source);
            is = *source == '/' && stat(source, &st) == 0 && S_ISBLK(st.st_mode) &&
                 st.st_rdev == makedev(major, minor);
        }
        if (!is)
            continue;
        unescape(line + where);
        add_holder(l, HOLDER_MOUNT, partition, line + where);
    }
}

static void find_swaps(Look *l, unsigned major, unsigned minor, unsigned partition)
{
    _cleanup_free_ char *text = l->swaps.data ? strdup(l->swaps.data) : NULL;

    for (char *line = text, *next; line && *line; line = next) {
        struct stat st;
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        line[strcspn(line, " \t")] = 0;
        unescape(line);
        if (*line == '/' && stat(line, &st) == 0 && S_ISBLK(st.st_mode) &&
            st.st_rdev == makedev(major, minor))
            add_holder(l, HOLDER_SWAP, partition, line);
    }
}

static void find_all(Look *l, unsigned major, unsigned minor, unsigned partition);

/* "vg0-lv--x" of device-mapper is the volume lv-x in vg0: a lone dash divides, a double one is a dash. */
static const char *volume_group_name(Arena *a, const char *mapped)
{
    char *name = arena_strdup(a, mapped), *to = name;
    for (const char *s = mapped; *s; s++) {
        if (s[0] == '-' && s[1] != '-')
            break;
        s += s[0] == '-';
        *to++ = *s;
    }
    *to = 0;
    return name;
}

static void add_sysfs_holder(Look *l, const char *directory, const char *name, unsigned partition)
{
    const char *uuid = attribute(l, directory, "dm/uuid"), *mapped = attribute(l, directory, "dm/name");
    const char *array = attribute(l, directory, "md/array_state");
    unsigned number, major, minor;

    if (mapped && uuid && sscanf(uuid, "part%u-", &number) == 1 && partition == 0 && number > 0) {
        if (attribute_device(l, directory, &major, &minor))
            find_all(l, major, minor, number);
    } else if (mapped && uuid && strncmp(uuid, "LVM-", 4) == 0) {
        add_holder(l, HOLDER_LVM, partition, volume_group_name(l->arena, mapped));
    } else if (mapped) {
        add_holder(l, HOLDER_DM, partition, mapped);
    } else if (array) {
        add_holder(l, HOLDER_MD, partition, name);
    } else {
        add_holder(l, HOLDER_OTHER, partition, name);
    }
}

static int compare_names(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* The names in a directory, sorted; NULL at the end. */
static const char **list_names(Look *l, const char *directory)
{
    _cleanup_closedir_ DIR *d = opendir(directory);
    size_t n = 0, size = 64;
    const char **names = ARENA_ARRAY(l->arena, const char *, size + 1);

    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        if (n == size) {
            const char **more = ARENA_ARRAY(l->arena, const char *, 2 * size + 1);
            memcpy(more, names, n * sizeof(*names));
            names = more;
            size *= 2;
        }
        names[n++] = arena_strdup(l->arena, entry->d_name);
    }
    qsort(names, n, sizeof(*names), compare_names);
    return names;
}

static void find_all(Look *l, unsigned major, unsigned minor, unsigned partition)
{
    const char *holders = arena_printf(l->arena, "%s/holders", sysfs_of(l, major, minor));

    find_mounts(l, major, minor, partition);
    find_swaps(l, major, minor, partition);
    for (const char **name = list_names(l, holders); *name; name++)
        add_sysfs_holder(l, arena_printf(l->arena, "%s/%s", holders, *name), *name, partition);
}

/* ---- the kernel's partitions ---- */

static int compare_partitions(const void *x, const void *y)
{
    const KernelPartition *a = x, *b = y;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void find_partitions(Look *l)
{
    DeviceFacts *f = l->facts;
    const char *disk = sysfs_of(l, f->major, f->minor);
    const char **names = list_names(l, disk);
    size_t n = 0;

    while (names[n])
        n++;
    KernelPartition *list = ARENA_ARRAY(l->arena, KernelPartition, n ? n : 1);
    n = 0;
    for (const char **name = names; *name; name++) {
        if (!isdigit((unsigned char)(*name)[strlen(*name) - 1])) /* the disk's own attributes */
            continue;
        const char *directory = arena_printf(l->arena, "%s/%s", disk, *name);
        KernelPartition p = {.name = *name};
        uint64_t number;
        if (!attribute_number(l, directory, "partition", &number) || number == 0 || number > UINT32_MAX ||
            !attribute_number(l, directory, "start", &p.start) ||
            !attribute_number(l, directory, "size", &p.size) ||
            !attribute_device(l, directory, &p.major, &p.minor))
            continue;
        p.number = (unsigned)number;
        p.start *= 512; /* sysfs counts these, whatever the sectors are */
        p.size *= 512;
        list[n++] = p;
    }
    qsort(list, n, sizeof(*list), compare_partitions);
    f->kernel_known = true;
    f->kernel = list;
    f->n_kernel = n;
}

/* ---- the device itself ---- */

static int look_image(DeviceFacts *f, const struct stat *st, const BlockView *view)
{
    f->size = (uint64_t)st->st_size;
    f->sector_size = f->physical_sector_size =
        view && view->image_sector_size ? view->image_sector_size : 512;
    f->read_only = access(f->real, W_OK) < 0;
    return 0;
}

static int look_block(Look *l, int fd, const struct stat *st, Error *e)
{
    DeviceFacts *f = l->facts;
    int sector = 0, read_only = 0, offset = 0;
    unsigned physical = 0;
    uint64_t number;

    f->major = major(st->st_rdev);
    f->minor = minor(st->st_rdev);
    if (ioctl(fd, BLKGETSIZE64, &f->size) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0)
        return error_errno(e, -errno, "cannot ask '%s' for its size", f->real);
    f->sector_size = (unsigned)sector;
    f->physical_sector_size = ioctl(fd, BLKPBSZGET, &physical) == 0 ? physical : f->sector_size;
    if (ioctl(fd, BLKALIGNOFF, &offset) == 0 && offset > 0)
        f->alignment_offset = (uint64_t)offset;
    f->read_only = ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
    const char *directory = sysfs_of(l, f->major, f->minor);
    f->is_partition = attribute_number(l, directory, "partition", &number);
    f->rotational = attribute_number(l, arena_printf(l->arena, f->is_partition ? "%s/.." : "%s", directory),
                                     "queue/rotational", &number) &&
                    number;
    return 0;
}

static Look look_new(Arena *a, const BlockView *view, DeviceFacts *f)
{
    return (Look){
        .arena = a,
        .sysfs = view && view->sysfs ? view->sysfs : "/sys",
        .proc = view && view->proc ? view->proc : "/proc",
        .facts = f,
    };
}

static void look_holders(Look *l)
{
    DeviceFacts *f = l->facts;

    (void)file_read_at(AT_FDCWD, arena_printf(l->arena, "%s/self/mountinfo", l->proc), PROC_MAX, &l->mounts,
                       NULL);
    (void)file_read_at(AT_FDCWD, arena_printf(l->arena, "%s/swaps", l->proc), PROC_MAX, &l->swaps, NULL);
    find_all(l, f->major, f->minor, 0);
    for (size_t i = 0; i < f->n_kernel; i++)
        find_all(l, f->kernel[i].major, f->kernel[i].minor, f->kernel[i].number);
    buf_done(&l->mounts);
    buf_done(&l->swaps);
    f->holders = l->holders;
    f->n_holders = l->n;
}

int block_device_look(Arena *a, const BlockView *view, const char *path, unsigned what, DeviceFacts *ret,
                      Error *e)
{
    DeviceFacts f = {.path = arena_strdup(a, path)};
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    _cleanup_free_ char *real = fd < 0 ? NULL : realpath(path, NULL);
    Look l = look_new(a, view, &f);
    struct stat st;
    int r;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENXIO || errno == ENODEV)) {
        *ret = f;
        return 0;
    }
    if (fd < 0 || !real || fstat(fd, &st) < 0)
        return error_errno(e, -errno, "cannot open '%s'", path);
    f.exists = true;
    f.real = arena_strdup(a, real);
    if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
        return error_set(e, ENOTBLK, "'%s' is neither a block device nor an image file", path);
    r = S_ISREG(st.st_mode) ? look_image(&f, &st, view) : look_block(&l, fd, &st, e);
    if (r < 0)
        return r;
    if (S_ISBLK(st.st_mode) && what & LOOK_HOLDERS) {
        find_partitions(&l);
        look_holders(&l);
    }
    *ret = f;
    return 0;
}

int block_device_partitions(Arena *a, const BlockView *view, DeviceFacts *disk, Error *e)
{
    Look l = look_new(a, view, disk);

    (void)e;
    find_partitions(&l);
    return 0;
}

bool block_device_is_mapped(Arena *a, const DeviceFacts *f)
{
    DeviceFacts copy = *f;
    Look l = look_new(a, NULL, &copy);
    return attribute(&l, sysfs_of(&l, f->major, f->minor), "dm/name") != NULL;
}

const char *device_holder_text(Arena *a, const DeviceHolder *h)
{
    static const char *const forms[] = {
        [HOLDER_MOUNT] = "it is mounted at %s",
        [HOLDER_SWAP] = "it is used as swap (%s)",
        [HOLDER_LVM] = "it is a part of the LVM volume group %s",
        [HOLDER_DM] = "the mapped device %s stands on it",
        [HOLDER_MD] = "it is a member of the array %s",
        [HOLDER_OTHER] = "the device %s stands on it",
    };
    return arena_printf(a, forms[h->kind], h->what);
}

const DeviceHolder *device_holder_of(const DeviceFacts *f, unsigned partition)
{
    for (size_t i = 0; i < f->n_holders; i++)
        if (f->holders[i].partition == partition)
            return &f->holders[i];
    return NULL;
}
