/* One place where the provisioner reads configs: the user's, the referenced ones, the system's and its own
 * cache all come through here, so they are all lifted, and all their findings are told in the same way. */
#include "provision/config_text.h"

#include <string.h>

#include "base/log.h"
#include "ignition/parse.h"
#include "ignition/translate.h"

/* "at $.a.0, line 3 col 5: text", or the text alone. How bad it is, the log says. */
static void entry_text(const ReportEntry *entry, Buf *out)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    ReportEntry copy = *entry;
    const Report one = {.entries = &copy, .n = 1};

    report_write(&one, REPORT_IGNITION, &text);
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    const char *start = text.data ? text.data : "";
    start += strcspn(start, " :"); /* the severity */
    buf_add_str(out, start + strspn(start, ": "));
}

void config_report_log(const Report *r)
{
    static const LogLevel levels[] = {[SEVERITY_ERROR] = LOG_LEVEL_ERROR,
                                      [SEVERITY_WARNING] = LOG_LEVEL_WARNING,
                                      [SEVERITY_INFO] = LOG_LEVEL_INFO};

    for (size_t i = 0; i < r->n; i++) {
        const ReportEntry *entry = &r->entries[i];
        _cleanup_buf_ Buf line = BUF_INIT;
        if (entry->source)
            buf_addf(&line, "config %s: ", entry->source->name);
        entry_text(entry, &line);
        log_line(levels[entry->severity], "%s", line.data);
    }
}

static int first_error(const Report *r, const char *name, Error *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->entries[i].severity == SEVERITY_ERROR) {
            _cleanup_buf_ Buf line = BUF_INIT;
            entry_text(&r->entries[i], &line);
            return error_set(e, EINVAL, "config %s is not valid: %s%s", name, line.data,
                             r->errors > 1 ? " (and more)" : "");
        }
    return error_set(e, EINVAL, "config %s is not valid", name);
}

int config_text_read(Arena *a, const char *name, const Buf *text, IgnConfig **ret, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source); /* nodes point at it as long as they live */
    IgnConfig *own;
    int r;

    *source = (Source){.name = arena_strdup(a, name),
                       .text = text->data ? text->data : "",
                       .len = text->len,
                       .secret = true};
    r = ign_config_parse(a, source, IGN_PARSE_DUPLICATE_KEYS_OK, &own, &report);
    if (r >= 0)
        r = ign_config_lift(a, own, ret, &report);
    if (r != -ENODATA) {
        report_sort(&report);
        config_report_log(&report);
    }
    source->text = NULL;
    if (r == -ENODATA)
        return error_set(e, ENODATA, "not a config (empty)");
    if (r < 0)
        return first_error(&report, name, e);
    return 0;
}
