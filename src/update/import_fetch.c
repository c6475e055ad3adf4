/* Threads take the missing layers in the order of the image, each with a source of its own, because a source
 * is for one thread. The first that fails keeps its words and stops the others at their next piece. */
#include "update/import_plan.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/statvfs.h>

#include "update/layer_pipe.h"

typedef struct Pool {
    const ImportOptions *options;
    const ImageReference *reference;
    RegistryOptions registry;
    ObjectStore *store;
    ImportPlan *plan;
    ImportResult *result;

    pthread_mutex_t mutex; /* of all below */
    size_t next;
    ImportProgress progress;
    Error error;
    int failed;
} Pool;

typedef struct Fetch { /* one layer */
    Pool *pool;
    ImportLayer *layer;
    LayerPipe *pipe;
    uint64_t done;
    Error error; /* of what took the bytes */
    int failed;
} Fetch;

static bool stopped(void *context)
{
    Pool *p = context;

    pthread_mutex_lock(&p->mutex);
    bool stop = p->failed < 0;
    pthread_mutex_unlock(&p->mutex);
    return stop || (p->options->cancelled && p->options->cancelled(p->options->context));
}

static void retrying(void *context, unsigned attempt, const char *url, const char *why)
{
    const RegistryOptions *o = ((Pool *)context)->options->registry;
    o->retrying(o->context, attempt, url, why);
}

static void tell(Pool *p, const ImportLayer *l, ImportState state, uint64_t layer_done, uint64_t more)
{
    pthread_mutex_lock(&p->mutex);
    p->progress.layer = (size_t)(l - p->plan->layers);
    p->progress.descriptor = l->blob;
    p->progress.state = state;
    p->progress.layer_done = layer_done;
    p->progress.done += more;
    p->progress.fetched += state == IMPORT_DONE;
    if (p->options->progress)
        p->options->progress(p->options->context, &p->progress);
    pthread_mutex_unlock(&p->mutex);
}

/* ---- one layer ---- */

static int take(void *context, const void *data, size_t n)
{
    Fetch *f = context;

    f->failed = stopped(f->pool) ? error_set(&f->error, ECANCELED, "cancelled")
                                 : layer_pipe_feed(f->pipe, data, n, &f->error);
    if (f->failed < 0)
        return f->failed;
    f->done += n;
    tell(f->pool, f->layer, IMPORT_FETCHING, f->done, n);
    return 0;
}

static void dropped_add(LayerDropped *to, const LayerDropped *more)
{
    to->devices += more->devices;
    to->fifos += more->fifos;
    to->xattrs += more->xattrs;
    to->runtime += more->runtime;
    to->repository += more->repository;
    to->other += more->other;
}

static void layer_done(Pool *p, ImportLayer *l, const LayerDropped *dropped)
{
    l->have = true;
    pthread_mutex_lock(&p->mutex);
    p->result->fetched++;
    p->result->fetched_bytes += l->blob->size;
    dropped_add(&p->result->dropped, dropped);
    pthread_mutex_unlock(&p->mutex);
    tell(p, l, IMPORT_DONE, l->blob->size, 0);
}

static int fetch_layer(Pool *p, ImageSource *source, ImportLayer *l, Error *e)
{
    _cleanup_(layer_import_freep)
    LayerImport *import = layer_import_new(p->store, l->kind);
    _cleanup_(layer_pipe_freep)
    LayerPipe *pipe = NULL;
    const LayerPipeOptions o = {
        .unpack = {.blob = l->blob, .diff_id = l->diff_id, .verified = true, .max = p->options->layer_max},
        .workers = p->plan->workers,
        .stopped = stopped,
        .context = p};
    LayerDropped dropped;

    int r = layer_pipe_new(&o, &layer_import_sink, import, &pipe, e);
    if (r < 0)
        return r;
    layer_import_expect(import, p->plan->has_like ? p->plan->like : NULL);
    Fetch f = {.pool = p, .layer = l, .pipe = pipe};
    tell(p, l, IMPORT_FETCHING, 0, 0);
    r = image_source_blob(source, l->blob, &(BlobSink){.take = take, .context = &f}, e);
    if (f.failed < 0) {
        r = f.failed;
        if (e)
            *e = f.error;
    }
    if (r >= 0)
        r = layer_pipe_finish(pipe, e);
    if (r >= 0)
        r = layer_import_finish(import, l->diff_id->text, l->commit, &dropped, e);
    if (r >= 0)
        layer_done(p, l, &dropped);
    return r < 0 ? r : 0;
}

/* ---- all of them ---- */

static ImportLayer *next_layer(Pool *p)
{
    ImportLayer *l = NULL;

    pthread_mutex_lock(&p->mutex);
    while (!l && p->failed >= 0 && p->next < p->plan->n_layers) {
        ImportLayer *candidate = &p->plan->layers[p->next];
        if (!candidate->have && candidate->same_as == p->next)
            l = candidate;
        p->next++;
    }
    pthread_mutex_unlock(&p->mutex);
    return l;
}

static void fail(Pool *p, int r, const Error *why)
{
    pthread_mutex_lock(&p->mutex);
    if (p->failed >= 0) {
        p->failed = r;
        p->error = *why;
    }
    pthread_mutex_unlock(&p->mutex);
}

static void *work(void *context)
{
    Pool *p = context;
    _cleanup_(image_source_freep)
    ImageSource *source = NULL;
    ImportLayer *l;

    while ((l = next_layer(p))) {
        Error why = ERROR_INIT;
        int r = source ? 0 : image_source_open(&p->registry, p->reference, &source, &why);
        if (r >= 0)
            r = fetch_layer(p, source, l, &why);
        if (r < 0) {
            (void)error_wrap(&why, r, "layer %zu (%.19s)", (size_t)(l - p->plan->layers) + 1,
                             l->blob->digest.text);
            fail(p, r, &why);
        }
    }
    return NULL;
}

static void run(Pool *p, size_t jobs)
{
    pthread_t threads[IMPORT_JOBS_MAX];
    size_t n = 0;

    while (n + 1 < jobs && pthread_create(&threads[n], NULL, work, p) == 0)
        n++;
    work(p);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

static uint64_t room_of(int repo)
{
    struct statvfs v;
    return fstatvfs(repo, &v) < 0 ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

/* What is compressed needs at least its own size, unless most of it is there already: then this asks for too
 * much, but never for more than an image of new files would. */
int import_space_check(int repo, const ImportPlan *plan, Error *e)
{
    struct statvfs v;

    if (fstatvfs(repo, &v) < 0)
        return error_errno(e, -errno, "the file system of the repository");
    const uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    if (room >= plan->missing_bytes)
        return 0;
    return error_set(e, ENOSPC,
                     "the image needs %llu MiB at least, and the file system of the repository has "
                     "%llu MiB left; nothing was fetched",
                     (unsigned long long)(plan->missing_bytes >> 20) + 1, (unsigned long long)(room >> 20));
}

/* What an archive unpacks to nobody says before: from what its part so far took follows about how much more.
 */
static void full_tell(Pool *p, uint64_t room_before)
{
    const int repo = object_store_directory(p->store);
    const uint64_t room = room_of(repo), done = p->progress.done, total = p->progress.total;
    const uint64_t took = room_before > room ? room_before - room : 0;

    if (done == 0 || done > total)
        return;
    (void)error_wrap(&p->error, p->failed,
                     "%" PRIu64 " MiB were free and hold %u %% of what is to be fetched, about %" PRIu64
                     " MiB more are needed",
                     room_before >> 20, (unsigned)(done * 100 / total),
                     ((uint64_t)((double)took * (double)(total - done) / (double)done) >> 20) + 1);
}

static void tell_kept(Pool *p)
{
    for (size_t i = 0; i < p->plan->n_layers; i++)
        if (p->plan->layers[i].have) {
            p->progress.kept++;
            p->result->kept++;
        }
    for (size_t i = 0; i < p->plan->n_layers; i++)
        if (p->plan->layers[i].have)
            tell(p, &p->plan->layers[i], IMPORT_KEPT, 0, 0);
}

int import_fetch(const ImportOptions *o, const ImageReference *reference, ObjectStore *s, ImportPlan *plan,
                 ImportResult *result, Error *e)
{
    Pool p = {.options = o, .reference = reference, .store = s, .plan = plan, .result = result};
    size_t jobs = o->jobs ? o->jobs : IMPORT_JOBS;

    const uint64_t room = room_of(object_store_directory(s));
    int r = import_space_check(object_store_directory(s), plan, e);
    if (r < 0)
        return r;
    if (o->registry)
        p.registry = *o->registry;
    p.registry.cancelled = stopped;
    p.registry.retrying = p.registry.retrying ? retrying : NULL;
    p.registry.context = &p;
    p.progress.layers = plan->n_layers;
    p.progress.total = plan->missing_bytes;
    pthread_mutex_init(&p.mutex, NULL);
    tell_kept(&p);
    jobs = jobs > IMPORT_JOBS_MAX ? IMPORT_JOBS_MAX : jobs;
    run(&p, jobs < plan->missing ? jobs : plan->missing);
    pthread_mutex_destroy(&p.mutex);
    if (p.failed == -ENOSPC)
        full_tell(&p, room);
    if (p.failed < 0) {
        if (e)
            *e = p.error;
        return p.failed;
    }
    for (size_t i = 0; i < plan->n_layers; i++) {
        ImportLayer *l = &plan->layers[i];
        if (!l->have) {
            memcpy(l->commit, plan->layers[l->same_as].commit, OSTREE_CHECKSUM);
            l->have = true;
            result->kept++;
        }
    }
    return 0;
}
