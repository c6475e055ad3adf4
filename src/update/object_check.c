/* Threads take the next row each from a common counter: files are of very different sizes. The caller's own
 * thread is one of them and alone tells the progress. */
#include "update/object_check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/file.h"
#include "update/file_meta.h"

enum { PIECE = 128 << 10 };

const char *object_state_text(ObjectState s)
{
    static const char *const texts[] = {"good", "missing", "damaged", "unreadable"};
    return texts[s];
}

/* ---- one ---- */

static int contents_hash(int dirfd, const char *name, Digest *d, uint64_t *bytes)
{
    _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char piece[PIECE];
    ssize_t n;

    if (fd < 0)
        return -errno;
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        digest_update(d, piece, (size_t)n);
        *bytes += (uint64_t)n;
    }
    return n < 0 ? -errno : 0;
}

static void digest_end(Digest *d, uint8_t ret[OSTREE_CHECKSUM])
{
    uint8_t out[DIGEST_SIZE_MAX];

    (void)digest_finish(d, out);
    memcpy(ret, out, OSTREE_CHECKSUM);
}

int file_checksum(int dirfd, const char *name, uint8_t ret[OSTREE_CHECKSUM], uint64_t *ret_bytes)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(digest_freep)
    Digest *d = NULL;
    _cleanup_buf_ Buf head = BUF_INIT;
    const char *target = NULL;
    uint64_t bytes = 0;
    OstreeMeta m;
    int r = file_meta_read(a, dirfd, name, &m, NULL);

    if (r >= 0 && !S_ISREG(m.mode) && !S_ISLNK(m.mode))
        r = -EINVAL;
    if (r >= 0 && S_ISLNK(m.mode))
        r = file_target_read(a, dirfd, name, &target);
    if (r >= 0)
        r = digest_new(DIGEST_SHA256, &d, NULL);
    if (r < 0)
        return r;
    ostree_file_header(&m, target, &head);
    digest_update(d, head.data, head.len);
    if (!target)
        r = contents_hash(dirfd, name, d, &bytes);
    if (r < 0)
        return r;
    digest_end(d, ret);
    if (ret_bytes)
        *ret_bytes = bytes;
    return 0;
}

int directory_checksum(int fd, uint8_t ret[OSTREE_CHECKSUM])
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(digest_freep)
    Digest *d = NULL;
    _cleanup_buf_ Buf b = BUF_INIT;
    OstreeMeta m;
    int r = file_meta_read(a, fd, ".", &m, NULL);

    if (r >= 0)
        r = digest_new(DIGEST_SHA256, &d, NULL);
    if (r < 0)
        return r;
    ostree_dirmeta_encode(&m, &b);
    digest_update(d, b.data, b.len);
    digest_end(d, ret);
    return 0;
}

/* ---- many ---- */

typedef struct Check {
    int repo;
    const ChecksumSet *files;
    ObjectState *states;
    atomic_size_t next, done;
    atomic_uint_fast64_t bytes;
    atomic_bool stop;
} Check;

static ObjectState file_check(Check *c, size_t row)
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];
    uint8_t found[OSTREE_CHECKSUM];
    uint64_t bytes = 0;

    object_name(OBJECT_FILE, c->files->rows[row], name);
    object_place(name, place);
    int r = file_checksum(c->repo, place, found, &bytes);
    atomic_fetch_add(&c->bytes, bytes);
    if (r < 0)
        return r == -ENOENT ? OBJECT_MISSING : OBJECT_UNREADABLE;
    return memcmp(found, c->files->rows[row], OSTREE_CHECKSUM) == 0 ? OBJECT_GOOD : OBJECT_DAMAGED;
}

/* False: there is no more to do. */
static bool next_check(Check *c)
{
    size_t row = atomic_fetch_add(&c->next, 1);

    if (row >= c->files->n || atomic_load(&c->stop))
        return false;
    c->states[row] = file_check(c, row);
    atomic_fetch_add(&c->done, 1);
    return true;
}

static void *work(void *context)
{
    while (next_check(context))
        ;
    return NULL;
}

static unsigned threads_of(const CheckRun *run, size_t n)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = run && run->threads > 0 ? run->threads : processors > 0 ? (size_t)processors : 1;

    threads = threads < CHECK_THREADS_MAX ? threads : CHECK_THREADS_MAX;
    return (unsigned)(threads < n ? threads : n > 0 ? n : 1);
}

static CheckProgress progress_of(Check *c)
{
    return (CheckProgress){
        .objects = atomic_load(&c->done), .all = c->files->n, .bytes = atomic_load(&c->bytes)};
}

int object_check_files(int repo, const ChecksumSet *files, const CheckRun *run, ObjectState *states,
                       CheckProgress *ret, Error *e)
{
    Check c = {.repo = repo, .files = files, .states = states};
    pthread_t others[CHECK_THREADS_MAX];
    unsigned n = threads_of(run, files->n), started = 0;
    Digest *d = NULL;
    int r = digest_new(DIGEST_SHA256, &d, e); /* the library is there, or nothing begins */

    if (r < 0)
        return r;
    digest_free(d);
    while (started + 1 < n && pthread_create(&others[started], NULL, work, &c) == 0)
        started++;
    bool more;
    do { /* once at least, should the others have done it all */
        more = next_check(&c);
        CheckProgress p = progress_of(&c);
        r = run && run->progress ? run->progress(run->context, &p) : 0;
    } while (r >= 0 && more);
    if (r < 0)
        atomic_store(&c.stop, true);
    for (unsigned i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    if (r < 0)
        return error_errno(e, r, "checking the repository was ended");
    if (ret)
        *ret = progress_of(&c);
    return 0;
}
