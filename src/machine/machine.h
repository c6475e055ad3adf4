#pragma once
/* Directory machines: a root of its own, in mount, PID, UTS and network namespaces of its own, on a bridge
 * that does not leave the host. This is what is known of them on disk, below a state directory:
 *   STATE/machines/NAME/machine.json   what it is and the process that is its init
 *   STATE/machines/NAME/root           its root file system
 *   STATE/machines/NAME/run            what its initramfs keeps: config cache, state, need-network mark
 *   STATE/machines/NAME/log            everything that its initramfs and services wrote
 *   STATE/network.json                 the process that holds the bridge's namespace */
#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/* A process that must still be the same one: pids are used again, start times are not. */
typedef struct ProcessId {
    pid_t pid;
    unsigned long long start; /* field 22 of /proc/PID/stat */
} ProcessId;

typedef struct Machine {
    const char *name, *role, *address; /* IPv4 in text */
    const char *dir;                   /* STATE/machines/NAME */
    ProcessId init;
} Machine;

int process_id_of(pid_t pid, ProcessId *ret);
bool process_id_alive(const ProcessId *p);
/* SIGKILL, and wait until it is gone (at most 5 s). Killing the first process of a PID namespace ends all. */
void process_id_kill(const ProcessId *p);

int machine_save(const Machine *m, Error *e);
int machine_load(Arena *a, const char *state, const char *name, Machine *ret, Error *e);
/* Every machine of a state directory, by name. */
int machine_list(Arena *a, const char *state, Machine **ret, size_t *ret_n, Error *e);
/* The admin's way to the API, on a machine that has the control plane: KUBECONFIG of what runs there. */
#define CONTROL_PLANE_KUBECONFIG "/etc/basalt/control-plane/kubeconfig"
/* Runs argv (NULL-terminated; argv[0] by the machine's PATH) inside a running machine; returns its exit code.
 */
int machine_enter(const Machine *m, char *const *argv, Error *e);

int holder_save(const char *state, const ProcessId *p, Error *e); /* STATE/network.json */
int holder_load(const char *state, ProcessId *ret);               /* -ENOENT: none */
