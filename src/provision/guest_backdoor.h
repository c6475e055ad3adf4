#pragma once
/* The protocol of VMware's "backdoor" channel, apart from the instruction that reaches the hypervisor: a
 * request goes out and its answer comes in, four bytes a call. Facts: open-vm-tools lib/message/message.c and
 * lib/include/backdoor_def.h. */
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { BACKDOOR_MAGIC = 0x564D5868, BACKDOOR_PORT = 0x5658, BACKDOOR_VERSION = 10, BACKDOOR_MESSAGE = 0x1e };

typedef struct BackdoorRegisters {
    uint32_t a, b, c, d, si, di;
} BackdoorRegisters;

/* One visit to the hypervisor; A and the lower half of D are the caller's business. */
typedef void (*BackdoorCall)(BackdoorRegisters *r);

/* *ret is emptied and gets the answer, of at most GUEST_INFO_MAX bytes. */
int backdoor_rpc(BackdoorCall call, const char *request, size_t n, Buf *ret, Error *e);
