/* Against a second, simple-minded tree, and the cases that have a name. */
#include "../scratch.h"

#include "update/file_tree.h"

static const uint8_t *sum(unsigned char c)
{
    static uint8_t all[256][OSTREE_CHECKSUM];
    memset(all[c], c, OSTREE_CHECKSUM);
    return all[c];
}

static void expect(const FileTree *t, const char *path, FileTreeKind kind, unsigned char checksum)
{
    FileTreeNode n = file_tree_find(t, path);
    if (file_tree_kind(t, n) != kind)
        fail_msg("'%s' is %d and should be %d", path, file_tree_kind(t, n), kind);
    if (kind == FILE_TREE_FILE || (kind == FILE_TREE_DIRECTORY && !file_tree_implied(t, n)))
        assert_memory_equal(file_tree_checksum(t, n), sum(checksum), OSTREE_CHECKSUM);
}

static void test_adding(void **state)
{
    FileTree *t = file_tree_new();
    (void)state;

    assert_true(file_tree_implied(t, FILE_TREE_ROOT));
    assert_int_equal(file_tree_add_file(t, "a/b/c", sum(1)), 0);
    expect(t, "a/b", FILE_TREE_DIRECTORY, 0);
    assert_true(file_tree_implied(t, file_tree_find(t, "a/b")));
    assert_int_equal(file_tree_add_directory(t, "a/b", sum(2)), 0);
    assert_false(file_tree_implied(t, file_tree_find(t, "a/b")));
    expect(t, "a/b", FILE_TREE_DIRECTORY, 2);
    expect(t, "a/b/c", FILE_TREE_FILE, 1);
    assert_int_equal(file_tree_add_directory(t, "a/b", sum(3)), 0);
    expect(t, "a/b", FILE_TREE_DIRECTORY, 3);
    assert_int_equal(file_tree_add_directory(t, "", sum(4)), 0);
    expect(t, "", FILE_TREE_DIRECTORY, 4);

    assert_int_equal(file_tree_add_file(t, "a/b/c/d", sum(1)), -ENOTDIR);
    assert_int_equal(file_tree_add_file(t, "a/b", sum(1)), -EISDIR);
    assert_int_equal(file_tree_add_file(t, "", sum(1)), -EISDIR);
    assert_int_equal(file_tree_add_link(t, "", "x"), -EISDIR);
    assert_int_equal(file_tree_add_link(t, "a", "x"), -EISDIR);
    assert_int_equal(file_tree_add_directory(t, "a/b/c", sum(1)), -EEXIST);
    assert_int_equal(file_tree_add_link(t, "a/b/c", "some/where"), 0);
    assert_string_equal(file_tree_target(t, file_tree_find(t, "a/b/c")), "some/where");
    assert_int_equal(file_tree_add_link(t, "a/b/c/d", "x"), -ENOTDIR);
    assert_int_equal(file_tree_add_file(t, "a/b/c", sum(7)), 0);
    expect(t, "a/b/c", FILE_TREE_FILE, 7);
    expect(t, "a/b/c/d", FILE_TREE_NOTHING, 0);
    expect(t, "a/x", FILE_TREE_NOTHING, 0);
    expect(t, "x/y/z", FILE_TREE_NOTHING, 0);
    file_tree_free(t);
}

static size_t children(const FileTree *t, const char *path)
{
    size_t n = 0;
    for (FileTreeNode x = file_tree_first(t, file_tree_find(t, path)); x != FILE_TREE_NONE;
         x = file_tree_next(t, x))
        n++;
    return n;
}

/* What went can come again, as something else too, without what was in it. */
static void test_going_and_coming(void **state)
{
    FileTree *t = file_tree_new();
    FileTreeNode n;
    (void)state;

    assert_int_equal(file_tree_add_file(t, "a/b/c", sum(1)), 0);
    assert_int_equal(file_tree_add_file(t, "a/b/d", sum(1)), 0);
    assert_int_equal(file_tree_add_file(t, "a/e", sum(1)), 0);
    file_tree_remove(t, file_tree_find(t, "a/b"));
    expect(t, "a/b", FILE_TREE_NOTHING, 0);
    assert_int_equal(children(t, "a"), 1);
    FileTreeNode a = file_tree_find(t, "a");
    assert_int_equal(file_tree_put_file(t, a, "b", sum(2)), 0);
    expect(t, "a/b", FILE_TREE_FILE, 2);
    assert_int_equal(file_tree_put_directory(t, a, "b", NULL, &n), 0);
    assert_true(file_tree_implied(t, n));
    assert_int_equal(children(t, "a/b"), 0);
    assert_int_equal(file_tree_add_file(t, "a/b/c", sum(3)), 0);
    assert_int_equal(children(t, "a/b"), 1);
    assert_int_equal(file_tree_add_file(t, "a/b/d", sum(3)), 0);
    assert_int_equal(children(t, "a/b"), 2);
    assert_int_equal(file_tree_put_directory(t, a, "b", sum(9), &n), 0);
    assert_int_equal(children(t, "a/b"), 2);
    assert_int_equal(file_tree_put_directory(t, a, "b", NULL, &n), 0);
    expect(t, "a/b", FILE_TREE_DIRECTORY, 9);
    file_tree_empty(t, FILE_TREE_ROOT);
    assert_int_equal(children(t, ""), 0);
    expect(t, "a/b/c", FILE_TREE_NOTHING, 0);
    assert_int_equal(file_tree_add_file(t, "a/e", sum(5)), 0);
    assert_int_equal(children(t, "a"), 1);
    file_tree_free(t);
}

static void test_walk(void **state)
{
    static const char *const paths[] = {"a/b/c", "a/b/d", "e", "f/g"};
    FileTree *t = file_tree_new();
    _cleanup_buf_ Buf path = BUF_INIT;
    size_t seen = 0, files = 0;
    (void)state;

    for (size_t i = 0; i < ELEMENTS(paths); i++)
        assert_int_equal(file_tree_add_file(t, paths[i], sum(1)), 0);
    assert_int_equal(file_tree_add_file(t, "gone/x", sum(1)), 0);
    file_tree_remove(t, file_tree_find(t, "gone"));
    for (FileTreeNode n = FILE_TREE_ROOT; n != FILE_TREE_NONE; n = file_tree_walk(t, n)) {
        path.len = 0;
        buf_add(&path, "", 0);
        file_tree_path(t, n, &path);
        assert_int_equal(file_tree_find(t, path.data), n);
        seen++;
        files += file_tree_kind(t, n) == FILE_TREE_FILE;
    }
    assert_int_equal(seen, 8);
    assert_int_equal(files, 4);
    file_tree_free(t);
}

/* Many names, and as deep as a path can be. */
static void test_large(void **state)
{
    FileTree *t = file_tree_new();
    char path[4096] = "";
    (void)state;

    for (unsigned i = 0; i < 100000; i++) {
        snprintf(path, sizeof(path), "d%u/e%u/f%u", i % 7, i % 1000, i);
        assert_int_equal(file_tree_add_file(t, path, sum((unsigned char)i)), 0);
    }
    for (unsigned i = 0; i < 100000; i += 997) {
        snprintf(path, sizeof(path), "d%u/e%u/f%u", i % 7, i % 1000, i);
        expect(t, path, FILE_TREE_FILE, (unsigned char)i);
    }
    for (size_t i = 0; i < 4094; i++)
        path[i] = i % 2 ? '/' : 'x';
    path[4093] = 'x';
    path[4094] = '\0';
    assert_int_equal(file_tree_add_file(t, path, sum(1)), 0);
    file_tree_empty(t, FILE_TREE_ROOT);
    assert_int_equal(children(t, ""), 0);
    file_tree_free(t);
}

/* Random work on this and on a list of paths. */
enum { MODEL = 200 };
typedef struct Model {
    char path[MODEL][16];
    unsigned char checksum[MODEL];
    size_t n;
} Model;

static size_t model_find(const Model *m, const char *path)
{
    size_t i = 0;
    while (i < m->n && strcmp(m->path[i], path) != 0)
        i++;
    return i;
}

static void model_remove(Model *m, const char *path)
{
    size_t k = strlen(path), left = 0;
    for (size_t i = 0; i < m->n; i++)
        if (strncmp(m->path[i], path, k) != 0 || (m->path[i][k] != '/' && m->path[i][k])) {
            memmove(m->path[left], m->path[i], sizeof(m->path[i]));
            m->checksum[left++] = m->checksum[i];
        }
    m->n = left;
}

static void test_random(void **state)
{
    FileTree *t = file_tree_new();
    Model m = {0};
    unsigned x = 12345;
    (void)state;

    for (unsigned i = 0; i < 20000; i++) {
        char path[16];
        x = x * 1103515245 + 12345;
        unsigned char checksum = (unsigned char)(x >> 8);
        snprintf(path, sizeof(path), "%c/%c/%c", 'a' + (x >> 16) % 4, 'a' + (x >> 18) % 4,
                 'a' + (x >> 20) % 4);
        path[(x >> 23) % 3 * 2 + 1] = '\0';
        if ((x >> 26) % 3 == 0) {
            FileTreeNode n = file_tree_find(t, path);
            if (n != FILE_TREE_NONE)
                file_tree_remove(t, n);
            model_remove(&m, path);
        } else if (strlen(path) == 5 && file_tree_add_file(t, path, sum(checksum)) == 0) {
            size_t at = model_find(&m, path);
            strcpy(m.path[at], path);
            m.checksum[at] = checksum;
            m.n += at == m.n;
        }
    }
    size_t files = 0;
    for (FileTreeNode n = FILE_TREE_ROOT; n != FILE_TREE_NONE; n = file_tree_walk(t, n))
        files += file_tree_kind(t, n) == FILE_TREE_FILE;
    assert_int_equal(files, m.n);
    for (size_t i = 0; i < m.n; i++)
        expect(t, m.path[i], FILE_TREE_FILE, m.checksum[i]);
    file_tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adding), cmocka_unit_test(test_going_and_coming), cmocka_unit_test(test_walk),
        cmocka_unit_test(test_large),  cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
