/* The walk over a document by the table. Three passes: defaults go in, parents before children, so that a
 * default list has its items filled too; then every node of the document is looked up by its path, which
 * finds unknown names, wrong shapes and bad values; then every row asks whether something required is
 * missing. Nothing here knows a field by its name. */
#include "installer/install_field.h"

#include <stdio.h>
#include <string.h>

#include "format/json.h"

enum { NAME_DISTANCE_MAX = 3, NAME_LENGTH_MAX = 64 };

const InstallField *install_field_find(const char *path)
{
    for (const InstallField *f = install_fields; f->path; f++)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

const char *install_field_name(const InstallField *f)
{
    const char *dot = strrchr(f->path, '.');
    return dot ? dot + 1 : f->path;
}

bool install_field_is_child(const InstallField *f, const char *parent)
{
    size_t n = strlen(parent);
    const char *name = install_field_name(f);

    if (n == 0)
        return name == f->path;
    return (size_t)(name - f->path) == n + 1 && strncmp(f->path, parent, n) == 0;
}

/* ---- findings ---- */

static bool is_secret(const char *path)
{
    const InstallField *f = install_field_find(path);
    return f && f->secret;
}

static const char *value_text(Report *r, const char *path, const Node *at)
{
    if (is_secret(path))
        return "\"(not shown)\"";
    if (!at)
        return "\"\"";
    switch (at->kind) {
    case NODE_STRING:
        return arena_printf(r->arena, "\"%s\"", at->string);
    case NODE_NUMBER:
        return at->string;
    case NODE_BOOL:
        return at->boolean ? "true" : "false";
    default:
        return arena_printf(r->arena, "(%s)", node_kind_name(at->kind));
    }
}

static void finding_add(Report *r, Severity severity, const Node *at, const char *text)
{
    report_add_at(r, severity, at ? at->source : NULL, at ? at->line : 0, at ? at->column : 0, "%s", text);
}

void finding_invalid(Report *r, const char *path, const Node *at, const char *words)
{
    finding_add(r, SEVERITY_ERROR, at,
                arena_printf(r->arena, "%s: Invalid value: %s: %s", path, value_text(r, path, at), words));
}

void finding_required(Report *r, const char *path, const Node *at, const char *words)
{
    finding_add(r, SEVERITY_ERROR, at, arena_printf(r->arena, "%s: Required value: %s", path, words));
}

/* The words of `choices` as a list: "a", "b". */
void finding_unsupported(Report *r, const char *path, const Node *at, const char *choices)
{
    _cleanup_buf_ Buf list = BUF_INIT;

    for (const char *p = choices; *p;) {
        size_t n = strcspn(p, " ");
        buf_addf(&list, "%s\"%.*s\"", list.len ? ", " : "", (int)n, p);
        p += n + strspn(p + n, " ");
    }
    finding_add(r, SEVERITY_ERROR, at,
                arena_printf(r->arena, "%s: Unsupported value: %s: supported values: %s", path,
                             value_text(r, path, at), list.data));
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = choices; *p;) {
        size_t n = strcspn(p, " ");
        if (n == len && strncmp(p, value, n) == 0)
            return true;
        p += n + strspn(p + n, " ");
    }
    return false;
}

/* ---- defaults ---- */

static bool is_empty(const Node *n)
{
    return !n || n->kind == NODE_NULL || (n->kind == NODE_STRING && n->len == 0) ||
           (n->kind == NODE_ARRAY && n->n == 0);
}

static Node *default_make(Arena *a, const char *json)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *n = NULL;

    *source = (Source){.name = "default", .text = json, .len = strlen(json)};
    if (json_read(a, source, SEVERITY_ERROR, &n, &r) < 0)
        abort(); /* the table is wrong, not the input */
    return n;
}

/* A default has no place in the file; its parent's is the nearest. */
static void default_place(Node *n, const Node *parent)
{
    n->source = parent->source;
    n->line = parent->line;
    n->column = parent->column;
    n->key_line = n->key_column = 0;
    if (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT)
        NODE_EACH (child, n)
            default_place(child, parent);
}

static void fill_object(Arena *a, Node *object, const char *path)
{
    for (const InstallField *f = install_fields; f->path; f++) {
        if (!install_field_is_child(f, path))
            continue;
        Node *n = node_get(object, install_field_name(f));
        if (f->otherwise && is_empty(n)) {
            n = default_make(a, f->otherwise);
            default_place(n, object);
            node_set(a, object, install_field_name(f), n);
        }
        if (!n)
            continue;
        if (f->kind == FIELD_OBJECT && n->kind == NODE_OBJECT)
            fill_object(a, n, f->path);
        if (f->kind == FIELD_OBJECTS && n->kind == NODE_ARRAY)
            NODE_EACH (item, n)
                if (item->kind == NODE_OBJECT)
                    fill_object(a, item, arena_printf(a, "%s[]", f->path));
    }
}

void install_fields_fill(Arena *a, Node *document)
{
    fill_object(a, document, "");
}

/* ---- checks ---- */

/* Letters to insert, remove or change to make one of the other; enough for names of this length. */
static size_t name_distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[NAME_LENGTH_MAX + 1];

    if (n > NAME_LENGTH_MAX || strlen(a) > NAME_LENGTH_MAX)
        return NAME_LENGTH_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

static void unknown_field(Report *r, const Node *at, const char *path, const char *parent)
{
    const InstallField *nearest = NULL;
    size_t best = NAME_DISTANCE_MAX + 1;

    for (const InstallField *f = install_fields; f->path; f++) {
        if (!install_field_is_child(f, parent) || f->instead)
            continue;
        size_t d = name_distance(at->key, install_field_name(f));
        if (d < best && d < strlen(at->key)) {
            best = d;
            nearest = f;
        }
    }
    const char *hint =
        nearest ? arena_printf(r->arena, "; did you mean \"%s\"?", install_field_name(nearest)) : "";
    report_add_at(r, SEVERITY_WARNING, at->source, at->key_line, at->key_column, "%s: unknown field \"%s\"%s",
                  path, at->key, hint);
}

typedef struct KindRow {
    NodeKind node;
    const char *words;
} KindRow;

static const KindRow kinds[] = {
    [FIELD_STRING] = {NODE_STRING, "must be a string"},
    [FIELD_INT] = {NODE_NUMBER, "must be a whole number"},
    [FIELD_BOOL] = {NODE_BOOL, "must be true or false"},
    [FIELD_OBJECT] = {NODE_OBJECT, "must be a mapping"},
    [FIELD_OBJECTS] = {NODE_ARRAY, "must be a list"},
    [FIELD_STRINGS] = {NODE_ARRAY, "must be a list of strings"},
};

static void check_string(Report *r, const InstallField *f, const Node *n, const char *path)
{
    char buf[512];
    const char *words;

    if (strlen(n->string) != n->len)
        finding_invalid(r, path, n, "must not contain a NUL character");
    else if (f->choices && !is_choice(f->choices, n->string))
        finding_unsupported(r, path, n, f->choices);
    else if (f->check && (words = f->check(n->string, buf, sizeof(buf)))) {
        /* Looked up by its row, so that the text of a list's item is as secret as the list. */
        if (f->secret)
            finding_add(r, SEVERITY_ERROR, n,
                        arena_printf(r->arena, "%s: Invalid value: \"(not shown)\": %s", path, words));
        else
            finding_invalid(r, path, n, words);
    }
}

static void check_object(Arena *a, const Node *object, const char *row_path, const char *path, Report *r);

static void check_items(Arena *a, const InstallField *f, const Node *list, const char *path, Report *r)
{
    size_t i = 0;

    NODE_EACH (item, list) {
        const char *item_path = arena_printf(a, "%s[%zu]", path, i++);
        NodeKind wanted = f->kind == FIELD_OBJECTS ? NODE_OBJECT : NODE_STRING;
        if (item->kind != wanted)
            finding_invalid(r, item_path, item,
                            kinds[wanted == NODE_OBJECT ? FIELD_OBJECT : FIELD_STRING].words);
        else if (wanted == NODE_OBJECT)
            check_object(a, item, arena_printf(a, "%s[]", f->path), item_path, r);
        else
            check_string(r, f, item, item_path);
    }
}

static void check_field(Arena *a, const InstallField *f, const Node *n, const char *path, Report *r)
{
    int64_t number;

    if (f->kind == FIELD_ANY || n->kind == NODE_NULL)
        return;
    if (n->kind != kinds[f->kind].node || (f->kind == FIELD_INT && node_int(n, &number) < 0)) {
        finding_invalid(r, path, n, kinds[f->kind].words);
        return;
    }
    switch (f->kind) {
    case FIELD_STRING:
        check_string(r, f, n, path);
        break;
    case FIELD_OBJECT:
        check_object(a, n, f->path, path, r);
        break;
    case FIELD_OBJECTS:
    case FIELD_STRINGS:
        check_items(a, f, n, path, r);
        break;
    default:
        break;
    }
}

static void check_object(Arena *a, const Node *object, const char *row_path, const char *path, Report *r)
{
    NODE_EACH (n, object) {
        const char *child_row = *row_path ? arena_printf(a, "%s.%s", row_path, n->key) : n->key;
        const char *child_path = *path ? arena_printf(a, "%s.%s", path, n->key) : n->key;
        const InstallField *f = install_field_find(child_row);
        if (f)
            check_field(a, f, n, child_path, r);
        else
            unknown_field(r, n, child_path, row_path);
    }
    for (const InstallField *f = install_fields; f->path; f++) {
        if (!f->required || !install_field_is_child(f, row_path))
            continue;
        const char *name = install_field_name(f);
        if (is_empty(node_get(object, name)))
            finding_required(r, *path ? arena_printf(a, "%s.%s", path, name) : name, object, f->required);
    }
}

void install_fields_check(Arena *a, const Node *document, Report *r)
{
    check_object(a, document, "", "", r);
}
