/* libmicrohttpd in external epoll mode: no thread, the caller's poll() drives it. Where requests have no
 * bodies one that sends some is answered when its headers are in, and the connection ends. Who waits (a
 * stream with nothing to say, an answer that is held) is suspended: the library forgets the socket meanwhile,
 * so that streams are watched here for their client's end (`gone`). A new certificate is a new daemon on the
 * same listening socket; the former one takes no new connections and lives until its last one ends. (The
 * library's callback for certificates has no context, so it would need a global.) The limits that the library
 * lacks, or counts for one daemon only, are kept in http_peers.c. */
#include "net/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/http_peers.h"
#include "net/http_subject.h"

enum { BACKLOG = 1024, SPINS_MAX = 64 };

/* The newest first; the others are on their way out. */
typedef struct Daemon {
    struct Daemon *next;
    struct MHD_Daemon *mhd;
} Daemon;

struct HttpServer {
    HttpServerOptions options;
    int listener, epoll, gone;
    uint16_t port;
    Daemon *daemons;
    HttpPeers peers;
    struct HttpRequest *held;
    unsigned spins; /* times in a row that the library would not wait, and nothing came */
    bool resumed;   /* somebody waits for the next http_server_work(); no descriptor tells */
};

/* From a request's headers to the end of its answer. */
typedef struct HttpRequest {
    HttpServer *server;
    struct MHD_Connection *connection;
    struct HttpRequest *next_held;
    HttpAnswer answer;
    Buf body, out;
    size_t sent; /* of `out` */
    HttpStream *stream;
    int fd;
    bool too_large, holds, released, suspended, gone;
} HttpRequest;

struct HttpExchange {
    struct MHD_Connection *connection;
    const HttpRequest *request;
    HttpPeer *http_peer;
    char peer[INET6_ADDRSTRLEN];
};

HttpBody *http_body_new(const void *data, size_t n)
{
    HttpBody *b = malloc(sizeof(*b) + n + 1);
    if (!b)
        abort();
    b->holders = 1;
    b->n = n;
    if (n)
        memcpy(b->data, data, n);
    b->data[n] = '\0';
    return b;
}

HttpBody *http_body_ref(HttpBody *b)
{
    b->holders++;
    return b;
}

void http_body_unref(HttpBody *b)
{
    if (b && --b->holders == 0)
        free(b);
}

const char *http_exchange_header(const HttpExchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *http_exchange_query(const HttpExchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_exchange_peer(const HttpExchange *x)
{
    return x->peer;
}

const char *http_exchange_body(const HttpExchange *x, size_t *ret_n)
{
    *ret_n = x->request->body.len;
    return x->request->too_large ? NULL : x->request->body.data ? x->request->body.data : "";
}

const HttpSubject *http_exchange_subject(const HttpExchange *x)
{
    HttpPeer *p = x->http_peer;
    if (!p || !x->request->server->options.client_ca)
        return NULL;
    const union MHD_ConnectionInfo *info =
        p->asked ? NULL : MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    p->asked = true;
    if (info && info->tls_session)
        p->subject = http_subject_new(info->tls_session);
    return p->subject;
}

static void find_peer(HttpExchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;
    if (a && a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, x->peer,
                  sizeof(x->peer));
    else if (a && a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, x->peer,
                  sizeof(x->peer));
}

/* ---- answers ---- */

static void release_body(void *body)
{
    http_body_unref(body);
}

static void suspend(HttpRequest *q)
{
    q->suspended = true;
    MHD_suspend_connection(q->connection);
}

static void resume(HttpRequest *q)
{
    if (!q->suspended)
        return;
    q->suspended = false;
    q->server->resumed = true;
    MHD_resume_connection(q->connection);
}

void http_stream_wake(HttpStream *s)
{
    if (s->request)
        resume(s->request);
}

static ssize_t read_stream(void *request, uint64_t position, char *to, size_t max)
{
    HttpRequest *q = request;
    (void)position;
    if (q->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (q->sent == q->out.len) {
        buf_done(&q->out);
        q->sent = 0;
        int r = q->stream->more(q->stream, &q->out);
        if (r < 0 && !q->out.len)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (!q->out.len) {
            suspend(q);
            return 0;
        }
    }
    size_t n = q->out.len - q->sent < max ? q->out.len - q->sent : max;
    memcpy(to, q->out.data + q->sent, n);
    q->sent += n;
    if (q->sent == q->out.len) { /* thousands of them wait: none keeps what it has said */
        buf_done(&q->out);
        q->sent = 0;
    }
    return (ssize_t)n;
}

static struct MHD_Response *make_response(HttpRequest *q, HttpAnswer *a)
{
    if (a->body)
        return MHD_create_response_from_buffer_with_free_callback_cls(a->body->n, a->body->data, release_body,
                                                                      a->body);
    if (!a->stream)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    q->stream = TAKE_PTR(a->stream);
    q->stream->request = q;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = q};
    epoll_ctl(q->server->gone, EPOLL_CTL_ADD, q->fd, &event);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1, read_stream, q, NULL);
}

static enum MHD_Result send_answer(HttpRequest *q, HttpAnswer *a)
{
    struct MHD_Response *response = make_response(q, a);
    char seconds[16];
    if (!response) {
        http_body_unref(a->body);
        return MHD_NO;
    }
    if (a->content_type)
        MHD_add_response_header(response, "Content-Type", a->content_type);
    if (a->allow)
        MHD_add_response_header(response, "Allow", a->allow);
    if (a->authenticate)
        MHD_add_response_header(response, "WWW-Authenticate", a->authenticate);
    snprintf(seconds, sizeof(seconds), "%u", a->retry_after);
    if (a->retry_after)
        MHD_add_response_header(response, "Retry-After", seconds);
    enum MHD_Result r = MHD_queue_response(q->connection, a->status, response);
    MHD_destroy_response(response);
    return r;
}

unsigned http_server_release(HttpServer *s, const HttpAnswer *instead)
{
    unsigned n = 0;
    for (HttpRequest *q = TAKE_PTR(s->held), *next; q; q = next, n++) {
        next = q->next_held;
        if (instead) {
            http_body_unref(q->answer.body);
            if (q->answer.stream)
                q->answer.stream->free(q->answer.stream);
            q->answer = *instead;
            if (instead->body)
                http_body_ref(instead->body);
        }
        q->holds = false;
        q->released = true;
        resume(q);
    }
    return n;
}

static void free_request(HttpRequest *q)
{
    if (!q)
        return;
    for (HttpRequest **p = &q->server->held; q->holds && *p; p = &(*p)->next_held)
        if (*p == q) {
            *p = q->next_held;
            break;
        }
    if (q->stream) {
        epoll_ctl(q->server->gone, EPOLL_CTL_DEL, q->fd, NULL);
        q->stream->request = NULL;
        q->stream->free(q->stream);
    }
    if (q->holds || q->released) {
        http_body_unref(q->answer.body);
        if (q->answer.stream)
            q->answer.stream->free(q->answer.stream);
    }
    buf_done(&q->body);
    buf_done(&q->out);
    free(q);
}

static HttpPeer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static bool too_large(const HttpServer *s, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info && info->header_size > s->options.headers;
}

/* ---- requests ---- */

static HttpRequest *new_request(HttpServer *s, struct MHD_Connection *connection)
{
    HttpRequest *q = calloc(1, sizeof(*q));
    if (!q)
        abort();
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *q = (HttpRequest){.server = s, .connection = connection, .fd = fd ? fd->connect_fd : -EBADF};
    return q;
}

static void take_body(HttpRequest *q, const char *upload, size_t n)
{
    if (q->too_large || q->body.len + n > q->server->options.body_max) {
        q->too_large = true;
        buf_done(&q->body);
    } else
        buf_add(&q->body, upload, n);
}

static enum MHD_Result answer(HttpRequest *q, const char *method, const char *path)
{
    HttpServer *s = q->server;
    HttpExchange x = {.connection = q->connection, .request = q, .http_peer = peer_of(q->connection)};
    find_peer(&x);
    HttpAnswer a = {.status = MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE};
    http_peers_phase(&s->peers, x.http_peer, HTTP_PEER_ANSWER);
    if (!too_large(s, q->connection))
        a = s->options.handler(s->options.context, &x, method, path);
    if (a.stream)
        http_peers_phase(&s->peers, x.http_peer, HTTP_PEER_STREAM);
    if (!a.hold)
        return send_answer(q, &a);
    q->answer = a;
    q->holds = true;
    q->next_held = s->held;
    s->held = q;
    suspend(q);
    return MHD_YES;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload, size_t *upload_n,
                              void **state)
{
    HttpServer *s = context;
    HttpRequest *q = *state;
    (void)version;
    /* The library calls once with the headers, with each piece of a body, and once more when the request is
     * complete; an answer at the first call ends the connection, which is right for those that would go on to
     * send a body that nobody wants. */
    if (!q) {
        q = *state = new_request(s, connection);
        if (s->options.body_max || !strcmp(method, "GET") || !strcmp(method, "HEAD"))
            return MHD_YES;
    }
    if (*upload_n) {
        take_body(q, upload, *upload_n);
        *upload_n = 0;
        return MHD_YES;
    }
    if (!q->released)
        return answer(q, method, path);
    q->released = false;
    HttpAnswer a = q->answer;
    return send_answer(q, &a);
}

static void complete(void *context, struct MHD_Connection *connection, void **state,
                     enum MHD_RequestTerminationCode code)
{
    HttpServer *s = context;
    (void)code;
    free_request(*state);
    *state = NULL;
    http_peers_phase(&s->peers, peer_of(connection), HTTP_PEER_REQUEST);
}

/* A connection comes or ends. */
static void notice(void *context, struct MHD_Connection *connection, void **peer,
                   enum MHD_ConnectionNotificationCode code)
{
    HttpServer *s = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        http_peers_remove(&s->peers, *peer);
        *peer = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd =
                                       MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD),
                                   *address = MHD_get_connection_info(connection,
                                                                      MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *peer = http_peers_add(&s->peers, fd ? fd->connect_fd : -EBADF, address ? address->client_addr : NULL);
}

static enum MHD_Result admit(void *context, const struct sockaddr *address, socklen_t n)
{
    const HttpServer *s = context;
    (void)n;
    return s->peers.n < s->options.connections &&
                   (!s->options.per_address || http_peers_count(&s->peers, address) < s->options.per_address)
               ? MHD_YES
               : MHD_NO;
}

/* ---- listening ---- */

static int open_listener(HttpServer *s, Error *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *a;
    char port[8];
    snprintf(port, sizeof(port), "%u", s->options.port);
    if (getaddrinfo(s->options.address, port, &hints, &a))
        return error_set(e, EINVAL, "'%s' is not an address to listen on", s->options.address);
    int one = 1, r = 0;
    s->listener = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener < 0 || setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(s->listener, a->ai_addr, a->ai_addrlen) < 0 || listen(s->listener, BACKLOG) < 0)
        r = error_errno(e, -errno, "listening on %s port %u", s->options.address, s->options.port);
    freeaddrinfo(a);
    struct sockaddr_storage bound;
    socklen_t n = sizeof(bound);
    if (r == 0 && getsockname(s->listener, (struct sockaddr *)&bound, &n) == 0)
        s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                    : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    return r;
}

static int add_daemon(HttpServer *s, const char *certificate, const char *key, Error *e)
{
    /* MHD closes its listener when it ends; each daemon gets a descriptor of its own. */
    int listener = fcntl(s->listener, F_DUPFD_CLOEXEC, 3);
    if (listener < 0)
        return error_errno(e, -errno, "the listening socket");
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"},
        {s->options.client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *)s->options.client_ca},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (s->options.tls ? MHD_USE_TLS : 0);
    struct MHD_Daemon *mhd = MHD_start_daemon(
        flags, 0, admit, s, handle, s, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
        s->options.connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_SERVER_IDLE_SEC,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->options.headers + s->options.headers / 3,
        MHD_OPTION_NOTIFY_CONNECTION, notice, s, MHD_OPTION_NOTIFY_COMPLETED, complete, s, MHD_OPTION_ARRAY,
        s->options.tls ? tls : tls + ELEMENTS(tls) - 1, MHD_OPTION_END);
    if (!mhd) {
        close(listener);
        return error_set(e, EINVAL,
                         s->options.tls ? "the certificate and its key cannot be used"
                                        : "the server does not start");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_EPOLL_FD);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = mhd};
    if (!info || epoll_ctl(s->epoll, EPOLL_CTL_ADD, info->epoll_fd, &event) < 0) {
        MHD_stop_daemon(mhd);
        return error_errno(e, -errno, "watching the server");
    }
    Daemon *d = calloc(1, sizeof(*d));
    if (!d)
        abort();
    *d = (Daemon){.next = s->daemons, .mhd = mhd};
    s->daemons = d;
    return 0;
}

static void retire(Daemon *d)
{
    if (!d)
        return;
    MHD_socket listener = MHD_quiesce_daemon(d->mhd);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
}

int http_server_set_certificate(HttpServer *s, const char *certificate, const char *key, Error *e)
{
    Daemon *former = s->daemons;
    int r = add_daemon(s, certificate, key, e);
    if (r >= 0)
        retire(former);
    return r;
}

int http_server_new(const HttpServerOptions *o, HttpServer **ret, Error *e)
{
    _cleanup_(http_server_freep)
    HttpServer *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *s = (HttpServer){.options = *o,
                      .listener = -EBADF,
                      .epoll = epoll_create1(EPOLL_CLOEXEC),
                      .gone = epoll_create1(EPOLL_CLOEXEC)};
    if (!s->options.headers)
        s->options.headers = HTTP_SERVER_HEADERS;
    if (!s->options.connections)
        s->options.connections = HTTP_SERVER_CONNECTIONS;
    http_peers_init(&s->peers, o->request_ms ? o->request_ms : HTTP_SERVER_REQUEST_MS,
                    o->answer_ms ? o->answer_ms : HTTP_SERVER_ANSWER_MS);
    struct epoll_event gone = {.events = EPOLLIN};
    if (s->epoll < 0 || s->gone < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->gone, &gone) < 0)
        return error_errno(e, -errno, "epoll");
    int r = open_listener(s, e);
    if (r >= 0 && !o->tls)
        r = add_daemon(s, NULL, NULL, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

/* Clients of streams that have gone away; the library notices when it is to write. */
static void look_for_gone(HttpServer *s)
{
    struct epoll_event events[64];
    int n;
    do {
        n = epoll_wait(s->gone, events, ELEMENTS(events), 0);
        for (int i = 0; i < n; i++) {
            HttpRequest *q = events[i].data.ptr;
            q->gone = true;
            resume(q);
        }
    } while (n == ELEMENTS(events));
}

/* Whoever is suspended must not be when its daemon ends. */
static void stop(Daemon *d)
{
    MHD_stop_daemon(d->mhd);
    free(d);
}

void http_server_free(HttpServer *s)
{
    if (!s)
        return;
    http_server_release(s, &(HttpAnswer){.status = MHD_HTTP_SERVICE_UNAVAILABLE});
    for (HttpPeer *p = s->peers.queues[HTTP_PEER_STREAM].first; p; p = p->after)
        shutdown(p->fd, SHUT_RDWR);
    look_for_gone(s);
    for (Daemon *d = s->daemons, *next; d; d = next) {
        next = d->next;
        MHD_run(d->mhd);
        stop(d);
    }
    closep(&s->listener);
    closep(&s->gone);
    closep(&s->epoll);
    free(s);
}

uint16_t http_server_port(const HttpServer *s)
{
    return s->port;
}

int http_server_fd(const HttpServer *s)
{
    return s->epoll;
}

int http_server_timeout_ms(HttpServer *s)
{
    if (s->resumed)
        return 0;
    int shortest = http_peers_wait_ms(&s->peers);
    for (Daemon *d = s->daemons; d; d = d->next) {
        MHD_UNSIGNED_LONG_LONG ms;
        if (MHD_get_timeout(d->mhd, &ms) == MHD_YES && (shortest < 0 || ms < (unsigned)shortest))
            shortest = ms > 60000 ? 60000 : (int)ms;
    }
    /* While a handshake waits for its client the library says that there is something to do. */
    if (shortest == 0 && s->spins++ > SPINS_MAX)
        return 1;
    return shortest;
}

void http_server_work(HttpServer *s)
{
    http_peers_expire(&s->peers);
    look_for_gone(s);
    s->resumed = false;
    struct epoll_event event;
    if (epoll_wait(s->epoll, &event, 1, 0) > 0)
        s->spins = 0;
    for (Daemon **p = &s->daemons; *p;) {
        Daemon *d = *p;
        MHD_run(d->mhd);
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(d->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
        if (d != s->daemons && info && !info->num_connections) {
            *p = d->next;
            stop(d);
        } else
            p = &d->next;
    }
}
