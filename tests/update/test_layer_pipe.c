/* The pipe of two processes beside the one that is none; then processes of a worse kind in their places, and
 * what a worker tries that it may not. */
#include "../scratch.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "update/layer_frame.h"
#include "update/layer_pipe.h"

enum { FILES = 40, FILE_SIZE = 300000, ARCHIVE = FILES * (512 + 300032) + 10240 };

/* ---- an archive, and what is seen of one ---- */

static void header_make(char out[512], unsigned i)
{
    unsigned sum = 0;

    memset(out, 0, 512);
    snprintf(out, 100, "file-%u", i);
    strcpy(out + 100, "0000644");
    strcpy(out + 108, "0000000");
    strcpy(out + 116, "0000000");
    snprintf(out + 124, 12, "%011o", FILE_SIZE);
    strcpy(out + 136, "00000000000");
    memset(out + 148, ' ', 8);
    out[156] = '0';
    memcpy(out + 257, "ustar\00000", 8);
    for (unsigned k = 0; k < 512; k++)
        sum += (unsigned char)out[k];
    snprintf(out + 148, 8, "%06o", sum);
}

static char archive[ARCHIVE];
static Buf blob;
static Descriptor descriptor = {.media_type = "application/vnd.oci.image.layer.v1.tar+gzip"};
static ContentDigest diff_id;
static WorkerHost *host;

static int setup(void **state)
{
    uint32_t random = 1;
    (void)state;

    for (unsigned i = 0; i < FILES; i++) {
        char *at = archive + i * (512 + 300032);
        header_make(at, i);
        for (unsigned k = 0; k < FILE_SIZE; k++)
            at[512 + k] = (char)((random = random * 1664525 + 1013904223) >> 28);
    }
    assert_int_equal(gzip_all(archive, sizeof(archive), 1, &blob), 0);
    descriptor.size = blob.len;
    assert_int_equal(content_digest_of(DIGEST_SHA256, blob.data, blob.len, &descriptor.digest, NULL), 0);
    assert_int_equal(content_digest_of(DIGEST_SHA256, archive, sizeof(archive), &diff_id, NULL), 0);
    assert_int_equal(layer_host_new(65534, 65534, &host, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    worker_host_free(host);
    buf_done(&blob);
    return 0;
}

typedef struct Seen {
    unsigned entries, ends;
    Digest *all; /* of names and bytes */
    bool stopped;
} Seen;

static int entry(void *context, const TarEntry *one, Error *e)
{
    Seen *s = context;
    (void)e;
    s->entries++;
    digest_update(s->all, one->path, strlen(one->path));
    return 0;
}

static int data(void *context, const void *bytes, size_t n, Error *e)
{
    (void)e;
    digest_update(((Seen *)context)->all, bytes, n);
    return 0;
}

static int end(void *context, Error *e)
{
    (void)e;
    ((Seen *)context)->ends++;
    return 0;
}

static const TarSink sink = {entry, data, end};

static bool stopped(void *context)
{
    return ((Seen *)context)->stopped;
}

static int unpack(LayerPipeOptions *o, size_t piece, Seen *seen, ContentDigest *ret, Error *e)
{
    _cleanup_(layer_pipe_freep)
    LayerPipe *p = NULL;

    o->unpack.blob = &descriptor;
    o->unpack.diff_id = &diff_id;
    o->stopped = stopped;
    o->context = seen;
    assert_int_equal(digest_new(DIGEST_SHA256, &seen->all, NULL), 0);
    int r = layer_pipe_new(o, &sink, seen, &p, e);
    for (size_t at = 0; r >= 0 && at < blob.len; at += piece)
        r = layer_pipe_feed(p, blob.data + at, blob.len - at < piece ? blob.len - at : piece, e);
    if (r >= 0)
        r = layer_pipe_finish(p, e);
    content_digest_finish(seen->all, DIGEST_SHA256, ret);
    digest_free(seen->all);
    return r;
}

static void test_same(void **state)
{
    static const size_t pieces[] = {1000, 4096, 256 << 10, SIZE_MAX / 2};
    ContentDigest here, apart;
    (void)state;

    assert_int_equal(unpack(&(LayerPipeOptions){0}, 100000, &(Seen){0}, &here, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(pieces); i++) {
        Seen seen = {0};
        assert_int_equal(unpack(&(LayerPipeOptions){.workers = host}, pieces[i], &seen, &apart, NULL), 0);
        assert_int_equal(seen.entries, FILES);
        assert_int_equal(seen.ends, FILES);
        assert_string_equal(here.text, apart.text);
    }
}

static void test_stopped(void **state)
{
    ContentDigest is;
    (void)state;

    assert_int_equal(
        unpack(&(LayerPipeOptions){.workers = host}, SIZE_MAX / 2, &(Seen){.stopped = true}, &is, NULL),
        -ECANCELED);
}

/* ---- hostile workers ---- */

static void refused(int (*inflate)(WorkerEnd *, Error *), int (*tar)(WorkerEnd *, Error *), int code,
                    const char *said)
{
    const WorkerTask inflate_task = {.run = inflate,
                                     .in = WORKER_INPUT,
                                     .out = WORKER_ARCHIVE,
                                     .argument = {1, 1 << 30}},
                     tar_task = {.run = tar, .in = WORKER_ARCHIVE, .out = WORKER_FRAMES};
    LayerPipeOptions o = {
        .workers = host, .inflate = inflate ? &inflate_task : NULL, .tar = tar ? &tar_task : NULL};
    Error e = ERROR_INIT;
    ContentDigest is;

    int r = unpack(&o, 65536, &(Seen){0}, &is, &e);
    if (r != code || !strstr(e.text, said))
        fail_msg("%d: %s, and not: %s", r, e.text, said);
}

static void read_all(WorkerEnd *w)
{
    const uint8_t *p;
    for (size_t n; (n = worker_input(w, &p)) > 0;)
        ring_move(&w->in, n);
}

static int quiet(WorkerEnd *w, Error *e)
{
    (void)e;
    read_all(w);
    _exit(0);
}

static int early(WorkerEnd *w, Error *e)
{
    (void)w;
    (void)e;
    return 0;
}

static int nothing(WorkerEnd *w, Error *e)
{
    (void)e;
    read_all(w);
    return 0;
}

static int rude(WorkerEnd *w, Error *e)
{
    (void)w;
    return error_set(e, 99999, "one\ntwo\033[31m");
}

static int random_bytes(WorkerEnd *w, Error *e)
{
    uint32_t random = (uint32_t)getpid();
    (void)e;
    for (;;) {
        random = random * 1664525 + 1013904223;
        worker_output(w, &random, sizeof(random));
    }
    return 0;
}

static int zeros(WorkerEnd *w, Error *e)
{
    static const char none[4096];
    (void)e;
    for (;;)
        worker_output(w, none, sizeof(none));
    return 0;
}

static int positions(WorkerEnd *w, Error *e)
{
    (void)e;
    memset((void *)w->out.control, 0xff, 64);
    read_all(w);
    return 0;
}

static int backwards(WorkerEnd *w, Error *e)
{
    static const char some[1000];
    (void)e;
    worker_output(w, some, sizeof(some));
    worker_flush(w);
    usleep(300000);
    memset((void *)w->out.control, 0, 64);
    worker_flush(w);
    read_all(w);
    return 0;
}

static void put(WorkerEnd *w, Buf *frame)
{
    worker_output(w, frame->data, frame->len);
    frame->len = 0;
}

static int endless_entries(WorkerEnd *w, Error *e)
{
    const TarEntry one = {.type = TAR_FIFO, .path = "x", .link = ""};
    Buf frame = BUF_INIT;
    (void)e;
    for (;;) {
        frame_entry(&one, &frame);
        put(w, &frame);
    }
    return 0;
}

static int tell_file(WorkerEnd *w, uint64_t size, uint64_t offset, uint64_t n)
{
    const TarEntry one = {.type = TAR_FILE, .path = "x", .link = "", .size = size};
    const uint8_t *p;
    Buf frame = BUF_INIT;
    worker_input(w, &p);
    frame_entry(&one, &frame);
    frame_data(offset, n, &frame);
    put(w, &frame);
    read_all(w);
    return 0;
}

static int far_bytes(WorkerEnd *w, Error *e)
{
    (void)e;
    return tell_file(w, UINT64_C(1) << 40, UINT64_C(1) << 39, 1 << 20);
}

/* Bytes of the beginning, when that is no longer there. */
static int old_bytes(WorkerEnd *w, Error *e)
{
    const uint8_t *p;
    (void)e;
    for (uint64_t n = 0, k; n < 3 * WORKER_ARCHIVE; n += k) {
        k = worker_input(w, &p);
        ring_move(&w->in, k);
    }
    worker_input(w, &p);
    return tell_file(w, 5000, 0, 5000);
}

static int open_file(WorkerEnd *w, Error *e)
{
    (void)e;
    return tell_file(w, 5000, 512, 4000);
}

/* The archive cannot be written to, whatever one tries; SIGSEGV. */
static int change_archive(WorkerEnd *w, Error *e)
{
    uint8_t *p;
    (void)e;
    worker_input(w, (const uint8_t **)&p);
    if (mprotect((void *)((uintptr_t)p & ~4095UL), 4096, PROT_READ | PROT_WRITE) == 0)
        return 0;
    *p ^= 1;
    return 0;
}

/* Every byte again and again another one while it is read. What comes of it is refused in one way or other.
 */
static int changing(WorkerEnd *w, Error *e)
{
    Buf frame = BUF_INIT;
    const TarEntry one = {.type = TAR_DIRECTORY, .path = "directory", .link = ""};
    (void)e;
    for (uint32_t random = 1;; random = random * 1664525 + 1013904223) {
        uint8_t *to;
        frame_entry(&one, &frame);
        if (ring_piece(&w->out, &to) >= (ssize_t)frame.len)
            put(w, &frame);
        frame.len = 0;
        for (unsigned i = 0; i < 1000; i++)
            w->out.data[((random >> 8) + i * 64) & (WORKER_FRAMES - 1)] ^= (uint8_t)random;
    }
    return 0;
}

/* The right archive in memory that says something else a moment later. */
static int changing_archive(WorkerEnd *w, Error *e)
{
    uint8_t *to;
    (void)e;
    for (size_t at = 0; at < sizeof(archive);) {
        ssize_t n = ring_piece(&w->out, &to);
        n = n < (ssize_t)(sizeof(archive) - at) ? n : (ssize_t)(sizeof(archive) - at);
        memcpy(to, archive + at, (size_t)n);
        ring_move(&w->out, (size_t)n);
        at += (size_t)n;
        for (ssize_t i = 0; i < n; i += 64)
            to[i] ^= 1;
    }
    read_all(w);
    return 0;
}

static int bells(WorkerEnd *w, Error *e)
{
    (void)e;
    for (unsigned i = 0; i < 200000; i++)
        (void)!send(w->bell, "", 1, MSG_DONTWAIT);
    _exit(0);
}

static int long_words(WorkerEnd *w, Error *e)
{
    char much[8192] = {1};
    (void)e;
    (void)!send(w->bell, much, sizeof(much), 0);
    read_all(w);
    return 0;
}

static void test_hostile(void **state)
{
    static const char gone[] = "the process that unpacks a layer ended without a word";
    static const char cannot[] = "the process that reads the layer says what cannot be";
    static const char impossible[] = "a process that unpacks the layer says what cannot be";
    static const char diff[] = "the layer's diff_id should be";
    (void)state;

    refused(quiet, NULL, -EIO, gone);
    refused(NULL, quiet, -EIO, gone);
    refused(early, NULL, -EBADMSG, impossible);
    refused(NULL, early, -EBADMSG, impossible);
    refused(nothing, NULL, -EBADMSG, diff);
    refused(rude, NULL, -EBADMSG, "one?two?[31m");
    refused(random_bytes, NULL, -EBADMSG, "no header");
    refused(NULL, random_bytes, -EBADMSG, cannot);
    refused(NULL, zeros, -EBADMSG, cannot);
    refused(zeros, NULL, -EFBIG, "the layer unpacks to more than is taken");
    refused(positions, NULL, -EBADMSG, impossible);
    refused(NULL, positions, -EBADMSG, impossible);
    refused(backwards, NULL, -EBADMSG, "");
    refused(NULL, endless_entries, -EBADMSG, "more entries than it has read");
    refused(NULL, far_bytes, -EBADMSG, "bytes that are not there");
    refused(NULL, old_bytes, -EBADMSG, "bytes that are not there");
    refused(NULL, open_file, -EBADMSG, "the end within a file");
    refused(NULL, change_archive, -EIO, gone);
    refused(NULL, changing, -EBADMSG, "");
    refused(changing_archive, nothing, -EBADMSG, diff);
    refused(bells, NULL, -EIO, gone);
    refused(NULL, bells, -EIO, gone);
    refused(NULL, long_words, -EBADMSG, "");
}

/* ---- what a worker may do ---- */

static int confined(WorkerEnd *w, int (*attempt)(void), Error *e)
{
    int r = worker_confine(w, 0, NULL, 0, e);
    if (r < 0)
        return r;
    return attempt() >= 0 || errno ? error_set(e, EDOM, "it went on: %d", errno) : 0;
}

#define ATTEMPT(name, expression)                                                                            \
    static int try_##name(void)                                                                              \
    {                                                                                                        \
        return (int)(expression);                                                                            \
    }                                                                                                        \
    static int attempt_##name(WorkerEnd *w, Error *e)                                                        \
    {                                                                                                        \
        return confined(w, try_##name, e);                                                                   \
    }

ATTEMPT(open, open("/etc/passwd", O_RDONLY))
ATTEMPT(stat, access("/", F_OK))
ATTEMPT(socket, socket(AF_INET, SOCK_STREAM, 0))
ATTEMPT(unix, socket(AF_UNIX, SOCK_STREAM, 0))
ATTEMPT(fork, fork())
ATTEMPT(exec, execl("/bin/true", "true", NULL))
ATTEMPT(trace, ptrace(PTRACE_ATTACH, getppid(), NULL, NULL))
ATTEMPT(kill, kill(getppid(), SIGTERM))
ATTEMPT(write, write(2, "x", 1))
ATTEMPT(code, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
ATTEMPT(mount, syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL))
ATTEMPT(keys, syscall(SYS_add_key, "user", "x", "y", 1, -1))
ATTEMPT(uring, syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(limits, syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, NULL))
ATTEMPT(other, syscall(0x40000000 | SYS_exit_group, 0))

/* Before the filter: what the host has given up already. */
static int look_around(WorkerEnd *w, Error *e)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = 1, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)w;
    if (open("/proc/self/status", O_RDONLY) >= 0 || open("/dev/null", O_RDONLY) >= 0)
        return error_set(e, EDOM, "a root with something in it");
    if (getuid() != 65534 || getgid() != 65534 || geteuid() != 65534 || getgroups(0, NULL) != 0 ||
        setuid(0) == 0)
        return error_set(e, EDOM, "user %u", getuid());
    if (mkdir("/x", 0755) == 0 || chroot("/") == 0)
        return error_set(e, EDOM, "rights");
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno != ENETUNREACH)
        return error_set(e, EDOM, "a network: %s", strerror(errno));
    for (int fd = 4; fd < 1000; fd++)
        if (fd != s && fcntl(fd, F_GETFD) >= 0 && fd > s)
            return error_set(e, EDOM, "descriptor %d", fd);
    return 0;
}

static void attempt(const char *name, int (*run)(WorkerEnd *, Error *), bool good)
{
    const WorkerTask task = {.run = run, .in = 4096, .out = 4096};
    Worker w = WORKER_NONE;
    Error e = ERROR_INIT;
    int r;

    assert_int_equal(worker_start(host, &task, &w, &e), 0);
    while ((r = worker_listen(&w, &e)) == 0 && !w.told)
        usleep(1000);
    if (good ? r < 0 || w.verdict.code < 0 : w.told)
        fail_msg("%s: %s%s", name, e.text, w.told ? w.verdict.text : "");
    worker_stop(&w);
}

static void test_confined(void **state)
{
    (void)state;

    attempt("nothing", early, true);
    if (geteuid() == 0 && worker_host_lacks(host) == 0)
        attempt("looking around", look_around, true);
    if (worker_host_lacks(host) & SANDBOX_LACKS_FILTER)
        skip();
    attempt("open", attempt_open, false);
    attempt("stat", attempt_stat, false);
    attempt("socket", attempt_socket, false);
    attempt("unix", attempt_unix, false);
    attempt("fork", attempt_fork, false);
    attempt("exec", attempt_exec, false);
    attempt("trace", attempt_trace, false);
    attempt("kill", attempt_kill, false);
    attempt("write", attempt_write, false);
    attempt("code", attempt_code, false);
    attempt("mount", attempt_mount, false);
    attempt("keys", attempt_keys, false);
    attempt("uring", attempt_uring, false);
    attempt("limits", attempt_limits, false);
    attempt("x32", attempt_other, false);
}

/* Whoever does not listen is ended all the same; and so are all when the host is. */
static int deaf(WorkerEnd *w, Error *e)
{
    (void)w;
    (void)e;
    for (;;)
        pause();
    return 0;
}

static void test_ended(void **state)
{
    const WorkerTask task = {.run = deaf, .in = 4096, .out = 4096};
    WorkerHost *other;
    Worker w = WORKER_NONE;
    (void)state;

    assert_int_equal(layer_host_new(65534, 65534, &other, NULL), 0);
    assert_int_equal(worker_start(other, &task, &w, NULL), 0);
    worker_stop(&w);
    worker_host_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),     cmocka_unit_test(test_stopped), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_confined), cmocka_unit_test(test_ended),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
