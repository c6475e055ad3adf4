#pragma once
/* From a disk of the config and the facts of its device to what happens to its partition table. Pure: nothing
 * is looked at but the facts. The decisions are those of Ignition's matrix: present × shouldExist ×
 * wipePartitionEntry × resize × matching. A second plan over what the first one made changes nothing. */
#include "provision/storage.h"
#include "system/partition_table.h"

typedef struct PartitionPlanOptions {
    uint64_t seed; /* GUIDs of the plan follow from it; 0: they are made when the table is written */
} PartitionPlanOptions;

typedef struct PartitionPlan {
    bool write;     /* the table changes */
    bool erase;     /* to none at all; then `edit` is empty */
    TableEdit edit; /* otherwise */
    bool kernel;    /* the kernel does not have the table's partitions yet */
} PartitionPlan;

/* For an item of `storage_disk`, whose facts[0] is the device. Fills item->changes, and item->report with
 * what is refused; a plan with refusals is not to be made real. */
PartitionPlan *partition_plan_make(StorageItem *item, const PartitionPlanOptions *o);
