#pragma once
/* Facts of several devices at once: what `inspect` prints, what `plan --inspect` reads, and what image files
 * are turned into. A plan asks it by name as it would ask the machine. */
#include "format/report.h"
#include "system/device_facts.h"

enum { FACTS_DEVICES_MAX = 65536 };

typedef struct FactsDevice {
    DeviceFacts facts;        /* first: one is the other. `path` is its name, `exists` is true */
    const char *const *names; /* other names of it: /dev/disk/by-id/…; ends with NULL; NULL: none */
} FactsDevice;

typedef struct FactsList {
    FactsDevice *devices;
    size_t n;
} FactsList;

/* Looks devices up in a list (the context). Besides their names it knows what a running machine would make
 * links for: /dev/disk/by-label, by-uuid, by-partlabel, by-partuuid, and the partitions of a table that have
 * no entry of their own. What nothing in the list stands for does not exist. */
Inspector facts_list_inspector(const FactsList *list);
/* "/dev/vda" and 3 are "/dev/vda3", "/dev/nvme0n1" and 3 are "/dev/nvme0n1p3", "…/by-id/x" are
 * "…/by-id/x-part3". */
const char *facts_partition_name(Arena *a, const char *disk, unsigned number);
