#pragma once
/* What a physical volume says of its volume group, read without lvm and without device-mapper in the kernel:
 * label, header and the group's metadata as text, each by its checksum. A group of which no device holds
 * metadata (--metadatacopies 0) is not seen. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "system/device_facts.h"

enum { LVM_METADATA_MAX = 4 << 20 };

/* 1: it is a physical volume. */
int lvm_device_read(Arena *a, int fd, uint64_t size, LvmFacts *ret, Error *e);
/* Fills the group and its volumes from the metadata text. -EINVAL: it is none. */
int lvm_metadata_parse(Arena *a, const char *text, size_t n, LvmFacts *ret);
