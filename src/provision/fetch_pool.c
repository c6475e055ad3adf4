/* The threads take the jobs of the list in order, but never more than AHEAD_MAX beyond the one that was last
 * asked for: that bounds memory, descriptors and the room that files without a name take. Who asks for a job
 * that no thread has taken yet fetches it himself, straight to where it goes; a single remote resource is
 * fetched in this way alone, without a thread and without a copy.
 * The threads work with a snapshot of the fetcher. When its settings change (a config that was fetched says
 * something of proxies or authorities) all that was fetched by the old ones is thrown away. What failed for
 * want of room is tried again by who asks for it, when what came before is out of the way. */
#include "provision/fetch_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { THREADS_MAX = 7, AHEAD_MAX = 8 }; /* with the caller's own, eight at a time */

typedef struct Job {
    const IgnResource *resource;
    bool done;
    bool again; /* it has to be fetched by who asks for it */
    int fd;
    Buf bytes;
    Error *failure;
} Job;

struct FetchPool {
    FetchPoolOptions o;
    Fetcher *snapshot;
    Job *jobs;
    size_t n;
    pthread_t threads[THREADS_MAX];
    size_t n_threads;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next, asked; /* under `lock`: taken; handed out */
    size_t running;     /* under `lock` */
    bool stop;          /* under `lock` */
};

FetchPool *fetch_pool_new(const FetchPoolOptions *options, const IgnResource *const *list, size_t n)
{
    size_t remote = 0;

    for (size_t i = 0; i < n; i++)
        remote += source_needs_net(list[i]->source);
    if (remote < 2 || fetcher_offline(options->fetcher))
        return NULL;
    FetchPool *p = calloc(1, sizeof(*p));
    if (!p || !(p->jobs = calloc(remote, sizeof(Job))))
        abort();
    p->o = *options;
    p->snapshot = fetcher_snapshot(options->fetcher);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    for (size_t i = 0; i < n; i++)
        if (source_needs_net(list[i]->source))
            p->jobs[p->n++] = (Job){.resource = list[i], .fd = -EBADF};
    return p;
}

/* ---- the threads ---- */

static bool for_want_of_room(int r)
{
    return r == -ENOSPC || r == -EDQUOT || r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -ECANCELED;
}

static void job_run(FetchPool *p, Job *j)
{
    Error e = ERROR_INIT;
    int r;

    if (p->o.dirfd < 0) {
        r = resource_fetch_buf(p->snapshot, j->resource, p->o.max, &j->bytes, &e);
    } else {
        j->fd = openat(p->o.dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (j->fd < 0) {
            j->again = true;
            return;
        }
        r = resource_fetch_fd(p->snapshot, j->resource, j->fd, &e);
    }
    j->again = for_want_of_room(r);
    if (r >= 0)
        return;
    closep(&j->fd);
    j->fd = -EBADF;
    j->failure = malloc(sizeof(Error));
    if (!j->failure)
        abort();
    *j->failure = e;
}

static void *worker(void *context)
{
    FetchPool *p = context;

    pthread_mutex_lock(&p->lock);
    while (!p->stop && p->next < p->n) {
        if (p->next >= p->asked + AHEAD_MAX) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        Job *j = &p->jobs[p->next++];
        p->running++;
        pthread_mutex_unlock(&p->lock);
        job_run(p, j);
        pthread_mutex_lock(&p->lock);
        p->running--;
        j->done = true;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void threads_start(FetchPool *p)
{
    size_t want = p->n - p->next < THREADS_MAX ? p->n - p->next : THREADS_MAX;

    while (p->n_threads < want && pthread_create(&p->threads[p->n_threads], NULL, worker, p) == 0)
        p->n_threads++;
}

static void threads_stop(FetchPool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    fetcher_cancel(p->snapshot);
    while (p->n_threads > 0)
        pthread_join(p->threads[--p->n_threads], NULL);
}

static void job_forget(Job *j)
{
    closep(&j->fd);
    j->fd = -EBADF;
    buf_done_secret(&j->bytes);
    free(TAKE_PTR(j->failure));
}

void fetch_pool_free(FetchPool *p)
{
    if (!p)
        return;
    threads_stop(p);
    for (size_t i = 0; i < p->n; i++)
        job_forget(&p->jobs[i]);
    fetcher_free(p->snapshot);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p->jobs);
    free(p);
}

bool fetch_pool_idle(FetchPool *p)
{
    if (!p)
        return true;
    pthread_mutex_lock(&p->lock);
    bool idle = p->running == 0 && (p->stop || p->next == p->n);
    pthread_mutex_unlock(&p->lock);
    return idle;
}

/* ---- who asks ---- */

/* The job, when it is done; NULL: the caller fetches the resource himself. */
static Job *job_wait(FetchPool *p, Fetcher *f, const IgnResource *r)
{
    if (!p || !source_needs_net(r->source))
        return NULL;
    if (!p->stop && !fetcher_same_settings(p->snapshot, f))
        threads_stop(p);
    if (p->stop)
        return NULL;
    size_t i = p->asked; /* nobody else changes it */
    while (i < p->n && p->jobs[i].resource != r)
        i++;
    if (i == p->n)
        return NULL;
    Job *j = &p->jobs[i];
    pthread_mutex_lock(&p->lock);
    bool own = p->next <= i;
    if (own)
        p->next = i + 1;
    p->asked = i + 1;
    pthread_cond_broadcast(&p->changed);
    while (!own && !j->done)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    if (own && p->n_threads == 0)
        threads_start(p);
    return own || j->again ? NULL : j;
}

/* From the start of one to where the other stands. */
static int copy_all(int from, int to)
{
    off_t offset = 0;
    bool shares = true; /* filesystems that can, share the blocks */

    for (;;) {
        ssize_t n = shares ? copy_file_range(from, &offset, to, NULL, 1u << 30, 0)
                           : sendfile(to, from, &offset, 1u << 30);
        if (n == 0)
            return 0;
        if (n > 0 || errno == EINTR)
            continue;
        if (!shares)
            return -errno;
        shares = false;
    }
}

static int failure_take(Job *j, Error *e)
{
    int r = -j->failure->code;

    if (e)
        *e = *j->failure;
    job_forget(j);
    return r;
}

int fetch_pool_fd(FetchPool *p, Fetcher *f, const IgnResource *r, int fd, Error *e)
{
    Job *j = job_wait(p, f, r);

    if (!j)
        return resource_fetch_fd(f, r, fd, e);
    if (j->failure)
        return failure_take(j, e);
    int k = copy_all(j->fd, fd);
    job_forget(j);
    return k < 0 ? error_errno(e, k, "writing the resource") : 0;
}

int fetch_pool_buf(FetchPool *p, Fetcher *f, const IgnResource *r, size_t max, Buf *ret, Error *e)
{
    Job *j = job_wait(p, f, r);

    if (!j)
        return resource_fetch_buf(f, r, max, ret, e);
    if (j->failure)
        return failure_take(j, e);
    buf_add(ret, j->bytes.data, j->bytes.len);
    job_forget(j);
    return 0;
}
