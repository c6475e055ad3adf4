/* One function walks over all that is passed, for both directions, so that neither forgets what the other
 * knows. */
#include "net/http_wire.h"

#include <string.h>

typedef struct Walk {
    Buf *to;  /* writing; NULL: reading */
    Arena *a; /* of what is read */
    const char *p, *end;
    bool bad;
} Walk;

enum { NONE = UINT32_MAX, LIST_MAX = 4096 };

static void bytes(Walk *w, void *v, size_t n)
{
    if (w->to)
        buf_add(w->to, v, n);
    else if ((size_t)(w->end - w->p) < n) {
        w->bad = true;
        memset(v, 0, n);
    } else {
        memcpy(v, w->p, n);
        w->p += n;
    }
}

#define NUMBER(w, v) bytes((w), &(v), sizeof(v))

/* `n`: of a writer the length, NULL: up to the NUL. */
static void text(Walk *w, const char **v, const size_t *n)
{
    uint32_t length = !*v ? NONE : n ? (uint32_t)*n : (uint32_t)strlen(*v);

    NUMBER(w, length);
    if (w->to) {
        if (length != NONE)
            buf_add(w->to, *v, length);
        return;
    }
    *v = NULL;
    if (length == NONE)
        return;
    if ((size_t)(w->end - w->p) < length) {
        w->bad = true;
        return;
    }
    *v = arena_memdup(w->a, w->p, length);
    w->p += length;
}

/* How many there are, NONE for no list; of a reader at most so many as there are bytes. */
static uint32_t count(Walk *w, uint32_t n)
{
    NUMBER(w, n);
    if (n != NONE && (n > LIST_MAX || w->bad)) {
        w->bad = true;
        return NONE;
    }
    return n;
}

static void headers(Walk *w, const HttpHeader **v)
{
    uint32_t n = *v ? 0 : NONE;

    while (w->to && *v && (*v)[n].name)
        n++;
    n = count(w, n);
    HttpHeader *list = !w->to && n != NONE ? ARENA_ARRAY(w->a, HttpHeader, n + 1) : NULL;
    for (uint32_t i = 0; n != NONE && i < n; i++) {
        HttpHeader one = w->to ? (*v)[i] : (HttpHeader){0};
        text(w, &one.name, NULL);
        text(w, &one.value, NULL);
        if (list)
            list[i] = one;
    }
    if (!w->to)
        *v = list;
}

static void texts(Walk *w, const char *const **v)
{
    uint32_t n = *v ? 0 : NONE;

    while (w->to && *v && (*v)[n])
        n++;
    n = count(w, n);
    const char **list = !w->to && n != NONE ? ARENA_ARRAY(w->a, const char *, n + 1) : NULL;
    for (uint32_t i = 0; n != NONE && i < n; i++) {
        const char *one = w->to ? (*v)[i] : NULL;
        text(w, &one, NULL);
        if (list)
            list[i] = one;
    }
    if (!w->to)
        *v = list;
}

static void statuses(Walk *w, const int **v)
{
    uint32_t n = *v ? 0 : NONE;

    while (w->to && *v && (*v)[n])
        n++;
    n = count(w, n);
    int *list = !w->to && n != NONE ? ARENA_ARRAY(w->a, int, n + 1) : NULL;
    for (uint32_t i = 0; n != NONE && i < n; i++) {
        int one = w->to ? (*v)[i] : 0;
        NUMBER(w, one);
        if (list)
            list[i] = one;
    }
    if (!w->to)
        *v = list;
}

static void options(Walk *w, HttpOptions *o)
{
    headers(w, &o->headers);
    text(w, &o->authorities, NULL);
    text(w, &o->trust_file, NULL);
    text(w, &o->trust_directory, NULL);
    text(w, &o->certificate, NULL);
    text(w, &o->key, NULL);
    NUMBER(w, o->distrust_nobody);
    NUMBER(w, o->https_only);
    text(w, &o->http_proxy, NULL);
    text(w, &o->https_proxy, NULL);
    texts(w, &o->no_proxy);
    NUMBER(w, o->connect_ms);
    NUMBER(w, o->response_headers_ms);
    NUMBER(w, o->stall_ms);
    NUMBER(w, o->total_ms);
    NUMBER(w, o->attempts);
    NUMBER(w, o->local_port);
    NUMBER(w, o->local_ports);
}

static void request(Walk *w, HttpRequest *r, bool *restarts)
{
    const char *body = r->body;

    text(w, &r->url, NULL);
    text(w, &r->method, NULL);
    text(w, &body, &r->body_len);
    NUMBER(w, r->body_len);
    r->body = body;
    statuses(w, &r->retry_statuses);
    statuses(w, &r->accept_statuses);
    headers(w, &r->headers);
    NUMBER(w, r->max);
    NUMBER(w, r->immutable);
    NUMBER(w, r->start);
    NUMBER(w, *restarts);
}

void wire_request_write(const HttpOptions *o, const HttpRequest *r, Buf *to)
{
    HttpOptions of = *o;
    HttpRequest rf = *r;
    Walk w = {.to = to};
    bool restarts = r->restart != NULL;

    options(&w, &of);
    request(&w, &rf, &restarts);
}

int wire_request_read(Arena *a, const void *data, size_t n, HttpOptions *o, HttpRequest *r,
                      bool *ret_restarts)
{
    Walk w = {.a = a, .p = data, .end = (const char *)data + n};

    *o = (HttpOptions){0};
    *r = (HttpRequest){0};
    *ret_restarts = false;
    options(&w, o);
    request(&w, r, ret_restarts);
    return w.bad || !r->url ? -EBADMSG : 0;
}
