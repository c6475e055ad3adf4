#pragma once
/* The items of a config planned, and made real. Everything that can be known before the first change is known
 * before it: an item whose devices are there already, and are not taken away by an item before it, is looked
 * at and planned; while one of them is refused nothing is touched. Devices that only come into being are
 * taken as blank; their item is planned again when they are there. */
#include "provision/storage.h"

/* The items in the order in which they can be made, each with facts and changes (item->plan is the kind's).
 * What is refused is added to `report`, with its place in the config, and stands in item->report too; that is
 * no failure. Touches no device. `report` may outlive the items. *ret goes to storage_items_free(). */
int storage_plan(StorageContext *c, StorageItem **ret, size_t *ret_n, Report *report, Error *e);
void storage_items_free(StorageItem *items, size_t n);

/* Plans, and if nothing is refused makes all of it real, several items at a time. After a failure no further
 * item is begun; the error names the item that failed first, others that failed are logged. Refusals are in
 * `report`, the return is then -EPERM. */
int storage_run(StorageContext *c, Report *report, Error *e);
