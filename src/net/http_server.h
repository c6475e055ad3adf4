#pragma once
/* An HTTP/1.1 server over TLS (1.2 and newer) for one thread, on libmicrohttpd. It answers from memory: the
 * handler gives it bytes that stay until they are released, or a stream that has more from time to time.
 * Limits: HTTP_SERVER_CONNECTIONS at a time unless another number is asked for, request headers of at most
 * HTTP_SERVER_HEADERS bytes (431 past that), idle connections end after 30 s. A client that is slow but not
 * idle has a limit as well, for its request's headers and body and for taking an answer that is no stream. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { HTTP_SERVER_CONNECTIONS = 4096, HTTP_SERVER_HEADERS = 12 << 10, HTTP_SERVER_IDLE_SEC = 30 };
enum { HTTP_SERVER_REQUEST_MS = 60 * 1000, HTTP_SERVER_ANSWER_MS = 600 * 1000 };

/* Bytes with a count of those who hold them; made with one holder. */
typedef struct HttpBody {
    unsigned holders;
    size_t n;
    char data[];
} HttpBody;
HttpBody *http_body_new(const void *data, size_t n);
HttpBody *http_body_ref(HttpBody *b);
void http_body_unref(HttpBody *b);
DEFINE_CLEANUP(HttpBody *, http_body_unref);

typedef struct HttpExchange HttpExchange; /* one request and its answer, during the handler */
const char *http_exchange_header(const HttpExchange *x, const char *name);
const char *http_exchange_query(const HttpExchange *x, const char *name);
const char *http_exchange_peer(const HttpExchange *x); /* the client's address in text */
/* The request's body, "" without one; NULL: it was larger than `body_max`. */
const char *http_exchange_body(const HttpExchange *x, size_t *ret_n);

/* Who a client's certificate says that it is. */
typedef struct HttpSubject {
    bool trusted; /* verified against `client_ca`, for clients, now */
    char *common_name;
    char **organizations;
    size_t n_organizations;
} HttpSubject;
const HttpSubject *http_exchange_subject(const HttpExchange *x); /* NULL: it sent none */

/* An answer that goes on. */
typedef struct HttpStream HttpStream;
struct HttpStream {
    /* Appends what comes next: > 0 there was something, 0 nothing now (http_stream_wake() calls again), < 0
     * that was all. */
    int (*more)(HttpStream *s, Buf *out);
    void (*free)(HttpStream *s);
    void *request; /* the server's */
};
void http_stream_wake(HttpStream *s);

typedef struct HttpAnswer {
    unsigned status;
    const char *content_type; /* NULL: none */
    const char *allow;        /* the Allow header of a 405; NULL: none */
    const char *authenticate; /* the WWW-Authenticate header of a 401; NULL: none */
    unsigned retry_after;     /* seconds; 0: none */
    HttpBody *body;           /* given away; NULL: empty. For HEAD its length is told and nothing sent */
    HttpStream *stream;       /* given away; instead of a body */
    bool hold;                /* sent by http_server_release() */
} HttpAnswer;

typedef HttpAnswer (*HttpHandler)(void *context, const HttpExchange *x, const char *method, const char *path);

typedef struct HttpServerOptions {
    const char *address; /* "0.0.0.0", "::", "127.0.0.1", … */
    uint16_t port;       /* 0: any, see http_server_port() */
    bool tls;
    unsigned per_address; /* connections of one client address; 0: no limit of its own */
    int request_ms;       /* from the connection or the former answer until all headers are in, the
                           * handshake included; 0: HTTP_SERVER_REQUEST_MS */
    int answer_ms;        /* from there until the answer is taken; 0: HTTP_SERVER_ANSWER_MS */
    unsigned connections; /* 0: HTTP_SERVER_CONNECTIONS */
    size_t
        headers; /* bytes of them in a request; 0: HTTP_SERVER_HEADERS. A third more is each connection\'s */
    size_t body_max;       /* of a request's body; 0: one that sends some is answered before */
    const char *client_ca; /* PEM: clients are asked for a certificate; NULL: not */
    HttpHandler handler;
    void *context;
} HttpServerOptions;

typedef struct HttpServer HttpServer;
int http_server_new(const HttpServerOptions *o, HttpServer **ret,
                    Error *e); /* with tls: listens after set_certificate */
void http_server_free(HttpServer *s);
DEFINE_CLEANUP(HttpServer *, http_server_free);
/* PEM; new handshakes use it from now on, connections that stand stay. On failure the former one stays. */
int http_server_set_certificate(HttpServer *s, const char *certificate, const char *key, Error *e);
uint16_t http_server_port(const HttpServer *s);
int http_server_fd(const HttpServer *s);   /* readable when there is something to do */
int http_server_timeout_ms(HttpServer *s); /* for poll(); -1: none */
void http_server_work(HttpServer *s);
/* Sends what was held, or else `instead` (its body is shared) for each of them; returns how many. */
unsigned http_server_release(HttpServer *s, const HttpAnswer *instead);
