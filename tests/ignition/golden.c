/* Runs the golden configs: `golden DIR…`, each DIR named valid or bad. NAME.ign is parsed; the report, in
 * Ignition's form and in the order of the text, must be NAME.report (no such file: empty). What is valid must
 * in addition survive being written and read again, and mean the same to the newest spec. `golden --print
 * FILE` shows the report of one config, exit 1 if it has errors; the differential test uses that. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "format/json.h"
#include "ignition/parse.h"
#include "ignition/translate.h"
#include "ignition/validate.h"

static int failures;

#define FAIL(...) (failures++, fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

/* NULL when there is no such file. */
static char *slurp(Arena *a, const char *path, size_t *ret_len)
{
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    struct stat st;
    if (!f || fstat(fileno(f), &st) < 0)
        return NULL;
    char *text = arena_alloc(a, (size_t)st.st_size + 1);
    *ret_len = fread(text, 1, (size_t)st.st_size, f);
    return text;
}

static char *report_text(Arena *a, Report *r)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    report_sort(r);
    report_write(r, REPORT_IGNITION, &b);
    return arena_memdup(a, b.data, b.len);
}

static char *config_text(Arena *a, const IgnConfig *c)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(ign_config_to_node(a, c), JSON_COMPACT, &b);
    return arena_memdup(a, b.data, b.len);
}

/* Written and read again it is the same config; lifted it has no errors in the newest rules. */
static void check_valid(Arena *a, const char *path, const IgnConfig *c)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source again = {.name = path, .text = config_text(a, c)};
    IgnConfig *second, *newest;
    again.len = strlen(again.text);
    if (ign_config_parse(a, &again, IGN_PARSE_STRICT, &second, &r) < 0)
        FAIL("%s: cannot be read again: %s\n%s", path, again.text, report_text(a, &r));
    else if (strcmp(again.text, config_text(a, second)) != 0)
        FAIL("%s: differs when written again:\n%s\n%s", path, again.text, config_text(a, second));

    if (ign_config_lift(a, c, &newest, &r) < 0) {
        FAIL("%s: cannot be lifted:\n%s", path, report_text(a, &r));
        return;
    }
    ign_config_validate(newest, NULL, &r);
    if (newest->version != IGN_NEWEST || r.errors > 0)
        FAIL("%s: not valid in the newest spec:\n%s", path, report_text(a, &r));
}

static void check_file(const char *path, bool valid)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    size_t len;
    Source source = {.name = path};
    IgnConfig *c = NULL;
    source.text = slurp(a, path, &source.len);
    int q = ign_config_parse(a, &source, IGN_PARSE_STRICT, &c, &r);
    if (valid != (q == 0) || valid != (r.errors == 0))
        FAIL("%s: result %d with %zu errors", path, q, r.errors);

    const char *got = report_text(a, &r);
    const char *want = slurp(a, arena_printf(a, "%.*s.report", (int)strlen(path) - 4, path), &len);
    if (strcmp(got, want ? want : "") != 0)
        FAIL("%s: expected\n%sgot\n%s", path, want ? want : "", got);
    if (valid && q == 0)
        check_valid(a, path, c);
}

static int check_directory(const char *path)
{
    _cleanup_closedir_ DIR *d = opendir(path);
    const char *kind = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    bool valid = strcmp(kind, "valid") == 0;
    int n = 0;
    if (!d || (!valid && strcmp(kind, "bad") != 0)) {
        FAIL("%s: no directory of configs named valid or bad", path);
        return 0;
    }
    for (struct dirent *e; (e = readdir(d));) {
        _cleanup_free_ char *file = NULL;
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".ign") != 0)
            continue;
        if (asprintf(&file, "%s/%s", path, e->d_name) < 0)
            abort();
        check_file(file, valid);
        n++;
    }
    return n;
}

static int print_report(const char *path)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = path};
    IgnConfig *c;
    source.text = slurp(a, path, &source.len);
    if (!source.text)
        return 2;
    int q = ign_config_parse(a, &source, IGN_PARSE_STRICT, &c, &r);
    fputs(report_text(a, &r), stdout);
    return q < 0;
}

int main(int argc, char **argv)
{
    int n = 0;
    if (argc == 3 && strcmp(argv[1], "--print") == 0)
        return print_report(argv[2]);
    for (int i = 1; i < argc; i++)
        n += check_directory(argv[i]);
    if (n == 0)
        FAIL("no configs found");
    printf("%d configs, %d failures\n", n, failures);
    return failures > 0;
}
