#pragma once
/* Text by name that a hypervisor keeps for its guest. A row each; the last one is for tests: a directory
 * whose files are the values ('/' in a name is '_' there), which BASALT_GUESTINFO puts in place of the
 * others. */
#include "base/buf.h"
#include "base/error.h"

typedef struct GuestInfo {
    /* Appends the value; 1, or 0 when there is none. */
    int (*get)(const char *name, Buf *ret, Error *e);
    int (*set)(const char *name, const char *value, Error *e); /* NULL: cannot be */
    int (*remove)(const char *name, Error *e); /* one that is not there is no failure; NULL: cannot */
} GuestInfo;

enum { GUEST_INFO_MAX = 64 * 1024 * 1024 };

extern const GuestInfo guest_info_vmware, guest_info_virtualbox;
/* `real`, or the directory of the test. */
const GuestInfo *guest_info_choose(const GuestInfo *real);
