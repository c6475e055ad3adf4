#pragma once
/* The process that faces the network: no rights, no files, an empty root. It knows what the snapshots say
 * that come through `snapshots`, a socket that carries one memfd a message; it ends when that socket does. */
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct ListenerOptions {
    const char *address;
    uint16_t port, plain_port; /* plain_port 0: none */
    uid_t uid;
    gid_t gid;
    bool drop; /* become uid and gid, in an empty root */
} ListenerOptions;

_noreturn_ void listener_run(const ListenerOptions *o, int snapshots);
/* For the other side of the socket. */
int listener_send(int snapshots, const char *text, size_t n, Error *e);
