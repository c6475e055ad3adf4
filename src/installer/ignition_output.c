/* The 2.2.0 text goes through the same reader that the machine uses even when it is not translated: what
 * cannot be read is not written. */
#include "installer/ignition_output.h"

#include <string.h>

#include "ignition/parse.h"
#include "ignition/translate.h"

static int first_finding(const Report *r, Error *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->entries[i].severity == SEVERITY_ERROR)
            return error_set(e, EINVAL, "%s: %s", r->entries[i].path, r->entries[i].message);
    return error_set(e, EINVAL, "not a valid Ignition config");
}

int ignition_output(Arena *a, const char *json, IgnVersion version, Buf *out, Error *e)
{
    Source *source = ARENA_NEW(a, Source);
    _cleanup_report_ Report r = REPORT_INIT(a);
    IgnConfig *newest, *wanted;

    *source = (Source){.name = "config", .text = json, .len = strlen(json), .secret = true};
    if (ign_config_parse_newest(a, source, IGN_PARSE_STRICT, &newest, &r) < 0)
        return first_finding(&r, e);
    if (version == IGN_2_2) {
        buf_add_str(out, json);
        return 0;
    }
    if (ign_config_lower(a, newest, version, &wanted, &r) < 0)
        return first_finding(&r, e);
    json_write(ign_config_to_node(a, wanted), JSON_COMPACT, out);
    return 0;
}
