#pragma once
/* What the config gives up by wiping the table of a disk, or the entry of a partition: what stands on the
 * devices then is no one's any more, also where the new partition begins at the place of an old one and the
 * old contents show again. */
#include "provision/storage.h"

/* The device is a disk of the config whose table is wiped, or such a partition. */
bool device_is_given_up(const StorageContext *c, Arena *a, const DeviceFacts *f);
