/* Feed → inflate → (ring) → hash and write. The ring is a fixed number of buffers, filled by the caller's
 * thread and emptied by the worker; each side only touches a buffer that it owns, the lock covers the
 * counters alone. A failure of the worker is kept and told by the next feed or by finish; the worker goes on
 * emptying the ring so that the other side never waits for it in vain. */
#include "provision/content.h"

#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "format/digest.h"
#include "ignition/resource_data.h"

enum { RING_BUFFERS = 6, RING_BUFFER_SIZE = 64 * 1024 };

struct Content {
    ContentSpec spec;
    off_t start_offset;
    size_t start_len;
    DigestKind kind;
    uint8_t want[DIGEST_SIZE_MAX];
    Digest *digest; /* NULL: no hash to check, bytes go straight on */
    Inflater *inflater;

    char *buffers[RING_BUFFERS]; /* made when first used */
    size_t used[RING_BUFFERS];
    size_t filling; /* bytes in the buffer at `head`, which the feeding side owns */
    pthread_t thread;
    bool threaded;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned head, tail; /* counters: filled, emptied; under `lock` */
    bool done;           /* under `lock` */
    int failure;         /* under `lock` while the thread runs */
};

static int output(Content *c, const void *data, size_t n)
{
    if (c->digest)
        digest_update(c->digest, data, n);
    if (c->spec.fd >= 0)
        return file_write_fd(c->spec.fd, data, n);
    buf_add(c->spec.buf, data, n);
    return 0;
}

static void *worker(void *context)
{
    Content *c = context;

    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->tail == c->head && !c->done)
            pthread_cond_wait(&c->changed, &c->lock);
        if (c->tail == c->head)
            break;
        unsigned slot = c->tail % RING_BUFFERS;
        bool skip = c->failure < 0;
        pthread_mutex_unlock(&c->lock);
        int r = skip ? 0 : output(c, c->buffers[slot], c->used[slot]);
        pthread_mutex_lock(&c->lock);
        if (r < 0)
            c->failure = r;
        c->tail++;
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* The buffer at head is full (or the last one): the worker gets it. Starts the worker; where no thread can be
 * had the caller does the work itself. */
static int ring_pass(Content *c)
{
    unsigned slot = c->head % RING_BUFFERS;

    c->used[slot] = c->filling;
    c->filling = 0;
    if (!c->threaded) {
        c->done = false;
        c->threaded = pthread_create(&c->thread, NULL, worker, c) == 0;
        if (!c->threaded)
            return output(c, c->buffers[slot], c->used[slot]);
    }
    pthread_mutex_lock(&c->lock);
    c->head++;
    pthread_cond_signal(&c->changed);
    while (c->head - c->tail == RING_BUFFERS)
        pthread_cond_wait(&c->changed, &c->lock);
    int r = c->failure;
    pthread_mutex_unlock(&c->lock);
    return r;
}

static int inflated(void *context, const void *data, size_t n)
{
    Content *c = context;
    const char *p = data;

    if (!c->digest && c->spec.compression == COMPRESSION_NONE)
        return output(c, data, n); /* nothing to do beside it */
    while (n > 0) {
        unsigned slot = c->head % RING_BUFFERS;
        if (!c->buffers[slot]) {
            c->buffers[slot] = malloc(RING_BUFFER_SIZE);
            if (!c->buffers[slot])
                return -ENOMEM;
        }
        size_t room = RING_BUFFER_SIZE - c->filling, m = n < room ? n : room;
        memcpy(c->buffers[slot] + c->filling, p, m);
        c->filling += m;
        p += m;
        n -= m;
        if (c->filling == RING_BUFFER_SIZE) {
            int r = ring_pass(c);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Joins the worker, if there is one; then everything passed to it was dealt with. */
static int ring_drain(Content *c)
{
    if (!c->threaded)
        return c->failure;
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    c->threaded = false;
    return c->failure;
}

static int machinery_new(Content *c, Error *e)
{
    uint64_t max = c->spec.max > 0 ? c->spec.max : UINT64_MAX;
    int r = inflater_new(c->spec.compression, max, inflated, c, &c->inflater, e);

    if (r >= 0 && c->spec.hash && *c->spec.hash)
        r = digest_new(c->kind, &c->digest, e);
    return r;
}

int content_new(const ContentSpec *spec, Content **ret, Error *e)
{
    _cleanup_(content_freep)
    Content *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return error_errno(e, -ENOMEM, "making room for a resource");
    c->spec = *spec;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    if (spec->fd >= 0) {
        c->start_offset = lseek(spec->fd, 0, SEEK_CUR);
        if (c->start_offset < 0)
            c->start_offset = -1; /* a pipe: cannot be restarted, everything else works */
    } else {
        c->start_len = spec->buf->len;
    }
    if (spec->hash && *spec->hash) {
        r = ign_hash_parse(spec->hash, &c->kind, c->want, e);
        if (r < 0)
            return r;
    }
    r = machinery_new(c, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

void content_free(Content *c)
{
    if (!c)
        return;
    ring_drain(c);
    inflater_free(c->inflater);
    digest_free(c->digest);
    for (size_t i = 0; i < RING_BUFFERS; i++)
        free(c->buffers[i]);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

int content_feed(Content *c, const void *data, size_t n, Error *e)
{
    return inflater_feed(c->inflater, data, n, e);
}

int content_restart(Content *c, Error *e)
{
    ring_drain(c);
    c->failure = 0;
    c->head = c->tail = 0;
    c->filling = 0;
    inflater_free(TAKE_PTR(c->inflater));
    digest_free(TAKE_PTR(c->digest));
    if (c->spec.fd < 0) {
        c->spec.buf->len = c->start_len;
    } else if (c->start_offset < 0 || lseek(c->spec.fd, c->start_offset, SEEK_SET) < 0 ||
               ftruncate(c->spec.fd, c->start_offset) < 0) {
        return error_errno(e, errno ? -errno : -ESPIPE, "starting a transfer anew");
    }
    return machinery_new(c, e);
}

int content_finish(Content *c, Error *e)
{
    uint8_t got[DIGEST_SIZE_MAX];
    char hex[2 * DIGEST_SIZE_MAX + 1];
    int r = inflater_finish(c->inflater, e);

    if (r < 0)
        return r;
    r = ring_drain(c);
    if (r >= 0 && c->filling > 0)
        r = output(c, c->buffers[c->head % RING_BUFFERS], c->filling);
    if (r < 0)
        return error_errno(e, r, "writing the resource");
    c->filling = 0;
    if (!c->digest)
        return 0;
    size_t n = digest_finish(c->digest, got);
    if (memcmp(got, c->want, n) != 0) {
        hex_encode(got, n, hex);
        return error_set(e, EBADMSG, "hash verification failed: got %s-%s",
                         c->kind == DIGEST_SHA512 ? "sha512" : "sha256", hex);
    }
    return 0;
}
