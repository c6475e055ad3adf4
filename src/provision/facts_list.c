/* A name is looked for in this order: as a device's own or other name, as a link by what is on a device, as a
 * link by what a table says of a partition, as a disk's name with a partition number. A partition without an
 * entry of its own has what its table says and nothing on it. */
#include "provision/facts_list.h"

#include <string.h>
#include <strings.h>

#include "provision/storage_graph.h"

static const FactsDevice *find_named(const FactsList *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        const FactsDevice *d = &l->devices[i];
        if (strcmp(d->facts.path, name) == 0 || (d->facts.real && strcmp(d->facts.real, name) == 0))
            return d;
        for (const char *const *n = d->names; n && *n; n++)
            if (strcmp(*n, name) == 0)
                return d;
    }
    return NULL;
}

static const char *behind(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(name, prefix, n) == 0 && name[n] ? name + n : NULL;
}

static const FactsDevice *find_marked(const FactsList *l, const char *name)
{
    const char *label = behind(name, "/dev/disk/by-label/"), *uuid = behind(name, "/dev/disk/by-uuid/");

    for (size_t i = 0; (label || uuid) && i < l->n; i++) {
        const Superblock *s = &l->devices[i].facts.superblock;
        if (label && s->label && strcmp(s->label, label) == 0)
            return &l->devices[i];
        if (uuid && s->uuid && strcasecmp(s->uuid, uuid) == 0)
            return &l->devices[i];
    }
    return NULL;
}

/* "/dev/vda" and 3 are "/dev/vda3", "/dev/nvme0n1" and 3 are "/dev/nvme0n1p3", "…/by-id/x" are
 * "…/by-id/x-part3". */
const char *facts_partition_name(Arena *a, const char *disk, unsigned number)
{
    size_t n = strlen(disk);

    if (behind(disk, "/dev/disk/"))
        return arena_printf(a, "%s-part%u", disk, number);
    return arena_printf(a, "%s%s%u", disk, n > 0 && disk[n - 1] >= '0' && disk[n - 1] <= '9' ? "p" : "",
                        number);
}

static bool is_meant(const FactsDevice *disk, const Partition *p, const char *name)
{
    const char *label = behind(name, "/dev/disk/by-partlabel/"),
               *guid = behind(name, "/dev/disk/by-partuuid/");

    if (label)
        return p->label && strcmp(p->label, label) == 0;
    if (guid)
        return p->guid && strcasecmp(p->guid, guid) == 0;
    if (storage_partition_of(disk->facts.path, name) == p->number)
        return true;
    for (const char *const *n = disk->names; n && *n; n++)
        if (storage_partition_of(*n, name) == p->number)
            return true;
    return false;
}

static bool find_partition(const FactsList *l, Arena *a, const char *name, DeviceFacts *ret)
{
    for (size_t i = 0; i < l->n; i++) {
        const DeviceFacts *d = &l->devices[i].facts;
        for (size_t k = 0; k < d->table.n; k++) {
            const Partition *p = &d->table.partitions[k];
            if (!is_meant(&l->devices[i], p, name))
                continue;
            const char *own = facts_partition_name(a, d->path, p->number);
            const FactsDevice *found = find_named(l, own);
            *ret = found ? found->facts
                         : (DeviceFacts){
                               .real = own,
                               .exists = true,
                               .size = p->size * d->sector_size,
                               .sector_size = d->sector_size,
                               .physical_sector_size = d->physical_sector_size,
                               .read_only = d->read_only,
                               .is_partition = true,
                               .rotational = d->rotational,
                           };
            return true;
        }
    }
    return false;
}

/* Strings stay those of the list, which outlives what is planned by it. All is told, whatever was asked for.
 */
static int list_look(void *context, Arena *a, const char *path, unsigned what _unused_, DeviceFacts *ret,
                     Error *e _unused_)
{
    const FactsList *l = context;
    const FactsDevice *found = find_named(l, path);

    if (!found)
        found = find_marked(l, path);
    if (found)
        *ret = found->facts;
    else if (!find_partition(l, a, path, ret))
        *ret = (DeviceFacts){0};
    if (ret->exists && !ret->real)
        ret->real = ret->path;
    ret->path = arena_strdup(a, path);
    return 0;
}

Inspector facts_list_inspector(const FactsList *list)
{
    return (Inspector){.look = list_look, .context = (void *)list};
}
