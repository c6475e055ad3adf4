/* What is put is what the distribution's ostree finds, once, whatever moment a session ends at. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../scratch.h"

#include "base/file.h"
#include "base/process.h"
#include "update/object_store.h"

enum { LARGE = OBJECT_IN_MEMORY + 12345, PIECE = 100000 };

typedef struct Steps {
    unsigned n, stop; /* stop: number of the step that is not done; 0: none */
    bool kill;
} Steps;

static int step(void *context, const char *what)
{
    Steps *s = context;
    (void)what;
    if (++s->n != s->stop)
        return 0;
    if (s->kill)
        _exit(9);
    return -EINTR;
}

static int put_file(ObjectFile *f, ObjectStore *s, const OstreeMeta *m, size_t n,
                    uint8_t ret[OSTREE_CHECKSUM])
{
    static char piece[PIECE];
    int r = object_file_begin(f, s, m, NULL);

    for (size_t at = 0; r >= 0 && at < n; at += PIECE) {
        memset(piece, (int)('a' + at / PIECE % 26), sizeof(piece));
        r = object_file_add(f, piece, n - at < PIECE ? n - at : PIECE, NULL);
    }
    return r < 0 ? r : object_file_end(f, ret, NULL);
}

/* A tree of a small, an empty and a large file, a link and a directory; the checksum of its commit. */
static int put_all(ObjectStore *s, uint8_t ret[OSTREE_CHECKSUM], unsigned *ret_new)
{
    static const OstreeXattr xattrs[] = {{"user.b", "two", 3}, {"user.z", "1", 1}};
    static const OstreeMeta plain = {0, 0, S_IFREG | 0644, NULL, 0},
                            special = {12, 34, S_IFREG | 04755, xattrs, 2},
                            link = {5, 6, S_IFLNK | 0777, NULL, 0},
                            directory = {0, 0, S_IFDIR | 0755, NULL, 0};
    static const char *const metadata[] = {"version", "1", NULL};
    OstreeFileRow files[] = {{.name = "empty"}, {.name = "large"}, {.name = "link"}, {.name = "small"}};
    OstreeDirectoryRow sub = {.name = "sub"};
    OstreeTree t = {files, ELEMENTS(files), &sub, 1};
    OstreeCommit c = {.metadata = metadata, .subject = "x", .timestamp = 1};
    _cleanup_(object_file_done)
    ObjectFile f = OBJECT_FILE_INIT;
    _cleanup_buf_ Buf meta = BUF_INIT, none = BUF_INIT, tree = BUF_INIT, commit = BUF_INIT;
    int r[8];

    *ret_new = 0;
    ostree_dirmeta_encode(&directory, &meta);
    ostree_tree_encode(&(OstreeTree){0}, &none);
    r[0] = put_file(&f, s, &plain, 0, files[0].checksum);
    r[1] = r[0] < 0 ? r[0] : put_file(&f, s, &plain, LARGE, files[1].checksum);
    r[2] = r[1] < 0 ? r[1] : object_store_put_symlink(s, &link, "../x", files[2].checksum, NULL);
    r[3] = r[2] < 0 ? r[2] : put_file(&f, s, &special, 10, files[3].checksum);
    r[4] = r[3] < 0 ? r[3] : object_store_put(s, OBJECT_DIRMETA, meta.data, meta.len, sub.meta, NULL);
    r[5] = r[4] < 0 ? r[4] : object_store_put(s, OBJECT_TREE, none.data, none.len, sub.tree, NULL);
    memcpy(c.meta, sub.meta, OSTREE_CHECKSUM);
    ostree_tree_encode(&t, &tree);
    r[6] = r[5] < 0 ? r[5] : object_store_put(s, OBJECT_TREE, tree.data, tree.len, c.tree, NULL);
    ostree_commit_encode(&c, &commit);
    r[7] = r[6] < 0 ? r[6] : object_store_put(s, OBJECT_COMMIT, commit.data, commit.len, ret, NULL);
    for (size_t i = 0; i < ELEMENTS(r); i++)
        *ret_new += r[i] == 1;
    return r[7] < 0 ? r[7] : 0;
}

static int session(const char *repo, Steps *steps, uint8_t ret[OSTREE_CHECKSUM], unsigned *ret_new,
                   ObjectCounts *counts)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    int r = object_store_open(AT_FDCWD, repo, step, steps, &s, NULL);

    if (r >= 0)
        r = put_all(s, ret, ret_new);
    return r < 0 ? r : object_store_commit(s, counts, NULL);
}

static void assert_ostree_agrees(const char *repo, const uint8_t commit[OSTREE_CHECKSUM])
{
    char hex[OSTREE_CHECKSUM_TEXT], option[300];
    _cleanup_buf_ Buf out = BUF_INIT;
    Error e = ERROR_INIT;

    hex_encode(commit, OSTREE_CHECKSUM, hex);
    snprintf(option, sizeof(option), "--repo=%s", repo);
    if (process_run(&(ProcessRun){.argv = (const char *[]){"ostree", option, "fsck", "--quiet", NULL},
                                  .output = &out},
                    &e))
        fail_msg("%s", e.text);
    buf_done(&out);
    const char *const list[] = {"ostree", option, "ls", "-R", "-X", hex, NULL};
    if (process_run(&(ProcessRun){.argv = list, .output = &out}, &e))
        fail_msg("%s", e.text);
    assert_non_null(
        strstr(out.data,
               "-04755 12 34     10 { [(b'user.b', [byte 0x74, 0x77, 0x6f]), (b'user.z', [0x31])] } /small"));
    assert_non_null(strstr(out.data, "l00777 5 6      0 { @a(ayay) [] } /link -> ../x"));
    assert_non_null(strstr(out.data, "/sub"));
}

static const char *fresh_repo(char path[256], const char *top, unsigned i)
{
    snprintf(path, 256, "%s/repo-%u", top, i);
    assert_int_equal(object_store_init(AT_FDCWD, path, NULL), 0);
    assert_int_equal(object_store_init(AT_FDCWD, path, NULL), 0);
    return path;
}

static void test_once(void **state)
{
    char repo[256];
    uint8_t first[OSTREE_CHECKSUM], second[OSTREE_CHECKSUM];
    unsigned new_ones;
    ObjectCounts counts;
    Steps none = {0};

    fresh_repo(repo, *state, 0);
    assert_int_equal(session(repo, &none, first, &new_ones, &counts), 0);
    assert_int_equal(new_ones, 8);
    assert_int_equal(counts.objects, 8);
    assert_true(counts.bytes > LARGE && counts.bytes < LARGE + 4096);
    assert_ostree_agrees(repo, first);

    none = (Steps){0};
    assert_int_equal(session(repo, &none, second, &new_ones, &counts), 0);
    assert_memory_equal(first, second, OSTREE_CHECKSUM);
    assert_int_equal(new_ones, 0);
    assert_int_equal(counts.objects, 0);
    assert_ostree_agrees(repo, first);
}

static void test_reading(void **state)
{
    char repo[256];
    uint8_t commit[OSTREE_CHECKSUM];
    unsigned new_ones;
    _cleanup_object_store_ ObjectStore *s = NULL, *other = NULL;
    _cleanup_buf_ Buf b = BUF_INIT;

    fresh_repo(repo, *state, 1);
    assert_int_equal(object_store_open(AT_FDCWD, repo, NULL, NULL, &s, NULL), 0);
    assert_int_equal(object_store_open(AT_FDCWD, repo, NULL, NULL, &other, NULL), -EBUSY);
    assert_int_equal(put_all(s, commit, &new_ones), 0);
    for (int i = 0; i < 2; i++) { /* aside, then in its place */
        assert_true(object_store_has(s, OBJECT_COMMIT, commit));
        assert_false(object_store_has(s, OBJECT_TREE, commit));
        assert_int_equal(object_store_read(s, OBJECT_COMMIT, commit, 1 << 20, &b, NULL), 0);
        assert_true(b.len > 0);
        assert_int_equal(object_store_read(s, OBJECT_COMMIT, commit, 10, &b, NULL), -EFBIG);
        assert_int_equal(object_store_commit(s, NULL, NULL), 0);
    }
    char hex[OSTREE_CHECKSUM_TEXT], path[600];
    hex_encode(commit, OSTREE_CHECKSUM, hex);
    snprintf(path, sizeof(path), "%s/objects/%.2s/%s.commit", repo, hex, hex + 2);
    assert_int_equal(truncate(path, 5), 0);
    assert_int_equal(object_store_read(s, OBJECT_COMMIT, commit, 1 << 20, &b, NULL), -EBADMSG);
    commit[0] ^= 1;
    assert_int_equal(object_store_read(s, OBJECT_COMMIT, commit, 1 << 20, &b, NULL), -ENOENT);
}

static void test_no_repository(void **state)
{
    char path[256];
    ObjectStore *s = NULL;

    assert_int_equal(object_store_open(AT_FDCWD, *state, NULL, NULL, &s, NULL), -EMEDIUMTYPE);
    fresh_repo(path, *state, 2);
    _cleanup_close_ int repo = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_write_at(repo, "config", "[core]\nmode=archive-z2\n", 23, FILE_WRITE()), 0);
    assert_int_equal(object_store_open(AT_FDCWD, path, NULL, NULL, &s, NULL), -EMEDIUMTYPE);
}

/* A large file of which `same` bytes are the letter a, then `more` others; its steps. */
static unsigned put_expected(ObjectStore *s, Steps *steps, const uint8_t *expected, size_t same, size_t more,
                             uint32_t mode, uint8_t ret[OSTREE_CHECKSUM])
{
    static char piece[PIECE];
    const OstreeMeta m = {0, 0, S_IFREG | mode, NULL, 0};
    _cleanup_(object_file_done)
    ObjectFile f = OBJECT_FILE_INIT;
    unsigned before = steps->n;

    assert_int_equal(object_file_begin(&f, s, &m, NULL), 0);
    if (expected)
        object_file_expect(&f, expected);
    for (size_t at = 0, n; at < same + more; at += n) {
        const size_t end = at < same ? same : same + more;
        n = end - at < PIECE ? end - at : PIECE;
        memset(piece, at < same ? 'a' : 'b', n);
        assert_int_equal(object_file_add(&f, piece, n, NULL), 0);
    }
    assert_true(object_file_end(&f, ret, NULL) >= 0);
    return steps->n - before;
}

/* Only what is new is written, and the name is that of the bytes, whatever was expected. */
static void test_expected(void **state)
{
    static const struct {
        size_t same, more;
        uint32_t mode;
        unsigned steps;
    } rows[] = {{LARGE, 0, 0644, 0},     {LARGE, 1, 0644, 2},     {LARGE - 1, 1, 0644, 2},
                {LARGE - 1, 0, 0644, 2}, {LARGE / 2, 5, 0644, 2}, {0, LARGE, 0644, 2},
                {LARGE, 0, 0600, 2},     {5, 5, 0644, 2},         {LARGE, LARGE, 0644, 2}};
    uint8_t expected[OSTREE_CHECKSUM], is[OSTREE_CHECKSUM], wanted[OSTREE_CHECKSUM];
    char repo[256], other[256];
    Steps steps = {0}, ignored = {0};
    _cleanup_object_store_ ObjectStore *s = NULL, *fresh = NULL;

    fresh_repo(repo, *state, 3);
    fresh_repo(other, *state, 4);
    assert_int_equal(object_store_open(AT_FDCWD, repo, step, &steps, &s, NULL), 0);
    assert_int_equal(object_store_open(AT_FDCWD, other, step, &ignored, &fresh, NULL), 0);
    assert_int_equal(put_expected(s, &steps, NULL, LARGE, 0, 0644, expected), 2);
    assert_int_equal(object_store_commit(s, NULL, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct stat st;
        assert_int_equal(put_expected(s, &steps, expected, rows[i].same, rows[i].more, rows[i].mode, is),
                         rows[i].steps);
        put_expected(fresh, &ignored, NULL, rows[i].same, rows[i].more, rows[i].mode, wanted);
        assert_memory_equal(is, wanted, OSTREE_CHECKSUM);
        assert_int_equal(object_store_stat(s, is, &st, NULL), 0);
        assert_int_equal(st.st_size, rows[i].same + rows[i].more);
    }
    memset(expected, 1, sizeof(expected)); /* of which there is none */
    assert_int_equal(put_expected(s, &steps, expected, 3, LARGE, 0644, is), 2);
    assert_int_equal(object_store_commit(s, NULL, NULL), 0);
    char option[300];
    _cleanup_buf_ Buf out = BUF_INIT;
    snprintf(option, sizeof(option), "--repo=%s", repo);
    assert_int_equal(
        process_run(&(ProcessRun){.argv = (const char *[]){"ostree", option, "fsck", NULL}, .output = &out},
                    NULL),
        0);
}

static void assert_nothing_aside(const char *repo)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/tmp/basalt-import", repo);
    assert_int_equal(access(path, F_OK), -1);
}

/* The session ends before step n, by an error or by the end of the process; the next one converges. */
static void interrupted(const char *top, bool kill)
{
    uint8_t wanted[OSTREE_CHECKSUM], commit[OSTREE_CHECKSUM];
    unsigned new_ones, all;
    Steps count = {0};
    char repo[256];

    fresh_repo(repo, top, 100 + kill);
    assert_int_equal(session(repo, &count, wanted, &new_ones, NULL), 0);
    all = count.n;
    assert_true(all > 10);
    for (unsigned n = 1; n <= all; n++) {
        Steps steps = {.stop = n, .kill = kill}, none = {0};
        fresh_repo(repo, top, 200 + 100 * kill + n);
        if (kill) {
            int status;
            pid_t child = fork();
            if (child == 0)
                _exit(session(repo, &steps, commit, &new_ones, NULL) < 0);
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
        } else {
            assert_int_equal(session(repo, &steps, commit, &new_ones, NULL), -EINTR);
            assert_nothing_aside(repo);
        }
        assert_int_equal(session(repo, &none, commit, &new_ones, NULL), 0);
        assert_nothing_aside(repo);
        assert_memory_equal(commit, wanted, OSTREE_CHECKSUM);
        if (n % 4 == 0)
            assert_ostree_agrees(repo, commit);
        assert_int_equal(tree_remove_at(AT_FDCWD, repo), 0);
    }
}

static void test_failing_at_every_step(void **state)
{
    interrupted(*state, false);
}

static void test_killed_at_every_step(void **state)
{
    interrupted(*state, true);
}

static int make_top(void **state)
{
    static char top[] = "/tmp/basalt-store.XXXXXX";
    *state = mkdtemp(top);
    return *state ? 0 : -1;
}

static int remove_top(void **state)
{
    return tree_remove_at(AT_FDCWD, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_no_repository),
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_failing_at_every_step),
        cmocka_unit_test(test_killed_at_every_step),
    };
    if (geteuid() != 0) {
        puts("only root can give files away");
        return 77;
    }
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
