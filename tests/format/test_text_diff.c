/* What is shown of two texts: the changed lines, what is around them, and no more than there is room for. */
#include "../scratch.h"

#include "format/text_diff.h"

static void expect(const char *from, const char *to, const char *wanted)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    text_diff((DiffText){from, strlen(from)}, (DiffText){to, strlen(to)}, &out);
    assert_string_equal(out.data ? out.data : "", wanted);
}

static void test_lines(void **state _unused_)
{
    expect("a\n", "a\n", "");
    expect("", "a\nb\n", "@@ 1\n+a\n+b\n");
    expect("a\nb\n", "", "@@ 1\n-a\n-b\n");
    expect("a\nb\nc\n", "a\nx\nc\n", "@@ 1\n a\n-b\n+x\n c\n");
    expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n8\n9\n", "@@ 5\n 5\n 6\n-7\n 8\n 9\n");
    expect("a\n1\n2\n3\n4\n5\n6\nb\n", "x\n1\n2\n3\n4\n5\n6\ny\n",
           "@@ 1\n-a\n+x\n 1\n 2\n@@ 6\n 5\n 6\n-b\n+y\n");
    expect("k\na\nk\nb\n", "k\nb\nk\na\n", "@@ 1\n k\n-a\n-k\n b\n+k\n+a\n");
}

static void test_ends(void **state _unused_)
{
    expect("a", "a\n", "@@ 1\n-a\n\\ no newline at the end\n+a\n");
    expect("a\n", "a\x01\n", "no text: 2 bytes, then 3\n");
}

static void test_limits(void **state _unused_)
{
    _cleanup_buf_ Buf x = BUF_INIT, y = BUF_INIT, out = BUF_INIT;
    for (unsigned i = 0; i < 5000; i++) {
        buf_addf(&x, "x%u\n", i);
        buf_addf(&y, "y%u\n", i);
    }
    text_diff((DiffText){x.data, x.len}, (DiffText){y.data, y.len}, &out);
    assert_non_null(strstr(out.data, "-x199\n"));
    assert_non_null(strstr(out.data, "… and 9800 lines more\n"));
    buf_done(&x);
    buf_done(&out);
    x = out = BUF_INIT;
    for (unsigned i = 0; i < 150; i++)
        buf_add_str(&x, "ä");
    text_diff((DiffText){"", 0}, (DiffText){x.data, x.len}, &out);
    assert_int_equal(strstr(out.data, "…") - out.data, strlen("@@ 1\n+") + 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
