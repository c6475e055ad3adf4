/* Apple's hypervisor: the host answers a GET on port 1024 of its vsock. HTTP/1.0 on purpose: the answer comes
 * in one piece and ends with the connection, so this needs no more of HTTP than the first line and the
 * length. A host that is not there yet, or busy, is asked again until the deadline. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* It needs what sys/socket.h declares. */
#include <linux/vm_sockets.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/platform.h"

enum { VSOCK_PORT = 1024, ANSWER_SEC = 10, HEAD_MAX = 64 * 1024 };

static int host_connect(const PlatformFetch *p, Error *e)
{
    const struct sockaddr_vm host = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = VSOCK_PORT};
    const char *path = getenv("BASALT_VSOCK");
    struct timeval patience = {.tv_sec = ANSWER_SEC};
    struct sockaddr_un instead = {.sun_family = AF_UNIX};
    bool test = path && *path;
    if (p->deadline_ms) {
        int64_t left = p->deadline_ms - monotonic_ms();
        if (left < ANSWER_SEC * 1000)
            patience = (struct timeval){.tv_sec = left > 0 ? left / 1000 : 0,
                                        .tv_usec = left > 0 ? left % 1000 * 1000 + 1 : 1};
    }
    _cleanup_close_ int fd = socket(test ? AF_UNIX : AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return error_errno(e, -errno, "making a socket to the host");
    snprintf(instead.sun_path, sizeof(instead.sun_path), "%s", test ? path : "");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    int r = test ? connect(fd, (const struct sockaddr *)&instead, sizeof(instead))
                 : connect(fd, (const struct sockaddr *)&host, sizeof(host));
    if (r < 0)
        return error_errno(e, -errno, "connecting to port %d of the host", VSOCK_PORT);
    return TAKE_FD(fd);
}

/* The value of Content-Length; UINT64_MAX: the answer does not say. */
static uint64_t length_of(const char *head)
{
    static const char name[] = "\r\nContent-Length:";
    const char *at = strcasestr(head, name);

    return at ? strtoull(at + sizeof(name) - 1, NULL, 10) : UINT64_MAX;
}

/* 0; -EAGAIN: worth another try; else final. */
static int answer_read(Buf *answer, Buf *ret, Error *e)
{
    const char *body = answer->len ? memmem(answer->data, answer->len, "\r\n\r\n", 4) : NULL;
    int status;

    if (!body || body - answer->data > HEAD_MAX || sscanf(answer->data, "HTTP/1.%*1[01] %3d ", &status) != 1)
        return error_set(e, EAGAIN, "the host's answer is no HTTP");
    size_t n = answer->len - (size_t)(body + 4 - answer->data);
    answer->data[body - answer->data] = '\0';
    uint64_t length = length_of(answer->data);
    if (status >= 500)
        return error_set(e, EAGAIN, "the host answered %d", status);
    if (status != 200 && status != 204)
        return error_set(e, EPROTO, "the host answered %d", status);
    if (length != UINT64_MAX && length != n)
        return error_set(e, EAGAIN, "the host's answer broke off");
    buf_add(ret, body + 4, n);
    return 0;
}

static int ask(const PlatformFetch *p, Buf *ret, Error *e)
{
    static const char request[] = "GET / HTTP/1.0\r\nHost: d\r\nAccept: application/json\r\n\r\n";
    _cleanup_(buf_done_secret)
    Buf answer = BUF_INIT;
    _cleanup_close_ int fd = host_connect(p, e);

    if (fd < 0)
        return -EAGAIN;
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1 ||
        file_read_fd(fd, PLATFORM_CONFIG_MAX, &answer) < 0)
        return error_set(e, EAGAIN, "the connection to the host broke off");
    return answer_read(&answer, ret, e);
}

int applehv_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    const char *present = platform_path(p->arena, "BASALT_SYSFS", "/sys", "devices/virtual/misc/vsock");
    Error why = ERROR_INIT;
    int r = platform_modprobe(p, "vsock", present, e);

    if (r < 0)
        return r;
    while ((r = ask(p, ret, &why)) == -EAGAIN) {
        log_info("%s", why.text);
        if (!platform_pause(p))
            break;
    }
    if (r < 0)
        return error_set(e, r == -EAGAIN ? ETIMEDOUT : -r, "asking the host: %s", why.text);
    return 0;
}
