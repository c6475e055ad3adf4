#pragma once
/* The file run/ostree/staged-deployment of a sysroot: what deployment_finalize() is to do. A GVariant a{sv}
 * as libostree writes it (src/libostree/ostree-sysroot-deploy.c, ostree_sysroot_stage_tree_with_options()).
 * At most 256 KiB. */
#include "update/sysroot.h"

enum { STAGED_RECORD_MAX = 256 << 10 };

typedef struct StagedRecord {
    Deployment target; /* names, boot checksum, options, finalization_locked */
    const char *merge_stateroot, *merge_checksum, *merge_boot_checksum; /* NULL: nothing is merged */
    unsigned merge_serial;
} StagedRecord;

/* Text in and out. -EBADMSG for what is no such record. */
int staged_record_decode(Arena *a, const void *data, size_t n, StagedRecord *ret);
void staged_record_encode(const StagedRecord *r, Buf *out);

/* 1; 0: there is none. A record that cannot be read is a finding of the sysroot, and none. */
int staged_record_read(Sysroot *s, StagedRecord *ret, Error *e);
int staged_record_write(Sysroot *s, const StagedRecord *r, Error *e);
int staged_record_remove(Sysroot *s, Error *e);
