/* libyaml's parser drives a small stack machine: each event adds a node to the open collection. Aliases are
 * copied when they are met, so that the tree has no sharing; the number of nodes is limited, which ends a
 * "billion laughs" early. Plain scalars resolve by the rules of go-yaml v2, which Kubernetes' tools are built
 * on: what is JSON's becomes JSON's, in JSON's spelling. */
#include "format/yaml.h"

#include <ctype.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "format/data_url.h"
#include "format/utf8.h"

typedef struct Frame {
    Node *node;
    Node *key;       /* of the value to come, in an object */
    bool key_merges; /* it is "<<", not in quotes */
    Node *merges;    /* values of "<<" keys, in order */
    Map keys;
} Frame;

typedef struct Loader {
    Arena *arena;
    const Source *source;
    Report *report;
    Severity duplicate_keys;
    yaml_parser_t parser;
    Frame frames[YAML_DEPTH_MAX];
    size_t depth, nodes;
    Map anchors;
    Node *root; /* of the document */
} Loader;

static int fail(Loader *l, const yaml_mark_t *at, const char *format, ...) _printf_(3, 4);
static int fail(Loader *l, const yaml_mark_t *at, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    report_add_at(l->report, SEVERITY_ERROR, l->source, (uint32_t)at->line + 1, (uint32_t)at->column + 1,
                  "%s", text);
    return -EINVAL;
}

static Node *new_node(Loader *l, NodeKind kind, const yaml_mark_t *at)
{
    Node *n = node_new(l->arena, kind);
    n->line = (uint32_t)at->line + 1;
    n->column = (uint32_t)at->column + 1;
    n->source = l->source;
    l->nodes++;
    return n;
}

/* ---- scalars ---- */

static bool any_of(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(s, *words))
            return true;
    return false;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                    "on",   "On",   "ON",   "y",   "Y",   NULL};
static const char *const falses[] = {"false", "False", "FALSE", "no", "No", "NO",
                                     "off",   "Off",   "OFF",   "n",  "N",  NULL};
static const char *const not_numbers[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF", "+.inf",
                                          "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL};

/* Digits of a base, underscores between them left out as YAML 1.1 allows. */
static bool digits_of(const char *s, int base, char out[static 80])
{
    size_t n = 0;
    for (; *s; s++) {
        if (*s == '_')
            continue;
        int d = isdigit((unsigned char)*s)   ? *s - '0'
                : isalpha((unsigned char)*s) ? tolower(*s) - 'a' + 10
                                             : 99;
        if (d >= base || n + 1 >= 80)
            return false;
        out[n++] = *s;
    }
    out[n] = '\0';
    return n > 0;
}

/* 1: an integer, its decimal text in *ret. */
static bool integer(Arena *a, const char *s, const char **ret)
{
    char digits[80];
    bool negative = *s == '-';
    const char *p = s + (*s == '-' || *s == '+');
    int base = 10;
    if (p[0] == '0' && p[1]) {
        int kind = tolower((unsigned char)p[1]);
        base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
        p += kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1;
    }
    if (!isalnum((unsigned char)*p) || !digits_of(p, base, digits))
        return false;
    errno = 0;
    unsigned long long v = strtoull(digits, NULL, base);
    if (errno || (base != 10 && v > INT64_MAX))
        return false;
    *ret = arena_printf(a, "%s%llu", negative && v ? "-" : "", v);
    return true;
}

/* A float in JSON's spelling: digits on both sides of the point. */
static bool decimal(Arena *a, const char *s, const char **ret)
{
    const char *p = s + (*s == '-' || *s == '+');
    size_t whole = strspn(p, "0123456789"), part = 0, exponent = 0;
    const char *q = p + whole, *fraction = q;
    if (*q == '.') {
        fraction = ++q;
        part = strspn(q, "0123456789");
        q += part;
    }
    if (!whole && !part)
        return false;
    const char *e = q;
    if (*q == 'e' || *q == 'E') {
        q++;
        q += *q == '+' || *q == '-';
        exponent = strspn(q, "0123456789");
        if (!exponent)
            return false;
        q += exponent;
    }
    if (*q)
        return false;
    while (whole > 1 && *p == '0') {
        p++;
        whole--;
    }
    *ret = arena_printf(a, "%s%.*s%s%.*s%s", *s == '-' ? "-" : "", whole ? (int)whole : 1, whole ? p : "0",
                        part ? "." : "", (int)part, fraction, e);
    return true;
}

static int resolve_plain(Loader *l, Node *n, const yaml_mark_t *at)
{
    const char *s = n->string, *text;
    if (memchr(s, '\0', n->len))
        return 0;
    if (any_of(s, nulls))
        n->kind = NODE_NULL;
    else if (any_of(s, trues) || any_of(s, falses)) {
        bool value = any_of(s, trues);
        if (strlen(s) == 1)
            return 0; /* y and n alone stay strings, as in go-yaml */
        n->kind = NODE_BOOL;
        n->boolean = value;
    } else if (integer(l->arena, s, &text) || decimal(l->arena, s, &text)) {
        n->kind = NODE_NUMBER;
        n->string = text;
        n->len = strlen(text);
    } else if (any_of(s, not_numbers))
        return fail(l, at, "%s is a number that JSON cannot have; quote it if text is meant", s);
    return 0;
}

/* !!binary, as go-yaml has it: base64 in which line breaks do not count, of bytes that are text. */
static int binary(Loader *l, Node *n, const yaml_mark_t *at)
{
    _cleanup_buf_ Buf packed = BUF_INIT, bytes = BUF_INIT;
    for (size_t i = 0; i < n->len; i++)
        if (!strchr(" \t\r\n", n->string[i]))
            buf_add_char(&packed, n->string[i]);
    if (packed.len && base64_decode(packed.data, packed.len, &bytes) < 0)
        return fail(l, at, "!!binary is not base64");
    if (!utf8_is_valid(bytes.data, bytes.len))
        return fail(l, at, "!!binary holds bytes that are not UTF-8 text; JSON cannot have them");
    n->string = arena_memdup(l->arena, bytes.data, bytes.len);
    n->len = bytes.len;
    return 0;
}

static int tagged(Loader *l, Node *n, const char *tag, const yaml_mark_t *at)
{
    static const struct {
        const char *tag;
        NodeKind kind;
    } tags[] = {{YAML_INT_TAG, NODE_NUMBER},
                {YAML_FLOAT_TAG, NODE_NUMBER},
                {YAML_BOOL_TAG, NODE_BOOL},
                {YAML_NULL_TAG, NODE_NULL}};
    if (!strcmp(tag, YAML_TIMESTAMP_TAG))
        return 0; /* stays text, as an untagged one does */
    if (!strcmp(tag, "tag:yaml.org,2002:binary"))
        return binary(l, n, at);
    for (size_t i = 0; i < ELEMENTS(tags); i++)
        if (!strcmp(tag, tags[i].tag)) {
            int r = resolve_plain(l, n, at);
            return r < 0 || n->kind == tags[i].kind ? r
                                                    : fail(l, at, "the value behind tag !!%s is %s",
                                                           strrchr(tag, ':') + 1, node_kind_name(n->kind));
        }
    return fail(l, at, "tag %s is not known here", tag);
}

static int scalar(Loader *l, const yaml_event_t *event, Node **ret)
{
    const char *tag = (const char *)event->data.scalar.tag, *value = (const char *)event->data.scalar.value;
    Node *n = new_node(l, NODE_STRING, &event->start_mark);
    n->string = arena_memdup(l->arena, value, event->data.scalar.length);
    n->len = event->data.scalar.length;
    *ret = n;
    if (tag && (!strcmp(tag, YAML_STR_TAG) || !strcmp(tag, "!")))
        return 0;
    if (tag)
        return tagged(l, n, tag, &event->start_mark);
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return 0;
    return resolve_plain(l, n, &event->start_mark);
}

/* ---- collections ---- */

static const char *const collection_tags[] = {[NODE_ARRAY] = YAML_SEQ_TAG, [NODE_OBJECT] = YAML_MAP_TAG};

static Node *find_key(Frame *f, const char *key)
{
    return map_get(&f->keys, key);
}

/* What an explicit key, or an earlier merge, already says stays. */
static void merge_object(Loader *l, Frame *f, const Node *from)
{
    NODE_EACH (child, from)
        if (!find_key(f, child->key)) {
            Node *copy = node_copy(l->arena, child);
            l->nodes++;
            node_append(f->node, copy);
            map_put(&f->keys, copy->key, copy);
        }
}

/* `from` is a mapping, or in a list of them where that is allowed. */
static int merge_value(Loader *l, Frame *f, const Node *from, bool list_allowed)
{
    if (from->kind == NODE_OBJECT) {
        merge_object(l, f, from);
        return 0;
    }
    if (from->kind != NODE_ARRAY || !list_allowed) {
        report_add_at(l->report, SEVERITY_ERROR, l->source, from->line, from->column,
                      "'<<' merges a mapping or a list of mappings, %s is neither",
                      node_kind_name(from->kind));
        return -EINVAL;
    }
    NODE_EACH (item, from) {
        int r = merge_value(l, f, item, false);
        if (r < 0)
            return r;
    }
    return 0;
}

static int merge_all(Loader *l, Frame *f)
{
    NODE_EACH (value, f->merges) {
        int r = merge_value(l, f, value, true);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_member(Loader *l, Frame *f, Node *value)
{
    Node *key = f->key;
    f->key = NULL;
    value->key = key->string;
    value->key_line = key->line;
    value->key_column = key->column;
    if (f->key_merges) {
        if (!f->merges)
            f->merges = node_new(l->arena, NODE_ARRAY);
        node_append(f->merges, value);
        return 0;
    }
    Node *old = find_key(f, value->key);
    if (!old) {
        node_append(f->node, value);
        map_put(&f->keys, value->key, value);
        return 0;
    }
    report_add_at(l->report, l->duplicate_keys, l->source, value->key_line, value->key_column,
                  "duplicate key '%s' (first at line %u column %u)", value->key, old->key_line,
                  old->key_column);
    Node *next = old->next;
    *old = *value;
    old->next = next;
    return 0;
}

static int take_key(Loader *l, Frame *f, Node *n, bool plain, const yaml_mark_t *at)
{
    if (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT) { /* `at` is its end */
        report_add_at(l->report, SEVERITY_ERROR, l->source, n->line, n->column, "a key must be text, not %s",
                      node_kind_name(n->kind));
        return -EINVAL;
    }
    if (n->kind == NODE_BOOL || n->kind == NODE_NULL)
        n->string = n->kind == NODE_NULL ? "null" : n->boolean ? "true" : "false"; /* as JSON writes it */
    else if (strlen(n->string) != n->len)
        return fail(l, at, "a key may not hold a NUL character");
    f->key = n;
    f->key_merges = plain && !strcmp(n->string, "<<");
    return 0;
}

/* Puts a finished scalar or a collection that just opened where it belongs. */
static int place(Loader *l, Node *n, bool plain, const yaml_mark_t *at)
{
    if (l->nodes > YAML_NODES_MAX)
        return fail(l, at, "more than %d values, aliases expanded", YAML_NODES_MAX);
    if (!l->depth) {
        l->root = n;
        return 0;
    }
    Frame *f = &l->frames[l->depth - 1];
    if (f->node->kind == NODE_ARRAY) {
        node_append(f->node, n);
        return 0;
    }
    return f->key ? put_member(l, f, n) : take_key(l, f, n, plain, at);
}

static int open_collection(Loader *l, NodeKind kind, const yaml_mark_t *at, const yaml_char_t *anchor,
                           const yaml_char_t *tag)
{
    if (tag && strcmp((const char *)tag, "!") && strcmp((const char *)tag, collection_tags[kind]))
        return fail(l, at, "tag %s is not known here", tag);
    Node *n = new_node(l, kind, at);
    if (l->depth == YAML_DEPTH_MAX)
        return fail(l, at, "nested deeper than %d levels", YAML_DEPTH_MAX);
    if (anchor)
        map_put(&l->anchors, arena_strdup(l->arena, (const char *)anchor), n);
    /* A collection is placed when it is complete: an alias inside of itself then cannot name it. */
    l->frames[l->depth++] = (Frame){.node = n};
    return 0;
}

static int close_collection(Loader *l, const yaml_mark_t *at)
{
    Frame *f = &l->frames[l->depth - 1];
    int r = f->merges ? merge_all(l, f) : 0;
    map_done(&f->keys);
    l->depth--;
    return r < 0 ? r : place(l, f->node, false, at);
}

/* Counts up to `limit`; *deepest grows to the deepest level of collections, `depth` being the one around n.
 */
static size_t count_nodes(const Node *n, size_t limit, size_t depth, size_t *deepest)
{
    size_t count = 1;
    if (n->kind != NODE_ARRAY && n->kind != NODE_OBJECT)
        return count;
    if (++depth > *deepest)
        *deepest = depth;
    for (const Node *c = n->first; c && count <= limit; c = c->next)
        count += count_nodes(c, limit - count, depth, deepest);
    return count;
}

static int alias(Loader *l, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    Node *n = map_get(&l->anchors, name);
    if (!n)
        return fail(l, &event->start_mark, "no anchor '&%s' stands before this alias", name);
    for (size_t i = 0; i < l->depth; i++)
        if (l->frames[i].node == n)
            return fail(l, &event->start_mark, "alias '*%s' stands inside of what it names", name);
    size_t deepest = 0;
    l->nodes += count_nodes(n, YAML_NODES_MAX - l->nodes, l->depth, &deepest);
    if (l->nodes > YAML_NODES_MAX)
        return fail(l, &event->start_mark, "more than %d values, aliases expanded", YAML_NODES_MAX);
    if (deepest > YAML_DEPTH_MAX)
        return fail(l, &event->start_mark, "nested deeper than %d levels", YAML_DEPTH_MAX);
    Node *copy = node_copy(l->arena, n);
    copy->line = (uint32_t)event->start_mark.line + 1;
    copy->column = (uint32_t)event->start_mark.column + 1;
    copy->key = NULL;
    copy->key_line = copy->key_column = 0;
    return place(l, copy, false, &event->start_mark);
}

static int take_event(Loader *l, const yaml_event_t *event)
{
    Node *n;
    int r;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if ((r = scalar(l, event, &n)) < 0)
            return r;
        if (event->data.scalar.anchor)
            map_put(&l->anchors, arena_strdup(l->arena, (const char *)event->data.scalar.anchor), n);
        return place(l, n, event->data.scalar.plain_implicit, &event->start_mark);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(l, NODE_ARRAY, &event->start_mark, event->data.sequence_start.anchor,
                               event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return open_collection(l, NODE_OBJECT, &event->start_mark, event->data.mapping_start.anchor,
                               event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(l, &event->start_mark);
    case YAML_ALIAS_EVENT:
        return alias(l, event);
    default:
        return 0;
    }
}

static int syntax_error(Loader *l)
{
    const yaml_parser_t *p = &l->parser;
    yaml_mark_t at = p->problem_mark;
    if (p->error == YAML_READER_ERROR) { /* has an offset into the bytes, no mark */
        for (size_t i = 0; i < p->problem_offset && i < l->source->len; i++) {
            at.column = l->source->text[i] == '\n' ? 0 : at.column + 1;
            at.line += l->source->text[i] == '\n';
        }
    }
    if (p->context)
        return fail(l, &at, "%s, %s", p->problem, p->context);
    return fail(l, &at, "%s", p->problem ? p->problem : "not YAML");
}

/* One document: 1 with l->root set, 0 at the end of the text. */
static int load_document(Loader *l)
{
    l->root = NULL;
    map_done(&l->anchors);
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&l->parser, &event))
            return syntax_error(l);
        yaml_event_type_t type = event.type;
        int r = take_event(l, &event);
        yaml_event_delete(&event);
        if (r < 0)
            return r;
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type == YAML_DOCUMENT_END_EVENT)
            return 1;
    }
}

static int load_all(Loader *l, Node *list)
{
    if (!yaml_parser_initialize(&l->parser))
        abort();
    yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l->parser, (const unsigned char *)l->source->text, l->source->len);
    int r;
    while ((r = load_document(l)) == 1)
        if (l->root && l->root->kind != NODE_NULL)
            node_append(list, l->root);
    while (l->depth > 0)
        map_done(&l->frames[--l->depth].keys);
    map_done(&l->anchors);
    yaml_parser_delete(&l->parser);
    return r;
}

int yaml_read_all(Arena *a, const Source *source, Severity duplicate_keys, Node **ret, Report *report)
{
    size_t before = report->errors;
    Loader *l = calloc(1, sizeof(*l)); /* the stack of frames is large */
    if (!l)
        abort();
    l->arena = a;
    l->source = source;
    l->report = report;
    l->duplicate_keys = duplicate_keys;
    Node *list = node_new(a, NODE_ARRAY);
    int r = load_all(l, list);
    free(l);
    if (r < 0 || report->errors > before)
        return -EINVAL;
    *ret = list;
    return 0;
}

int yaml_read(Arena *a, const Source *source, Severity duplicate_keys, Node **ret, Report *report)
{
    Node *list;
    int r = yaml_read_all(a, source, duplicate_keys, &list, report);
    if (r < 0)
        return r;
    if (list->n > 1) {
        report_add(report, SEVERITY_ERROR, NULL, list->first->next, "a second document stands in this text");
        return -EINVAL;
    }
    if (!list->n) {
        report_add_at(report, SEVERITY_ERROR, source, 1, 1, "the text is empty");
        return -EINVAL;
    }
    *ret = list->first;
    (*ret)->next = NULL;
    return 0;
}
