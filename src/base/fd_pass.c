/* What comes in another number than was asked for is closed. */
#include "base/fd_pass.h"

#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

typedef union Control {
    char space[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
    struct cmsghdr align;
} Control;

int fd_send(int socket, const void *data, size_t n, const int *fds, size_t n_fds)
{
    Control control = {0};
    struct iovec v = {.iov_base = (void *)data, .iov_len = n};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    return sendmsg(socket, &m, MSG_NOSIGNAL) == (ssize_t)n ? 0 : errno ? -errno : -EIO;
}

static size_t fds_take(struct msghdr *m, int got[FD_PASS_MAX])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(got, CMSG_DATA(c), n * sizeof(int));
    return n;
}

ssize_t fd_receive(int socket, void *data, size_t n, int *ret_fds, size_t n_fds)
{
    Control control;
    int got[FD_PASS_MAX];
    struct iovec v = {.iov_base = data, .iov_len = n};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space)};
    ssize_t k;

    while ((k = recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (k < 0)
        return -errno;
    const size_t n_got = fds_take(&m, got);
    for (size_t i = 0; i < n_fds; i++)
        ret_fds[i] = n_got == n_fds ? got[i] : -EBADF;
    for (size_t i = 0; n_got != n_fds && i < n_got; i++)
        close(got[i]);
    return k;
}
