/* Text: findings first, then a block for each stage that has something to do, one line a change, then the
 * summary. What destroys data is marked in front and named again at the end, where it is not scrolled away.
 * JSON has the same content and a version number. */
#include "provision/plan.h"

#include <stdlib.h>
#include <string.h>

#include "format/node.h"

enum { PLAN_VERSION = 1, OBJECT_WIDTH_MAX = 48 };

static const char *const stage_names[PLAN_STAGES] = {
    [PLAN_FETCH] = "fetch", [PLAN_KARGS] = "kargs", [PLAN_DISKS] = "disks",
    [PLAN_MOUNT] = "mount", [PLAN_FILES] = "files", [PLAN_UMOUNT] = "umount",
};

void plan_done(Plan *p)
{
    for (size_t i = 0; i < PLAN_STAGES; i++)
        free(p->stages[i].lines);
    report_done(&p->report);
    string_list_done(&p->notes);
}

void plan_add(Plan *p, PlanStageId stage, PlanLine line)
{
    PlanLines *l = &p->stages[stage];

    if (l->n == l->size) {
        l->size = l->size ? 2 * l->size : 16;
        l->lines = reallocarray(l->lines, l->size, sizeof(*l->lines));
        if (!l->lines)
            abort();
    }
    l->lines[l->n++] = line;
}

/* ---- counting ---- */

typedef struct Count {
    const char *noun, *verb;
    size_t n;
} Count;
typedef struct Counts {
    Count items[64];
    size_t n;
    size_t destroyed;
} Counts;

/* One for each pair of noun and verb, the nouns in the order in which they first come. */
static void count(Counts *c, const PlanLine *l)
{
    size_t at = c->n;

    c->destroyed += l->destroys;
    if (!l->noun)
        return;
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->items[i].noun, l->noun) != 0)
            continue;
        at = i + 1;
        if (strcmp(c->items[i].verb, l->verb) == 0) {
            c->items[i].n++;
            return;
        }
    }
    if (c->n == ELEMENTS(c->items))
        return;
    memmove(&c->items[at + 1], &c->items[at], (c->n - at) * sizeof(Count));
    c->items[at] = (Count){l->noun, l->verb, 1};
    c->n++;
}

static Counts counts_of(const Plan *p)
{
    Counts c = {0};

    for (size_t s = 0; s < PLAN_STAGES; s++)
        for (size_t i = 0; i < p->stages[s].n; i++)
            count(&c, &p->stages[s].lines[i]);
    return c;
}

/* ---- text ---- */

static size_t width(const Plan *p, bool object, size_t max)
{
    size_t w = 0;

    for (size_t s = 0; s < PLAN_STAGES; s++)
        for (size_t i = 0; i < p->stages[s].n; i++) {
            const PlanLine *l = &p->stages[s].lines[i];
            size_t n = strlen(object ? l->object : l->verb);
            if (n > w && n <= max && (!object || l->detail || l->destroys))
                w = n;
        }
    return w;
}

static void write_line(const PlanLine *l, size_t verbs, size_t objects, Buf *out)
{
    buf_addf(out, "%c %-*s  ", l->destroys ? '!' : ' ', (int)verbs, l->verb);
    if (l->detail || l->destroys)
        buf_addf(out, "%-*s  %s%s%s", (int)objects, l->object, l->detail ? l->detail : "",
                 l->detail && l->destroys ? "; " : "", l->destroys ? "destroys data" : "");
    else
        buf_add_str(out, l->object);
    buf_add_char(out, '\n');
}

static const char *plural(const char *noun, size_t n, Buf *scratch)
{
    size_t len = strlen(noun);

    scratch->len = 0;
    if (n == 1)
        buf_add_str(scratch, noun);
    else if (len > 1 && noun[len - 1] == 'y' && !strchr("aeiou", noun[len - 2]))
        buf_addf(scratch, "%.*sies", (int)len - 1, noun);
    else
        buf_addf(scratch, "%s%s", noun, noun[len - 1] == 's' ? "es" : "s");
    return scratch->data;
}

static void write_counts(const Counts *c, Buf *out)
{
    _cleanup_buf_ Buf word = BUF_INIT;

    for (size_t i = 0; i < c->n; i++) {
        const Count *k = &c->items[i];
        bool same = i > 0 && strcmp(c->items[i - 1].noun, k->noun) == 0;
        if (same)
            buf_addf(out, ", %zu to %s", k->n, k->verb);
        else
            buf_addf(out, "%s%zu %s to %s", i > 0 ? "; " : "", k->n, plural(k->noun, k->n, &word), k->verb);
    }
    if (c->n > 0)
        buf_add_str(out, ".\n");
}

static void write_destroyed(const Plan *p, const Counts *c, Buf *out)
{
    size_t told = 0;

    if (c->destroyed == 0) {
        buf_add_str(out, p->blank ? "Nothing that was looked at is destroyed.\n" : "Nothing is destroyed.\n");
        return;
    }
    buf_add_str(out, "DESTROYS DATA: ");
    for (size_t s = 0; s < PLAN_STAGES; s++)
        for (size_t i = 0; i < p->stages[s].n; i++)
            if (p->stages[s].lines[i].destroys)
                buf_addf(out, "%s%s", told++ > 0 ? ", " : "", p->stages[s].lines[i].object);
    buf_add_str(out, ".\n");
}

static void write_summary(const Plan *p, Buf *out)
{
    const Counts c = counts_of(p);

    buf_add_char(out, '\n');
    for (size_t i = 0; i < p->notes.n; i++)
        buf_addf(out, "Note: %s.\n", p->notes.items[i]);
    write_counts(&c, out);
    if (p->report.errors > 0) {
        buf_addf(out, "%zu refused: nothing would be done.\nNext: mend what is refused, and plan again.\n",
                 p->report.errors);
        return;
    }
    write_destroyed(p, &c, out);
    if (p->next)
        buf_addf(out, "Next: %s\n", p->next);
}

void plan_write_text(const Plan *p, Buf *out)
{
    size_t verbs = width(p, false, SIZE_MAX), objects = width(p, true, OBJECT_WIDTH_MAX);

    report_write(&p->report, REPORT_TEXT, out);
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buf_add_char(out, '\n');
    for (size_t s = 0; s < PLAN_STAGES; s++) {
        if (p->stages[s].n == 0)
            continue;
        buf_addf(out, "%s%s\n", out->len > 0 ? "\n" : "", stage_names[s]);
        for (size_t i = 0; i < p->stages[s].n; i++)
            write_line(&p->stages[s].lines[i], verbs, objects, out);
    }
    write_summary(p, out);
}

/* ---- JSON ---- */

static Node *finding_node(Arena *a, const ReportEntry *f)
{
    static const char *const names[] = {
        [SEVERITY_ERROR] = "error", [SEVERITY_WARNING] = "warning", [SEVERITY_INFO] = "info"};
    Node *n = node_new(a, NODE_OBJECT);

    node_set_string(a, n, "severity", names[f->severity]);
    node_set_string(a, n, "path", f->path);
    if (f->source)
        node_set_string(a, n, "file", f->source->name);
    if (f->line > 0) {
        node_set(a, n, "line", node_new_int(a, f->line));
        node_set(a, n, "column", node_new_int(a, f->column));
    }
    node_set_string(a, n, "message", f->message);
    return n;
}

static Node *line_node(Arena *a, const PlanLine *l)
{
    Node *n = node_new(a, NODE_OBJECT);

    node_set_string(a, n, "verb", l->verb);
    node_set_string(a, n, "object", l->object);
    node_set_string(a, n, "detail", l->detail);
    node_set(a, n, "destroys", node_new_bool(a, l->destroys));
    return n;
}

static Node *summary_node(const Plan *p, Arena *a)
{
    const Counts c = counts_of(p);
    Node *n = node_new(a, NODE_OBJECT);

    node_set(a, n, "refused", node_new_int(a, (int64_t)p->report.errors));
    node_set(a, n, "destroys", node_new_int(a, (int64_t)c.destroyed));
    Node *list = node_set(a, n, "counts", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < c.n; i++) {
        Node *k = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, k, "what", c.items[i].noun);
        node_set_string(a, k, "verb", c.items[i].verb);
        node_set(a, k, "n", node_new_int(a, (int64_t)c.items[i].n));
    }
    return n;
}

void plan_write_json(const Plan *p, Buf *out)
{
    Arena *a = p->arena;
    Node *n = node_new(a, NODE_OBJECT);

    node_set(a, n, "plan", node_new_int(a, PLAN_VERSION));
    node_set_string(a, n, "config", p->config);
    Node *findings = node_set(a, n, "findings", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < p->report.n; i++)
        node_append(findings, finding_node(a, &p->report.entries[i]));
    Node *stages = node_set(a, n, "stages", node_new(a, NODE_ARRAY));
    for (size_t s = 0; s < PLAN_STAGES; s++) {
        Node *stage = node_append(stages, node_new(a, NODE_OBJECT));
        node_set_string(a, stage, "stage", stage_names[s]);
        Node *changes = node_set(a, stage, "changes", node_new(a, NODE_ARRAY));
        for (size_t i = 0; i < p->stages[s].n; i++)
            node_append(changes, line_node(a, &p->stages[s].lines[i]));
    }
    Node *notes = node_set(a, n, "notes", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < p->notes.n; i++)
        node_append(notes, node_new_string(a, p->notes.items[i]));
    node_set(a, n, "summary", summary_node(p, a));
    json_write(n, JSON_PRETTY2, out);
    buf_add_char(out, '\n');
}
