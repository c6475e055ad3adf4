/* The writer: what it looks like, and that any tree comes back the same. */
#include "../scratch.h"

#include "format/json.h"
#include "format/yaml.h"

static Node *read_json(Arena *a, const char *text)
{
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "test", .text = text, .len = strlen(text)};
    Node *n = NULL;
    _cleanup_report_ Report r = REPORT_INIT(a);
    assert_int_equal(json_read(a, source, SEVERITY_ERROR, &n, &r), 0);
    return n;
}

static void expect_yaml(const char *json, bool sort, const char *yaml)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf out = BUF_INIT;
    yaml_write(read_json(a, json), sort, &out);
    assert_string_equal(out.data, yaml);
}

static void test_written_form(void **state)
{
    (void)state;
    expect_yaml("{\"b\":[\"x\",{\"c\":1,\"d\":[]},[\"z\",[true]]],\"a\":{\"e\":{}}}", false,
                "b:\n- x\n- c: 1\n  d: []\n- - z\n  - - true\na:\n  e: {}\n");
    expect_yaml("{\"b\":1,\"a\":{\"d\":null,\"c\":\"\"}}", true, "a:\n  c: \"\"\n  d: null\nb: 1\n");
    expect_yaml("{\"t\":\"one\\n  two\\n\",\"u\":\"a\\nb\",\"v\":\"a\\n\\n\"}", false,
                "t: |\n  one\n    two\nu: |-\n  a\n  b\nv: |+\n  a\n\n");
    expect_yaml("[\"a\\nb\\n\"]", false, "- |\n  a\n  b\n");
    expect_yaml("\"plain text\"", false, "plain text\n");
    expect_yaml("[]", false, "[]\n");
}

/* Each would be something else, or nothing, to a reader of 1.1 or 1.2. */
static void test_quoted(void **state)
{
    (void)state;
    static const char *const words[] = {
        "yes",   "No", "ON",  "y",          "null", "~",    "true", "",   "0644",     "0o7", "1e3", ".inf",
        "1_000", "-",  "- a", "2001-01-01", "a: b", "a #b", "a:",   " a", "a ",       "#a",  "*a",  "&a",
        "!a",    "|",  "@a",  "%a",         "'a",   "[a",   "{a",   "=",  "12:30:45", "<<",  "? a", "é"};
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_buf_ Buf out = BUF_INIT;
        yaml_write(node_new_string(a, words[i]), false, &out);
        assert_int_equal(out.data[0], '"');
        assert_int_equal(out.data[out.len - 2], '"');
    }
}

static unsigned next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33);
}

static const char *const nasty[] = {"a",
                                    "b",
                                    "1",
                                    "0",
                                    ".",
                                    "-",
                                    "+",
                                    "_",
                                    ":",
                                    " ",
                                    "  ",
                                    "\t",
                                    "\n",
                                    "\n",
                                    "#",
                                    "'",
                                    "\"",
                                    "\\",
                                    "|",
                                    ">",
                                    "&",
                                    "*",
                                    "!",
                                    "%",
                                    "@",
                                    "`",
                                    "{",
                                    "}",
                                    "[",
                                    "]",
                                    ",",
                                    "?",
                                    "<<",
                                    "=",
                                    "~",
                                    "no",
                                    "null",
                                    "e",
                                    "x",
                                    "\r",
                                    "é",
                                    "日",
                                    "😀",
                                    "\x7f",
                                    "\x01",
                                    "\xc2\x85",
                                    "\xc2\xa0",
                                    "\xe2\x80\xa8",
                                    "\xe2\x80\xa9",
                                    "\xef\xbb\xbf",
                                    "\xef\xbf\xbe",
                                    "---",
                                    "...",
                                    "# ",
                                    ": ",
                                    "- "};

static const char *nasty_text(Arena *a, uint64_t *seed)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    unsigned n = next(seed) % 64 ? next(seed) % 6 : 400;
    buf_add_str(&b, "");
    for (unsigned i = 0; i < n; i++)
        buf_add_str(&b, nasty[next(seed) % ELEMENTS(nasty)]);
    return arena_memdup(a, b.data, b.len);
}

static Node *nasty_tree(Arena *a, uint64_t *seed, unsigned depth)
{
    unsigned kind = next(seed) % (depth < 5 ? 9 : 6), n = next(seed) % 5;
    if (kind == 0)
        return node_new_int(a, (int64_t)next(seed) - (1 << 30));
    if (kind == 1)
        return node_new_bool(a, n & 1);
    if (kind == 2)
        return node_new(a, NODE_NULL);
    if (kind < 6)
        return node_new_string(a, nasty_text(a, seed));
    Node *tree = node_new(a, kind == 6 ? NODE_ARRAY : NODE_OBJECT);
    while (n--) {
        Node *child = nasty_tree(a, seed, depth + 1);
        if (kind == 6)
            node_append(tree, child);
        else
            node_set(a, tree, nasty_text(a, seed), child);
    }
    return tree;
}

static void test_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 5000; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report r = REPORT_INIT(a);
        _cleanup_buf_ Buf text = BUF_INIT;
        Node *tree = node_new(a, NODE_ARRAY), *again = NULL;
        node_append(tree, nasty_tree(a, &seed, 0));
        yaml_write(tree, i & 1, &text);
        Source source = {.name = "test", .text = text.data, .len = text.len};
        int k = yaml_read(a, &source, SEVERITY_ERROR, &again, &r);
        if (k < 0 || !node_equal(tree, again))
            fail_msg("tree %d: %s\n%s", i, r.n ? r.entries[0].message : "is another", text.data);
    }
}

static void test_documents(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    static const char text[] = "# first\n---\na: 1\n---\n# nothing\n---\n- b\n...\n";
    Source source = {.name = "test", .text = text, .len = sizeof(text) - 1};
    Node *list;
    assert_int_equal(yaml_read_all(a, &source, SEVERITY_ERROR, &list, &r), 0);
    assert_int_equal(list->n, 2);
    assert_int_equal(list->last->line, 7);
    assert_string_equal(list->last->first->string, "b");
}

static void test_deep(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *tree = node_new(a, NODE_OBJECT), *at = tree, *again;
    for (int i = 0; i < 200; i++) {
        at = node_set(a, at, "k", node_new(a, i % 2 ? NODE_ARRAY : NODE_OBJECT));
        if (at->kind == NODE_ARRAY)
            at = node_append(at, node_new(a, NODE_OBJECT));
    }
    yaml_write(tree, false, &text);
    Source source = {.name = "test", .text = text.data, .len = text.len};
    assert_int_equal(yaml_read(a, &source, SEVERITY_ERROR, &again, &r), 0);
    assert_true(node_equal(tree, again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_written_form), cmocka_unit_test(test_quoted),
                                       cmocka_unit_test(test_round_trip), cmocka_unit_test(test_documents),
                                       cmocka_unit_test(test_deep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
