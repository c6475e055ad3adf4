/* The result file as text. Where it is put, and whether there was one before, is the stage's business. */
#include "provision/result.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "format/json.h"

/* "2026-01-02T03:04:05+01:00"; UTC is "Z". */
static const char *date_text(Arena *a, time_t now)
{
    struct tm tm;
    char date[32], zone[8];
    localtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    strftime(zone, sizeof(zone), "%z", &tm);
    if (!tm.tm_gmtoff)
        return arena_printf(a, "%sZ", date);
    return arena_printf(a, "%s%.3s:%s", date, zone, zone + 3);
}

int result_init(Arena *a, const State *state, Result *ret, Error *e)
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    _cleanup_buf_ Buf id = BUF_INIT;
    int r = file_read_at(AT_FDCWD, path, 256, &id, e);
    if (r < 0)
        return error_wrap(e, r, "reading the boot id");
    Result result = {
        .boot_id = arena_memdup(a, id.data ? id.data : "", id.len ? strcspn(id.data, "\n") : 0),
        .date = date_text(a, time(NULL)),
    };
    for (size_t i = 0; i < state->n_fetched_configs; i++)
        result.user_config |= strcmp(state->fetched_configs[i].kind, "user") == 0;
    *ret = result;
    return 0;
}

int result_text(Arena *a, const Result *result, const char **ret, Error *e)
{
    Node *o = node_new(a, NODE_OBJECT);
    node_set_string(a, o, "provisioningBootID", result->boot_id);
    node_set_string(a, o, "provisioningDate", result->date);
    node_set(a, o, "userConfigProvided", node_new_bool(a, result->user_config));
    if (result->previous) {
        const Source source = {
            .name = RESULT_PATH, .text = result->previous, .len = strlen(result->previous)};
        _cleanup_report_ Report report = REPORT_INIT(a);
        Node *previous;
        int r = json_read(a, &source, SEVERITY_WARNING, &previous, &report);
        if (r < 0)
            return error_set(e, EINVAL, "%s: the previous report is not JSON", RESULT_PATH);
        node_set(a, o, "previousReport", previous);
    }
    _cleanup_buf_ Buf text = BUF_INIT;
    json_write(o, JSON_PRETTY2, &text);
    buf_add_char(&text, '\n');
    *ret = arena_memdup(a, text.data, text.len);
    return 0;
}
