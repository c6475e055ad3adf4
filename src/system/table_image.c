/* What a power cut leaves, and why it is no harm: first the backup (entries and header at the end of the
 * disk) is written and flushed; until then the primary is the old one and is believed. Then the primary and
 * the protective MBR are written and flushed; a primary torn meanwhile has a wrong checksum, and the backup,
 * which is whole and new, stands in for it. On a disk that had no table a backup alone, without a protective
 * MBR or any primary, counts as nothing: it may be left over from another time.
 *
 * Headers are judged here, not by libfdisk, which believes the sizes in a header whose checksum is right:
 * entries of 128 bytes, at most 4096 of them, inside of the disk. One that fails is hidden from it. So is one
 * with an entry, used or not, that ends with the last number there is: the sector behind it is sector 0, and
 * libfdisk goes round for ever in search of a free one. */
#include "system/table_image.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "base/file.h"

enum {
    HEAD_SIZE = 32 << 10,
    SIGNATURES_SIZE = 256 << 10,
    TAIL_SIZE = 32 << 10, /* not where a RAID superblock of the disk's last partition would be */
    HEADER_SIZE_MIN = 92,
    MBR_ENTRIES = 446,
    MBR_ENTRY_SIZE = 16,
    MBR_N = 4,
    MBR_SIGNATURE = 510,
    TYPE_PROTECTIVE = 0xEE,
};

void table_image_done(TableImage *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->parts[i].before);
    t->n = 0;
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -EBADF;
}

/* ---- bytes ---- */

static uint32_t crc32_add(uint32_t crc, const uint8_t *p, size_t n)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    for (; n > 0; n--, p++) {
        crc = nibbles[(crc ^ *p) & 15] ^ (crc >> 4);
        crc = nibbles[(crc ^ (*p >> 4)) & 15] ^ (crc >> 4);
    }
    return crc;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* ---- parts ---- */

/* Copies this range, as far as no other part has it. */
static int add_part(TableImage *t, int disk, uint64_t offset, uint64_t size, bool primary)
{
    uint64_t end = offset + size;

    for (size_t i = 0; i < t->n && offset < end; i++) {
        const ImagePart *p = &t->parts[i];
        if (offset >= p->offset && offset < p->offset + p->size)
            offset = p->offset + p->size;
        if (end > p->offset && end <= p->offset + p->size)
            end = p->offset;
    }
    if (offset >= end)
        return 0;
    if (t->n == IMAGE_PARTS_MAX)
        return -E2BIG;
    ImagePart *p = &t->parts[t->n];
    *p = (ImagePart){.offset = offset, .size = end - offset, .primary = primary};
    p->before = malloc(p->size);
    if (!p->before)
        abort();
    t->n++;
    int r = file_read_part(disk, p->before, p->size, offset);
    return r < 0 ? r : file_write_part(t->fd, p->before, p->size, offset);
}

/* ---- judging ---- */

static MbrState judge_mbr(const uint8_t *sector)
{
    MbrState state = MBR_NONE;

    if (sector[MBR_SIGNATURE] != 0x55 || sector[MBR_SIGNATURE + 1] != 0xAA)
        return MBR_NONE;
    for (size_t i = 0; i < MBR_N; i++) {
        uint8_t type = sector[MBR_ENTRIES + i * MBR_ENTRY_SIZE + 4];
        if (type == TYPE_PROTECTIVE)
            return MBR_PROTECTIVE;
        if (type)
            state = MBR_OTHER;
    }
    return state;
}

static const char *judge_fields(const TableImage *t, const uint8_t *sector, const GptHeader *h)
{
    uint32_t size = get32(sector + 12), entry_size = get32(sector + 84);
    uint64_t first = get64(sector + 40), last = get64(sector + 48);
    uint8_t header[4096];

    if (size < HEADER_SIZE_MIN || size > t->geometry.sector_size)
        return "its size is wrong";
    memcpy(header, sector, size);
    memset(header + 16, 0, 4);
    if ((crc32_add(~0u, header, size) ^ ~0u) != get32(sector + 16))
        return "its checksum is wrong";
    if (get64(sector + 24) != h->lba)
        return "it belongs to another place";
    if (h->lba != 1 && h->alternate != 1) /* libfdisk would make the primary where this one says */
        return "it is the backup of something else";
    if (entry_size != GPT_ENTRY_SIZE || h->n_entries == 0 || h->n_entries > GPT_ENTRIES_MAX)
        return "the size of its entries is none that is in use";
    if (first > last || last >= t->sectors || (first <= 1 && last > 1))
        return "its usable sectors are not on the disk";
    return NULL;
}

static uint64_t entries_bytes(const GptHeader *h)
{
    return (uint64_t)h->n_entries * GPT_ENTRY_SIZE;
}

static bool ends_nowhere(const uint8_t *entries, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (get64(entries + (size_t)i * GPT_ENTRY_SIZE + 40) == UINT64_MAX)
            return true;
    return false;
}

/* libfdisk reads and writes entries by the byte; the copy has them by the sector. */
static const char *judge_entries(TableImage *t, int disk, const GptHeader *h, bool primary)
{
    unsigned ss = t->geometry.sector_size;
    uint64_t bytes = entries_bytes(h), sectors = (bytes + ss - 1) / ss;
    const char *why = "its entries cannot be read";

    if (h->entries < 2 || h->entries >= t->sectors || sectors > t->sectors - h->entries)
        return "its entries are not on the disk";
    if (add_part(t, disk, h->entries * ss, sectors * ss, primary) < 0)
        return why;
    _cleanup_free_ uint8_t *data = malloc(bytes);
    if (!data)
        abort();
    if (file_read_part(t->fd, data, bytes, h->entries * ss) < 0)
        return why;
    if ((crc32_add(~0u, data, bytes) ^ ~0u) != h->entries_crc)
        return "the checksum of its entries is wrong";
    return ends_nowhere(data, h->n_entries) ? "an entry of it ends where no disk does" : NULL;
}

static void judge_header(TableImage *t, int disk, uint64_t lba, GptHeader *h)
{
    unsigned ss = t->geometry.sector_size;
    bool primary = lba == 1;
    uint8_t sector[4096];

    *h = (GptHeader){.lba = lba};
    if (lba == 0 || lba >= t->sectors || add_part(t, disk, lba * ss, ss, primary) < 0 ||
        file_read_part(t->fd, sector, ss, lba * ss) < 0 || memcmp(sector, "EFI PART", 8) != 0)
        return;
    h->alternate = get64(sector + 32);
    h->entries = get64(sector + 72);
    h->n_entries = get32(sector + 80);
    h->entries_crc = get32(sector + 88);
    h->why = judge_fields(t, sector, h);
    if (!h->why)
        h->why = judge_entries(t, disk, h, primary);
    h->state = h->why ? HEADER_BROKEN : HEADER_SOUND;
}

int table_image_load(TableImage *t, int disk, const TableGeometry *g, bool signatures, Error *e)
{
    unsigned ss = g->sector_size;
    uint8_t first[512];
    int r;

    if (ss < 512 || ss > 4096 || ss & (ss - 1))
        return error_set(e, EINVAL, "sectors of %u bytes cannot be partitioned", ss);
    t->geometry = *g;
    t->sectors = g->size / ss;
    if (t->sectors < 8)
        return error_set(e, ENOSPC, "%llu sectors are too few for a partition table",
                         (unsigned long long)t->sectors);
    t->fd = memfd_create("partition-table", MFD_CLOEXEC);
    if (t->fd < 0 || ftruncate(t->fd, (off_t)(t->sectors * ss)) < 0)
        return error_errno(e, -errno, "cannot make a copy of the partition table");
    uint64_t size = t->sectors * ss, half = size / 2 / ss * ss;
    uint64_t tail = half < TAIL_SIZE ? half : TAIL_SIZE;
    uint64_t head = signatures ? SIGNATURES_SIZE : HEAD_SIZE;
    head = size - tail < head ? size - tail : head;
    r = add_part(t, disk, 0, head, true);
    if (r == 0)
        r = add_part(t, disk, size - tail, tail, false);
    if (r == 0)
        r = file_read_part(t->fd, first, sizeof(first), 0);
    if (r < 0)
        return error_errno(e, r, "cannot read the partition table");
    t->mbr = judge_mbr(first);
    judge_header(t, disk, 1, &t->primary);
    uint64_t last = t->sectors - 1;
    judge_header(t, disk, t->primary.state == HEADER_SOUND ? t->primary.alternate : last, &t->backup);
    return 0;
}

/* ---- changing the copy ---- */

int table_image_hide(TableImage *t, const GptHeader *h)
{
    static const uint8_t nothing[8];
    if (h->lba == 0 || h->lba >= t->sectors)
        return 0;
    return file_write_part(t->fd, nothing, sizeof(nothing), h->lba * t->geometry.sector_size);
}

int table_image_protect(TableImage *t)
{
    uint64_t rest = t->sectors - 1;
    uint32_t size = htole32(rest > UINT32_MAX ? UINT32_MAX : (uint32_t)rest);
    uint8_t sector[512], entry[MBR_ENTRY_SIZE] = {0, 0, 2, 0, TYPE_PROTECTIVE, 255, 255, 255, 1};
    int r = file_read_part(t->fd, sector, sizeof(sector), 0);

    if (r < 0)
        return r;
    memcpy(entry + 12, &size, sizeof(size));
    memset(sector + MBR_ENTRIES, 0, sizeof(sector) - MBR_ENTRIES);
    memcpy(sector + MBR_ENTRIES, entry, sizeof(entry));
    sector[MBR_SIGNATURE] = 0x55;
    sector[MBR_SIGNATURE + 1] = 0xAA;
    return file_write_part(t->fd, sector, sizeof(sector), 0);
}

int table_image_clear(TableImage *t)
{
    static const uint8_t nothing[4096];
    int r = file_write_part(t->fd, nothing, t->geometry.sector_size, 0);

    if (r == 0 && t->primary.state != HEADER_NONE)
        r = file_write_part(t->fd, nothing, t->geometry.sector_size,
                            t->primary.lba * t->geometry.sector_size);
    if (r == 0 && t->backup.state != HEADER_NONE)
        r = file_write_part(t->fd, nothing, t->geometry.sector_size, t->backup.lba * t->geometry.sector_size);
    return r;
}

/* ---- the disk ---- */

static int step(const TableHooks *hooks, const char *what)
{
    return hooks && hooks->step ? hooks->step(hooks->context, what) : 0;
}

/* Runs of sectors that differ, each in one write. */
static int store_part(TableImage *t, int disk, ImagePart *p, const TableHooks *hooks)
{
    unsigned ss = t->geometry.sector_size;
    _cleanup_free_ uint8_t *now = malloc(p->size);
    int r;

    if (!now)
        abort();
    r = file_read_part(t->fd, now, p->size, p->offset);
    for (uint64_t at = 0; r == 0 && at < p->size;) {
        uint64_t end = at;
        while (end < p->size && memcmp(now + end, p->before + end, ss) != 0)
            end += ss;
        if (end > at) {
            r = step(hooks, p->primary ? "writing the partition table" : "writing the table's backup");
            if (r == 0)
                r = file_write_part(disk, now + at, end - at, p->offset + at);
        }
        at = end > at ? end : at + ss;
    }
    return r;
}

int table_image_store(TableImage *t, int disk, const TableHooks *hooks, Error *e)
{
    static const char *const flushing[] = {"flushing the table's backup", "flushing the partition table"};

    for (int primary = 0; primary < 2; primary++) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < t->n; i++)
            if (t->parts[i].primary == primary)
                r = store_part(t, disk, &t->parts[i], hooks);
        if (r == 0)
            r = step(hooks, flushing[primary]);
        if (r == 0 && fsync(disk) < 0)
            r = -errno;
        if (r < 0)
            return error_errno(e, r, "cannot write the partition table");
    }
    return 0;
}
