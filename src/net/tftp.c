/* One request is a series of tries, a try a socket of its own: the server answers from a port of its own too,
 * and only that port of the address that was asked counts from then on. Each block is acknowledged once it is
 * with the sink; silence repeats the last packet. Only a block that is the next in turn is taken: a repeated
 * one was an acknowledgement that got lost, which is repeated when the silence says so (not at once: RFC
 * 1123's "sorcerer's apprentice"). */
#include "net/tftp.h"

#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#include "base/clock.h"

enum {
    PAUSE_FIRST_MS = 200,
    PAUSE_LAST_MS = 5000,
    ANSWER_MS = 10000,
    REPEAT_MS = 1000,
    REQUEST_MAX = 512,
    ERROR_NOT_FOUND = 1,
    ERROR_ACCESS = 2,
    ERROR_OPTIONS = 8
};

typedef struct Transfer {
    const TftpOptions *options;
    const TftpRequest *request;
    int64_t deadline; /* 0: none */
    bool plain;       /* the server wants no options */
    bool began;       /* this try's first block has come */
    bool given;       /* the sink has something, of this try or one before */
    int fd;
    struct sockaddr_storage server;
    socklen_t server_len;
    bool known; /* the server's port of this transfer */
    size_t block_size;
    uint64_t total_size, received;
    uint16_t next;             /* block */
    uint8_t last[REQUEST_MAX]; /* what was sent last */
    size_t last_len;
} Transfer;

typedef enum Outcome { OUTCOME_DONE, OUTCOME_AGAIN, OUTCOME_FAILED, OUTCOME_PLAIN } Outcome;

/* ---- packets ---- */

static uint16_t number_at(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* A text up to its NUL, which has to be there. */
static const char *text_next(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *from = *p, *nul = memchr(from, '\0', (size_t)(end - from));

    if (!nul)
        return NULL;
    *p = nul + 1;
    return (const char *)from;
}

static bool decimal_read(const char *text, uint64_t *ret)
{
    uint64_t v = 0;

    if (!*text || strlen(text) > 18)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *ret = v;
    return true;
}

static int options_read(const uint8_t *p, const uint8_t *end, TftpPacket *ret)
{
    ret->total_size = UINT64_MAX;
    while (p < end) {
        const char *name = text_next(&p, end), *value = name ? text_next(&p, end) : NULL;
        uint64_t number;
        if (!value)
            return -EBADMSG;
        bool block = strcasecmp(name, "blksize") == 0;
        if (!block && strcasecmp(name, "tsize") != 0)
            return -EBADMSG; /* nobody asked for it */
        if (!decimal_read(value, &number) || (block && (number < 8 || number > TFTP_BLOCK_WANTED)))
            return -EBADMSG;
        if (block)
            ret->block_size = (size_t)number;
        else
            ret->total_size = number;
    }
    return 0;
}

int tftp_packet_read(const uint8_t *packet, size_t n, TftpPacket *ret)
{
    TftpPacket p = {0};

    if (n < 2)
        return -EBADMSG;
    p.kind = (TftpKind)number_at(packet);
    if (p.kind == TFTP_OPTIONS) {
        if (options_read(packet + 2, packet + n, &p) < 0)
            return -EBADMSG;
        *ret = p;
        return 0;
    }
    if (n < 4 || (p.kind != TFTP_DATA && p.kind != TFTP_ERROR))
        return -EBADMSG;
    p.block = number_at(packet + 2);
    if (p.kind == TFTP_DATA) {
        p.data = packet + 4;
        p.n = n - 4;
    } else {
        for (size_t i = 4, k = 0; i < n && packet[i] && k + 1 < sizeof(p.text); i++)
            p.text[k++] = packet[i] >= ' ' && packet[i] <= '~' ? (char)packet[i] : '?';
    }
    *ret = p;
    return 0;
}

static size_t text_put(uint8_t *out, size_t at, size_t size, const char *text)
{
    size_t n = strlen(text) + 1;

    if (at == 0 || n > size - at)
        return 0;
    memcpy(out + at, text, n);
    return at + n;
}

size_t tftp_request_write(const char *path, bool options, uint8_t *out, size_t size)
{
    char block[16];
    size_t at = 2;

    out[0] = 0;
    out[1] = TFTP_READ;
    at = text_put(out, at, size, path);
    at = text_put(out, at, size, "octet");
    if (!options)
        return at;
    snprintf(block, sizeof(block), "%d", TFTP_BLOCK_WANTED);
    at = text_put(out, at, size, "blksize");
    at = text_put(out, at, size, block);
    at = text_put(out, at, size, "tsize");
    return text_put(out, at, size, "0");
}

/* ---- one try ---- */

static void send_last(const Transfer *t)
{
    /* What does not get out is repeated like what gets lost. */
    (void)sendto(t->fd, t->last, t->last_len, MSG_NOSIGNAL, (const struct sockaddr *)&t->server,
                 t->server_len);
}

static void acknowledge(Transfer *t, uint16_t block)
{
    t->last[0] = 0;
    t->last[1] = TFTP_ACK;
    t->last[2] = (uint8_t)(block >> 8);
    t->last[3] = (uint8_t)block;
    t->last_len = 4;
    send_last(t);
}

/* The host's addresses take turns. */
static int server_find(Transfer *t, unsigned attempt, Error *e)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *list, *one;
    char port[8];
    size_t n = 0;

    snprintf(port, sizeof(port), "%u", t->request->port ? t->request->port : TFTP_PORT);
    int r = getaddrinfo(t->request->host, port, &hints, &list);
    if (r != 0)
        return error_set(e, EIO, "%s", gai_strerror(r));
    for (one = list; one; one = one->ai_next)
        n++;
    one = list;
    for (size_t i = (attempt - 1) % n; i > 0; i--)
        one = one->ai_next;
    memcpy(&t->server, one->ai_addr, one->ai_addrlen);
    t->server_len = one->ai_addrlen;
    freeaddrinfo(list);
    t->fd = socket(t->server.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return t->fd < 0 ? error_errno(e, -errno, "making a socket") : 0;
}

static uint16_t *port_of(struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)a)->sin6_port
                                    : &((struct sockaddr_in *)a)->sin_port;
}

/* Is it from the server? Its port is its own choice with the first packet, and fixed from then on. */
static bool sender_is_server(Transfer *t, struct sockaddr_storage *from)
{
    struct sockaddr_storage a = *from, b = t->server;

    if (a.ss_family != b.ss_family)
        return false;
    if (!t->known) {
        *port_of(&a) = *port_of(&b) = 0;
    }
    const void *x = a.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&a)->sin6_addr
                                            : (void *)&((struct sockaddr_in *)&a)->sin_addr;
    const void *y = a.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&b)->sin6_addr
                                            : (void *)&((struct sockaddr_in *)&b)->sin_addr;
    return *port_of(&a) == *port_of(&b) && memcmp(x, y, a.ss_family == AF_INET6 ? 16 : 4) == 0;
}

static Outcome server_refuses(Transfer *t, const TftpPacket *p, Error *e)
{
    if (p->block == ERROR_OPTIONS && !t->plain)
        return OUTCOME_PLAIN;
    int code = p->block == ERROR_NOT_FOUND ? ENOENT : p->block == ERROR_ACCESS ? EACCES : EPROTO;
    if (code == ENOENT)
        error_set(e, code, "resource not found");
    else
        error_set(e, code, "the server answered with error %u: %s", p->block, p->text);
    return OUTCOME_FAILED;
}

/* 1: the file goes on; 0: it is whole; < 0: the sink's failure. */
static int block_take(Transfer *t, const TftpPacket *p)
{
    if (p->block != t->next)
        return 1; /* one that was repeated */
    if (!t->began && t->given) {
        int r = t->request->restart(t->request->context);
        if (r < 0)
            return r;
    }
    t->began = t->given = true;
    int r = p->n > 0 ? t->request->sink(t->request->context, p->data, p->n) : 0;
    if (r < 0)
        return r;
    t->received += p->n;
    acknowledge(t, p->block);
    t->next++;
    return p->n == t->block_size ? 1 : 0;
}

static Outcome packet_take(Transfer *t, const TftpPacket *p, bool *ret_goes_on, Error *e)
{
    *ret_goes_on = true;
    if (p->kind == TFTP_ERROR)
        return server_refuses(t, p, e);
    if (p->kind == TFTP_OPTIONS) {
        if (t->plain || t->next != 1 || t->began)
            return OUTCOME_DONE; /* repeated; ours got lost */
        if (p->block_size)
            t->block_size = p->block_size;
        t->total_size = p->total_size;
        acknowledge(t, 0);
        return OUTCOME_DONE;
    }
    if (p->n > t->block_size)
        return OUTCOME_DONE;
    int r = block_take(t, p);
    if (r < 0) {
        error_errno(e, r, "taking the answer");
        return OUTCOME_FAILED;
    }
    *ret_goes_on = r > 0;
    return OUTCOME_DONE;
}

static bool is_cancelled(const Transfer *t)
{
    return t->options->cancelled && t->options->cancelled(t->options->context);
}

/* Milliseconds until something has to be done: repeat, give up, look whether anybody is still waiting. */
static int wait_ms(const Transfer *t, int64_t give_up, int64_t repeat)
{
    int64_t until = repeat < give_up ? repeat : give_up;

    if (t->deadline && t->deadline < until)
        until = t->deadline;
    int64_t ms = until - monotonic_ms();
    return ms < 0 ? 0 : ms > REPEAT_MS ? REPEAT_MS : (int)ms;
}

static Outcome receive(Transfer *t, Error *e)
{
    const int64_t patience = t->options->answer_ms ? t->options->answer_ms : ANSWER_MS;
    int64_t give_up = monotonic_ms() + patience, repeat = monotonic_ms() + REPEAT_MS;
    uint8_t packet[TFTP_PACKET_MAX];
    bool goes_on = true;

    while (goes_on) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        TftpPacket in;
        int ready = poll(&p, 1, wait_ms(t, give_up, repeat));
        if (is_cancelled(t)) {
            error_set(e, ECANCELED, "it is no longer wanted");
            return OUTCOME_FAILED;
        }
        if (monotonic_ms() >= give_up || (t->deadline && monotonic_ms() >= t->deadline)) {
            error_set(e, ETIMEDOUT, "the server did not answer in time");
            return OUTCOME_AGAIN;
        }
        if (ready <= 0 && monotonic_ms() >= repeat) {
            send_last(t);
            repeat = monotonic_ms() + REPEAT_MS;
        }
        ssize_t n =
            ready > 0 ? recvfrom(t->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len) : -1;
        if (n < 0 || !sender_is_server(t, &from) || tftp_packet_read(packet, (size_t)n, &in) < 0)
            continue;
        if (!t->known) {
            *port_of(&t->server) = *port_of(&from);
            t->known = true;
        }
        uint16_t before = t->next;
        Outcome outcome = packet_take(t, &in, &goes_on, e);
        if (outcome != OUTCOME_DONE)
            return outcome;
        if (t->next != before || in.kind == TFTP_OPTIONS) {
            give_up = monotonic_ms() + patience;
            repeat = monotonic_ms() + REPEAT_MS;
        }
    }
    if (t->total_size != UINT64_MAX && t->total_size != 0 && t->received != t->total_size) {
        error_set(e, EIO, "the file has %llu bytes, not %llu as the server said",
                  (unsigned long long)t->received, (unsigned long long)t->total_size);
        return OUTCOME_AGAIN;
    }
    return OUTCOME_DONE;
}

static Outcome try_once(Transfer *t, unsigned attempt, Error *e)
{
    t->known = t->began = false;
    t->block_size = TFTP_BLOCK;
    t->total_size = UINT64_MAX;
    t->received = 0;
    t->next = 1;
    t->last_len = tftp_request_write(t->request->path, !t->plain, t->last, sizeof(t->last));
    if (t->last_len == 0) {
        error_set(e, ENAMETOOLONG, "the path is too long");
        return OUTCOME_FAILED;
    }
    if (server_find(t, attempt, e) < 0)
        return OUTCOME_AGAIN;
    send_last(t);
    Outcome outcome = receive(t, e);
    close(t->fd);
    t->fd = -EBADF;
    return outcome;
}

/* In pieces, when somebody may lose interest. */
static bool pause_ms(const Transfer *t, int64_t ms)
{
    if (t->deadline && monotonic_ms() + ms >= t->deadline)
        return false;
    for (int64_t end = monotonic_ms() + ms; monotonic_ms() < end && !is_cancelled(t);)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_FIRST_MS * 1000000L}, NULL);
    return true;
}

int tftp_get(const TftpOptions *o, const TftpRequest *q, Error *e)
{
    Transfer t = {
        .options = o, .request = q, .fd = -EBADF, .deadline = o->total_ms ? monotonic_ms() + o->total_ms : 0};
    int64_t pause = PAUSE_FIRST_MS;

    for (unsigned attempt = 1;; attempt++) {
        Error why = ERROR_INIT;
        Outcome outcome = try_once(&t, attempt, &why);
        if (outcome == OUTCOME_DONE)
            return 0;
        if (outcome == OUTCOME_PLAIN) {
            t.plain = true;
            continue;
        }
        if (outcome == OUTCOME_FAILED || !pause_ms(&t, pause))
            return error_set(e, why.code, "%s", why.text);
        if (o->retrying)
            o->retrying(o->context, attempt + 1, why.text);
        pause = pause * 2 < PAUSE_LAST_MS ? pause * 2 : PAUSE_LAST_MS;
    }
}
