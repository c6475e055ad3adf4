#pragma once
/* A message with descriptors, over a socket of AF_UNIX. */
#include <stddef.h>
#include <sys/types.h>

enum { FD_PASS_MAX = 8 };

int fd_send(int socket, const void *data, size_t n, const int *fds, size_t n_fds);
/* How long the message was, cut at `n`; 0: the other side is gone. Exactly `n_fds` descriptors must come with
 * it, or none: then they are -EBADF. */
ssize_t fd_receive(int socket, void *data, size_t n, int *ret_fds, size_t n_fds);
