#pragma once
/* The machines' network: one namespace with a bridge, held by a process that does nothing else, and a veth
 * pair for each machine. The host's own namespace gets no interface and no route: nothing leaves. */
#include "machine/machine.h"

/* Starts the holder and records it below `state` before it does anything. -EPERM where the kernel refuses
 * network namespaces: the machines then share the host's loopback, each with an address of 127.0.0.0/8. */
int network_start(const char *state, ProcessId *ret, Error *e);
/* Gives the namespace of process `machine` the interface eth0 with `address`/24, its peer on the bridge. */
int network_attach(const ProcessId *holder, pid_t machine, const char *name, const char *address, Error *e);
