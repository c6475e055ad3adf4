/* A line is a header or a key with its value; only arrays go over several lines. Every object and array of
 * the tree is a Table, which knows how it came about: TOML forbids to add to what a value or a header has
 * closed.
 */
#include "format/toml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format/utf8.h"

typedef enum Origin {
    ORIGIN_PATH,   /* a header below it or a dotted key made it: a header of its own may follow */
    ORIGIN_HEADER, /* [it] */
    ORIGIN_DOTTED, /* a.b = …: more dotted keys may follow, a header may not */
    ORIGIN_VALUE,  /* {…} or […]: closed */
    ORIGIN_TABLES, /* the array of [[it]] */
} Origin;

typedef struct Table {
    Node node;
    Origin origin;
} Table;

typedef struct Reader {
    Arena *arena;
    const Source *source;
    Report *report;
    const char *p, *end, *line_start;
    uint32_t line;
    const char *counted; /* up to here in this line ... */
    uint32_t counted_column;
    unsigned depth;
    Buf scratch;
} Reader;

typedef struct Key {
    const char *text;
    uint32_t line, column;
} Key;

/* ---- the text ---- */

static uint32_t column_of(Reader *r, const char *p)
{
    bool onward = r->counted >= r->line_start && r->counted <= p;
    const char *q = onward ? r->counted : r->line_start;
    uint32_t column = onward ? r->counted_column : 1;
    for (; q < p; q++)
        column += (*q & 0xc0) != 0x80;
    r->counted = p;
    r->counted_column = column;
    return column;
}

static int fail(Reader *r, const char *at, const char *format, ...) _printf_(3, 4);
static int fail(Reader *r, const char *at, const char *format, ...)
{
    va_list ap;
    char text[256];
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    report_add_at(r->report, SEVERITY_ERROR, r->source, r->line, column_of(r, at), "%s", text);
    return -EINVAL;
}

static int fail_key(Reader *r, const Key *k, const char *format, ...) _printf_(3, 4);
static int fail_key(Reader *r, const Key *k, const char *format, ...)
{
    va_list ap;
    char text[256];
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    report_add_at(r->report, SEVERITY_ERROR, r->source, k->line, k->column, "%s", text);
    return -EINVAL;
}

static char peek(const Reader *r)
{
    return r->p < r->end ? *r->p : '\0';
}

static const char *found(const Reader *r, char buf[static 32])
{
    if (r->p >= r->end)
        return "the end of the text";
    if (*r->p == '\n' || (*r->p == '\r' && r->end - r->p > 1 && r->p[1] == '\n'))
        return "the end of the line";
    if ((unsigned char)*r->p < 0x20 || (unsigned char)*r->p >= 0x7f)
        snprintf(buf, 32, "byte 0x%02x", (unsigned char)*r->p);
    else
        snprintf(buf, 32, "'%c'", *r->p);
    return buf;
}

static void skip_space(Reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
        r->p++;
}

/* Space, a comment, the line's end (1 when there was one). */
static int end_line(Reader *r)
{
    skip_space(r);
    if (peek(r) == '#')
        for (r->p++; r->p < r->end && *r->p != '\n';) {
            size_t n = utf8_length(r->p, r->end);
            bool carriage = *r->p == '\r' && r->end - r->p > 1 && r->p[1] == '\n';
            if (!n || ((unsigned char)*r->p < 0x20 && *r->p != '\t' && !carriage) || *r->p == 0x7f)
                return fail(r, r->p, "byte 0x%02x in a comment", (unsigned char)*r->p);
            r->p += n;
        }
    if (r->end - r->p > 1 && r->p[0] == '\r' && r->p[1] == '\n')
        r->p++;
    if (peek(r) != '\n')
        return 0;
    r->line_start = ++r->p;
    r->line++;
    return 1;
}

static int skip_lines(Reader *r)
{
    int k;
    while ((k = end_line(r)) > 0)
        ;
    return k;
}

/* ---- strings and keys ---- */

static int read_code_point(Reader *r, unsigned digits)
{
    uint32_t c = 0;
    const char *at = r->p;
    for (r->p += 2; digits; digits--, r->p++) {
        char h = peek(r);
        int d = h >= '0' && h <= '9'                 ? h - '0'
                : (h | 32) >= 'a' && (h | 32) <= 'f' ? (h | 32) - 'a' + 10
                                                     : -1;
        if (d < 0)
            return fail(r, at, "\\u needs four hexadecimal digits, \\U eight");
        c = c << 4 | (uint32_t)d;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return fail(r, at, "the escape is no character");
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n == 1 ? c : (0xf00 >> n) | c);
    buf_add(&r->scratch, out, n);
    return 0;
}

static int read_escape(Reader *r)
{
    static const char from[] = "\"\\bfnrt", to[] = "\"\\\b\f\n\r\t";
    char c = r->p + 1 < r->end ? r->p[1] : '\0';
    const char *which = c ? strchr(from, c) : NULL;
    if (c == 'u' || c == 'U')
        return read_code_point(r, c == 'u' ? 4 : 8);
    if (!which)
        return fail(r, r->p, "unknown escape; known are \\\" \\\\ \\b \\f \\n \\r \\t \\uXXXX \\UXXXXXXXX");
    buf_add_char(&r->scratch, to[which - from]);
    r->p += 2;
    return 0;
}

static int read_string(Reader *r, const char **ret, size_t *ret_len)
{
    const char *start = r->p;
    char quote = *start;
    if (r->end - start >= 3 && start[1] == quote && start[2] == quote)
        return fail(r, start, "strings over several lines are not read; write \\n");
    r->scratch.len = 0;
    for (r->p++; peek(r) != quote || r->p >= r->end;) {
        size_t n = r->p < r->end && *r->p != '\n' ? utf8_length(r->p, r->end) : 0;
        if (r->p >= r->end || *r->p == '\n')
            return fail(r, start, "the string that starts here does not end in its line");
        if (!n)
            return fail(r, r->p, "byte 0x%02x is not UTF-8", (unsigned char)*r->p);
        if (((unsigned char)*r->p < 0x20 && *r->p != '\t') || *r->p == 0x7f)
            return fail(r, r->p, "a string may not hold control character 0x%02x", (unsigned char)*r->p);
        if (quote == '"' && *r->p == '\\') {
            int k = read_escape(r);
            if (k < 0)
                return k;
            continue;
        }
        buf_add(&r->scratch, r->p, n);
        r->p += n;
    }
    r->p++;
    *ret = arena_memdup(r->arena, r->scratch.data ? r->scratch.data : "", r->scratch.len);
    *ret_len = r->scratch.len;
    return 0;
}

static bool is_bare(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '-';
}

static int read_key(Reader *r, Key *ret)
{
    char buf[32];
    size_t n = 0;
    const char *start = r->p;
    *ret = (Key){.line = r->line, .column = column_of(r, start)};
    if (peek(r) == '"' || peek(r) == '\'') {
        int k = read_string(r, &ret->text, &n);
        if (k >= 0 && strlen(ret->text) != n)
            return fail_key(r, ret, "a key may not hold a NUL character");
        return k;
    }
    while (r->p < r->end && is_bare(*r->p))
        r->p++;
    if (r->p == start)
        return fail(r, r->p, "expected a key, found %s", found(r, buf));
    ret->text = arena_memdup(r->arena, start, (size_t)(r->p - start));
    return 0;
}

/* ---- the tree ---- */

static Table *table_of(Node *n)
{
    return (Table *)n;
}

static bool has_members(const Node *n)
{
    return n->kind == NODE_OBJECT || n->kind == NODE_ARRAY;
}

static Node *new_node(Reader *r, NodeKind kind, uint32_t line, uint32_t column)
{
    Table *t = ARENA_NEW(r->arena, Table);
    t->node = (Node){.kind = kind, .line = line, .column = column, .source = r->source};
    t->origin = ORIGIN_VALUE;
    return &t->node;
}

static int put(Reader *r, Node *object, const Key *key, Node *value)
{
    const Node *old = node_get(object, key->text);
    if (old)
        return fail_key(r, key, "'%s' stands twice (first at line %u column %u)", key->text,
                        old->key_line ? old->key_line : old->line,
                        old->key_line ? old->key_column : old->column);
    if (object->n >= TOML_KEYS_MAX)
        return fail_key(r, key, "the table has more than %d keys", TOML_KEYS_MAX);
    value->key = key->text;
    value->key_line = key->line;
    value->key_column = key->column;
    node_append(object, value);
    return 0;
}

/* One step down a path: the table of that name, made when it is not there; of an array of tables the last
 * one. Below a value nothing is added, and by a dotted key nothing to a table that has a header. */
static int step(Reader *r, Node **table, const Key *key, Origin by)
{
    Node *next = node_get(*table, key->text);
    if (!next) {
        next = new_node(r, NODE_OBJECT, key->line, key->column);
        table_of(next)->origin = by;
        int k = put(r, *table, key, next);
        *table = next;
        return k;
    }
    if (!has_members(next) || table_of(next)->origin == ORIGIN_VALUE ||
        (by == ORIGIN_DOTTED && table_of(next)->origin != ORIGIN_DOTTED))
        return fail_key(r, key, "'%s' is there already and closed (line %u column %u)", key->text,
                        next->key_line, next->key_column);
    *table = table_of(next)->origin == ORIGIN_TABLES ? next->last : next;
    return 0;
}

static bool skip_dot(Reader *r)
{
    skip_space(r);
    if (peek(r) != '.')
        return false;
    r->p++;
    skip_space(r);
    return true;
}

/* "a.b.c": *table is where the last key belongs, which comes back. */
static int read_path(Reader *r, Node **table, Origin by, Key *ret)
{
    bool more = true;
    for (unsigned depth = 0; more; depth++) {
        int k = depth ? step(r, table, ret, by) : 0;
        if (k < 0 || (k = read_key(r, ret)) < 0)
            return k;
        if (depth >= TOML_DEPTH_MAX)
            return fail_key(r, ret, "nested deeper than %d levels", TOML_DEPTH_MAX);
        more = skip_dot(r);
    }
    return 0;
}

/* ---- values ---- */

static int read_value(Reader *r, Node **ret);

static int read_pair(Reader *r, Node *table)
{
    char buf[32];
    Key key;
    Node *value = NULL;
    int k = read_path(r, &table, ORIGIN_DOTTED, &key);
    if (k < 0)
        return k;
    if (peek(r) != '=')
        return fail(r, r->p, "expected '=' after a key, found %s", found(r, buf));
    r->p++;
    skip_space(r);
    if ((k = read_value(r, &value)) < 0)
        return k;
    return put(r, table, &key, value);
}

static int read_array(Reader *r, Node *array)
{
    char buf[32];
    for (r->p++;;) {
        Node *item = NULL;
        int k = skip_lines(r);
        if (k < 0)
            return k;
        if (peek(r) == ']')
            break;
        if ((k = read_value(r, &item)) < 0 || (k = skip_lines(r)) < 0)
            return k;
        node_append(array, item);
        if (peek(r) == ']')
            break;
        if (peek(r) != ',')
            return fail(r, r->p, "expected ',' or ']' after a value, found %s", found(r, buf));
        r->p++;
    }
    r->p++;
    return 0;
}

/* What dotted keys made inside of braces is closed with them. */
static void close_tables(Node *table)
{
    table_of(table)->origin = ORIGIN_VALUE;
    NODE_EACH (n, table)
        if (n->kind == NODE_OBJECT && table_of(n)->origin != ORIGIN_VALUE)
            close_tables(n);
}

static int read_inline(Reader *r, Node *table)
{
    char buf[32];
    r->p++;
    skip_space(r);
    for (bool more = peek(r) != '}'; more;) {
        int k = read_pair(r, table);
        if (k < 0)
            return k;
        skip_space(r);
        more = peek(r) == ',';
        if (!more && peek(r) != '}')
            return fail(r, r->p, "expected ',' or '}' after a value, found %s", found(r, buf));
        r->p += more;
        skip_space(r);
    }
    r->p++;
    close_tables(table);
    return 0;
}

static int read_word(Reader *r, Node *n)
{
    const char *start = r->p, *p = start;
    while (p < r->end && (is_bare(*p) || *p == '+' || *p == '.' || *p == ':'))
        p++;
    size_t len = (size_t)(p - start), sign = len && (*start == '+' || *start == '-');
    char buf[32];
    if (!len)
        return fail(r, start, "expected a value, found %s", found(r, buf));
    if ((len == 4 && !memcmp(start, "true", 4)) || (len == 5 && !memcmp(start, "false", 5))) {
        n->kind = NODE_BOOL;
        n->boolean = *start == 't';
        r->p = p;
        return 0;
    }
    size_t digits = sign;
    while (digits < len && start[digits] >= '0' && start[digits] <= '9')
        digits++;
    if (digits < len || digits == sign || len > 20)
        return fail(
            r, start,
            "'%.*s' is no value that is read here: strings have quotes, numbers are whole and decimal",
            (int)(len < 40 ? len : 40), start);
    if (digits - sign > 1 && start[sign] == '0')
        return fail(r, start, "a number may not start with 0");
    n->kind = NODE_NUMBER;
    n->len = len - (*start == '+');
    n->string = arena_memdup(r->arena, start + (*start == '+'), n->len);
    r->p = p;
    return 0;
}

static int read_value(Reader *r, Node **ret)
{
    Node *n = new_node(r, NODE_STRING, r->line, column_of(r, r->p));
    char c = peek(r);
    int k;
    if (c != '[' && c != '{')
        k = c == '"' || c == '\'' ? read_string(r, &n->string, &n->len) : read_word(r, n);
    else if (++r->depth > TOML_DEPTH_MAX)
        k = fail(r, r->p, "nested deeper than %d levels", TOML_DEPTH_MAX);
    else {
        *n = (Node){.kind = c == '[' ? NODE_ARRAY : NODE_OBJECT,
                    .line = n->line,
                    .column = n->column,
                    .source = n->source};
        if (c == '{')
            table_of(n)->origin = ORIGIN_DOTTED; /* until its brace closes */
        k = c == '[' ? read_array(r, n) : read_inline(r, n);
        r->depth--;
    }
    *ret = n;
    return k;
}

/* ---- headers ---- */

static int open_table(Reader *r, Node *parent, const Key *key, Node **ret)
{
    Node *n = node_get(parent, key->text);
    if (n && n->kind == NODE_OBJECT && table_of(n)->origin == ORIGIN_PATH) {
        table_of(n)->origin = ORIGIN_HEADER;
        *ret = n;
        return 0;
    }
    Node *table = new_node(r, NODE_OBJECT, key->line, key->column);
    table_of(table)->origin = ORIGIN_HEADER;
    *ret = table;
    return put(r, parent, key, table);
}

static int open_item(Reader *r, Node *parent, const Key *key, Node **ret)
{
    Node *list = node_get(parent, key->text);
    if (!list || !has_members(list) || table_of(list)->origin != ORIGIN_TABLES) {
        list = new_node(r, NODE_ARRAY, key->line, key->column);
        table_of(list)->origin = ORIGIN_TABLES;
        int k = put(r, parent, key, list);
        if (k < 0)
            return k;
    }
    *ret = new_node(r, NODE_OBJECT, key->line, key->column);
    table_of(*ret)->origin = ORIGIN_HEADER;
    node_append(list, *ret);
    return 0;
}

static int read_header(Reader *r, Node *root, Node **ret)
{
    char buf[32];
    bool item = r->end - r->p > 1 && r->p[1] == '[';
    Node *parent = root;
    Key key;
    r->p += item ? 2 : 1;
    skip_space(r);
    int k = read_path(r, &parent, ORIGIN_PATH, &key);
    if (k < 0)
        return k;
    if (peek(r) != ']' || (item && (r->end - r->p < 2 || r->p[1] != ']')))
        return fail(r, r->p, "expected '%s' after the table's name, found %s", item ? "]]" : "]",
                    found(r, buf));
    r->p += item ? 2 : 1;
    return item ? open_item(r, parent, &key, ret) : open_table(r, parent, &key, ret);
}

int toml_read(Arena *a, const Source *source, Node **ret, Report *report)
{
    Reader r = {.arena = a,
                .source = source,
                .report = report,
                .p = source->text,
                .end = source->text + source->len,
                .line_start = source->text,
                .line = 1};
    char buf[32];
    Node *root = new_node(&r, NODE_OBJECT, 1, 1), *table = root;
    int k = skip_lines(&r);
    while (k >= 0 && r.p < r.end) {
        k = *r.p == '[' ? read_header(&r, root, &table) : read_pair(&r, table);
        if (k < 0 || (k = end_line(&r)) < 0)
            break;
        if (!k && r.p < r.end)
            k = fail(&r, r.p, "expected the end of the line, found %s", found(&r, buf));
        else
            k = skip_lines(&r);
    }
    buf_done(&r.scratch);
    if (k < 0)
        return -EINVAL;
    *ret = root;
    return 0;
}
