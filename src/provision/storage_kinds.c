/* The kinds of items, in the order of the stage. */
#include "provision/storage.h"

const StorageKind *const storage_kinds[] = {
    &storage_disk, &storage_raid, &storage_volume_group, &storage_luks, &storage_filesystem, NULL,
};
