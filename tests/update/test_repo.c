/* Names of objects, paths through a commit, refs. */
#include "../scratch.h"

#include "update/object_store.h"

static void test_names(void **state)
{
    static const char *const refused[][2] = {
        {"3b", "841d.file"},
        {"3", "0000000000000000000000000000000000000000000000000000000000000000.file"},
        {"3B", "00000000000000000000000000000000000000000000000000000000000000.file"},
        {"3b", "A0000000000000000000000000000000000000000000000000000000000000.file"},
        {"3b", "g0000000000000000000000000000000000000000000000000000000000000.file"},
        {"3b", "00000000000000000000000000000000000000000000000000000000000000.filez"},
        {"3b", "00000000000000000000000000000000000000000000000000000000000000.commitmeta"},
        {"3b", "00000000000000000000000000000000000000000000000000000000000000"},
        {"3b", ".."},
        {"..", "00000000000000000000000000000000000000000000000000000000000000.file"},
    };
    uint8_t checksum[OSTREE_CHECKSUM], again[OSTREE_CHECKSUM];
    ObjectKind kind;

    (void)state;
    for (size_t i = 0; i < sizeof(checksum); i++)
        checksum[i] = (uint8_t)(17 * i);
    for (ObjectKind k = OBJECT_FILE; k <= OBJECT_COMMIT; k++) {
        char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];
        object_name(k, checksum, name);
        object_place(name, place);
        assert_int_equal(strncmp(place, "objects/00/", 11), 0);
        assert_true(object_parse("00", place + 11, &kind, again));
        assert_int_equal(kind, k);
        assert_memory_equal(again, checksum, OSTREE_CHECKSUM);
    }
    for (size_t i = 0; i < ELEMENTS(refused); i++)
        assert_false(object_parse(refused[i][0], refused[i][1], &kind, checksum));
}

/* A commit of usr/lib/{a,z} with an empty directory usr/lib/m. */
static void commit_make(const char *path, uint8_t ret[OSTREE_CHECKSUM])
{
    static const OstreeMeta link = {0, 0, S_IFLNK | 0777, NULL, 0},
                            directory = {1, 2, S_IFDIR | 0750, NULL, 0};
    static const char *const metadata[] = {NULL};
    _cleanup_object_store_ ObjectStore *s = NULL;
    _cleanup_buf_ Buf meta = BUF_INIT, none = BUF_INIT, lib = BUF_INIT, usr = BUF_INIT, root = BUF_INIT,
                      commit = BUF_INIT;
    OstreeFileRow files[] = {{.name = "a"}, {.name = "z"}};
    OstreeDirectoryRow d = {.name = "m"};
    OstreeCommit c = {.metadata = metadata, .subject = ""};

    assert_int_equal(object_store_init(AT_FDCWD, path, NULL), 0);
    assert_int_equal(object_store_open(AT_FDCWD, path, NULL, NULL, &s, NULL), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(object_store_put_symlink(s, &link, files[i].name, files[i].checksum, NULL), 1);
    ostree_dirmeta_encode(&directory, &meta);
    assert_int_equal(object_store_put(s, OBJECT_DIRMETA, meta.data, meta.len, d.meta, NULL), 1);
    memcpy(c.meta, d.meta, OSTREE_CHECKSUM);
    ostree_tree_encode(&(OstreeTree){0}, &none);
    assert_int_equal(object_store_put(s, OBJECT_TREE, none.data, none.len, d.tree, NULL), 1);
    ostree_tree_encode(&(OstreeTree){files, 2, &d, 1}, &lib);
    d.name = "lib";
    assert_int_equal(object_store_put(s, OBJECT_TREE, lib.data, lib.len, d.tree, NULL), 1);
    ostree_tree_encode(&(OstreeTree){NULL, 0, &d, 1}, &usr);
    d.name = "usr";
    assert_int_equal(object_store_put(s, OBJECT_TREE, usr.data, usr.len, d.tree, NULL), 1);
    ostree_tree_encode(&(OstreeTree){NULL, 0, &d, 1}, &root);
    assert_int_equal(object_store_put(s, OBJECT_TREE, root.data, root.len, c.tree, NULL), 1);
    ostree_commit_encode(&c, &commit);
    assert_int_equal(object_store_put(s, OBJECT_COMMIT, commit.data, commit.len, ret, NULL), 1);
    assert_int_equal(object_store_commit(s, NULL, NULL), 0);
}

static void test_paths(void **state)
{
    static const struct {
        const char *path;
        int r;
        bool directory;
    } rows[] = {{"", 0, true},
                {"/", 0, true},
                {"usr", 0, true},
                {"usr/lib/a", 0, false},
                {"/usr//lib/z", 0, false},
                {"usr/lib/m/", 0, true},
                {"x", -ENOENT, 0},
                {"usr/lib/b", -ENOENT, 0},
                {"usr/lib/a/b", -ENOTDIR, 0},
                {"usr/../usr", -EINVAL, 0},
                {"./usr", -EINVAL, 0}};
    Scratch s = scratch_open();
    uint8_t commit[OSTREE_CHECKSUM];
    char path[128];
    _cleanup_arena_ Arena *a = arena_new();
    RepoEntry found;
    OstreeMeta m;

    (void)state;
    snprintf(path, sizeof(path), "%s/repo", s.path);
    commit_make(path, commit);
    _cleanup_close_ int repo = repo_open(AT_FDCWD, path, NULL);
    assert_true(repo >= 0);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Error e = ERROR_INIT;
        int r = repo_find(repo, commit, rows[i].path, &found, &e);
        if (r != rows[i].r || (r == 0 && found.directory != rows[i].directory) || (r < 0 && !e.text[0]))
            fail_msg("'%s': %d %s", rows[i].path, r, e.text);
    }
    assert_int_equal(repo_find(repo, commit, "usr/lib", &found, NULL), 0);
    assert_int_equal(repo_read_dirmeta(repo, a, found.meta, &m, NULL), 0);
    assert_int_equal(m.uid, 1);
    assert_int_equal(m.gid, 2);
    assert_int_equal(m.mode, S_IFDIR | 0750);
    assert_int_equal(repo_find(repo, commit, "usr/lib/a", &found, NULL), 0);
    assert_int_equal(repo_open_file(repo, found.checksum), -ELOOP);
    scratch_close(&s);
}

static int ref_add(void *context, const char *name, const uint8_t commit[OSTREE_CHECKSUM], Error *e)
{
    (void)e;
    buf_addf(context, "%s=%02x ", name, commit[0]);
    return 0;
}

static void test_refs(void **state)
{
    enum { HEX = OSTREE_CHECKSUM_TEXT - 1 };
    char text[HEX + 2];
    Scratch s = scratch_open();
    _cleanup_buf_ Buf told = BUF_INIT;

    (void)state;
    assert_int_equal(repo_refs_each(s.fd, ref_add, &told, NULL), 0);
    assert_null(told.data);
    memset(text, 'a', HEX);
    strcpy(text + HEX, "\n");
    scratch_write(&s, "refs/heads/a/b/c", text);
    scratch_write(&s, "refs/heads/a/b/.unfinished", "x");
    assert_int_equal(repo_refs_each(s.fd, ref_add, &told, NULL), 0);
    assert_string_equal(told.data, "a/b/c=aa ");
    text[HEX - 1] = 'x';
    scratch_write(&s, "refs/mirrors/x", text);
    assert_int_equal(repo_refs_each(s.fd, ref_add, &told, NULL), -EBADMSG);
    text[HEX - 1] = '\0';
    scratch_write(&s, "refs/mirrors/x", text);
    assert_int_equal(repo_refs_each(s.fd, ref_add, &told, NULL), -EBADMSG);
    scratch_close(&s);
}

static void test_lock(void **state)
{
    Scratch s = scratch_open();
    int lock = repo_lock(s.fd, NULL);

    (void)state;
    assert_true(lock >= 0);
    assert_int_equal(repo_lock(s.fd, NULL), -EBUSY);
    close(lock);
    lock = repo_lock(s.fd, NULL);
    assert_true(lock >= 0);
    close(lock);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_paths),
                                       cmocka_unit_test(test_refs), cmocka_unit_test(test_lock)};
    if (geteuid() != 0) {
        puts("only root can give files away");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
