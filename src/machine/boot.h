#pragma once
/* One machine's life: its first boot as an initramfs would do it, then its own root. */
#include "machine/machine.h"

typedef struct BootOptions {
    const Machine *machine;
    const char *state;       /* the state directory: STATE/os is the system that all machines run */
    const char *config;      /* the Ignition config that the admin hands over; a path */
    const char *hosts;       /* text of /etc/hosts for this machine */
    const char *hosts_later; /* from when its own root runs; NULL: the same */
    bool own_network;        /* false: the host's loopback is shared */
    const ProcessId *holder;
} BootOptions;

/* How long each step of the first boot took, as it happens. */
typedef void (*BootProgress)(void *context, const char *step, double seconds);

/* Starts the machine, waits until it is provisioned and its init runs. On failure nothing of it runs any
 * more; the Error says which stage failed and the last line that it wrote; STATE/machines/NAME/log has the
 * rest. */
int machine_boot(BootOptions *o, Machine *m, BootProgress progress, void *context, Error *e);

/* Makes STATE/os/usr: the programs of this build and the layout of /usr, laid over the host's. */
int machine_system_make(const char *state, Error *e);
