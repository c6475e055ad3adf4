/* Entries are appended as they are found; texts are made in the report's arena, so that an entry costs
 * nothing to copy. The four forms of output are a table of writers over the same entries. Ignition's own
 * report (coreos/vcontext report) names, for an object or a list, the column behind the opening bracket; the
 * form that keeps its lines keeps that too. */
#include "format/report.h"

#include <stdarg.h>
#include <string.h>

enum { EXCERPT_WIDTH = 100 };

static const char *const severity_names[] = {"error", "warning", "info"};

void report_done(Report *r)
{
    free(r->entries);
    *r = REPORT_INIT(r->arena);
}

/* ---- paths ---- */

static void add_step(Buf *b, const PathStep *p)
{
    if (!p) {
        buf_add_char(b, '$');
        return;
    }
    add_step(b, p->up);
    if (p->key)
        buf_addf(b, ".%s", p->key);
    else
        buf_addf(b, ".%zu", p->index);
}

const char *path_text(Arena *a, const PathStep *path)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    add_step(&b, path);
    return arena_memdup(a, b.data, b.len);
}

/* ---- adding ---- */

/* Keys and values of a text stand in paths and messages: a newline or an escape sequence in one must not look
 * like a finding, or reach a terminal. */
static char *one_line(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return text;
}

static void add(Report *r, ReportEntry entry, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    char *text = arena_alloc(r->arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    entry.message = one_line(text);
    entry.path = one_line(arena_strdup(r->arena, entry.path));
    if (r->n == r->size) {
        r->size = r->size ? r->size * 2 : 16;
        r->entries = realloc(r->entries, r->size * sizeof(*r->entries));
        if (!r->entries)
            abort();
    }
    r->entries[r->n++] = entry;
    r->errors += entry.severity == SEVERITY_ERROR;
    r->warnings += entry.severity == SEVERITY_WARNING;
}

void report_add(Report *r, Severity severity, const PathStep *path, const Node *at, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(r,
        (ReportEntry){.severity = severity,
                      .path = path ? path_text(r->arena, path)
                              : at ? "$"
                                   : "",
                      .source = at ? at->source : NULL,
                      .line = at ? at->line : 0,
                      .column = at ? at->column : 0,
                      .at_container = at && (at->kind == NODE_OBJECT || at->kind == NODE_ARRAY)},
        format, ap);
    va_end(ap);
}

void report_add_key(Report *r, Severity severity, const PathStep *path, const Node *at, const char *format,
                    ...)
{
    va_list ap;
    va_start(ap, format);
    add(r,
        (ReportEntry){.severity = severity,
                      .path = path ? path_text(r->arena, path) : "",
                      .source = at->source,
                      .line = at->key_line ? at->key_line : at->line,
                      .column = at->key_line ? at->key_column : at->column},
        format, ap);
    va_end(ap);
}

void report_add_at(Report *r, Severity severity, const Source *source, uint32_t line, uint32_t column,
                   const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(r, (ReportEntry){.severity = severity, .path = "", .source = source, .line = line, .column = column},
        format, ap);
    va_end(ap);
}

/* An entry with what makes the order total: sources in the order in which they come up, then the place, then
 * the order of finding. */
typedef struct Placed {
    ReportEntry entry;
    size_t source, found;
} Placed;

static int by_place(const void *x, const void *y)
{
    const Placed *a = x, *b = y;
    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    if (a->entry.line != b->entry.line)
        return a->entry.line < b->entry.line ? -1 : 1;
    if (a->entry.column != b->entry.column)
        return a->entry.column < b->entry.column ? -1 : 1;
    return a->found < b->found ? -1 : a->found > b->found;
}

void report_sort(Report *r)
{
    if (r->n < 2)
        return;
    Placed *placed = ARENA_ARRAY(r->arena, Placed, r->n);
    for (size_t i = 0; i < r->n; i++) {
        placed[i] = (Placed){.entry = r->entries[i], .source = i, .found = i};
        for (size_t k = i; k-- > 0;) /* neighbours mostly share their source */
            if (placed[k].entry.source == placed[i].entry.source) {
                placed[i].source = placed[k].source;
                break;
            }
    }
    qsort(placed, r->n, sizeof(*placed), by_place);
    for (size_t i = 0; i < r->n; i++)
        r->entries[i] = placed[i].entry;
}

const char *report_first_error(const Report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const ReportEntry *at = &r->entries[i];
        if (at->severity == SEVERITY_ERROR)
            return *at->path && strcmp(at->path, "$") != 0
                       ? arena_printf(r->arena, "%s: %s", at->path, at->message)
                       : at->message;
    }
    return NULL;
}

/* ---- writing ---- */

static void write_ignition(const Report *r, Buf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const ReportEntry *e = &r->entries[i];
        buf_add_str(out, severity_names[e->severity]);
        if (e->line || *e->path)
            buf_add_str(out, " at ");
        buf_add_str(out, e->path);
        if (e->line)
            buf_addf(out, "%sline %u col %u", *e->path ? ", " : "", e->line, e->column + e->at_container);
        buf_addf(out, ": %s\n", e->message);
    }
}

/* The line of the finding and a caret under it; of long lines the part around the column. */
static void write_excerpt(const ReportEntry *e, Buf *out)
{
    const Source *s = e->source;
    if (!s || !s->text || s->secret || !e->line || !e->column)
        return;
    const char *p = s->text, *end = p + s->len;
    for (uint32_t line = 1; line < e->line; line++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p++)
            return;
    }
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    stop = stop ? stop : end;
    uint32_t first = e->column > EXCERPT_WIDTH / 2 ? e->column - EXCERPT_WIDTH / 2 : 1, column = 1, caret = 0;
    buf_addf(out, "%6u | ", e->line);
    if (first > 1)
        buf_add_str(out, "…");
    for (; p < stop && column < first + EXCERPT_WIDTH;
         column += (p + 1 >= stop || (p[1] & 0xc0) != 0x80), p++)
        if (column >= first)
            buf_add_char(out, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
    caret = e->column - first + (first > 1);
    buf_addf(out, "%s\n       | %*s^\n", p < stop ? "…" : "", (int)caret, "");
}

static void write_text(const Report *r, Buf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const ReportEntry *e = &r->entries[i];
        if (e->source)
            buf_addf(out, "%s:", e->source->name);
        if (e->line)
            buf_addf(out, "%u:%u:", e->line, e->column);
        buf_addf(out, "%s%s: ", e->source || e->line ? " " : "", severity_names[e->severity]);
        if (*e->path && strcmp(e->path, "$"))
            buf_addf(out, "%s: ", e->path);
        buf_addf(out, "%s\n", e->message);
        write_excerpt(e, out);
    }
}

static void write_json(const Report *r, Buf *out)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *root = node_new(a, NODE_OBJECT), *list = node_set(a, root, "entries", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < r->n; i++) {
        const ReportEntry *e = &r->entries[i];
        Node *row = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, row, "severity", severity_names[e->severity]);
        if (*e->path)
            node_set_string(a, row, "path", e->path);
        if (e->source)
            node_set_string(a, row, "file", e->source->name);
        if (e->line) {
            node_set(a, row, "line", node_new_int(a, e->line));
            node_set(a, row, "column", node_new_int(a, e->column));
        }
        node_set_string(a, row, "message", e->message);
    }
    node_set(a, root, "errors", node_new_int(a, (int64_t)r->errors));
    node_set(a, root, "warnings", node_new_int(a, (int64_t)r->warnings));
    json_write(root, JSON_PRETTY2, out);
    buf_add_char(out, '\n');
}

static Node *sarif_location(Arena *a, const ReportEntry *e)
{
    Node *location = node_new(a, NODE_OBJECT);
    Node *physical = node_set(a, location, "physicalLocation", node_new(a, NODE_OBJECT));
    Node *artifact = node_set(a, physical, "artifactLocation", node_new(a, NODE_OBJECT));
    node_set_string(a, artifact, "uri", e->source->name);
    if (e->line) {
        Node *region = node_set(a, physical, "region", node_new(a, NODE_OBJECT));
        node_set(a, region, "startLine", node_new_int(a, e->line));
        node_set(a, region, "startColumn", node_new_int(a, e->column));
    }
    return location;
}

static Node *sarif_result(Arena *a, const ReportEntry *e)
{
    static const char *const levels[] = {"error", "warning", "note"};
    Node *result = node_new(a, NODE_OBJECT);
    node_set_string(a, result, "level", levels[e->severity]);
    Node *message = node_set(a, result, "message", node_new(a, NODE_OBJECT));
    node_set_string(a, message, "text",
                    *e->path ? arena_printf(a, "%s: %s", e->path, e->message) : e->message);
    if (e->source)
        node_append(node_set(a, result, "locations", node_new(a, NODE_ARRAY)), sarif_location(a, e));
    return result;
}

static void write_sarif(const Report *r, Buf *out)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *root = node_new(a, NODE_OBJECT);
    node_set_string(a, root, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    node_set_string(a, root, "version", "2.1.0");
    Node *run = node_append(node_set(a, root, "runs", node_new(a, NODE_ARRAY)), node_new(a, NODE_OBJECT));
    Node *driver =
        node_set(a, node_set(a, run, "tool", node_new(a, NODE_OBJECT)), "driver", node_new(a, NODE_OBJECT));
    node_set_string(a, driver, "name", "basalt");
    node_set_string(a, driver, "version", BASALT_VERSION);
    Node *results = node_set(a, run, "results", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < r->n; i++)
        node_append(results, sarif_result(a, &r->entries[i]));
    json_write(root, JSON_PRETTY2, out);
    buf_add_char(out, '\n');
}

void report_write(const Report *r, ReportFormat format, Buf *out)
{
    static void (*const writers[])(const Report *, Buf *) = {
        [REPORT_IGNITION] = write_ignition,
        [REPORT_TEXT] = write_text,
        [REPORT_JSON] = write_json,
        [REPORT_SARIF] = write_sarif,
    };
    writers[format](r, out);
}
