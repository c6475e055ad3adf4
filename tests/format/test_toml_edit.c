/* What a text becomes when one value of it is set. */
#include "../scratch.h"
#include "format/toml_edit.h"

static const struct {
    const char *text, *table, *key, *value, *becomes;
} rows[] = {
    {"", "a", "k", "1", "[a]\nk = 1\n"},
    {"[a]\n", "a", "k", "1", "[a]\nk = 1\n"},
    {"[a]\nk = 2\n", "a", "k", "1", "[a]\nk = 1\n"},
    {"# k = 3\n[a]\n# k = 2\nkk = 4\n\n[b]\nk = 5\n", "a", "k", "1",
     "# k = 3\n[a]\n# k = 2\nkk = 4\nk = 1\n\n[b]\nk = 5\n"},
    {"[a.b]\n  k=2 # so\n", "a.b", "k", "1", "[a.b]\n  k = 1\n"},
    {"[a]\nx = 1", "a", "k", "1", "[a]\nx = 1\nk = 1\n"},
    {"[a]\nx = 1\n[ b ]\n", "b", "k", "\"v\"", "[a]\nx = 1\n[ b ]\nk = \"v\"\n"},
    {"x = 1\n", "b", "k", "1", "x = 1\n\n[b]\nk = 1\n"},
    {"[[a]]\nk = 2\n", "a", "k", "1", "[[a]]\nk = 2\n\n[a]\nk = 1\n"},
};

static void test_rows(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        buf_add_str(&text, rows[i].text);
        toml_edit_set(&text, rows[i].table, rows[i].key, rows[i].value);
        assert_string_equal(text.data, rows[i].becomes);
        toml_edit_set(&text, rows[i].table, rows[i].key, rows[i].value);
        assert_string_equal(text.data, rows[i].becomes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
