#pragma once
/* What a disk becomes that an operating system is installed on: a GPT with up to four partitions, each with
 * the number that it has everywhere, in the order of their places. Made in memory, of a size and a choice;
 * install_disk.h makes it real. Types are those of the Discoverable Partitions Specification, so that systemd
 * finds them without a table of mounts. */
#include "format/node.h"
#include "system/device_facts.h"
#include "system/table_image.h"

typedef enum InstallPart { INSTALL_BIOS, INSTALL_ESP, INSTALL_BOOT, INSTALL_ROOT, INSTALL_PARTS } InstallPart;
enum { BOOT_BY_UEFI = 1 << 0, BOOT_BY_BIOS = 1 << 1 };

enum { INSTALL_RANDOM = 16 * (1 + 2 * INSTALL_PARTS) };
typedef struct InstallRequest {
    TableGeometry geometry;
    unsigned boot;          /* BOOT_BY_… */
    const char *filesystem; /* of the root: "ext4" or "xfs" */
    const char *machine;    /* as uname says it: "x86_64", "aarch64" */
    const uint8_t *random;  /* INSTALL_RANDOM bytes, which all identifiers are made of */
} InstallRequest;

typedef struct InstallRow {
    InstallPart part;
    Partition partition;
    uint64_t offset, size; /* bytes */
    const char *use;       /* for a person: "files of the boot loader" */
    const char *format;    /* NULL: no filesystem */
    const char *label;     /* of the filesystem */
    const char *uuid;      /* of the filesystem, as blkid tells it */
} InstallRow;

typedef struct InstallPlan {
    TableGeometry geometry;
    const char *disk_guid;
    InstallRow rows[INSTALL_PARTS];
    size_t n;
} InstallPlan;

/* -ENOSPC: the disk is too small, with how much it takes. */
int install_plan_make(Arena *a, const InstallRequest *q, InstallPlan *ret, Error *e);
const InstallRow *install_plan_find(const InstallPlan *p, InstallPart part); /* NULL: not on this disk */

/* What makes the row's filesystem on this device; ends with NULL. */
const char *const *install_mkfs(Arena *a, const InstallRow *row, const char *device);

void install_plan_text(const InstallPlan *p, Buf *out); /* a line a partition */
Node *install_plan_node(Arena *a, const InstallPlan *p);
