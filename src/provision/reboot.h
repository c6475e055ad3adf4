#pragma once
/* Rebooting, once what has to outlive it is on the disk. For tests the variable BASALT_REBOOT_MARKER names a
 * file that is made in its place. */
#include "base/error.h"

/* Does not return where the machine really goes down. */
int reboot_request(Error *e);
