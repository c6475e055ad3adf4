#pragma once
/* What was written must be what a boot loader sees that reads the disk without replaying the journal: a sync
 * is not enough for that, the file system has to be frozen and thawed once. */
#include <stdbool.h>

#include "base/error.h"

/* Syncs the file system of an open directory; with `freeze` also freezes and thaws it, where it can be. A
 * child thaws should this process die in between, or take longer than half a minute. */
int boot_freeze_sync(int fd, bool freeze, Error *e);
/* A system below a directory lies on a disk that a machine may boot from when the directory, or boot in it,
 * is where a file system is mounted that is not the one of "/": that one is worth a freeze, and stops nobody
 * who runs here. A directory of a larger file system boots nothing, and all that writes there would wait. */
bool boot_freeze_is_due(const char *sysroot);
