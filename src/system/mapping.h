#pragma once
/* Devices of device-mapper that no library sees: one whose maker was killed after it got its table and before
 * it was started has a name and holds the devices below it, but /dev/mapper has no node of it, and
 * libcryptsetup says that there is no such device. Linux Documentation/admin-guide/device-mapper,
 * include/uapi/linux/dm-ioctl.h. */
#include "base/error.h"

/* 1: there was such a one and it is gone; 0: there is none of the name, or it is a started one. */
int mapping_remove_unstarted(const char *name, Error *e);
