/* What a person names is reported with all findings; what the daemon wrote itself, or the API has checked, is
 * one error when it is not good. */
#include "daemon/config_file.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/json.h"
#include "format/yaml.h"

static Source *source_make(Arena *a, const char *name, const Buf *text)
{
    Source *s = ARENA_NEW(a, Source);
    *s = (Source){.name = arena_strdup(a, name),
                  .text = arena_memdup(a, text->data ? text->data : "", text->len),
                  .len = text->len,
                  .secret = true};
    return s;
}

int config_file_document(Arena *a, const char *path, Node **ret, Report *r, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int k = file_read_at(AT_FDCWD, path, CONFIG_FILE_MAX, &text, e);
    if (k >= 0)
        k = yaml_read(a, source_make(a, path, &text), SEVERITY_ERROR, ret, r);
    return k < 0 && e && !e->code ? error_set(e, -k, "%s cannot be used", path) : k;
}

int config_file_read(Arena *a, const char *path, MachineConfig **ret, Report *r, Error *e)
{
    Node *document;
    int k = config_file_document(a, path, &document, r, e);
    if (k >= 0)
        k = machine_config_read_rendered(a, document, ret, r);
    return k < 0 && e && !e->code ? error_set(e, -k, "%s cannot be used", path) : k;
}

static int first_finding(const Report *r, const char *what, Error *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->entries[i].severity == SEVERITY_ERROR)
            return error_set(e, EBADMSG, "%s: %s: %s", what, r->entries[i].path, r->entries[i].message);
    return error_set(e, EBADMSG, "%s cannot be read", what);
}

int config_file_json(Arena *a, int root, const char *path, Node **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    _cleanup_report_ Report r = REPORT_INIT(a);
    int k = root_read(root, path, CONFIG_FILE_MAX, &text);
    if (k < 0)
        return error_errno(e, k, "%s", path);
    k = json_read(a, source_make(a, path, &text), SEVERITY_ERROR, ret, &r);
    return k < 0 ? first_finding(&r, path, e) : 0;
}

int config_from_node(Arena *a, const Node *document, MachineConfig **ret, Error *e)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    int k = machine_config_read_rendered(a, document, ret, &r);
    const char *name = node_string(node_get_path(document, "metadata.name"));
    return k < 0 ? first_finding(&r, name ? name : "the MachineConfig", e) : 0;
}

int config_file_current(Arena *a, int root, MachineConfig **ret, Error *e)
{
    Node *document;
    Error own = ERROR_INIT;
    int r = config_file_json(a, root, CURRENT_CONFIG, &document, &own);
    if (r == -ENOENT) {
        *ret = NULL;
        return 0;
    }
    return r < 0 ? error_set(e, -r, "%s", own.text) : config_from_node(a, document, ret, e);
}
