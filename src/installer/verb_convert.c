/* `basalt convert --to VERSION FILE`: an Ignition config of any spec version, read as the machine would read
 * it, written in another one. What the wanted version cannot say is an error that names the field. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "ignition/parse.h"
#include "ignition/translate.h"
#include "installer/verbs.h"

enum { CONFIG_SIZE_MAX = 64 << 20 };

static struct {
    const char *to;
    bool pretty;
} opt;

const Option convert_options[] = {
    {"to", 't', OPTION_STRING, &opt.to, "VERSION", "the spec version to write (default: the newest)", NULL},
    {"pretty", 'p', OPTION_FLAG, &opt.pretty, NULL, "with line breaks and blanks", NULL},
    {0},
};

static int convert(Arena *a, const Source *source, IgnVersion to, Report *r, Buf *out)
{
    IgnConfig *newest, *wanted;

    int n = ign_config_parse_newest(a, source, IGN_PARSE_STRICT, &newest, r);
    if (n < 0)
        return n;
    n = ign_config_lower(a, newest, to, &wanted, r);
    if (n < 0)
        return n;
    json_write(ign_config_to_node(a, wanted), opt.pretty ? JSON_PRETTY2 : JSON_COMPACT, out);
    buf_add_char(out, '\n');
    return 0;
}

int verb_convert(int argc _unused_, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT, out = BUF_INIT, findings = BUF_INIT;
    IgnVersion to = IGN_NEWEST;
    Error e = ERROR_INIT;

    if (opt.to && (ign_version_parse(opt.to, &to, &e) < 0 || to < IGN_2_2 || to > IGN_NEWEST)) {
        fprintf(stderr, "basalt convert: --to: \"%s\" is none of 2.2.0 to %s\n", opt.to,
                ign_version_text(IGN_NEWEST));
        return EXIT_USAGE;
    }
    if (file_read_at(AT_FDCWD, argv[1], CONFIG_SIZE_MAX, &text, &e) < 0) {
        fprintf(stderr, "basalt convert: %s\n", e.text);
        return 1;
    }
    Source source = {.name = argv[1], .text = text.data, .len = text.len};
    int n = convert(a, &source, to, &r, &out);
    report_write(&r, REPORT_TEXT, &findings);
    fwrite(findings.data ? findings.data : "", 1, findings.len, stderr);
    if (n < 0 && text.len && text.data[strspn(text.data, " \t\r\n")] != '{')
        fprintf(stderr, "basalt convert: %s is no JSON; only Ignition configs are converted\n", argv[1]);
    if (n < 0)
        return 1;
    return fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
}
