#pragma once
/* The parts of a disk that a partition table lives in, copied into a file in memory: the first and the last
 * sectors, and where headers point to besides. libfdisk reads and edits that file; what it changed goes to
 * the disk in an order that a power cut cannot hurt. For the files of the partition table only. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct TableGeometry {
    uint64_t size;        /* bytes; what is behind the last whole sector does not count */
    unsigned sector_size; /* 512 to 4096 */
} TableGeometry;

/* Called before each write to the disk; a negative return ends the work with that code. */
typedef struct TableHooks {
    int (*step)(void *context, const char *what);
    void *context;
} TableHooks;

typedef enum HeaderState { HEADER_NONE, HEADER_BROKEN, HEADER_SOUND } HeaderState;
typedef struct GptHeader {
    HeaderState state;
    uint64_t lba, alternate, entries; /* sectors */
    uint32_t n_entries, entries_crc;
    const char *why; /* of a broken one */
} GptHeader;

typedef enum MbrState {
    MBR_NONE,       /* no signature, or no partition in it */
    MBR_PROTECTIVE, /* has an entry of type EE */
    MBR_OTHER,      /* real partitions */
} MbrState;

enum { IMAGE_PARTS_MAX = 8, GPT_ENTRIES_MAX = 4096, GPT_ENTRY_SIZE = 128 };
typedef struct ImagePart {
    uint64_t offset, size;
    bool primary;    /* written last */
    uint8_t *before; /* as the disk has it */
} ImagePart;
typedef struct TableImage {
    TableGeometry geometry;
    uint64_t sectors;
    int fd;
    ImagePart parts[IMAGE_PARTS_MAX];
    size_t n;
    MbrState mbr;
    GptHeader primary, backup;
} TableImage;
#define TABLE_IMAGE_INIT ((TableImage){.fd = -EBADF})
void table_image_done(TableImage *t);
#define _cleanup_table_image_ _cleanup_(table_image_done)

/* Copies and judges; never fails for what it finds. With `signatures` it copies as far as file systems and
 * their like sign a disk, so that libfdisk can take those away. */
int table_image_load(TableImage *t, int disk, const TableGeometry *g, bool signatures, Error *e);
/* Takes a header out of the copy (not off the disk), so that libfdisk does not see it. */
int table_image_hide(TableImage *t, const GptHeader *h);
/* Puts a protective MBR into the copy, keeping its boot code. */
int table_image_protect(TableImage *t);
/* Zeroes the first sector and the headers of the copy. */
int table_image_clear(TableImage *t);
/* Writes what differs: the backup, then (once that is on the disk) the primary; on return both are there. */
int table_image_store(TableImage *t, int disk, const TableHooks *hooks, Error *e);
