#pragma once
/* What was written must be what a boot loader sees that reads the disk without replaying the journal: a sync
 * is not enough for that, the file system has to be frozen and thawed once. */
#include <stdbool.h>

#include "base/error.h"

/* Syncs the file system of an open directory; with `freeze` also freezes and thaws it, where it can be. A
 * child thaws should this process die in between, or take longer than half a minute. */
int boot_freeze_sync(int fd, bool freeze, Error *e);
