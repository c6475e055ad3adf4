#pragma once
/* A part of a disk or of an image file as a device of its own, whatever table is or is not on the disk: a
 * filesystem is made and mounted there before anything names it. It goes with its last user: with the
 * descriptor, or with the mount of it, however this process ends. */
#include <stdint.h>

#include "base/error.h"

enum { LOOP_NAME_SIZE = 32 };

typedef struct LoopPart {
    uint64_t offset, size; /* bytes, whole sectors */
    unsigned sector_size;  /* 512 to 4096 */
} LoopPart;

/* Its descriptor, open to read and write; the name of its node. -ENOENT: this kernel has no loop devices. */
int loop_device_open(int disk, const LoopPart *part, char ret_name[LOOP_NAME_SIZE], Error *e);
/* Waits (up to five seconds: another mount namespace may take a moment to end) until nothing has it mounted,
 * and for all that was written. -EBUSY. */
int loop_device_settle(const char *name, Error *e);
