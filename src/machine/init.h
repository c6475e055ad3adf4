#pragma once
/* Process 1 of a directory machine. It starts what the provisioned root enables, as far as that needs nothing
 * of systemd: services with ExecStart, in the order of their names, restarted when they say Restart=always or
 * on-failure. A unit whose program is not on the machine is named in the log and left alone. */
#include "base/cleanup.h"

/* `listen`: the address that config servers are to use where the machines share one network; NULL: any. */
_noreturn_ void init_run(const char *listen);
