/* Every filter keeps a value inside the place that it was meant for; what is wrong in a template is an error.
 */
#include "../scratch.h"

#include "format/template.h"

static const char inside[] = "a{{v}}b {{base64:v}} {{json:v}} {{shell:v}} {{unit:v}} {{dataurl:v}}\n"
                             "  {{indent2:lines}}\n{{?v}}there{{/}}{{!v}}not there{{/}}{{?none}}there{{/}}"
                             "{{!none}}not there{{/}}{{none}}.";
static const char unset[] = "{{never}}", open_section[] = "{{?none}}x", no_filter[] = "{{upper:v}}";

static const TemplateFile files[] = {
    {"inside", inside, sizeof(inside) - 1},
    {"unset", unset, sizeof(unset) - 1},
    {"open", open_section, sizeof(open_section) - 1},
    {"filter", no_filter, sizeof(no_filter) - 1},
    {0},
};

static void test_filters(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(template_done)
    TemplateValues v = {.arena = a, .files = files};
    Error e = ERROR_INIT;

    template_set(&v, "v", "x'\"% \\");
    template_set(&v, "lines", "one\n\ntwo\n");
    template_set(&v, "none", NULL);
    assert_string_equal(template_text(&v, "inside", &e),
                        "ax'\"% \\b eCciJSBc \"x'\\\"% \\\\\" 'x'\\''\"% \\' x\\x27\\x22%%\\x20\\x5c "
                        "data:text/plain;charset=utf-8;base64,eCciJSBc\n"
                        "  one\n\n  two\ntherenot there.");
}

static void test_errors(void **state _unused_)
{
    static const char *const bad[] = {"unset", "open", "filter", "missing"};

    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_(template_done)
        TemplateValues v = {.arena = a, .files = files};
        Error e = ERROR_INIT;
        template_set(&v, "v", "x");
        assert_null(template_text(&v, bad[i], &e));
        assert_non_null(strstr(e.text, "internal error"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
