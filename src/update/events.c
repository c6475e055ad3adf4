/* A line is written whole or the listener counts as gone; what nobody listens to goes on to its end or, where
 * a verb can be cancelled, is cancelled. */
#include "update/events.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/file.h"

static int to = -EBADF;
static bool gone;

void events_to(int fd)
{
    to = fd;
}

bool events_wanted(void)
{
    return to >= 0;
}

bool events_gone(void)
{
    struct pollfd p = {.fd = to, .events = POLLRDHUP};
    if (to >= 0 && !gone && poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)))
        gone = true;
    return gone;
}

static bool write_all(const char *data, size_t n)
{
    while (n > 0) {
        ssize_t k = send(to, data, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return false;
        data += k;
        n -= (size_t)k;
    }
    return true;
}

void events_send(const Node *event)
{
    _cleanup_buf_ Buf line = BUF_INIT;
    if (to < 0 || gone)
        return;
    json_write(event, JSON_COMPACT, &line);
    buf_add_char(&line, '\n');
    if (!write_all(line.data, line.len))
        gone = true;
}

void events_send_text(const char *key, const char *text)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, key, text);
    events_send(n);
}
