/* A path is a list of steps; the first match is searched depth first. Refused: recursion (..), slices,
 * unions, ranges and functions, which no column needs. */
#include "apiserver/json_path.h"

#include <string.h>

#include "apiserver/value.h"
#include "format/json.h"

typedef enum StepKind { STEP_FIELD, STEP_INDEX, STEP_ALL, STEP_FILTER } StepKind;

typedef enum Compare {
    COMPARE_NONE,
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_LE,
    COMPARE_GE,
    COMPARE_LT,
    COMPARE_GT
} Compare;

static const char *const compares[] = {
    [COMPARE_EQ] = "==", [COMPARE_NE] = "!=", [COMPARE_LE] = "<=",
    [COMPARE_GE] = ">=", [COMPARE_LT] = "<",  [COMPARE_GT] = ">",
};

typedef struct Step {
    StepKind kind;
    const char *field;
    long index;
    Compare compare; /* COMPARE_NONE: what `path` leads to is there */
    JsonPath *path;
    const Node *value;
} Step;

struct JsonPath {
    Step steps[JSON_PATH_STEPS_MAX];
    size_t n;
};

typedef struct Reader {
    Arena *arena;
    const char *text, *at;
    Error *error;
} Reader;

static int refuse(Reader *r)
{
    return error_set(r->error, EINVAL, "unrecognized column definition \"%s\"", r->text);
}

static int read_steps(Reader *r, const char *stops, JsonPath **ret);

/* Behind ".": up to the next step; a backslash protects. */
static int read_field(Reader *r, const char *stops, Step *s)
{
    char *out = arena_alloc(r->arena, strlen(r->at) + 1);
    size_t n = 0;
    while (*r->at && !strchr(".[]{}", *r->at) && !strchr(stops, *r->at)) {
        if (*r->at == '\\' && r->at[1])
            r->at++;
        out[n++] = *r->at++;
    }
    *s = n == 1 && *out == '*' ? (Step){.kind = STEP_ALL} : (Step){.kind = STEP_FIELD, .field = out};
    return n ? 0 : refuse(r);
}

static int read_quoted(Reader *r, const char **ret)
{
    char quote = *r->at++, *out = arena_alloc(r->arena, strlen(r->at) + 1);
    size_t n = 0;
    while (*r->at && *r->at != quote) {
        if (*r->at == '\\' && r->at[1])
            r->at++;
        out[n++] = *r->at++;
    }
    if (!*r->at)
        return refuse(r);
    r->at++;
    *ret = out;
    return 0;
}

static int read_value(Reader *r, const Node **ret)
{
    const char *text;
    if (*r->at == '"' || *r->at == '\'') {
        int k = read_quoted(r, &text);
        if (k == 0)
            *ret = node_new_string(r->arena, text);
        return k;
    }
    size_t n = strcspn(r->at, " )");
    text = arena_memdup(r->arena, r->at, n);
    r->at += n;
    _cleanup_report_ Report report = REPORT_INIT(r->arena);
    Source *source = ARENA_NEW(r->arena, Source);
    Node *value;
    *source = (Source){.name = "", .text = text, .len = n};
    if (json_read(r->arena, source, SEVERITY_ERROR, &value, &report) < 0)
        return refuse(r);
    *ret = value;
    return 0;
}

/* Behind "?(". */
static int read_filter(Reader *r, Step *s)
{
    s->kind = STEP_FILTER;
    r->at += strspn(r->at, " ");
    if (*r->at++ != '@')
        return refuse(r);
    int k = read_steps(r, " =!<>)", &s->path);
    if (k < 0)
        return k;
    r->at += strspn(r->at, " ");
    for (size_t i = 1; i < ELEMENTS(compares) && !s->compare; i++)
        if (!strncmp(r->at, compares[i], strlen(compares[i])))
            s->compare = (Compare)i;
    if (s->compare) {
        r->at += strlen(compares[s->compare]);
        r->at += strspn(r->at, " ");
        k = read_value(r, &s->value);
        if (k < 0)
            return k;
        r->at += strspn(r->at, " ");
    }
    if (r->at[0] != ')' || r->at[1] != ']')
        return refuse(r);
    r->at++;
    return 0;
}

/* Behind "[". */
static int read_bracket(Reader *r, Step *s)
{
    int k = 0;
    if (*r->at == '\'' || *r->at == '"') {
        s->kind = STEP_FIELD;
        k = read_quoted(r, &s->field);
    } else if (r->at[0] == '?' && r->at[1] == '(') {
        r->at += 2;
        k = read_filter(r, s);
    } else if (*r->at == '*') {
        s->kind = STEP_ALL;
        r->at++;
    } else {
        char *end;
        errno = 0;
        s->kind = STEP_INDEX;
        s->index = strtol(r->at, &end, 10);
        if (errno || end == r->at)
            return refuse(r);
        r->at = end;
    }
    if (k < 0)
        return k;
    return *r->at++ == ']' ? 0 : refuse(r);
}

static int read_steps(Reader *r, const char *stops, JsonPath **ret)
{
    JsonPath *p = ARENA_NEW(r->arena, JsonPath);
    while (*r->at && !strchr(stops, *r->at)) {
        if (p->n == JSON_PATH_STEPS_MAX)
            return refuse(r);
        Step *s = &p->steps[p->n++];
        char c = *r->at++;
        int k = c == '[' ? read_bracket(r, s) : c == '.' ? read_field(r, stops, s) : refuse(r);
        if (k < 0)
            return k;
    }
    *ret = p;
    return 0;
}

int json_path_read(Arena *a, const char *text, JsonPath **ret, Error *e)
{
    size_t n = strlen(text);
    Reader r = {.arena = a, .text = text, .at = text, .error = e};
    if (!n || n > JSON_PATH_MAX)
        return error_set(e, EINVAL, "a JSONPath must have 1 to %d bytes", JSON_PATH_MAX);
    if (text[0] == '{' && text[n - 1] == '}')
        r.at = arena_memdup(a, text + 1, n - 2);
    if (*r.at == '$')
        r.at++;
    return read_steps(&r, "", ret);
}

static const Node *walk(const JsonPath *p, size_t step, const Node *n);

static bool passes(const Step *s, const Node *item)
{
    const Node *n = walk(s->path, 0, item);
    if (!n || s->compare == COMPARE_NONE)
        return n != NULL;
    if (n->kind != s->value->kind)
        return s->compare == COMPARE_NE;
    int d = value_compare(n, s->value);
    switch (s->compare) {
    case COMPARE_EQ:
        return value_equal(n, s->value);
    case COMPARE_NE:
        return !value_equal(n, s->value);
    case COMPARE_LE:
        return d <= 0;
    case COMPARE_GE:
        return d >= 0;
    case COMPARE_LT:
        return d < 0;
    case COMPARE_GT:
        return d > 0;
    case COMPARE_NONE:
        break;
    }
    return true;
}

static const Node *at_index(const Node *n, long index)
{
    if (n->kind != NODE_ARRAY)
        return NULL;
    if (index < 0)
        index += (long)n->n;
    const Node *item = index < 0 ? NULL : n->first;
    while (item && index--)
        item = item->next;
    return item;
}

static const Node *walk(const JsonPath *p, size_t step, const Node *n)
{
    const Step *s = &p->steps[step];
    if (step == p->n || !n)
        return n;
    if (s->kind == STEP_FIELD)
        return walk(p, step + 1, node_get(n, s->field));
    if (s->kind == STEP_INDEX)
        return walk(p, step + 1, at_index(n, s->index));
    if (n->kind != NODE_ARRAY && n->kind != NODE_OBJECT)
        return NULL;
    NODE_EACH (item, n) {
        const Node *found = s->kind == STEP_ALL || passes(s, item) ? walk(p, step + 1, item) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

const Node *json_path_first(const JsonPath *p, const Node *root)
{
    return walk(p, 0, root);
}

int json_path_fields(const JsonPath *p, const char **names, int max)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->steps[i].kind != STEP_FIELD || (int)i >= max)
            return -1;
        names[i] = p->steps[i].field;
    }
    return (int)p->n;
}
