/* A recursive descent over the bytes, one pass. Positions come from the start of the current line; the column
 * is counted when a node is made, and only lines that have bytes past ASCII pay for counting characters.
 * Refused, each with its own words: what RFC 8259 refuses, bytes that are not UTF-8, lone surrogates, a byte
 * order mark, too deep nesting, and text after the value. */
#include "format/json.h"

#include <string.h>

#include "base/map.h"
#include "format/characters.h"
#include "format/utf8.h"

enum { KEYS_KEPT = 64 };       /* keys that are looked at before a new one is copied */
enum { OBJECT_SCAN_MAX = 16 }; /* more keys than this are looked up in a map, so that no text is quadratic */

typedef struct Reader {
    Arena *arena;
    const Source *source;
    Report *report;
    JsonLimits limits;
    size_t values;
    const char *p, *end, *line_start;
    uint32_t line;
    unsigned depth;
    bool wide;               /* a byte past ASCII stands in this line */
    const char *counted;     /* in a wide line: up to here ... */
    uint32_t counted_column; /* ... this many columns were counted, so that no line is counted twice */
    Buf scratch;
    const char *keys[KEYS_KEPT];
} Reader;

static uint32_t column_of(Reader *r, const char *p)
{
    if (!r->wide)
        return (uint32_t)(p - r->line_start) + 1;
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

/* How a message names what stands at p. */
static const char *found(const Reader *r, const char *p, char buf[static 32])
{
    if (p >= r->end)
        return "the end of the text";
    if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
        snprintf(buf, 32, "byte 0x%02x", (unsigned char)*p);
    else
        snprintf(buf, 32, "'%c'", *p);
    return buf;
}

static void skip_space(Reader *r)
{
    for (; r->p < r->end; r->p++) {
        if (*r->p == '\n') {
            r->line++;
            r->line_start = r->p + 1;
            r->wide = false;
        } else if (*r->p != ' ' && *r->p != '\t' && *r->p != '\r')
            return;
    }
}

static void add_code_point(Buf *b, uint32_t c)
{
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n == 1 ? c : (0xf00 >> n) | c);
    buf_add(b, out, n);
}

static int hex4(Reader *r, const char *p, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        char c = p + i < r->end ? p[i] : '\0';
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0)
            return fail(r, p - 2, "\\u needs four hexadecimal digits");
        *ret = *ret << 4 | (uint32_t)d;
    }
    return 0;
}

static int read_unicode(Reader *r)
{
    uint32_t c, low;
    const char *at = r->p - 2; /* r->p stands behind the u */
    int k = hex4(r, r->p, &c);
    if (k < 0)
        return k;
    r->p += 4;
    if (c >= 0xdc00 && c <= 0xdfff)
        return fail(r, at, "a low surrogate stands alone");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
            return fail(r, at, "a high surrogate stands alone");
        if ((k = hex4(r, r->p + 2, &low)) < 0)
            return k;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(r, at, "a high surrogate stands alone");
        r->p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    add_code_point(&r->scratch, c);
    return 0;
}

static int read_escape(Reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = r->p + 1 < r->end ? r->p[1] : '\0';
    const char *which = c ? strchr(from, c) : NULL;
    if (which) {
        buf_add_char(&r->scratch, to[which - from]);
        r->p += 2;
        return 0;
    }
    if (c != 'u')
        return fail(r, r->p,
                    "unknown escape in a string; known are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX");
    r->p += 2;
    return read_unicode(r);
}

static bool all_plain(const char *p)
{
    Characters c = characters_load(p);
    return !characters_any(characters_json_special(c) | characters_within(c, 0x80, 0xff));
}

/* Runs of plain characters are taken whole; most strings are one run and are copied once. */
static const char *plain_run(Reader *r)
{
    const char *p = r->p;
    while (r->end - p >= (ptrdiff_t)sizeof(Characters) && all_plain(p))
        p += sizeof(Characters);
    while (p < r->end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80)
        p++;
    return p;
}

static int read_string(Reader *r, const char **ret, size_t *ret_len)
{
    const char *start = r->p++;
    const char *run = plain_run(r);
    if (run < r->end && *run == '"') {
        *ret_len = (size_t)(run - r->p);
        *ret = arena_memdup(r->arena, r->p, *ret_len);
        r->p = run + 1;
        return 0;
    }
    r->scratch.len = 0;
    for (;;) {
        run = plain_run(r);
        buf_add(&r->scratch, r->p, (size_t)(run - r->p));
        r->p = run;
        if (r->p >= r->end)
            return fail(r, start, "the string that starts here does not end");
        unsigned char c = (unsigned char)*r->p;
        if (c == '"')
            break;
        if (c == '\\') {
            int k = read_escape(r);
            if (k < 0)
                return k;
        } else if (c < 0x20)
            return fail(r, r->p, "a string may not hold control character 0x%02x; write it as an escape", c);
        else {
            size_t n = utf8_length(r->p, r->end);
            if (!n)
                return fail(r, r->p, "byte 0x%02x is not UTF-8", c);
            r->wide = true;
            buf_add(&r->scratch, r->p, n);
            r->p += n;
        }
    }
    r->p++;
    *ret = arena_memdup(r->arena, r->scratch.data, r->scratch.len);
    *ret_len = r->scratch.len;
    return 0;
}

/* A config has the same few keys again and again: one copy of each is enough. */
static int read_key(Reader *r, const char **ret)
{
    const char *start = r->p + 1, *quote = start;
    unsigned hash = 0;
    while (quote<r->end && * quote> ' ' && *quote != '"' && *quote != '\\')
        hash = hash * 31 + (unsigned char)*quote++;
    size_t len = (size_t)(quote - start);
    const char **kept = &r->keys[hash % KEYS_KEPT];
    if (quote < r->end && *quote == '"' && *kept && !strncmp(*kept, start, len) && !(*kept)[len]) {
        r->p = quote + 1;
        *ret = *kept;
        return 0;
    }
    int k = read_string(r, ret, &len);
    if (k < 0)
        return k;
    if (strlen(*ret) != len)
        return fail(r, r->p, "a key may not hold a NUL character");
    *kept = *ret;
    return 0;
}

static size_t digits(const Reader *r, const char *p)
{
    size_t n = 0;
    while (p + n < r->end && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

static int read_number(Reader *r, Node *n)
{
    const char *start = r->p, *p = start + (*start == '-');
    size_t whole = digits(r, p), more;
    if (!whole)
        return fail(r, start, "a '-' needs digits behind it");
    if (whole > 1 && *p == '0')
        return fail(r, start,
                    "a number may not start with 0; write octal modes as decimal numbers (0644 is 420)");
    p += whole;
    if (p < r->end && *p == '.') {
        if (!(more = digits(r, p + 1)))
            return fail(r, start, "a number needs digits behind the point");
        p += 1 + more;
    }
    if (p < r->end && (*p | 32) == 'e') {
        p++;
        p += p < r->end && (*p == '+' || *p == '-');
        if (!(more = digits(r, p)))
            return fail(r, start, "a number needs digits in its exponent");
        p += more;
    }
    n->kind = NODE_NUMBER;
    n->len = (size_t)(p - start);
    n->string = arena_memdup(r->arena, start, n->len);
    r->p = p;
    return 0;
}

static int read_word(Reader *r, Node *n)
{
    static const struct {
        const char *text;
        NodeKind kind;
        bool value;
    } words[] = {{"true", NODE_BOOL, true}, {"false", NODE_BOOL, false}, {"null", NODE_NULL, false}};
    for (size_t i = 0; i < ELEMENTS(words); i++) {
        size_t len = strlen(words[i].text);
        if ((size_t)(r->end - r->p) >= len && !memcmp(r->p, words[i].text, len)) {
            n->kind = words[i].kind;
            n->boolean = words[i].value;
            r->p += len;
            return 0;
        }
    }
    char buf[32];
    return fail(r, r->p, "expected a value, found %s", found(r, r->p, buf));
}

static int read_value(Reader *r, Node *n);

static int next_item(Reader *r, char close, bool *ret_more)
{
    char buf[32];
    skip_space(r);
    if (r->p < r->end && *r->p == close) {
        r->p++;
        *ret_more = false;
        return 0;
    }
    if (r->p >= r->end || *r->p != ',')
        return fail(r, r->p, "expected ',' or '%c' after a value, found %s", close, found(r, r->p, buf));
    const char *comma = r->p++;
    uint32_t line = r->line, column = column_of(r, comma);
    skip_space(r);
    if (r->p < r->end && *r->p == close) {
        report_add_at(r->report, SEVERITY_ERROR, r->source, line, column,
                      "a comma stands before the closing '%c'", close);
        return -EINVAL;
    }
    *ret_more = true;
    return 0;
}

static int read_array(Reader *r, Node *array)
{
    array->kind = NODE_ARRAY;
    r->p++;
    skip_space(r);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
        return 0;
    }
    for (bool more = true; more;) {
        Node *item = ARENA_NEW(r->arena, Node);
        int k = read_value(r, item);
        if (k < 0)
            return k;
        node_append(array, item);
        if ((k = next_item(r, ']', &more)) < 0)
            return k;
    }
    return 0;
}

static Node *find_key(const Node *object, Map *keys, const char *key)
{
    if (object->n < OBJECT_SCAN_MAX)
        return node_get(object, key);
    if (!keys->n)
        NODE_EACH (n, object)
            map_put(keys, n->key, n);
    return map_get(keys, key);
}

/* The last value stands, in the place of the first. */
static void put_member(Reader *r, Node *object, Map *keys, Node *value)
{
    Node *old = find_key(object, keys, value->key);
    if (!old) {
        node_append(object, value);
        if (keys->n)
            map_put(keys, value->key, value);
        return;
    }
    report_add_at(r->report, r->limits.duplicate_keys, r->source, value->key_line, value->key_column,
                  "duplicate key '%s' (first at line %u column %u)", value->key, old->key_line,
                  old->key_column);
    Node *next = old->next;
    *old = *value;
    old->next = next;
}

static int read_member(Reader *r, Node *object, Map *keys)
{
    char buf[32];
    skip_space(r);
    if (r->p >= r->end || *r->p != '"')
        return fail(r, r->p, "expected a key in double quotes, found %s", found(r, r->p, buf));
    Node *value = ARENA_NEW(r->arena, Node);
    value->key_line = r->line;
    value->key_column = column_of(r, r->p);
    int k = read_key(r, &value->key);
    if (k < 0)
        return k;
    skip_space(r);
    if (r->p >= r->end || *r->p != ':')
        return fail(r, r->p, "expected ':' after a key, found %s", found(r, r->p, buf));
    r->p++;
    if ((k = read_value(r, value)) < 0)
        return k;
    put_member(r, object, keys, value);
    return 0;
}

static int read_object(Reader *r, Node *object)
{
    _cleanup_map_ Map keys = MAP_INIT;
    object->kind = NODE_OBJECT;
    r->p++;
    skip_space(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        return 0;
    }
    for (bool more = true; more;) {
        int k = read_member(r, object, &keys);
        if (k < 0 || (k = next_item(r, '}', &more)) < 0)
            return k;
    }
    return 0;
}

static int read_value(Reader *r, Node *n)
{
    skip_space(r);
    if (++r->values > r->limits.values)
        return fail(r, r->p, "there are more than %zu values", r->limits.values);
    n->line = r->line;
    n->column = column_of(r, r->p);
    n->source = r->source;
    char c = r->p < r->end ? *r->p : '\0';
    if (c == '"') {
        n->kind = NODE_STRING;
        return read_string(r, &n->string, &n->len);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(r, n);
    if (c != '{' && c != '[')
        return read_word(r, n);
    if (++r->depth > r->limits.depth)
        return fail(r, r->p, "nested deeper than %u levels", r->limits.depth);
    int k = c == '{' ? read_object(r, n) : read_array(r, n);
    r->depth--;
    return k;
}

static int read_text(Reader *r, Node *root)
{
    char buf[32];
    if (r->end - r->p >= 3 && !memcmp(r->p, "\xef\xbb\xbf", 3))
        return fail(r, r->p, "the text starts with a byte order mark; save it without one");
    skip_space(r);
    if (r->p >= r->end)
        return fail(r, r->p, "the text is empty");
    int k = read_value(r, root);
    if (k < 0)
        return k;
    skip_space(r);
    if (r->p < r->end)
        return fail(r, r->p, "expected the end of the text, found %s", found(r, r->p, buf));
    return 0;
}

int json_read(Arena *a, const Source *source, Severity duplicate_keys, Node **ret, Report *report)
{
    const JsonLimits limits = {.duplicate_keys = duplicate_keys, .depth = JSON_DEPTH_MAX, .values = SIZE_MAX};
    return json_read_within(a, source, &limits, ret, report);
}

int json_read_within(Arena *a, const Source *source, const JsonLimits *limits, Node **ret, Report *report)
{
    size_t before = report->errors;
    Reader r = {.arena = a,
                .source = source,
                .report = report,
                .limits = *limits,
                .p = source->text,
                .end = source->text + source->len,
                .line_start = source->text,
                .counted = source->text,
                .counted_column = 1,
                .line = 1};
    Node *root = ARENA_NEW(a, Node);
    int k = read_text(&r, root);
    buf_done(&r.scratch);
    if (k < 0 || report->errors > before)
        return -EINVAL;
    *ret = root;
    return 0;
}
