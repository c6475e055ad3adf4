/* `ignition-validate`: the report of one config on stdout, exit 1 if it has an error. The text form is
 * Ignition's, finding by finding; json and sarif are for other programs. An empty text is
 * told on stderr, a version that is not taken both there and in the report. Referenced configs are not
 * fetched. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "ignition/parse.h"
#include "provision/go_flags.h"
#include "provision/program.h"

enum { VALIDATE_SIZE_MAX = 1024 * 1024 * 1024 };

static const struct {
    const char *name;
    ReportFormat format;
} formats[] = {{"text", REPORT_IGNITION}, {"json", REPORT_JSON}, {"sarif", REPORT_SARIF}};

/* Scripts that know Ignition look on stderr for a version that is not taken. */
static void version_errors_tell(const Report *r)
{
    static const char *const starts[] = {"unsupported config version", "invalid config version"};

    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < ELEMENTS(starts); k++)
            if (strncmp(r->entries[i].message, starts[k], strlen(starts[k])) == 0)
                fprintf(stderr, "couldn't parse config: %s\n", r->entries[i].message);
}

static int validate(const char *path, ReportFormat format)
{
    _cleanup_arena_ Arena *arena = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_buf_ Buf text = BUF_INIT, out = BUF_INIT;
    Error e = ERROR_INIT;
    IgnConfig *config;
    int r;

    r = file_read_at(AT_FDCWD, path, VALIDATE_SIZE_MAX, &text, &e);
    if (r < 0) {
        fprintf(stderr, "couldn't read config: %s\n", e.text);
        return 1;
    }
    const Source source = {.name = path, .text = text.data ? text.data : "", .len = text.len};
    r = ign_config_parse_newest(arena, &source, IGN_PARSE_DUPLICATE_KEYS_OK, &config, &report);
    if (r == -ENODATA) {
        fputs("couldn't parse config: not a config (empty)\n", stderr);
        if (format == REPORT_IGNITION)
            return 1;
    }
    report_sort(&report);
    version_errors_tell(&report);
    report_write(&report, format, &out);
    if (out.len > 0)
        fwrite(out.data, 1, out.len, stdout);
    if (out.len > 0 && out.data[out.len - 1] != '\n')
        fputc('\n', stdout);
    if (fflush(stdout) != 0) {
        fputs("couldn't write the report\n", stderr);
        return 1;
    }
    return r < 0 ? 1 : 0;
}

int program_validate(int argc, char **argv)
{
    const char *format = "text";
    bool version = false;
    const GoFlag flags[] = {
        {"format", GO_FLAG_STRING, &format, "form of the report: text, json or sarif (default \"text\")"},
        {"version", GO_FLAG_BOOL, &version, "print the version of ignition-validate"},
        {.name = NULL},
    };
    const ProgramUsage usage = {flags, argv[0], "[flags] config.ign"};
    int code;
    Error e = ERROR_INIT;

    if (!program_goes_on(&usage, &(ProgramWords){argc, argv, 1, 1}, &version, &code))
        return code;
    for (size_t i = 0; i < ELEMENTS(formats); i++)
        if (strcmp(formats[i].name, format) == 0)
            return validate(argv[0], formats[i].format);
    error_set(&e, EINVAL, "invalid value \"%s\" for flag -format: text, json or sarif", format);
    return program_usage(&usage, &e, 2);
}
