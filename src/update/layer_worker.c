/* Both loop over what is in the ring and let those who push do the rest. They allocate, wait for their bell
 * and exit; whatever else they try ends them. */
#include "update/layer_worker.h"

#include "update/layer_frame.h"

#define MEMORY_MAX (UINT64_C(1) << 30) /* of which zstd may want 128 MiB for its window */

/* What is loaded now need not be found later. One that is not there is told of when it is needed. */
static void load_libraries(void)
{
    for (Compression kind = COMPRESSION_NONE; kind <= COMPRESSION_ZSTD; kind++) {
        _cleanup_(inflater_freep)
        Inflater *i = NULL;
        (void)inflater_new(kind, 0, NULL, NULL, &i, NULL);
    }
}

int layer_host_new(uid_t uid, gid_t gid, WorkerHost **ret, Error *e)
{
    const WorkerHostOptions o = {
        .what = "the process that unpacks a layer",
        .load = load_libraries,
        .rights = {
            .become = true, .uid = uid, .gid = gid, .empty_root = true, .no_network = true, .filter = true}};
    return worker_host_new(&o, ret, e);
}

/* ---- inflating ---- */

static int put_archive(void *context, const void *data, size_t n)
{
    worker_output(context, data, n);
    return 0;
}

int worker_inflate(WorkerEnd *w, Error *e)
{
    _cleanup_(inflater_freep)
    Inflater *i = NULL;
    const uint8_t *p;
    size_t n;
    int r = inflater_new((Compression)w->task->argument[0], w->task->argument[1], put_archive, w, &i, e);

    if (r >= 0)
        r = worker_confine(w, MEMORY_MAX, NULL, 0, e);
    while (r >= 0 && (n = worker_input(w, &p)) > 0) {
        r = inflater_feed(i, p, n, e);
        ring_move(&w->in, n);
    }
    return r < 0 ? r : inflater_finish(i, e);
}

WorkerTask worker_inflate_task(Compression kind, uint64_t max)
{
    return (WorkerTask){
        .run = worker_inflate, .in = WORKER_INPUT, .out = WORKER_ARCHIVE, .argument = {kind, max}};
}

/* ---- reading the archive ---- */

typedef struct Telling {
    WorkerEnd *end;
    Buf frame;
    const uint8_t *piece; /* that is being read, and where it is in the archive */
    uint64_t offset;
} Telling;

static int put_frame(Telling *t)
{
    worker_output(t->end, t->frame.data, t->frame.len);
    t->frame.len = 0;
    return 0;
}

static int tell_entry(void *context, const TarEntry *entry, Error *e _unused_)
{
    Telling *t = context;
    frame_entry(entry, &t->frame);
    return put_frame(t);
}

static int tell_data(void *context, const void *data, size_t n, Error *e _unused_)
{
    Telling *t = context;
    frame_data(t->offset + (uint64_t)((const uint8_t *)data - t->piece), n, &t->frame);
    return put_frame(t);
}

static int tell_end(void *context, Error *e _unused_)
{
    Telling *t = context;
    frame_end(&t->frame);
    return put_frame(t);
}

int worker_tar(WorkerEnd *w, Error *e)
{
    static const TarSink sink = {tell_entry, tell_data, tell_end};
    Telling t = {.end = w};
    _cleanup_(tar_reader_freep)
    TarReader *reader = tar_reader_new(&sink, &t);
    size_t n;
    int r = worker_confine(w, MEMORY_MAX, NULL, 0, e);

    while (r >= 0 && (n = worker_input(w, &t.piece)) > 0) {
        r = tar_reader_feed(reader, t.piece, n, e);
        t.offset += n;
        ring_move(&w->in, n);
    }
    if (r >= 0)
        r = tar_reader_finish(reader, e);
    buf_done(&t.frame);
    return r;
}

WorkerTask worker_tar_task(void)
{
    return (WorkerTask){.run = worker_tar, .in = WORKER_ARCHIVE, .out = WORKER_FRAMES};
}
