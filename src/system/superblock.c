/* The first look takes damaged signatures too, and partition tables: where it finds nothing a wipe would not
 * either, and need not look again. What is damaged counts for nothing else. The tolerant look is made only
 * when there is a contradiction: libblkid then takes the signature that it knows first, as it always did for
 * Ignition. A wipe goes on until a whole look finds
 * nothing: what lay below a signature, an old filesystem in an old array, comes up only when that one is
 * gone. It refuses to go on for ever: a signature that comes back after it was overwritten is a failure. */
#include "system/superblock.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/library.h"
#include "system/filesystem_mark.h"

enum { SIGNATURES_MAX = 2048, AMBIVALENT = -2 };

static struct {
    blkid_probe (*new_probe)(void);
    void (*free_probe)(blkid_probe p);
    void (*reset_probe)(blkid_probe p);
    int (*set_device)(blkid_probe p, int fd, blkid_loff_t offset, blkid_loff_t size);
    int (*enable_superblocks)(blkid_probe p, int enable);
    int (*set_superblocks_flags)(blkid_probe p, int flags);
    int (*filter_superblocks_type)(blkid_probe p, int flag, char *names[]);
    int (*enable_partitions)(blkid_probe p, int enable);
    int (*set_partitions_flags)(blkid_probe p, int flags);
    int (*do_probe)(blkid_probe p);
    int (*do_safeprobe)(blkid_probe p);
    int (*do_wipe)(blkid_probe p, int dry_run);
    int (*lookup_value)(blkid_probe p, const char *name, const char **data, size_t *len);
} blkid;

static int blkid_load(Error *e)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded;
    static const LibrarySymbol rows[] = {
        {"blkid_new_probe", &blkid.new_probe},
        {"blkid_free_probe", &blkid.free_probe},
        {"blkid_reset_probe", &blkid.reset_probe},
        {"blkid_probe_set_device", &blkid.set_device},
        {"blkid_probe_enable_superblocks", &blkid.enable_superblocks},
        {"blkid_probe_set_superblocks_flags", &blkid.set_superblocks_flags},
        {"blkid_probe_filter_superblocks_type", &blkid.filter_superblocks_type},
        {"blkid_probe_enable_partitions", &blkid.enable_partitions},
        {"blkid_probe_set_partitions_flags", &blkid.set_partitions_flags},
        {"blkid_do_probe", &blkid.do_probe},
        {"blkid_do_safeprobe", &blkid.do_safeprobe},
        {"blkid_do_wipe", &blkid.do_wipe},
        {"blkid_probe_lookup_value", &blkid.lookup_value},
    };

    pthread_mutex_lock(&lock);
    int r = loaded ? 0 : library_load("libblkid.so.1", "looking at a device", rows, ELEMENTS(rows), e);
    loaded = r >= 0;
    pthread_mutex_unlock(&lock);
    return r;
}

static void probe_done(blkid_probe *p)
{
    if (*p)
        blkid.free_probe(*p);
}
#define _cleanup_probe_ _cleanup_(probe_done)

/* ---- pools of ZFS ---- */

enum { ZFS_LABEL = 256 << 10, ZFS_LABELS = 4, ZFS_CONFIG = 16 << 10, ZFS_HEAD = 32, ZFS_NAME = 24 };

/* libblkid reads a megabyte of every device in search of one; the list of its settings, which each of its
 * four labels has, is seen by its first bytes. */
static bool zfs_is_possible(int fd, uint64_t offset, uint64_t size)
{
    const off_t end = size ? (off_t)size : lseek(fd, 0, SEEK_END);
    const off_t last = end - end % ZFS_LABEL;

    for (int i = 0; i < ZFS_LABELS; i++) {
        const off_t at = i < 2 ? (off_t)i * ZFS_LABEL : last - (off_t)(ZFS_LABELS - i) * ZFS_LABEL;
        unsigned char head[ZFS_HEAD];
        if (at < 0 || pread(fd, head, sizeof(head), (off_t)offset + at + ZFS_CONFIG) != sizeof(head))
            continue;
        /* XDR, of either byte order; the first setting is its version */
        if (head[0] == 1 && head[1] <= 1 && memcmp(head + ZFS_NAME, "version", 7) == 0)
            return true;
    }
    return false;
}

/* libblkid looks at some fifty places of a page or less, nearly all within these. The kernel reads each
 * range at once, and the rest of a probe is served from memory. */
static void prefetch(int fd, uint64_t offset, uint64_t size)
{
    enum { HEAD = 256 << 10, TAIL = 512 << 10 };
    off_t end = size ? (off_t)(offset + size) : lseek(fd, 0, SEEK_END);

    (void)posix_fadvise(fd, (off_t)offset, HEAD, POSIX_FADV_WILLNEED);
    if (end > (off_t)offset + TAIL)
        (void)posix_fadvise(fd, end - TAIL, TAIL, POSIX_FADV_WILLNEED);
}

static int probe_new_part(int fd, uint64_t offset, uint64_t size, blkid_probe *ret, Error *e)
{
    int r = blkid_load(e);
    if (r < 0)
        return r;
    *ret = blkid.new_probe();
    if (!*ret)
        abort();
    errno = 0;
    if (blkid.set_device(*ret, fd, (blkid_loff_t)offset, (blkid_loff_t)size) < 0)
        return error_errno(e, errno ? -errno : -EIO, "reading the device's size");
    if (!zfs_is_possible(fd, offset, size))
        blkid.filter_superblocks_type(*ret, BLKID_FLTR_NOTIN, (char *[]){(char[]){"zfs_member"}, NULL});
    return 0;
}

static int probe_new(int fd, blkid_probe *ret, Error *e)
{
    return probe_new_part(fd, 0, 0, ret, e);
}

static int probe_failure(Error *e)
{
    return error_errno(e, errno ? -errno : -EIO, "looking for signatures");
}

static const char *probe_value(Arena *a, blkid_probe p, const char *name)
{
    const char *value;
    return blkid.lookup_value(p, name, &value, NULL) == 0 ? arena_strdup(a, value) : NULL;
}

enum {
    VALUES = BLKID_SUBLKS_DEFAULT | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_VERSION,
};

/* 0: found, 1: nothing, AMBIVALENT, or another failure. */
static int look(blkid_probe p, int superblock_flags, int partition_flags)
{
    blkid.reset_probe(p);
    blkid.enable_superblocks(p, superblock_flags != 0);
    blkid.set_superblocks_flags(p, superblock_flags);
    blkid.enable_partitions(p, partition_flags != 0);
    blkid.set_partitions_flags(p, partition_flags);
    errno = 0;
    return blkid.do_safeprobe(p);
}

static bool is_damaged(blkid_probe p)
{
    const char *value;
    return blkid.lookup_value(p, "SBBADCSUM", &value, NULL) == 0;
}

int superblock_read(Arena *a, int fd, Superblock *ret, Error *e)
{
    return superblock_read_part(a, fd, 0, 0, ret, e);
}

int superblock_read_part(Arena *a, int fd, uint64_t offset, uint64_t size, Superblock *ret, Error *e)
{
    _cleanup_probe_ blkid_probe p = NULL;
    Superblock s = {0};

    prefetch(fd, offset, size);
    int r = probe_new_part(fd, offset, size, &p, e);
    if (r < 0)
        return r;
    r = look(p, VALUES | BLKID_SUBLKS_BADCSUM, 0);
    if (r == 1)
        s.clean = look(p, 0, BLKID_PARTS_FORCE_GPT) == 1;
    else if (r == AMBIVALENT || (r == 0 && is_damaged(p)))
        r = look(p, VALUES, 0);
    if (r == AMBIVALENT) {
        s.ambivalent = true;
        blkid.reset_probe(p);
        errno = 0;
        r = blkid.do_probe(p);
    }
    if (r < 0)
        return probe_failure(e);
    if (r == 0) {
        s.type = probe_value(a, p, "TYPE");
        s.usage = probe_value(a, p, "USAGE");
        s.label = probe_value(a, p, "LABEL");
        s.uuid = probe_value(a, p, "UUID");
        s.version = probe_value(a, p, "VERSION");
        s.unfinished = filesystem_is_unfinished(fd, offset, &s);
    }
    *ret = s;
    return 0;
}

int superblock_partition_entry(Arena *a, int fd, PartitionEntry *ret, Error *e)
{
    _cleanup_probe_ blkid_probe p = NULL;

    int r = probe_new(fd, &p, e);
    if (r < 0)
        return r;
    blkid.enable_superblocks(p, 0);
    blkid.enable_partitions(p, 1);
    blkid.set_partitions_flags(p, BLKID_PARTS_ENTRY_DETAILS);
    errno = 0;
    if (blkid.do_safeprobe(p) == -1)
        return probe_failure(e);
    *ret = (PartitionEntry){probe_value(a, p, "PART_ENTRY_NAME"), probe_value(a, p, "PART_ENTRY_UUID")};
    return 0;
}

int superblock_wipe(int fd, Error *e)
{
    _cleanup_probe_ blkid_probe p = NULL;
    int n = 0;

    int r = probe_new(fd, &p, e);
    if (r < 0)
        return r;
    blkid.enable_superblocks(p, 1);
    blkid.set_superblocks_flags(p, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM);
    blkid.enable_partitions(p, 1);
    blkid.set_partitions_flags(p, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
    errno = 0;
    while ((r = blkid.do_probe(p)) == 0) {
        if (++n > SIGNATURES_MAX)
            return error_set(e, EIO, "signatures come back after they were overwritten");
        if (blkid.do_wipe(p, 0) < 0)
            return error_errno(e, errno ? -errno : -EIO, "overwriting a signature");
    }
    if (r < 0)
        return probe_failure(e);
    if (fsync(fd) < 0)
        return error_errno(e, -errno, "writing the device");
    return n;
}
