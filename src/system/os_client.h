#pragma once
/* Asking basalt-os, the program that updates the operating system, over its socket: /run/basalt-os/socket,
 * which systemd listens at. The library of whoever changes the system without being a person. One request a
 * connection; the words are those of the command line (basalt-os(8), "Interface for programs"). */
#include "base/error.h"
#include "format/node.h"

#define OS_SOCKET "/run/basalt-os/socket"
enum { OS_ANSWER_MAX = 16 << 20 };

typedef struct OsRequest {
    const char *verb;
    const Node *options;          /* an object: {"check": true, "karg": ["quiet"]}; NULL: none */
    const char *const *arguments; /* ends with NULL; NULL: none */
} OsRequest;

/* `event` is called with each line that is neither result nor end: progress, warnings; a negative answer
 * hangs up, which cancels the work, and is returned. *ret_result is what --json prints, in the arena, NULL
 * where the verb has nothing to say. 0, or the exit code of a verb that had no error to tell; failures as
 * -errno with the text of basalt-os: -EBUSY, -ENOSPC, -EKEYREJECTED, -ECANCELED, … -ECONNREFUSED, -ENOENT:
 * nobody listens. */
typedef int (*OsEvent)(void *context, const Node *event);
int os_client_ask(Arena *a, const char *socket, const OsRequest *request, OsEvent event, void *context,
                  const Node **ret_result, Error *e);
