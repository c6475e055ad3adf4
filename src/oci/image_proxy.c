/* A pipe ends only when FinishPipe is asked for, which is answered when all has been written to it. So it is
 * asked for first, then the pipe is read to its end, then comes the answer. What skopeo writes to its
 * standard error is read all the while, that it may not block, and its last line is the reason when it ends
 * early. */
#include "oci/image_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/process.h"
#include "oci/document.h"

/* A reply may wait for a whole layer to be copied, and for the lock of the store. */
enum { REPLY_MS = 30 * 60 * 1000, STALL_MS = 5 * 60 * 1000, LEAVE_MS = 5000 };
enum { SAID_MAX = 8 << 10, PIECE = 256 << 10, ENVIRONMENT_MAX = 16 };

struct ImageProxy {
    ProcessChild child;
    int socket, errors;
    bool started, over; /* over: it has ended, or is taken for it */
    Buf said;           /* the end of what it wrote to standard error */
};

/* ---- waiting ---- */

static void keep_said(ImageProxy *p)
{
    char piece[4096];
    ssize_t n = read(p->errors, piece, sizeof(piece));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close(p->errors);
        p->errors = -EBADF;
        return;
    }
    if (p->said.len + (size_t)n > SAID_MAX)
        p->said.len = 0;
    buf_add(&p->said, piece, (size_t)n);
}

/* Until there is something to read of the descriptor. */
static int wait_for(ImageProxy *p, int fd, int64_t ms, Error *e)
{
    for (int64_t until = monotonic_ms() + ms, now; (now = monotonic_ms()) < until;) {
        struct pollfd polls[] = {{.fd = fd, .events = POLLIN}, {.fd = p->errors, .events = POLLIN}};
        if (poll(polls, ELEMENTS(polls), (int)(until - now)) <= 0)
            continue;
        if (polls[1].revents)
            keep_said(p);
        if (polls[0].revents)
            return 0;
    }
    p->over = true;
    return error_set(e, ETIMEDOUT, "skopeo says nothing");
}

static int ended(ImageProxy *p, Error *e)
{
    p->over = true;
    while (p->errors >= 0 && poll(&(struct pollfd){.fd = p->errors, .events = POLLIN}, 1, 1000) > 0)
        keep_said(p);
    size_t n = p->said.len;
    while (n && (p->said.data[n - 1] == '\n' || p->said.data[n - 1] == ' '))
        n--;
    const char *newline = n ? memrchr(p->said.data, '\n', n) : NULL;
    const char *line = !n ? "" : newline ? newline + 1 : p->said.data;
    char shown[512];
    snprintf(shown, sizeof(shown), "%.*s", n ? (int)(p->said.data + n - line) : 0, line);
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = '?';
    return error_set(e, EREMOTEIO, "skopeo has ended%s%s", *shown ? ": " : "", shown);
}

/* ---- packets ---- */

static int tell_failure(const Node *root, Error *e)
{
    const char *text = NULL;
    char shown[512];
    int r = document_string(root, "error", DOCUMENT_OPTIONAL, &text, e);
    if (r < 0)
        return -EBADMSG;
    snprintf(shown, sizeof(shown), "%s", text && *text ? text : "it does not say why");
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    return error_set(e, EREMOTEIO, "skopeo: %s", shown);
}

int proxy_reply_read(Arena *a, const void *data, size_t n, ProxyReply *ret, Error *e)
{
    const DocumentText document = {.name = "skopeo's reply", .data = data, .n = n, .max = PROXY_REPLY_MAX};
    ProxyReply reply = {.fd = -EBADF};
    const Node *success;
    Node *root;
    if (document_read(a, &document, &root, e) < 0 ||
        document_member(root, "success", NODE_BOOL, DOCUMENT_REQUIRED, &success, e) < 0)
        return -EBADMSG;
    if (!success->boolean)
        return tell_failure(root, e);
    if (node_get(root, "pipeid") && document_size(root, "pipeid", UINT32_MAX, &reply.pipe, e) < 0)
        return -EBADMSG;
    reply.value = node_get(root, "value");
    if (reply.value && reply.value->kind == NODE_NULL)
        reply.value = NULL;
    *ret = reply;
    return 0;
}

/* The first descriptor that came with the packet; there is not to be another. */
static int take_descriptors(struct msghdr *m)
{
    int fd = -EBADF;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t n = c->cmsg_len - CMSG_LEN(0);
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i + sizeof(int) <= n; i += sizeof(int)) {
            int one;
            memcpy(&one, CMSG_DATA(c) + i, sizeof(one));
            if (fd < 0)
                fd = one;
            else
                close(one);
        }
    }
    return fd;
}

static int receive(ImageProxy *p, Arena *a, ProxyReply *ret, Error *e)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    char *packet = arena_alloc(a, PROXY_REPLY_MAX);
    struct iovec part = {.iov_base = packet, .iov_len = PROXY_REPLY_MAX};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int r = wait_for(p, p->socket, REPLY_MS, e);
    if (r < 0)
        return r;
    ssize_t n = recvmsg(p->socket, &m, MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return ended(p, e);
    _cleanup_close_ int fd = take_descriptors(&m);
    if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return error_set(e, EBADMSG, "skopeo's reply has more than %d bytes", PROXY_REPLY_MAX);
    if ((r = proxy_reply_read(a, packet, (size_t)n, ret, e)) < 0)
        return r;
    if ((fd >= 0) != (ret->pipe != 0))
        return error_set(e, EBADMSG, "skopeo's reply has a pipe without a number, or a number without one");
    ret->fd = TAKE_FD(fd);
    return 0;
}

static int request(ImageProxy *p, const char *method, const char *arguments, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    buf_addf(&text, "{\"method\":\"%s\",\"args\":%s}", method, arguments);
    if (text.len > PROXY_REPLY_MAX)
        return error_set(e, EINVAL, "a request to skopeo has more than %d bytes", PROXY_REPLY_MAX);
    if (p->over)
        return error_set(e, EREMOTEIO, "skopeo has ended");
    ssize_t n = send(p->socket, text.data, text.len, MSG_NOSIGNAL);
    return n == (ssize_t)text.len ? 0 : ended(p, e);
}

int image_proxy_call(ImageProxy *p, Arena *a, const char *method, const char *arguments, ProxyReply *ret,
                     Error *e)
{
    int r = request(p, method, arguments, e);
    return r < 0 ? r : receive(p, a, ret, e);
}

/* ---- pipes ---- */

static int pour(ImageProxy *p, int fd, const BlobSink *to, Error *e)
{
    _cleanup_free_ char *piece = malloc(PIECE);
    if (!piece)
        abort();
    for (;;) {
        int r = wait_for(p, fd, STALL_MS, e);
        if (r < 0)
            return r;
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(e, -errno, "reading from skopeo");
        if (n == 0)
            return 0;
        if ((r = to->take(to->context, piece, (size_t)n)) < 0)
            return r;
    }
}

int image_proxy_finish(ImageProxy *p, ProxyReply *reply, const BlobSink *to, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Error late = ERROR_INIT;
    ProxyReply finished;
    if (reply->fd < 0)
        return error_set(e, EBADMSG, "skopeo's reply has no pipe");
    int r = request(p, "FinishPipe", arena_printf(a, "[%llu]", (unsigned long long)reply->pipe), e);
    if (r >= 0 && to)
        r = pour(p, reply->fd, to, e);
    close(reply->fd); /* whoever still writes to it is told */
    reply->fd = -EBADF;
    if (p->over)
        return r;
    int k = receive(p, a, &finished, &late);
    if (k >= 0 && finished.fd >= 0)
        close(finished.fd);
    if (!to)
        return k == -EREMOTEIO ? 0 : k;
    return r >= 0 && k < 0 ? error_set(e, -k, "%s", late.text) : r;
}

/* ---- the program ---- */

/* Where the store is and where large files go is the caller's environment to say. */
static const char *const *environment(Arena *a)
{
    static const char *const kept[] = {"HOME",           "TMPDIR",          "XDG_RUNTIME_DIR",
                                       "XDG_DATA_HOME",  "XDG_CONFIG_HOME", "CONTAINERS_STORAGE_CONF",
                                       "STORAGE_DRIVER", "STORAGE_OPTS"};
    const char **env = ARENA_ARRAY(a, const char *, ENVIRONMENT_MAX), **next = env;
    for (size_t i = 0; i < ELEMENTS(kept); i++)
        if (getenv(kept[i]))
            *next++ = arena_printf(a, "%s=%s", kept[i], getenv(kept[i]));
    *next = NULL;
    return env;
}

static int launch(ImageProxy *p, Error *e)
{
    static const char *const argv[] = {
        "skopeo", "--insecure-policy", "experimental-image-proxy", "--sockfd", "0",
        NULL}; /* the policy is judged before, by policy_check.h */
    _cleanup_arena_ Arena *a = arena_new();
    int sockets[2], pipes[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_errno(e, -errno, "a socket for skopeo");
    p->socket = sockets[0];
    _cleanup_close_ int theirs = sockets[1];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return error_errno(e, -errno, "a pipe for skopeo");
    p->errors = pipes[0];
    _cleanup_close_ int errors = pipes[1];
    (void)fcntl(p->errors, F_SETFL, O_NONBLOCK);
    const ProcessRun run = {.argv = argv, .env = environment(a), .env_only = true};
    int r = process_start(&run, theirs, errors, &p->child, e);
    if (r == -ENOENT)
        return error_set(e, ENOPKG,
                         "images of containers-storage: are read by skopeo, which is not there; install the "
                         "package skopeo");
    p->started = r >= 0;
    return r;
}

/* 0.2.3 has all that is needed, and 0.2 is one kind of talk. */
static int greet(ImageProxy *p, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    ProxyReply reply;
    unsigned patch;
    int r = image_proxy_call(p, a, "Initialize", "[]", &reply, e);
    if (r < 0)
        return r;
    if (reply.fd >= 0)
        close(reply.fd);
    const char *version = node_string(reply.value);
    if (!version || sscanf(version, "0.2.%3u", &patch) != 1 || patch < 3)
        return error_set(e, ENOTSUP, "skopeo's proxy has version %.20s, and 0.2.3 is needed",
                         version ? version : "unknown");
    return 0;
}

int image_proxy_start(ImageProxy **ret, Error *e)
{
    _cleanup_(image_proxy_freep)
    ImageProxy *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    p->socket = p->errors = -EBADF;
    int r = launch(p, e);
    if (r < 0 || (r = greet(p, e)) < 0)
        return r;
    *ret = TAKE_PTR(p);
    return 0;
}

void image_proxy_free(ImageProxy *p)
{
    if (!p)
        return;
    closep(&p->socket); /* by which it is told */
    closep(&p->errors);
    if (p->started)
        (void)process_stop(&p->child, LEAVE_MS);
    buf_done(&p->said);
    free(p);
}
