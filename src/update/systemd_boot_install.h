#pragma once
/* systemd-boot in front of a system: its program on the ESP, at the two places where a firmware looks, out of
 * the installed system or, without one there, of this machine; a signed one before another. Entries and
 * kernels are boot_esp.h's business, which goes by EFI/systemd being there. */
#include "base/arena.h"
#include "base/error.h"

/* Makes an ESP one of systemd-boot, without the program: nothing starts it yet. */
int systemd_boot_prepare(int esp, Error *e);
/* `deployment` is the installed system. The program's last name is what the firmware starts; `removable` is
 * that one, "BOOTX64.EFI". */
int systemd_boot_place(int esp, int deployment, const char *machine, const char *removable, Error *e);
