/* One thread moves everything: what was fed to the first worker, what that has inflated to the second, and
 * what the second says to the sink. A round moves what can be moved; when nothing can, it sleeps until a bell
 * rings. The archive's bytes are copied into a ring that only this process can write to, hashed there, and
 * stay until the second worker has gone past them: files are made of them, not of anything that a worker
 * sends. */
#include "update/layer_pipe.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "update/layer_frame.h"

enum { WAIT_MS = 200 };

struct LayerPipe {
    LayerPipeOptions options;
    LayerUnpack *unpack; /* in this process; NULL: the rest */

    const TarSink *sink;
    void *context;
    Worker inflate, tar;
    Digest *blob, *archive; /* blob NULL: verified by others */
    uint64_t size, unpacked, max, entries;
    FrameReader *frames;
    bool inflate_ended, tar_ended; /* has been told that there is no more */
    int64_t waits_since;           /* 0: something was moved */
};

/* ---- what the second worker says ---- */

static int take_entry(void *context, const TarEntry *entry, Error *e)
{
    LayerPipe *p = context;
    if (++p->entries > p->unpacked / TAR_BLOCK)
        return error_set(e, EBADMSG, "the process that reads the layer names more entries than it has read");
    return p->sink->entry(p->context, entry, e);
}

/* Out of the ring of the archive, in two pieces where it ends in between. */
static int take_data(void *context, uint64_t offset, uint64_t n, Error *e)
{
    const LayerPipe *p = context;
    const Ring *r = &p->tar.in;
    int k = 0;

    if (offset + n > p->unpacked || p->unpacked - offset > r->size)
        return error_set(e, EBADMSG, "the process that reads the layer names bytes that are not there");
    while (k >= 0 && n > 0) {
        const size_t at = (size_t)offset & (r->size - 1), rest = r->size - at;
        const size_t piece = n < rest ? (size_t)n : rest;
        k = p->sink->data(p->context, r->data + at, piece, e);
        offset += piece;
        n -= piece;
    }
    return k;
}

static int take_end(void *context, Error *e)
{
    const LayerPipe *p = context;
    return p->sink->end(p->context, e);
}

static const FrameSink frame_sink = {take_entry, take_data, take_end};

/* ---- a round ---- */

static int impossible(Error *e)
{
    return error_set(e, EBADMSG, "a process that unpacks the layer says what cannot be");
}

/* 1: some; 0: none. */
static int frames_take(LayerPipe *p, Error *e)
{
    uint8_t *from;
    ssize_t n;
    int moved = 0;

    while ((n = ring_piece(&p->tar.out, &from)) > 0) {
        int r = frame_reader_feed(p->frames, from, (size_t)n, e);
        if (r < 0)
            return r;
        ring_move(&p->tar.out, (size_t)n);
        moved = 1;
    }
    return n < 0 ? impossible(e) : moved;
}

/* The room for the archive is looked at before the frames are taken: whoever made it has sent them before. */
static int archive_move(LayerPipe *p, Error *e)
{
    uint8_t *from, *to;
    const ssize_t room = ring_piece(&p->tar.in, &to);
    const int moved = room < 0 ? impossible(e) : frames_take(p, e);
    const ssize_t there = moved < 0 ? moved : ring_piece(&p->inflate.out, &from);

    if (there < 0)
        return moved < 0 ? moved : impossible(e);
    const size_t n = (size_t)(room < there ? room : there);
    if (n == 0)
        return moved;
    if (n > p->max - p->unpacked)
        return error_set(e, EFBIG, "the layer unpacks to more than is taken");
    memcpy(to, from, n);
    digest_update(p->archive, to, n);
    p->unpacked += n;
    ring_move(&p->tar.in, n);
    ring_move(&p->inflate.out, n);
    return 1;
}

/* A worker that failed has said why. One that has done all before it got all lies. */
static int verdict_take(Worker *w, bool ended, Error *e)
{
    int r = worker_listen(w, e);

    if (r < 0 || !w->told)
        return r;
    if (w->verdict.code < 0)
        return error_set(e, -w->verdict.code, "%s", w->verdict.text);
    return ended ? 0 : impossible(e);
}

/* A worker that is done rings no more: its bell would say for ever that it is gone. */
static int sleep_for_bells(LayerPipe *p, Error *e)
{
    struct pollfd bells[] = {{.fd = p->inflate.told ? -1 : p->inflate.bell, .events = POLLIN},
                             {.fd = p->tar.told ? -1 : p->tar.bell, .events = POLLIN}};
    const int64_t now = monotonic_ms();

    if (p->options.stopped && p->options.stopped(p->options.context))
        return error_set(e, ECANCELED, "cancelled");
    p->waits_since = p->waits_since ? p->waits_since : now;
    if (now - p->waits_since > LAYER_STALL_MS)
        return error_set(e, ETIMEDOUT, "the processes that unpack the layer do nothing any more");
    (void)poll(bells, ELEMENTS(bells), WAIT_MS);
    int r = verdict_take(&p->inflate, p->inflate_ended, e);
    return r < 0 ? r : verdict_take(&p->tar, p->tar_ended, e);
}

/* Until something can be moved again. `feeding`: there is more for the first worker. */
static int pipe_wait(LayerPipe *p, bool feeding, Error *e)
{
    Ring *const all[] = {&p->inflate.in, &p->inflate.out, &p->tar.in, &p->tar.out};
    uint8_t *to;
    const bool full = ring_piece(&p->tar.in, &to) == 0;
    bool ready = ring_wait_begin(&p->tar.out);

    ready = ring_wait_begin(full ? &p->tar.in : &p->inflate.out) || ready;
    ready = (feeding && ring_wait_begin(&p->inflate.in)) || ready;
    if (ready)
        return 0;
    for (size_t i = 0; i < ELEMENTS(all); i++)
        ring_flush(all[i]);
    return sleep_for_bells(p, e);
}

/* ---- the pipe ---- */

static int apart_feed(LayerPipe *p, const uint8_t *from, size_t n, Error *e)
{
    while (n > 0) {
        uint8_t *to;
        ssize_t room = ring_piece(&p->inflate.in, &to);
        if (room < 0)
            return impossible(e);
        const size_t take = (size_t)room < n ? (size_t)room : n;
        if (take > 0) {
            memcpy(to, from, take);
            ring_move(&p->inflate.in, take);
            from += take;
            n -= take;
        }
        int r = archive_move(p, e);
        if (r > 0 || take > 0)
            p->waits_since = 0;
        else if (r == 0)
            r = pipe_wait(p, true, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What a worker had to say before its verdict is there when the verdict is. */
static int drain(LayerPipe *p, Worker *until, Error *e)
{
    uint8_t *from;

    for (;;) {
        const bool told = until->told;
        int r = archive_move(p, e);
        if (r == 0 && told && ring_piece(&until->out, &from) == 0)
            return 0;
        if (r > 0)
            p->waits_since = 0;
        else if (r == 0)
            r = pipe_wait(p, false, e);
        if (r < 0)
            return r;
    }
}

static int check(Digest *running, const ContentDigest *expected, const char *what, Error *e)
{
    ContentDigest is;

    content_digest_finish(running, expected->kind, &is);
    if (!content_digest_equal(&is, expected))
        return error_set(e, EBADMSG, "the %s should be %s and is %s", what, expected->text, is.text);
    return 0;
}

int layer_pipe_finish(LayerPipe *p, Error *e)
{
    const Descriptor *d = p->options.unpack.blob;
    int r = 0;

    if (p->unpack)
        return layer_unpack_finish(p->unpack, e);
    if (p->size != d->size)
        return error_set(e, EBADMSG, "the layer %s has %llu bytes and should have %llu", d->digest.text,
                         (unsigned long long)p->size, (unsigned long long)d->size);
    if (p->blob)
        r = check(p->blob, &d->digest, "layer's digest", e);
    if (r >= 0) {
        p->inflate_ended = true;
        ring_end(&p->inflate.in);
        r = drain(p, &p->inflate, e);
    }
    if (r >= 0) {
        p->tar_ended = true;
        ring_end(&p->tar.in);
        r = drain(p, &p->tar, e);
    }
    if (r >= 0)
        r = frame_reader_finish(p->frames, e);
    return r < 0 ? r : check(p->archive, p->options.unpack.diff_id, "layer's diff_id", e);
}

int layer_pipe_feed(LayerPipe *p, const void *data, size_t n, Error *e)
{
    const Descriptor *d = p->options.unpack.blob;

    if (p->unpack)
        return layer_unpack_feed(p->unpack, data, n, e);
    p->size += n;
    if (p->size > d->size)
        return error_set(e, EBADMSG, "the layer %s has more than its %llu bytes", d->digest.text,
                         (unsigned long long)d->size);
    if (p->blob)
        digest_update(p->blob, data, n);
    return apart_feed(p, data, n, e);
}

static int apart_open(LayerPipe *p, Error *e)
{
    const LayerUnpackOptions *o = &p->options.unpack;
    WorkerTask inflate, tar = worker_tar_task();
    Compression kind;

    p->max = layer_unpack_max(o);
    int r = layer_compression(o->blob->media_type, &kind, e);
    if (r >= 0 && !o->verified)
        r = digest_new(o->blob->digest.kind, &p->blob, e);
    if (r >= 0)
        r = digest_new(o->diff_id->kind, &p->archive, e);
    if (r < 0)
        return r;
    inflate = p->options.inflate ? *p->options.inflate : worker_inflate_task(kind, p->max);
    tar = p->options.tar ? *p->options.tar : tar;
    r = worker_start(p->options.workers, &inflate, &p->inflate, e);
    if (r >= 0)
        r = worker_start(p->options.workers, &tar, &p->tar, e);
    p->frames = frame_reader_new(&frame_sink, p);
    return r;
}

int layer_pipe_new(const LayerPipeOptions *o, const TarSink *sink, void *context, LayerPipe **ret, Error *e)
{
    _cleanup_(layer_pipe_freep)
    LayerPipe *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->options = *o;
    p->inflate = p->tar = WORKER_NONE;
    p->sink = sink;
    p->context = context;
    int r = o->workers ? apart_open(p, e) : layer_unpack_new(&o->unpack, sink, context, &p->unpack, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(p);
    return 0;
}

void layer_pipe_free(LayerPipe *p)
{
    if (!p)
        return;
    layer_unpack_free(p->unpack);
    worker_stop(&p->inflate);
    worker_stop(&p->tar);
    digest_free(p->blob);
    digest_free(p->archive);
    frame_reader_free(p->frames);
    free(p);
}
