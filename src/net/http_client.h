#pragma once
/* Requests over http and https, with the patience of a machine that boots: what may pass is tried again.
 * By libcurl, which is loaded at the first request (31 shared objects): a program whose config is local never
 * maps it. Nothing is taken from the environment. No message holds a URL's query or user information: they
 * carry tokens. Rules of retrying and redirects: coreos/ignition internal/resource/http.go. */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct HttpHeader {
    const char *name, *value; /* value NULL: the header is not sent, though it is one of the usual ones */
} HttpHeader;

/* Connections that are kept from one request to the next; for one thread at a time. */
typedef struct HttpSession HttpSession;
int http_session_new(HttpSession **ret, Error *e);
void http_session_free(HttpSession *s);
DEFINE_CLEANUP(HttpSession *, http_session_free);

typedef struct HttpOptions {
    HttpSession *session;      /* NULL: a connection of the request's own */
    const HttpHeader *headers; /* the usual ones, of every request; a NULL name ends them */
    const char *authorities;   /* PEM, trusted beside the system's; NULL: none */
    /* The system's: a file of PEM and a directory of hashed names; NULL: where libcurl was built to look. */
    const char *trust_file, *trust_directory;
    const char *certificate, *key; /* PEM: the client's own, shown to the URL's host alone; NULL: none */
    bool distrust_nobody;          /* servers need no certificate that anybody has signed */
    bool https_only;               /* the URL, and where redirects lead */
    const char *http_proxy, *https_proxy;
    const char *const *no_proxy; /* http_proxy.h; ends with NULL; NULL: empty */
    int64_t connect_ms;          /* 0: 30 s */
    int64_t response_headers_ms; /* until all are in; 0: 10 s, < 0: no limit */
    int64_t stall_ms;            /* without a byte of a body; rounded up to seconds; 0: no limit */
    int64_t total_ms;            /* all tries together; 0: no limit */
    unsigned attempts;           /* 0: no limit */
    /* The client's own end: one of so many ports from here on that is free. 0: any. */
    unsigned local_port, local_ports;
    /* Told before each try after the first; may be NULL. */
    void (*retrying)(void *context, unsigned attempt, const char *url, const char *why);
    /* Asked about once a second, from the thread that called: true ends the work with -ECANCELED. May be
     * NULL. */
    bool (*cancelled)(void *context);
    void *context;
} HttpOptions;

typedef struct HttpRequest {
    const char *url;
    const char *method; /* NULL: GET. "HEAD" has no body, "PUT" and "POST" send `body` */
    const void *body;
    size_t body_len;
    const int *retry_statuses;  /* tried again though below 500; a 0 ends them; NULL: none */
    const int *accept_statuses; /* an answer though neither 200 nor 204, without its body; as above */
    const HttpHeader *headers;  /* over the usual ones, by name; a NULL name ends them; NULL: none */
    uint64_t max;               /* of the body; 0: no limit */
    /* The body is the same whenever and wherever it is asked for: it goes on where it broke off, or from
     * `start` on, and what a server gives twice is skipped. Tries are then counted from the last byte that
     * came. */
    bool immutable;
    uint64_t start;
    int (*sink)(void *context, const void *data, size_t n); /* < 0 ends the work with that code */
    int (*restart)(void *context); /* the body starts anew after a break; NULL: such a break is final */
    /* Before each try: the headers' values may be made anew. NULL allowed. */
    int (*prepare)(void *context, Error *e);
    void (*header)(void *context, const char *line,
                   size_t n); /* each line of an answer's head; NULL allowed */
    void *context;
} HttpRequest;

typedef struct HttpResponse {
    long status;     /* 200, 204, 206 or one that is accepted */
    bool redirected; /* a redirect led to it: perhaps not the URL's host */
    uint64_t length; /* of the body, with what `start` left out */
    unsigned attempts;
} HttpResponse;

/* 0 with the whole body given to the sink. -ENOENT: 404. Other answers below
 * 500 fail at once, everything else is tried again after 0.2 s, doubling to 5 s. A body that broke off is
 * resumed when the server names it by a strong ETag. After a redirect (at most 10) no header but the
 * transport's own is sent. */
int http_get(const HttpOptions *options, const HttpRequest *request, HttpResponse *ret, Error *e);

/* The URL without user information, query and fragment; into `out`, cut if need be. */
const char *http_url_redact(const char *url, char *out, size_t size);
