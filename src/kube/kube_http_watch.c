/* Watches by libcurl's multi interface. Its sockets are in an epoll of ours, which is what the caller waits
 * for; it moves on only when a watch is asked for its next event. A watch that is not asked stops reading
 * when a few hundred kilobytes lie there: the server's own queue is what then grows, and ends it. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "kube/kube_answer.h"
#include "kube/kube_path.h"
#include "kube/kube_transfer.h"
#include "kube/line_queue.h"

enum {
    WAITING_MAX = 256 << 10, /* bytes that lie there before reading stops */
    WATCH_SEC = 300,         /* and as much again by chance, so that a fleet does not come back all at once */
    GRACE_MS = 30000,        /* for the server to end it by itself */
    HEAD_MS = 60000,         /* until an answer begins */
    EVENTS = 16,
    NAME_MAX_TEXT = 320,
    CONNECTIONS_KEPT = 4,
};

struct HttpWatch {
    KubeWatch base; /* first */
    KubeTransfer transfer;
    LineQueue lines;
    Buf refusal;
    HttpWatch *next, **link;
    int64_t head_until; /* 0: the answer has begun */
    bool paused, added, ended, told;
    CURLcode code;
    char text[NAME_MAX_TEXT];
};

/* ---- libcurl's side ---- */

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    HttpKube *h = context;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(h->epoll, EPOLL_CTL_MOD, fd, &event) >= 0)
        return 0;
    return epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -1 : 0;
}

static int timer_changed(CURLM *multi, long ms, void *context)
{
    HttpKube *h = context;
    (void)multi;
    h->due = ms < 0 ? -1 : monotonic_ms() + ms;
    return 0;
}

static size_t take_head(char *data, size_t one, size_t n, void *context)
{
    HttpWatch *w = context;
    (void)data;
    w->head_until = 0;
    return one * n;
}

static size_t take_stream(char *data, size_t one, size_t n, void *context)
{
    HttpWatch *w = context;
    long code = 0;
    w->transfer.kube->curl.getinfo(w->transfer.easy, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200) {
        if (w->refusal.len + n <= KUBE_REFUSAL_MAX)
            buf_add(&w->refusal, data, n);
        return one * n;
    }
    if (line_queue_waiting(&w->lines) > WAITING_MAX && line_queue_ready(&w->lines)) {
        w->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    w->transfer.failed = line_queue_add(&w->lines, data, n);
    return w->transfer.failed < 0 ? 0 : one * n;
}

static void take_ends(HttpKube *h)
{
    int left;
    for (CURLMsg *m; (m = h->multi.info_read(h->watching, &left));) {
        HttpWatch *w = NULL;
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        h->curl.getinfo(easy, CURLINFO_PRIVATE, (char **)&w);
        w->ended = true;
        w->code = code;
        w->added = false;
        h->multi.remove(h->watching, easy);
    }
}

/* All that can be done without waiting. */
static void move_on(HttpKube *h)
{
    struct epoll_event events[EVENTS];
    int running, n = epoll_wait(h->epoll, events, EVENTS, 0);
    for (int i = 0; i < n; i++) {
        uint32_t got = events[i].events;
        int mask = (got & EPOLLIN ? CURL_CSELECT_IN : 0) | (got & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (got & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        h->multi.socket_action(h->watching, events[i].data.fd, mask, &running);
    }
    if (h->due >= 0 && monotonic_ms() >= h->due) {
        h->due = -1;
        h->multi.socket_action(h->watching, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    take_ends(h);
}

/* ---- the calls ---- */

static unsigned seconds_of(const KubeRequest *q)
{
    unsigned chance = 0;
    if (q->timeout_ms)
        return (q->timeout_ms + 999) / 1000;
    (void)getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
    return WATCH_SEC + chance % WATCH_SEC;
}

int kube_http_watch(Kube *k, const KubeRequest *q, KubeWatch **ret, Error *e)
{
    HttpKube *h = (HttpKube *)k;
    HttpWatch *w = calloc(1, sizeof(*w));
    _cleanup_buf_ Buf path = BUF_INIT;
    unsigned seconds = seconds_of(q);
    if (!w)
        abort();
    *w = (HttpWatch){.base.backend = k->backend, .transfer.kube = h, .lines.max = KUBE_EVENT_MAX};
    snprintf(w->text, sizeof(w->text), "watching %s", q->kind->plural);
    w->link = &h->watches;
    w->next = h->watches;
    if (w->next)
        w->next->link = &w->next;
    h->watches = w;
    int r = kube_watch_path(q, seconds, &path, e);
    if (r >= 0 && !(w->transfer.easy = h->curl.init()))
        r = error_set(e, ENOMEM, "libcurl does not start");
    if (r >= 0)
        r = kube_transfer_begin(&w->transfer, path.data, NULL, e);
    if (r >= 0) {
        CURL *easy = w->transfer.easy;
        h->curl.setopt(easy, CURLOPT_TIMEOUT_MS, (long)seconds * 1000 + GRACE_MS);
        h->curl.setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
        h->curl.setopt(easy, CURLOPT_HEADERDATA, w);
        h->curl.setopt(easy, CURLOPT_WRITEFUNCTION, take_stream);
        h->curl.setopt(easy, CURLOPT_WRITEDATA, w);
        h->curl.setopt(easy, CURLOPT_PRIVATE, w);
        w->head_until = monotonic_ms() + HEAD_MS;
        w->added = h->multi.add(h->watching, easy) == CURLM_OK;
        r = w->added ? 0 : error_set(e, EIO, "libcurl does not start");
    }
    if (r < 0) {
        error_wrap(e, r, "%s", w->text);
        kube_http_unwatch(&w->base);
        return r;
    }
    log_debug("request: %s", w->text);
    move_on(h);
    *ret = &w->base;
    return 0;
}

static int tell_end(HttpWatch *w, Arena *a, Error *e)
{
    long code = 0;
    KubeStatus status;
    w->told = true;
    if (!w->ended)
        return error_set(e, ETIMEDOUT, "no answer came in time");
    w->transfer.kube->curl.getinfo(w->transfer.easy, CURLINFO_RESPONSE_CODE, &code);
    if (w->code != CURLE_OK)
        return kube_transfer_error(&w->transfer, w->code, e);
    if (code == 200)
        return error_set(e, EPIPE, "the server has ended it");
    kube_status_read(a, (int)code, (KubeBytes){w->refusal.data, w->refusal.len}, &status);
    return kube_status_error(&status, e);
}

static void read_on(HttpWatch *w)
{
    if (!w->paused || line_queue_waiting(&w->lines) > WAITING_MAX / 2)
        return;
    w->paused = false;
    w->transfer.kube->multi.pause(w->transfer.easy, CURLPAUSE_CONT);
}

int kube_http_next(KubeWatch *base, Arena *a, KubeEvent *ret, Error *e)
{
    HttpWatch *w = (HttpWatch *)base;
    const char *line;
    size_t n;
    int r = 0;
    if (!line_queue_ready(&w->lines) && !w->ended) {
        read_on(w);
        move_on(w->transfer.kube);
    }
    if (line_queue_next(&w->lines, &line, &n) ||
        (w->ended && w->code == CURLE_OK && line_queue_rest(&w->lines, &line, &n))) {
        r = kube_event_read(a, (KubeBytes){line, n}, ret, e);
        r = r < 0 ? r : 1;
    } else if (w->ended || (w->head_until && monotonic_ms() > w->head_until))
        r = tell_end(w, a, e);
    if (w->added && line_queue_waiting(&w->lines) <= WAITING_MAX / 2)
        read_on(w);
    return r < 0 ? error_wrap(e, r, "%s", w->text) : r;
}

void kube_http_unwatch(KubeWatch *base)
{
    HttpWatch *w = (HttpWatch *)base;
    HttpKube *h = w->transfer.kube;
    if (w->added)
        h->multi.remove(h->watching, w->transfer.easy);
    kube_transfer_end(&w->transfer);
    if (w->transfer.easy)
        h->curl.cleanup(w->transfer.easy);
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    line_queue_done(&w->lines);
    buf_done(&w->refusal);
    free(w);
}

int kube_http_fd(const Kube *k)
{
    return ((const HttpKube *)k)->epoll;
}

int kube_http_timeout_ms(Kube *k)
{
    HttpKube *h = (HttpKube *)k;
    int64_t now = monotonic_ms(), first = h->due;
    for (HttpWatch *w = h->watches; w; w = w->next) {
        if (line_queue_ready(&w->lines) || (w->ended && !w->told))
            return 0;
        if (w->head_until && !w->told && (first < 0 || w->head_until < first))
            first = w->head_until + 1;
    }
    return first < 0 ? -1 : first <= now ? 0 : (int)(first - now);
}

int kube_http_watching_begin(HttpKube *h, Error *e)
{
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (h->epoll < 0)
        return error_errno(e, -errno, "epoll");
    h->watching = h->multi.init();
    if (!h->watching)
        return error_set(e, ENOMEM, "libcurl does not start");
    h->multi.setopt(h->watching, CURLMOPT_SOCKETFUNCTION, socket_changed);
    h->multi.setopt(h->watching, CURLMOPT_SOCKETDATA, h);
    h->multi.setopt(h->watching, CURLMOPT_TIMERFUNCTION, timer_changed);
    h->multi.setopt(h->watching, CURLMOPT_TIMERDATA, h);
    h->multi.setopt(h->watching, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    return 0;
}

void kube_http_watching_end(HttpKube *h)
{
    if (h->watching)
        h->multi.cleanup(h->watching);
    if (h->epoll >= 0)
        close(h->epoll);
}
