/* The partitions have fixed sizes but the last, which has the rest: a table to read, from which follow places
 * (whole MiB), types and programs. Nothing is asked of a machine here, so a plan for another one, and tests,
 * are the same. The root carries the mark that lets systemd grow its filesystem with its partition. */
#include "update/install_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
/* Discoverable Partitions Specification: systemd grows the file system at boot. */
#define GROWS ((uint64_t)1 << 59)

enum { ROOT_MIN_MIB = 512 };

/* The ESP: with sectors of 4 KiB FAT32 begins at 260 MiB. */
static const struct {
    InstallPart part;
    unsigned boot; /* needed by; 0: always */
    unsigned mib;
    const char *name, *type, *format, *use;
} parts[] = {
    {INSTALL_BIOS, BOOT_BY_BIOS, 1, "bios", "21686148-6449-6E6F-744E-656564454649", NULL, "GRUB for BIOS"},
    {INSTALL_ESP, BOOT_BY_UEFI, 300, "esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "vfat", "GRUB for UEFI"},
    {INSTALL_BOOT, 0, 1024, "boot", "BC13C2FF-59E6-4262-A352-B275FD6F7172", "ext4",
     "kernels and boot entries"},
    {INSTALL_ROOT, 0, 0, "root", NULL, NULL, "the system and its data"},
};

static const struct {
    const char *machine, *type;
} roots[] = {
    {"x86_64", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"},
    {"aarch64", "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"},
};

/* Version 4, in capitals as tables have it. */
static const char *guid_make(Arena *a, const uint8_t *random)
{
    uint8_t b[16];
    memcpy(b, random, sizeof(b));
    b[6] = (b[6] & 0x0F) | 0x40;
    b[8] = (b[8] & 0x3F) | 0x80;
    return arena_printf(a, "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1],
                        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                        b[15]);
}

static const char *filesystem_uuid(Arena *a, const char *format, const uint8_t *random)
{
    if (!format)
        return NULL;
    if (strcmp(format, "vfat") == 0)
        return arena_printf(a, "%02X%02X-%02X%02X", random[0], random[1], random[2], random[3]);
    char *uuid = (char *)guid_make(a, random);
    for (char *c = uuid; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c - 'A' + 'a' : *c);
    return uuid;
}

static const char *root_type(const char *machine)
{
    for (size_t i = 0; i < ELEMENTS(roots); i++)
        if (strcmp(roots[i].machine, machine) == 0)
            return roots[i].type;
    return NULL;
}

int install_plan_make(Arena *a, const InstallRequest *q, InstallPlan *ret, Error *e)
{
    InstallPlan p = {.geometry = q->geometry, .disk_guid = guid_make(a, q->random)};
    const uint8_t *random = q->random + 16;
    const uint64_t end = q->geometry.size / MIB; /* the last one is not used: the backup of the table */
    uint64_t at = 1, wanted = 2 + ROOT_MIN_MIB;

    if (!root_type(q->machine))
        return error_set(e, EOPNOTSUPP, "how a machine \"%s\" is started is not known here", q->machine);
    for (size_t i = 0; i < ELEMENTS(parts); i++)
        wanted += !parts[i].boot || (parts[i].boot & q->boot) ? parts[i].mib : 0;
    if (end < wanted)
        return error_set(e, ENOSPC, "the disk has %" PRIu64 " MiB: a system takes %" PRIu64 " MiB at least",
                         end, wanted);
    for (size_t i = 0; i < ELEMENTS(parts); i++, random += 32) {
        if (parts[i].boot && !(parts[i].boot & q->boot))
            continue;
        const bool root = parts[i].part == INSTALL_ROOT;
        const uint64_t size = (root ? end - 1 - at : parts[i].mib) * MIB;
        const char *format = root ? q->filesystem : parts[i].format;
        p.rows[p.n++] = (InstallRow){
            .part = parts[i].part,
            .partition = {.number = (unsigned)parts[i].part + 1,
                          .start = at * MIB / q->geometry.sector_size,
                          .size = size / q->geometry.sector_size,
                          .label = parts[i].name,
                          .guid = guid_make(a, random),
                          .type_guid = root ? root_type(q->machine) : parts[i].type,
                          .attributes = root ? GROWS : 0},
            .offset = at * MIB,
            .size = size,
            .use = parts[i].use,
            .format = format,
            .label = format && strcmp(format, "vfat") == 0 ? "ESP" : parts[i].name,
            .uuid = filesystem_uuid(a, format, random + 16),
        };
        at += size / MIB;
    }
    *ret = p;
    return 0;
}

const InstallRow *install_plan_find(const InstallPlan *p, InstallPart part)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->rows[i].part == part)
            return p->rows + i;
    return NULL;
}

const char *const *install_mkfs(Arena *a, const InstallRow *row, const char *device)
{
    /* Of /boot GRUB reads all that there is to read: a checksum's seed of its own it does not know. */
    const char *const ext4_boot[] = {"mkfs.ext4", "-q",       "-F", "-O",      "^metadata_csum_seed",
                                     "-L",        row->label, "-U", row->uuid, device,
                                     NULL};
    const char *const ext4[] = {"mkfs.ext4", "-q", "-F", "-L", row->label, "-U", row->uuid, device, NULL};
    const char *uuid = arena_printf(a, "uuid=%s", row->uuid);
    const char *const xfs[] = {"mkfs.xfs", "-q", "-f", "-L", row->label, "-m", uuid, device, NULL};
    const char *id = strlen(row->uuid) == 9 ? arena_printf(a, "%.4s%s", row->uuid, row->uuid + 5) : "";
    const char *const vfat[] = {"mkfs.vfat", "-F", "32", "-n", row->label, "-i", id, device, NULL};
    const struct {
        const char *format;
        const char *const *argv;
        size_t size;
    } all[] = {{"ext4", row->part == INSTALL_BOOT ? ext4_boot : ext4,
                row->part == INSTALL_BOOT ? sizeof(ext4_boot) : sizeof(ext4)},
               {"xfs", xfs, sizeof(xfs)},
               {"vfat", vfat, sizeof(vfat)}};
    for (size_t i = 0; i < ELEMENTS(all); i++)
        if (strcmp(all[i].format, row->format) == 0)
            return memcpy(arena_alloc(a, all[i].size), all[i].argv, all[i].size);
    return NULL;
}

void install_plan_text(const InstallPlan *p, Buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const InstallRow *row = p->rows + i;
        buf_addf(out, "  %u  %-5s %8" PRIu64 " MiB at %5" PRIu64 " MiB  %-5s %s\n", row->partition.number,
                 row->partition.label, row->size / MIB, row->offset / MIB, row->format ? row->format : "-",
                 row->use);
    }
}

Node *install_plan_node(Arena *a, const InstallPlan *p)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < p->n; i++) {
        const InstallRow *row = p->rows + i;
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set(a, n, "number", node_new_int(a, row->partition.number));
        node_set_string(a, n, "label", row->partition.label);
        node_set_string(a, n, "type", row->partition.type_guid);
        node_set(a, n, "offset", node_new_int(a, (int64_t)row->offset));
        node_set(a, n, "size", node_new_int(a, (int64_t)row->size));
        node_set_string(a, n, "filesystem", row->format);
        node_set_string(a, n, "uuid", row->uuid);
    }
    return list;
}
