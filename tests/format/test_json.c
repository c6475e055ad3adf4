/* What the goldens cannot say: limits, sizes, warnings that let a text pass, and that time and memory grow
 * with the text alone. */
#include "../scratch.h"

#include <time.h>

#include "format/json.h"

static int read_text(Arena *a, const Buf *text, Severity duplicates, Node **ret, Report *r)
{
    /* In memory of exactly its size and gone afterwards: the tree may borrow nothing. */
    char *exact = malloc(text->len + 1);
    assert_non_null(exact);
    memcpy(exact, text->data, text->len);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "test", .text = exact, .len = text->len};
    int k = json_read(a, source, duplicates, ret, r);
    memset(exact, 'x', text->len);
    free(exact);
    source->text = NULL;
    return k;
}

static void add_nested(Buf *b, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        buf_add_char(b, '[');
    for (size_t i = 0; i < depth; i++)
        buf_add_char(b, ']');
}

static void test_depth(void **state)
{
    (void)state;
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report r = REPORT_INIT(a);
        _cleanup_buf_ Buf b = BUF_INIT, out = BUF_INIT;
        Node *n = NULL;
        add_nested(&b, depth);
        assert_int_equal(read_text(a, &b, SEVERITY_ERROR, &n, &r), depth > JSON_DEPTH_MAX ? -EINVAL : 0);
        if (n) {
            json_write(n, JSON_COMPACT, &out);
            assert_string_equal(out.data, b.data);
        }
    }
}

static void test_depth_is_not_length(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf b = BUF_INIT;
    Node *n;
    buf_add_char(&b, '[');
    for (int i = 0; i < 2 * JSON_DEPTH_MAX; i++)
        buf_add_str(&b, i ? ",[]" : "[]");
    buf_add_char(&b, ']');
    assert_int_equal(read_text(a, &b, SEVERITY_ERROR, &n, &r), 0);
    assert_int_equal(n->n, 2 * JSON_DEPTH_MAX);
}

static void test_large_string(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf b = BUF_INIT, out = BUF_INIT;
    Node *n;
    buf_add_char(&b, '"');
    for (int i = 0; i < 1 << 18; i++)
        buf_add_str(&b, i % 1000 ? "abcd" : "\\u00e9\\n");
    buf_add_char(&b, '"');
    assert_int_equal(read_text(a, &b, SEVERITY_ERROR, &n, &r), 0);
    assert_int_equal(n->len, 4 * (1 << 18) - 263);
    assert_int_equal(strlen(n->string), n->len);
    json_write(n, JSON_COMPACT, &out);
    assert_int_equal(out.len, n->len + 2 + 263); /* each newline is written as two characters */
}

static void test_duplicates_as_warnings(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf b = BUF_INIT, out = BUF_INIT;
    Node *n;
    buf_add_str(&b, "{\"a\":1,\"b\":2,\n \"a\":[3],\"c\":4,\"a\":5}");
    assert_int_equal(read_text(a, &b, SEVERITY_WARNING, &n, &r), 0);
    assert_int_equal(r.errors, 0);
    assert_int_equal(r.warnings, 2);
    assert_string_equal(r.entries[1].message, "duplicate key 'a' (first at line 2 column 2)");
    json_write(n, JSON_COMPACT, &out);
    assert_string_equal(out.data, "{\"a\":5,\"b\":2,\"c\":4}");
    assert_int_equal(n->n, 3);
    assert_int_equal(n->last->line, 2);
}

/* Past the number of keys that are compared one by one. */
static void test_many_keys(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf b = BUF_INIT;
    Node *n;
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%s\"k%d\":%d", i ? "," : "{", i % 900, i);
    buf_add_char(&b, '}');
    assert_int_equal(read_text(a, &b, SEVERITY_WARNING, &n, &r), 0);
    assert_int_equal(n->n, 900);
    assert_int_equal(r.warnings, 100);
    assert_string_equal(node_get(n, "k99")->string, "999");
    assert_string_equal(node_get(n, "k100")->string, "100");
}

static void test_styles(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf compact = BUF_INIT, four = BUF_INIT, two = BUF_INIT;
    Node *n = node_new(a, NODE_OBJECT), *list = node_set(a, n, "l", node_new(a, NODE_ARRAY));
    node_append(list, node_new_int(a, -1));
    node_append(list, node_new(a, NODE_OBJECT));
    node_set_string(a, n, "<&>/\x7f", "\x01\x1f é\"\\");
    json_write(n, JSON_COMPACT, &compact);
    json_write(n, JSON_PRETTY, &four);
    json_write(n, JSON_PRETTY2, &two);
    assert_string_equal(compact.data, "{\"l\":[-1,{}],\"<&>/\x7f\":\"\\u0001\\u001f é\\\"\\\\\"}");
    assert_string_equal(four.data, "{\n    \"l\": [\n        -1,\n        {}\n    ],\n    \"<&>/\x7f\": "
                                   "\"\\u0001\\u001f é\\\"\\\\\"\n}");
    assert_string_equal(
        two.data, "{\n  \"l\": [\n    -1,\n    {}\n  ],\n  \"<&>/\x7f\": \"\\u0001\\u001f é\\\"\\\\\"\n}");
}

/* A config of 10,000 files on one line; with a character past ASCII at its start, every position has to be
 * counted. The bound is that of quadratic work, not of a slow machine. */
static void test_one_wide_line(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf b = BUF_INIT;
    Node *n;
    buf_add_str(&b, "[\"é\"");
    for (int i = 0; i < 10000; i++)
        buf_addf(&b,
                 ",{\"path\":\"/etc/file-%05d\",\"mode\":420,\"contents\":{\"source\":\"data:,%0100d\"},"
                 "\"user\":{\"name\":\"root\"}}",
                 i, i);
    buf_add_char(&b, ']');
    clock_t start = clock();
    assert_int_equal(read_text(a, &b, SEVERITY_ERROR, &n, &r), 0);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    size_t one = strlen(",{\"path\":\"/etc/file-00000\",\"mode\":420,\"contents\":{\"source\":\"data:,\"},"
                        "\"user\":{\"name\":\"root\"}}") +
                 100;
    assert_int_equal(n->last->column, 1 + 4 + 9999 * one + 1);
    assert_true(arena_used(a) < 8 * b.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depth),        cmocka_unit_test(test_depth_is_not_length),
        cmocka_unit_test(test_large_string), cmocka_unit_test(test_duplicates_as_warnings),
        cmocka_unit_test(test_many_keys),    cmocka_unit_test(test_styles),
        cmocka_unit_test(test_one_wide_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
