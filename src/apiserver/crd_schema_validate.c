/* An object against a schema. Each part that a schema may have is a function in the order in which a real
 * server runs them; null is held against type and enum alone. anyOf and oneOf try each alternative with a
 * report of its own; of those that all failed the one with the fewest findings is told. Once a pattern has
 * needed too many steps no other pattern of the object is tried: an object cannot buy a second of work for
 * each of its texts. Messages are kube-openapi's. */
#include <math.h>
#include <string.h>

#include "apiserver/crd_schema_node.h"
#include "apiserver/value.h"

typedef struct Check {
    Report *report;
    bool *exhausted; /* a pattern hit its limit */
    unsigned alternatives;
} Check;

enum { ALTERNATIVES_DEPTH_MAX = 16 }; /* anyOf in anyOf in …: work doubles with each */

static void validate(Check *c, const CrdSchema *s, const Node *n, const PathStep *path);

static const char *where(Check *c, const PathStep *path)
{
    return path ? field_text(c->report->arena, path) : "";
}

static const char *type_of(const Node *n)
{
    switch (n->kind) {
    case NODE_NULL:
        return "null";
    case NODE_BOOL:
        return "boolean";
    case NODE_NUMBER:
        return value_is_integer(n) && !strpbrk(n->string, ".eE") ? "integer" : "number";
    case NODE_STRING:
        return "string";
    case NODE_ARRAY:
        return "array";
    case NODE_OBJECT:
        return "object";
    }
    return "";
}

static bool type_fits(const CrdSchema *s, const Node *n)
{
    static const NodeKind kinds[] = {
        [CRD_OBJECT] = NODE_OBJECT,  [CRD_ARRAY] = NODE_ARRAY,   [CRD_STRING] = NODE_STRING,
        [CRD_INTEGER] = NODE_NUMBER, [CRD_NUMBER] = NODE_NUMBER, [CRD_BOOLEAN] = NODE_BOOL,
    };
    if (s->int_or_string)
        return n->kind == NODE_STRING || value_is_integer(n) || (n->kind == NODE_NULL && s->nullable);
    if (s->type == CRD_ANY)
        return true;
    if (n->kind == NODE_NULL)
        return s->nullable;
    return n->kind == kinds[s->type] && (s->type != CRD_INTEGER || value_is_integer(n));
}

static void check_type(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    if (type_fits(s, n))
        return;
    const char *type = type_of(n);
    Node shown = {.kind = NODE_STRING, .string = type, .len = strlen(type)};
    Node *at = node_new(c->report->arena, NODE_STRING);
    *at = shown;
    at->source = n->source;
    at->line = n->line;
    at->column = n->column;
    field_error_add(c->report, FIELD_TYPE_INVALID, path, at, "%s in body must be of type %s: \"%s\"",
                    where(c, path), s->int_or_string ? "integer,string" : crd_type_names[s->type], type);
}

/* No field: that is how a real server tells it. */
static void junctor(Check *c, const Node *n, const PathStep *path, const char *format, const char *more)
{
    (void)n;
    field_error_add(c->report, FIELD_INVALID, NULL, NULL, format, where(c, path), more);
}

static void take_over(Check *c, const Report *from)
{
    for (size_t i = 0; i < from->n; i++) {
        if (from->entries[i].severity != SEVERITY_ERROR || c->report->errors >= FIELD_ERRORS_MAX)
            continue;
        report_add(c->report, SEVERITY_ERROR, NULL, NULL, "%s", from->entries[i].message);
        c->report->entries[c->report->n - 1].path = from->entries[i].path;
    }
}

/* How many alternatives hold; the findings of the best of those that do not. */
static size_t try_all(Check *c, const CrdSchemas *list, const Node *n, const PathStep *path, bool first_only,
                      Report *best)
{
    size_t good = 0;
    for (size_t i = 0; i < list->n && !(first_only && good); i++) {
        Report findings = REPORT_INIT(c->report->arena);
        Check sub = {&findings, c->exhausted, c->alternatives + 1};
        validate(&sub, list->schemas[i], n, path);
        good += findings.errors == 0;
        if (findings.errors && (!best->n || findings.errors < best->errors)) {
            Report swap = *best;
            *best = findings;
            findings = swap;
        }
        report_done(&findings);
    }
    return good;
}

static void check_junctors(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    if (c->alternatives > ALTERNATIVES_DEPTH_MAX)
        return;
    if (s->any_of.n) {
        _cleanup_report_ Report best = REPORT_INIT(c->report->arena);
        if (!try_all(c, &s->any_of, n, path, true, &best)) {
            junctor(c, n, path, "\"%s\" must validate at least one schema (anyOf)%s", "");
            take_over(c, &best);
        }
    }
    if (s->one_of.n) {
        _cleanup_report_ Report best = REPORT_INIT(c->report->arena);
        size_t good = try_all(c, &s->one_of, n, path, false, &best);
        if (good != 1)
            junctor(c, n, path, "\"%s\" must validate one and only one schema (oneOf). %s",
                    good ? arena_printf(c->report->arena, "Found %zu valid alternatives", good)
                         : "Found none valid");
        if (!good)
            take_over(c, &best);
    }
    if (s->all_of.n) {
        size_t good = 0;
        for (size_t i = 0; i < s->all_of.n; i++) {
            size_t before = c->report->errors;
            validate(c, s->all_of.schemas[i], n, path);
            good += c->report->errors == before;
        }
        if (good != s->all_of.n)
            junctor(c, n, path, "\"%s\" must validate all the schemas (allOf)%s",
                    good ? "" : ". None validated");
    }
    if (s->not_) {
        _cleanup_report_ Report findings = REPORT_INIT(c->report->arena);
        Check sub = {&findings, c->exhausted, c->alternatives + 1};
        validate(&sub, s->not_, n, path);
        if (!findings.errors)
            junctor(c, n, path, "\"%s\" must not validate the schema (not)%s", "");
    }
}

static size_t characters(const Node *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->len; i++)
        count += ((unsigned char)n->string[i] & 0xc0) != 0x80;
    return count;
}

static void check_pattern(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    if (*c->exhausted)
        return;
    int r = go_pattern_match(s->pattern, n->string, n->len);
    *c->exhausted = r < 0;
    if (r < 0)
        field_error_add(c->report, FIELD_INVALID, path, n,
                        "%s in body takes too long to be matched with '%s'", where(c, path), s->pattern_text);
    else if (r == 0)
        field_error_add(c->report, FIELD_INVALID, path, n, "%s in body should match '%s'", where(c, path),
                        s->pattern_text);
}

static void check_string(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    size_t length = characters(n);
    if (s->length.max >= 0 && length > (size_t)s->length.max)
        field_error_add(c->report, FIELD_TOO_LONG, path, n, "may not be more than %lld byte%s",
                        (long long)s->length.max, s->length.max == 1 ? "" : "s");
    if (s->length.min >= 0 && length < (size_t)s->length.min)
        field_error_add(c->report, FIELD_INVALID, path, n, "%s in body should be at least %lld chars long",
                        where(c, path), (long long)s->length.min);
    if (s->pattern)
        check_pattern(c, s, n, path);
    if (s->check && (strlen(n->string) != n->len || !s->check(n->string)))
        field_error_add(c->report, FIELD_TYPE_INVALID, path, n, "%s in body must be of type %s: %s",
                        where(c, path), s->format, field_value_text(c->report->arena, n));
}

static void check_number(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    if (s->type == CRD_INTEGER && s->format && !strcmp(s->format, "int32") &&
        fabs(value_double(n) + 0.5) > 2147483647.5)
        field_error_add(c->report, FIELD_TYPE_INVALID, path, n, "%s in body must be of type int32: \"int64\"",
                        where(c, path));
    if (s->multiple_of) {
        double factor = value_double(s->multiple_of), q = value_double(n) / factor;
        if (!(factor > 0) || fabs(q - round(q)) > 1e-9 * fmax(1, fabs(q)))
            field_error_add(c->report, FIELD_INVALID, path, n, "%s in body should be a multiple of %s",
                            where(c, path), s->multiple_of->string);
    }
    if (s->maximum) {
        int d = value_compare(n, s->maximum);
        if (d > 0 || (d == 0 && s->exclusive_maximum))
            field_error_add(c->report, FIELD_INVALID, path, n, "%s in body should be less than %s%s",
                            where(c, path), s->exclusive_maximum ? "" : "or equal to ", s->maximum->string);
    }
    if (s->minimum) {
        int d = value_compare(n, s->minimum);
        if (d < 0 || (d == 0 && s->exclusive_minimum))
            field_error_add(c->report, FIELD_INVALID, path, n, "%s in body should be greater than %s%s",
                            where(c, path), s->exclusive_minimum ? "" : "or equal to ", s->minimum->string);
    }
}

static void check_enum(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    _cleanup_buf_ Buf values = BUF_INIT;
    NODE_EACH (v, s->enum_values) {
        const char *text = field_value_text(c->report->arena, v);
        if (value_equal(v, n))
            return;
        buf_addf(&values, v->kind == NODE_STRING ? "%s%s" : "%s\"%s\"", values.len ? ", " : "", text);
    }
    field_error_add(c->report, FIELD_NOT_SUPPORTED, path, n, "supported values: %s",
                    values.data ? values.data : "");
}

static void too_many(Check *c, size_t is, int64_t max, const PathStep *path)
{
    field_error_add(c->report, FIELD_TOO_MANY, path, node_new_int(c->report->arena, (int64_t)is),
                    "must have at most %lld item%s", (long long)max, max == 1 ? "" : "s");
}

/* The part of an item that tells it apart in a list of its type. */
static Node *item_key(Arena *a, const CrdSchema *s, const Node *item)
{
    if (strcmp(s->list_type, "map") != 0)
        return node_copy(a, item);
    Node *key = node_new(a, NODE_OBJECT);
    NODE_EACH (name, s->list_keys) {
        const Node *v = node_get(item, name->string);
        if (v)
            node_set(a, key, name->string, node_copy(a, v));
    }
    return key;
}

typedef struct Item {
    const char *text;
    Node *key;
    size_t index;
} Item;

static int by_text(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    int d = strcmp(x->text, y->text);
    return d ? d : (x->index > y->index) - (x->index < y->index);
}

static void check_unique(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    Arena *a = c->report->arena;
    Item *items = ARENA_ARRAY(a, Item, n->n + 1);
    size_t i = 0;
    NODE_EACH (item, n) {
        items[i].key = item_key(a, s, item);
        items[i].text = field_value_text(a, items[i].key);
        items[i].index = i;
        i++;
    }
    qsort(items, n->n, sizeof(*items), by_text);
    for (i = 1; i < n->n; i++) /* of three that are the same the second is told */
        if (!strcmp(items[i].text, items[i - 1].text) &&
            (i < 2 || strcmp(items[i].text, items[i - 2].text) != 0))
            field_error_add(c->report, FIELD_DUPLICATE, PATH_INDEX(path, items[i].index), items[i].key, "%s",
                            "");
}

static void check_array(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    size_t i = 0;
    for (const Node *item = n->first; s->items && item; item = item->next)
        validate(c, s->items, item, PATH_INDEX(path, i++));
    if (s->n_items.min >= 0 && n->n < (size_t)s->n_items.min)
        field_error_add(c->report, FIELD_INVALID, path, node_new_int(c->report->arena, (int64_t)n->n),
                        "%s in body should have at least %lld items", where(c, path),
                        (long long)s->n_items.min);
    if (s->n_items.max >= 0 && n->n > (size_t)s->n_items.max)
        too_many(c, n->n, s->n_items.max, path);
    if (s->list_type && strcmp(s->list_type, "atomic") != 0)
        check_unique(c, s, n, path);
}

static void check_object(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    if (s->n_properties.min >= 0 && n->n < (size_t)s->n_properties.min)
        field_error_add(c->report, FIELD_INVALID, path, node_new_int(c->report->arena, (int64_t)n->n),
                        "%s in body should have at least %lld properties", where(c, path),
                        (long long)s->n_properties.min);
    if (s->n_properties.max >= 0 && n->n > (size_t)s->n_properties.max)
        too_many(c, n->n, s->n_properties.max, path);
    NODE_EACH (m, n) {
        const CrdSchema *p = crd_schema_property(s, m->key);
        if (!p && s->additional_none)
            field_error_add(c->report, FIELD_INVALID, path, NULL, "%s.%s in body is a forbidden property",
                            where(c, path), m->key);
        if (!p)
            p = s->additional;
        if (p)
            validate(c, p, m, PATH_KEY(path, m->key));
    }
    for (const Node *name = s->required ? s->required->first : NULL; name; name = name->next)
        if (!node_get(n, name->string))
            field_error_add(c->report, FIELD_REQUIRED, PATH_KEY(path, name->string), n, "%s", "");
}

static void validate(Check *c, const CrdSchema *s, const Node *n, const PathStep *path)
{
    if (c->report->errors >= FIELD_ERRORS_MAX)
        return;
    check_type(c, s, n, path);
    if (n->kind != NODE_NULL)
        check_junctors(c, s, n, path);
    switch (n->kind) {
    case NODE_STRING:
        check_string(c, s, n, path);
        break;
    case NODE_NUMBER:
        check_number(c, s, n, path);
        break;
    case NODE_ARRAY:
        check_array(c, s, n, path);
        break;
    case NODE_OBJECT:
        check_object(c, s, n, path);
        break;
    case NODE_NULL:
    case NODE_BOOL:
        break;
    }
    if (s->enum_values && s->enum_values->n)
        check_enum(c, s, n, path);
}

void crd_schema_validate(const CrdSchema *s, const Node *object, Report *r)
{
    bool exhausted = false;
    Check c = {.report = r, .exhausted = &exhausted};
    validate(&c, s, object, NULL);
}
