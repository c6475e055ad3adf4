/* Runs the golden merges: `golden_merge DIR`. NAME.parent.ign and NAME.child.ign merge to NAME.expected.ign,
 * in the order of their lists; the result passes the rules. Around each case hold the laws of merging: with
 * the empty config on either side a config stays what it is, and merging does not change what it merges. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "format/json.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/validate.h"

static int failures;

#define FAIL(...) (failures++, fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

static const char *node_text(Arena *a, const Node *n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(n, JSON_COMPACT, &b);
    return arena_memdup(a, b.data, b.len);
}

static const char *report_text(Arena *a, const Report *r)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    report_write(r, REPORT_IGNITION, &b);
    return arena_memdup(a, b.data, b.len);
}

static const IgnConfig *read_config(Arena *a, const char *dir, const char *name, const char *which)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    struct stat st;
    source->name = arena_printf(a, "%s/%s.%s.ign", dir, name, which);
    _cleanup_fclose_ FILE *f = fopen(source->name, "re");
    if (!f || fstat(fileno(f), &st) < 0) {
        FAIL("%s: cannot be read", source->name);
        return ign_config_empty(a);
    }
    char *text = arena_alloc(a, (size_t)st.st_size + 1);
    source->len = fread(text, 1, (size_t)st.st_size, f);
    source->text = text;
    IgnConfig *c;
    if (ign_config_parse_newest(a, source, IGN_PARSE_STRICT, &c, &r) == 0)
        return c;
    FAIL("%s:\n%s", source->name, report_text(a, &r));
    return ign_config_empty(a);
}

static void expect_same(Arena *a, const char *name, const char *what, const Node *want, const IgnConfig *got)
{
    const Node *n = ign_config_to_node(a, got);
    if (!node_equal(want, n))
        FAIL("%s: %s:\n%s\ninstead of\n%s", name, what, node_text(a, n), node_text(a, want));
}

static void check_case(const char *dir, const char *name)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    const IgnConfig *parent = read_config(a, dir, name, "parent");
    const IgnConfig *child = read_config(a, dir, name, "child");
    const IgnConfig *expected = read_config(a, dir, name, "expected"), *empty = ign_config_empty(a);
    const Node *parent_before = ign_config_to_node(a, parent), *child_before = ign_config_to_node(a, child);

    const IgnConfig *merged = ign_config_merge(a, parent, child);
    expect_same(a, name, "merged", ign_config_to_node(a, expected), merged);
    ign_config_validate(merged, NULL, &r);
    if (r.errors > 0)
        FAIL("%s: not valid:\n%s", name, report_text(a, &r));

    expect_same(a, name, "over the empty config", child_before, ign_config_merge(a, empty, child));
    expect_same(a, name, "below the empty config", parent_before, ign_config_merge(a, parent, empty));
    expect_same(a, name, "the parent afterwards", parent_before, parent);
    expect_same(a, name, "the child afterwards", child_before, child);
}

int main(int argc, char **argv)
{
    static const char suffix[] = ".expected.ign";
    int n = 0;
    _cleanup_closedir_ DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len <= strlen(suffix) || strcmp(e->d_name + len - strlen(suffix), suffix) != 0)
            continue;
        _cleanup_free_ char *name = strndup(e->d_name, len - strlen(suffix));
        check_case(argv[1], name);
        n++;
    }
    if (n == 0)
        FAIL("no cases found");
    printf("%d merges, %d failures\n", n, failures);
    return failures > 0;
}
