/* Disks of the config are looked up by what their names stand for now; a partition belongs to a disk by the
 * kernel's naming: the disk's name, a "p" behind a digit, the number. Partitions of mapped disks have other
 * names and are never taken as given up. */
#include "provision/wiped_device.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* "/dev/vda" and "/dev/vda3": 3; 0: no partition of it. */
static unsigned partition_number(const char *disk, const char *device)
{
    size_t n = strlen(disk);
    if (n == 0 || strncmp(disk, device, n) != 0)
        return 0;
    const char *rest = device + n;
    if (isdigit((unsigned char)disk[n - 1]) && *rest++ != 'p')
        return 0;
    if (*rest < '1' || *rest > '9' || strlen(rest) > 4 || rest[strspn(rest, "0123456789")])
        return 0;
    return (unsigned)strtoul(rest, NULL, 10);
}

static const char *label_of(const PartitionTable *t, unsigned number)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->partitions[i].number == number)
            return t->partitions[i].label;
    return NULL;
}

static bool entry_is_wiped(const IgnDisk *d, const PartitionTable *t, unsigned number)
{
    const char *label = label_of(t, number);
    IGN_EACH (IgnPartition, p, d->partitions) {
        bool same = p->number.value != 0 ? p->number.value == number
                                         : p->label && label && strcmp(p->label, label) == 0;
        if (same && p->wipe_partition_entry == BOOL_TRUE)
            return true;
    }
    return false;
}

bool device_is_given_up(const StorageContext *c, Arena *a, const DeviceFacts *f)
{
    if (!f->exists || !f->real)
        return false;
    IGN_EACH (IgnDisk, d, c->config->storage.disks) {
        DeviceFacts disk = {0};
        if (!d->device || inspector_look(c->inspector, a, d->device, LOOK_TABLE, &disk, NULL) < 0 ||
            !disk.exists || !disk.real)
            continue;
        unsigned number = partition_number(disk.real, f->real);
        if (number == 0 && strcmp(disk.real, f->real) != 0)
            continue;
        if (d->wipe_table == BOOL_TRUE || (number > 0 && entry_is_wiped(d, &disk.table, number)))
            return true;
    }
    return false;
}
