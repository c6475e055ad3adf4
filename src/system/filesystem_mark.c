/* What a power cut inside mkfs leaves depends on the order in which the program's writes reach the disk. Seen
 * write by write (tests/provision/disks/test_cut.py does so again with the programs that are installed):
 * - ext4: all else, a barrier, then the primary superblock: no signature before all is there. But that is of
 *   two sectors, and libblkid is content with the first.
 * - btrfs: a magic of its own while it is being made, barriers, then the true one.
 * - swap: the header is one sector, the signature another; libblkid believes only both.
 * - xfs: the final superblock goes out together with what it vouches for, without a barrier between.
 * - vfat: the boot sector goes out first, and everything with one barrier at the end.
 *
 * So the last two are made under a mark. When the program has ended and all of it is on the disk, the mark is
 * replaced: first in the copies, then, behind a barrier, in the one sector that readers believe; a sector is
 * written whole or not at all. Whoever finds the mark knows that there is nothing of anyone in it.
 * xfs keeps the name in each allocation group's superblock, with a CRC32C (version 5); vfat its volume ID in
 * the boot sector and in FAT32's copy of it. */
#include "system/filesystem_mark.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"

enum { SECTOR_MAX = 32768, SECTOR_MIN = 512 };

static int sector_read(int fd, uint64_t at, unsigned char *to, size_t n, Error *e)
{
    int r = file_read_part(fd, to, n, at);
    return r < 0 ? error_errno(e, r, "reading the new filesystem") : 0;
}

static int sector_write(int fd, uint64_t at, const unsigned char *from, size_t n, Error *e)
{
    int r = file_write_part(fd, from, n, at);
    return r < 0 ? error_errno(e, r, "writing the new filesystem") : 0;
}

static int barrier(int fd, Error *e)
{
    return fsync(fd) < 0 ? error_errno(e, -errno, "writing the new filesystem") : 0;
}

/* ---- xfs ---- */

enum {
    XFS_BLOCK_SIZE = 4,
    XFS_AG_BLOCKS = 84,
    XFS_AG_COUNT = 88,
    XFS_VERSION = 100,
    XFS_SECTOR_SIZE = 102,
    XFS_NAME = 108,
    XFS_NAME_LEN = 12,
    XFS_CRC = 224,
};

static uint32_t be32_at(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static uint16_t be16_at(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t crc32c(const unsigned char *p, size_t n)
{
    uint32_t crc = ~0U;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
    }
    return ~crc;
}

static void xfs_rename(unsigned char *sector, size_t n, const char *name)
{
    memset(sector + XFS_NAME, 0, XFS_NAME_LEN);
    memcpy(sector + XFS_NAME, name, strnlen(name, XFS_NAME_LEN));
    if ((be16_at(sector + XFS_VERSION) & 15) != 5)
        return;
    memset(sector + XFS_CRC, 0, sizeof(uint32_t));
    uint32_t crc = htole32(crc32c(sector, n));
    memcpy(sector + XFS_CRC, &crc, sizeof(crc));
}

static int xfs_finish(int fd, const char *label, Error *e)
{
    unsigned char first[SECTOR_MAX], other[SECTOR_MAX];

    int r = sector_read(fd, 0, first, SECTOR_MIN, e);
    if (r < 0)
        return r;
    const size_t n = be16_at(first + XFS_SECTOR_SIZE);
    const uint32_t groups = be32_at(first + XFS_AG_COUNT);
    const uint64_t step = (uint64_t)be32_at(first + XFS_AG_BLOCKS) * be32_at(first + XFS_BLOCK_SIZE);
    if (memcmp(first, "XFSB", 4) != 0 || n < SECTOR_MIN || n > SECTOR_MAX || step < n)
        return error_set(e, EIO, "mkfs.xfs left no xfs superblock");
    r = sector_read(fd, 0, first, n, e);
    for (uint32_t i = 1; r >= 0 && i < groups; i++) {
        r = sector_read(fd, i * step, other, n, e);
        if (r < 0 || memcmp(other, "XFSB", 4) != 0)
            break;
        xfs_rename(other, n, label ? label : "");
        r = sector_write(fd, i * step, other, n, e);
    }
    if (r >= 0)
        r = barrier(fd, e);
    xfs_rename(first, n, label ? label : "");
    if (r >= 0)
        r = sector_write(fd, 0, first, n, e);
    return r < 0 ? r : barrier(fd, e);
}

/* ---- vfat ---- */

enum {
    FAT_SECTOR_SIZE = 11,
    FAT_LENGTH_16 = 22,
    FAT_BACKUP = 50,
    FAT_ID_16 = 39,
    FAT_ID_32 = 67,
};

static uint16_t le16_at(const unsigned char *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}

/* Eight hexadecimal digits, with or without a dash in the middle. */
static int fat_id_parse(const char *s, uint32_t *ret, Error *e)
{
    uint64_t v = 0;
    unsigned digits = 0;
    for (; *s; s++) {
        int c = *s | 32, digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (*s == '-' && digits == 4)
            continue;
        if (digit < 0 || ++digits > 8)
            return error_set(e, EINVAL, "a vfat volume ID is eight hexadecimal digits, such as A1B2-C3D4");
        v = v << 4 | (uint64_t)digit;
    }
    *ret = (uint32_t)v;
    return digits ? 0 : error_set(e, EINVAL, "the vfat volume ID is empty");
}

static int fat_finish(int fd, const char *declared, Error *e)
{
    unsigned char first[SECTOR_MAX], copy[SECTOR_MAX];
    uint32_t id;
    int r = 0;

    if (declared)
        r = fat_id_parse(declared, &id, e);
    else if (getrandom(&id, sizeof(id), 0) != sizeof(id))
        r = error_errno(e, -errno, "getting random bytes");
    if (r >= 0)
        r = sector_read(fd, 0, first, SECTOR_MIN, e);
    if (r < 0)
        return r;
    const size_t n = le16_at(first + FAT_SECTOR_SIZE);
    if (n < SECTOR_MIN || n > SECTOR_MAX || first[510] != 0x55 || first[511] != 0xaa)
        return error_set(e, EIO, "mkfs.fat left no boot sector");
    const bool is_32 = le16_at(first + FAT_LENGTH_16) == 0;
    const uint16_t backup = le16_at(first + FAT_BACKUP);
    const size_t at = is_32 ? FAT_ID_32 : FAT_ID_16;

    id = htole32(id);
    r = sector_read(fd, 0, first, n, e);
    memcpy(first + at, &id, sizeof(id));
    if (r >= 0 && is_32 && backup != 0 && backup != 0xffff) {
        r = sector_read(fd, (uint64_t)backup * n, copy, n, e);
        memcpy(copy + at, &id, sizeof(id));
        if (r >= 0)
            r = sector_write(fd, (uint64_t)backup * n, copy, n, e);
    }
    if (r >= 0)
        r = barrier(fd, e);
    if (r >= 0)
        r = sector_write(fd, 0, first, n, e);
    return r < 0 ? r : barrier(fd, e);
}

static const FilesystemMark marks[] = {
    {"xfs", "-L", "~unfinished~", false, "~unfinished~", xfs_finish},
    {"vfat", "-i", "ba5a17f5", true, "BA5A-17F5", fat_finish},
};

const FilesystemMark *filesystem_mark_find(const char *format)
{
    for (size_t i = 0; i < ELEMENTS(marks); i++)
        if (strcmp(marks[i].format, format) == 0)
            return &marks[i];
    return NULL;
}

/* ---- ext4 ---- */

enum {
    EXT4_AT = 1024,
    EXT4_SIZE = 1024,
    EXT4_MOUNT_TIME = 44,
    EXT4_MOUNT_COUNT = 52,
    EXT4_RO_COMPAT = 100,
    EXT4_RO_METADATA_CSUM = 0x400,
    EXT4_CHECKSUM = 1020,
};

static uint32_t le32_at(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

/* The second sector, with the checksum, is missing, and it was never mounted. */
static bool ext4_is_torn(int fd, uint64_t offset)
{
    unsigned char s[EXT4_SIZE];
    if (sector_read(fd, offset + EXT4_AT, s, sizeof(s), NULL) < 0 ||
        !(le32_at(s + EXT4_RO_COMPAT) & EXT4_RO_METADATA_CSUM) || le32_at(s + EXT4_MOUNT_TIME) != 0 ||
        le16_at(s + EXT4_MOUNT_COUNT) != 0)
        return false;
    return le32_at(s + EXT4_CHECKSUM) != ~crc32c(s, EXT4_CHECKSUM);
}

bool filesystem_is_unfinished(int fd, uint64_t offset, const Superblock *s)
{
    const FilesystemMark *m = s->type ? filesystem_mark_find(s->type) : NULL;
    const char *place = !m ? NULL : m->in_uuid ? s->uuid : s->label;

    if (place && strcasecmp(place, m->seen) == 0)
        return true;
    return s->type && strcmp(s->type, "ext4") == 0 && ext4_is_torn(fd, offset);
}
