/* Golden tests of spec 2.x and of translation. golden_v2 parse|lift|lower FILE.ign…: what the run says (the
 * report, then the config as JSON) must be FILE.expected to the byte. A file in a directory should-fail/ must
 * be refused, any other accepted. `lower` reads the version from the name of the directory around the file.
 * UPDATE_GOLDEN=1 writes the expected files instead; read them before you commit them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ignition/parse.h"
#include "ignition/translate.h"

static int file_read(const char *path, Buf *ret)
{
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    char chunk[4096];
    size_t n;

    if (!f)
        return -errno;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_add(ret, chunk, n);
    return 0;
}

static IgnVersion version_of_directory(const char *path)
{
    const char *directory = strstr(path, "/lower/");

    for (int v = IGN_2_0; directory && v <= IGN_NEWEST; v++)
        if (strncmp(directory + 7, ign_version_text(v), strlen(ign_version_text(v))) == 0)
            return v;
    return IGN_NONE;
}

static int run(Arena *a, const char *verb, const char *path, const Buf *text, Buf *out)
{
    const Source source = {.name = path, .text = text->data, .len = text->len};
    _cleanup_report_ Report r = REPORT_INIT(a);
    IgnConfig *c = NULL, *result = NULL;
    int k = ign_config_parse(a, &source, IGN_PARSE_STRICT, &c, &r);

    if (k == 0 && strcmp(verb, "parse") == 0)
        result = c;
    else if (k == 0)
        k = ign_config_lift(a, c, &result, &r);
    if (k == 0 && strcmp(verb, "lower") == 0)
        k = ign_config_lower(a, result, version_of_directory(path), &result, &r);
    if ((k < 0) != (r.errors > 0))
        buf_addf(out, "the result is %d, with %zu errors\n", k, r.errors);
    report_sort(&r);
    report_write(&r, REPORT_IGNITION, out);
    if (k == 0) {
        json_write(ign_config_to_node(a, result), JSON_PRETTY2, out);
        buf_add_char(out, '\n');
    }
    return k;
}

static bool update(const char *path, const Buf *out)
{
    _cleanup_fclose_ FILE *f = fopen(path, "we");

    return f && fwrite(out->data, 1, out->len, f) == out->len;
}

static bool check(const char *verb, const char *path)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT, out = BUF_INIT, want = BUF_INIT;
    const char *expected = arena_printf(a, "%.*s.expected", (int)strlen(path) - 4, path);
    bool refused;

    if (file_read(path, &text) < 0) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    refused = run(a, verb, path, &text, &out) < 0;
    if (refused != !!strstr(path, "/should-fail/")) {
        fprintf(stderr, "%s: was %s\n%s", path, refused ? "refused" : "accepted", out.data);
        return false;
    }
    if (getenv("UPDATE_GOLDEN"))
        return update(expected, &out);
    if (file_read(expected, &want) < 0 || want.len != out.len || memcmp(want.data, out.data, out.len) != 0) {
        fprintf(stderr, "%s: not as in %s:\n%s", path, expected, out.data);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    int bad = 0;

    if (argc < 3) {
        fprintf(stderr, "golden_v2 parse|lift|lower FILE.ign…\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        bad += !check(argv[1], argv[i]);
    printf("%d files, %d bad\n", argc - 2, bad);
    return bad > 0;
}
