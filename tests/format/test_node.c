/* Look-ups, edits in place, numbers, equality. */
#include "../scratch.h"

#include "format/node.h"

static Node *abc(Arena *a)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set(a, n, "a", node_new_int(a, 1));
    node_set(a, n, "b", node_new_int(a, 2));
    node_set(a, n, "c", node_new_int(a, 3));
    return n;
}

static void expect_json(const Node *n, const char *text)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    json_write(n, JSON_COMPACT, &out);
    assert_string_equal(out.data, text);
}

static void test_edit(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Node *n = abc(a);
    node_set(a, n, "b", node_new_bool(a, true));
    expect_json(n, "{\"a\":1,\"b\":true,\"c\":3}");
    node_set(a, n, "c", node_new_string(a, "x"));
    node_set(a, n, "d", node_new(a, NODE_NULL));
    expect_json(n, "{\"a\":1,\"b\":true,\"c\":\"x\",\"d\":null}");
    assert_true(node_remove(n, "d"));
    assert_true(node_remove(n, "a"));
    assert_false(node_remove(n, "a"));
    node_set(a, n, "e", node_new(a, NODE_ARRAY));
    expect_json(n, "{\"b\":true,\"c\":\"x\",\"e\":[]}");
    assert_int_equal(n->n, 3);
    assert_null(node_set_string(a, n, "f", NULL));
    assert_null(node_get(n, "f"));
}

static void test_path(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Node *root = node_new(a, NODE_OBJECT), *list = node_set(a, root, "list", node_new(a, NODE_ARRAY));
    node_append(list, node_new_int(a, 7));
    node_append(list, abc(a));
    assert_ptr_equal(node_get_path(root, ""), root);
    assert_string_equal(node_get_path(root, "list.1.c")->string, "3");
    assert_null(node_get_path(root, "list.2"));
    assert_null(node_get_path(root, "list.x"));
    assert_null(node_get_path(root, "list.0.c"));
    assert_null(node_get_path(root, "none.c"));
    assert_null(node_string(node_get_path(root, "list.0")));
}

static void expect_int(Arena *a, const char *text, int r, int64_t value)
{
    Node *n = node_new(a, NODE_NUMBER);
    int64_t v = 99;
    n->string = text;
    n->len = strlen(text);
    assert_int_equal(node_int(n, &v), r);
    assert_true(v == (r < 0 ? 99 : value));
}

static void test_int(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    int64_t v;
    expect_int(a, "0", 0, 0);
    expect_int(a, "-0", 0, 0);
    expect_int(a, "9223372036854775807", 0, INT64_MAX);
    expect_int(a, "-9223372036854775808", 0, INT64_MIN);
    expect_int(a, "9223372036854775808", -ERANGE, 0);
    expect_int(a, "-9223372036854775809", -ERANGE, 0);
    expect_int(a, "420.0", -EINVAL, 0);
    expect_int(a, "1e2", -EINVAL, 0);
    assert_int_equal(node_int(node_new_string(a, "1"), &v), -EINVAL);
    assert_int_equal(node_int(NULL, &v), -EINVAL);
}

static void test_equal(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new(), *b = arena_new();
    Node *x = abc(a), *y = node_new(b, NODE_OBJECT);
    node_set(b, y, "c", node_new_int(b, 3));
    node_set(b, y, "a", node_new_int(b, 1));
    assert_false(node_equal(x, y));
    node_set(b, y, "b", node_new_int(b, 2));
    assert_true(node_equal(x, y));
    node_set(b, y, "b", node_new_string(b, "2"));
    assert_false(node_equal(x, y));
    Node *one = node_new(a, NODE_ARRAY), *two = node_new(a, NODE_ARRAY);
    node_append(one, node_new_string_n(a, "a\0b", 3));
    node_append(two, node_new_string_n(a, "a\0c", 3));
    assert_false(node_equal(one, two));
}

static void test_copy(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *b = arena_new();
    Arena *a = arena_new();
    Node *root = node_new(a, NODE_ARRAY);
    Node *last = node_append(root, abc(a));
    last->line = 3;
    last->column = 5;
    Node *copy = node_copy(b, root);
    arena_free(a); /* nothing of the copy may live there */
    expect_json(copy, "[{\"a\":1,\"b\":2,\"c\":3}]");
    assert_int_equal(copy->first->line, 3);
    assert_int_equal(copy->first->column, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edit), cmocka_unit_test(test_path),
                                       cmocka_unit_test(test_int), cmocka_unit_test(test_equal),
                                       cmocka_unit_test(test_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
