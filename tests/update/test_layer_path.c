/* One row a name. */
#include "../scratch.h"

#include "update/layer_path.h"

static void test_names(void **state)
{
    static const struct {
        const char *name, *path;
        int kind;
    } rows[] = {
        {"./", "", LAYER_PATH_KEPT},
        {"/", "", LAYER_PATH_KEPT},
        {".", "", LAYER_PATH_KEPT},
        {"usr/bin/a", "usr/bin/a", LAYER_PATH_KEPT},
        {"./usr//bin/./a/", "usr/bin/a", LAYER_PATH_KEPT},
        {"///usr", "usr", LAYER_PATH_KEPT},
        {"etc", "usr/etc", LAYER_PATH_KEPT},
        {"./etc/passwd", "usr/etc/passwd", LAYER_PATH_KEPT},
        {"usr/etc/x", "usr/etc/x", LAYER_PATH_KEPT},
        {"etcetera", "etcetera", LAYER_PATH_KEPT},
        {"var/etc", "var/etc", LAYER_PATH_KEPT},
        {".wh.etc", "usr/.wh.etc", LAYER_PATH_KEPT},
        {".wh.etc/.", "usr/.wh.etc", LAYER_PATH_KEPT},
        {"etc/.wh.x", "usr/etc/.wh.x", LAYER_PATH_KEPT},
        {".wh..wh..opq", ".wh..wh..opq", LAYER_PATH_KEPT},
        {"usr/.wh..wh..opq", "usr/.wh..wh..opq", LAYER_PATH_KEPT},
        {"run", "run", LAYER_PATH_KEPT},
        {"run/x", "run/x", LAYER_PATH_RUNTIME},
        {"./dev/pts/0", "dev/pts/0", LAYER_PATH_RUNTIME},
        {"proc/1", "proc/1", LAYER_PATH_RUNTIME},
        {"sys/x", "sys/x", LAYER_PATH_RUNTIME},
        {"tmp/.wh.x", "tmp/.wh.x", LAYER_PATH_RUNTIME},
        {"var/tmp/x", "var/tmp/x", LAYER_PATH_KEPT},
        {"runner/x", "runner/x", LAYER_PATH_KEPT},
        {"sysroot/ostree/repo", "sysroot/ostree/repo", LAYER_PATH_KEPT},
        {"sysroot/ostree/repo/config", "sysroot/ostree/repo/config", LAYER_PATH_REPOSITORY},
        {"sysroot/ostree/repository", "sysroot/ostree/repository", LAYER_PATH_KEPT},
        {".wh..wh.aufs", ".wh..wh.aufs", LAYER_PATH_OTHER},
        {".wh..wh.plnk/1.2", ".wh..wh.plnk/1.2", LAYER_PATH_OTHER},
        {".wh..wh..opq/x", ".wh..wh..opq/x", LAYER_PATH_OTHER},
        {"..", NULL, -EBADMSG},
        {"../x", NULL, -EBADMSG},
        {"/..", NULL, -EBADMSG},
        {"usr/../etc", NULL, -EBADMSG},
        {"usr/..", NULL, -EBADMSG},
        {"run/../etc", NULL, -EBADMSG},
        {".wh.", NULL, -EBADMSG},
        {"usr/.wh..", NULL, -EBADMSG},
        {"usr/.wh...", NULL, -EBADMSG},
        {"usr/.wh.x/y", NULL, -EBADMSG},
        {"usr/.wh.x/..", NULL, -EBADMSG},
        {"usr/\xff", NULL, -EBADMSG},
        {"...", "...", LAYER_PATH_KEPT},
        {"usr/..x", "usr/..x", LAYER_PATH_KEPT},
    };
    _cleanup_buf_ Buf path = BUF_INIT;
    (void)state;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Error e = ERROR_INIT;
        int r = layer_path_read(rows[i].name, &path, &e);
        if (r != rows[i].kind || (r >= 0 && strcmp(path.data, rows[i].path) != 0))
            fail_msg("'%s': %d, '%s' %s", rows[i].name, r, path.data, e.text);
        assert_true((r < 0) == (e.code != 0));
    }
}

static void test_length(void **state)
{
    char name[600] = "usr/";
    _cleanup_buf_ Buf path = BUF_INIT;
    (void)state;

    memset(name + 4, 'x', LAYER_NAME_MAX);
    assert_int_equal(layer_path_read(name, &path, NULL), LAYER_PATH_KEPT);
    name[4 + LAYER_NAME_MAX] = 'x';
    assert_int_equal(layer_path_read(name, &path, NULL), -EBADMSG);
}

static void test_objects(void **state)
{
    static const char good[] = "sysroot/ostree/repo/objects/ab/"
                               "cdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789.file";
    uint8_t checksum[OSTREE_CHECKSUM];
    char other[sizeof(good) + 8];
    (void)state;

    assert_true(layer_path_object(good, checksum));
    assert_int_equal(checksum[0], 0xab);
    assert_int_equal(checksum[31], 0x89);
    for (size_t n = 0; n < sizeof(good) - 1; n++) {
        snprintf(other, n + 1, "%s", good);
        assert_false(layer_path_object(other, checksum));
    }
    snprintf(other, sizeof(other), "%ss", good);
    assert_false(layer_path_object(other, checksum));
    snprintf(other, sizeof(other), "%s", good);
    other[40] = 'g';
    assert_false(layer_path_object(other, checksum));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
