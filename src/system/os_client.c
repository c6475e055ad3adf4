/* Connect, one line out, lines in until the one with the exit code. */
#include "system/os_client.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "format/json.h"

enum { ERRNO_MAX = 134 };

typedef struct Answer {
    Arena *arena;
    OsEvent event;
    void *context;
    const Node *result;
    int code;    /* of the error, negative */
    int64_t end; /* the exit code; -1: not yet */
} Answer;

static int connect_to(const char *path, Error *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path)
        return error_set(e, ENAMETOOLONG, "%s", path);
    strcpy(to.sun_path, path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        return error_errno(e, -errno, "%s", path);
    return TAKE_FD(fd);
}

static void request_text(Arena *a, const OsRequest *r, Buf *out)
{
    Node *n = node_new(a, NODE_OBJECT), *arguments = node_new(a, NODE_ARRAY);
    node_set_string(a, n, "verb", r->verb);
    if (r->options)
        node_set(a, n, "options", node_copy(a, r->options));
    for (const char *const *p = r->arguments; p && *p; p++)
        node_append(arguments, node_new_string(a, *p));
    node_set(a, n, "arguments", arguments);
    json_write(n, JSON_COMPACT, out);
    buf_add_char(out, '\n');
}

static int send_all(int fd, const Buf *b, Error *e)
{
    for (size_t at = 0; at < b->len;) {
        ssize_t n = send(fd, b->data + at, b->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return error_errno(e, -errno, "asking basalt-os");
        at += n < 0 ? 0 : (size_t)n;
    }
    return 0;
}

static int code_by_name(const char *name)
{
    for (int i = 1; name && i < ERRNO_MAX; i++)
        if (strerrorname_np(i) && strcmp(strerrorname_np(i), name) == 0)
            return i;
    return EIO;
}

static int take_line(Answer *w, const char *text, size_t n, Error *e)
{
    _cleanup_report_ Report r = REPORT_INIT(w->arena);
    const Source source = {.name = "basalt-os", .text = text, .len = n};
    Node *event;
    if (json_read(w->arena, &source, SEVERITY_ERROR, &event, &r) < 0)
        return error_set(e, EBADMSG, "basalt-os answered what is no JSON");
    const char *error = node_string(node_get(event, "error"));
    const Node *result = node_get(event, "result"), *end = node_get(event, "exit");
    if (error)
        w->code = error_set(e, code_by_name(node_string(node_get(event, "code"))), "%s", error);
    if (result)
        w->result = result;
    if (end && node_int(end, &w->end) < 0)
        return error_set(e, EBADMSG, "basalt-os answered with an exit code that is no number");
    return error || result || end || !w->event ? 0 : w->event(w->context, event);
}

/* Every whole line of the buffer, which keeps the rest. */
static int take_lines(Answer *w, Buf *b, Error *e)
{
    size_t at = 0;
    for (char *end; at < b->len && (end = memchr(b->data + at, '\n', b->len - at));) {
        char *line = arena_memdup(w->arena, b->data + at, (size_t)(end - b->data) - at);
        int r = take_line(w, line, strlen(line), e);
        if (r < 0)
            return r;
        at = (size_t)(end - b->data) + 1;
    }
    memmove(b->data, b->data + at, b->len - at);
    b->len -= at;
    return 0;
}

int os_client_ask(Arena *a, const char *socket, const OsRequest *request, OsEvent event, void *context,
                  const Node **ret_result, Error *e)
{
    _cleanup_buf_ Buf line = BUF_INIT;
    Answer w = {.arena = a, .event = event, .context = context, .end = -1};
    _cleanup_close_ int fd = connect_to(socket, e);
    if (fd < 0)
        return fd;
    request_text(a, request, &line);
    int r = send_all(fd, &line, e);
    line.len = 0;
    while (r >= 0 && w.end < 0) {
        ssize_t n = recv(fd, buf_reserve(&line, 64 << 10), 64 << 10, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(e, n < 0 ? errno : EPIPE, "basalt-os hung up before its answer ended");
        line.len += (size_t)n;
        r = line.len > OS_ANSWER_MAX ? error_set(e, EFBIG, "basalt-os answered with too much")
                                     : take_lines(&w, &line, e);
    }
    if (r < 0 || w.code < 0)
        return r < 0 ? r : w.code;
    *ret_result = w.result;
    return (int)w.end;
}
