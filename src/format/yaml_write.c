/* Block style, as kubectl prints: list items at their parent's indentation, literal blocks for text of
 * several lines. A string is written plain only when no reader, of YAML 1.1 or 1.2, could take it for
 * something else; otherwise in double quotes, with JSON's escapes, which both versions read. */
#include <ctype.h>
#include <string.h>

#include "format/node.h"

enum { SIMPLE_KEY_MAX = 128 }; /* of 1024 characters, escapes of six each counted */

static void indent(unsigned depth, Buf *out)
{
    for (unsigned i = 0; i < depth; i++)
        buf_add_str(out, "  ");
}

static bool reserved(const char *s)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no",  "on",
                                        "off",  "y",    "n",     "~",   "nan", "inf"};
    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (!strcasecmp(s, words[i]))
            return true;
    return false;
}

/* Starts with a digit, and yet no reader sees a number, a time or a date in it: a letter that stands in none
 * of those ("10-worker"), or two points among digits ("3.2.0"). */
static bool no_number(const char *s, size_t n)
{
    size_t points = 0;
    for (size_t i = 0; i < n; i++) {
        if (isalpha((unsigned char)s[i]) && !strchr("abcdefinoxtzABCDEFINOXTZ", s[i]))
            return true;
        points += s[i] == '.';
    }
    return points >= 2 && strspn(s, "0123456789.") == n;
}

/* Plain is safe: starts with a letter, '/', or '_', has no ": ", " #", no trailing space or colon, nothing
 * but printable ASCII. */
static bool plain_ok(const char *s, size_t n)
{
    if (!n || reserved(s) ||
        !(isalpha((unsigned char)s[0]) || s[0] == '/' || s[0] == '_' ||
          (isdigit((unsigned char)s[0]) && no_number(s, n))) ||
        s[n - 1] == ' ' || s[n - 1] == ':')
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c > 0x7e || (c == ':' && s[i + 1] == ' ') || (c == '#' && s[i - 1] == ' '))
            return false;
    }
    return true;
}

/* A literal block can say it: lines of printable text or tabs, the first not blank and not indented (it would
 * set the block's indentation), the last one ended by at most one newline or by several ("|+"). */
static bool literal_ok(const char *s, size_t n)
{
    if (!memchr(s, '\n', n) || s[0] == '\n' || s[0] == ' ' || s[0] == '\t')
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || c >= 0x80)
            return false;
    }
    return true;
}

/* What JSON writes as it is and YAML does not take so: control characters past ASCII (NEL among them), the
 * line and paragraph separators, which YAML 1.1 takes for line breaks, the byte order mark, noncharacters. */
static unsigned must_escape(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] == 0x7f)
        return 0x7f;
    if (p[0] == 0xc2 && p[1] < 0xa0)
        return p[1];
    if (p[0] != 0xe2 && p[0] != 0xef)
        return 0;
    unsigned c = (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
    return c == 0x2028 || c == 0x2029 || c == 0xfeff || c >= 0xfffe ? c : 0;
}

static void write_quoted(const char *s, size_t n, Buf *out)
{
    _cleanup_buf_ Buf json = BUF_INIT;
    Node string = {.kind = NODE_STRING, .string = s, .len = n};
    json_write(&string, JSON_COMPACT, &json);
    size_t run = 0;
    for (size_t i = 0; i < json.len; i++) {
        unsigned char first = (unsigned char)json.data[i];
        unsigned c = first < 0x7f ? 0 : must_escape(json.data + i);
        if (!c)
            continue;
        buf_add(out, json.data + run, i - run);
        buf_addf(out, "\\u%04x", c);
        i += first == 0x7f ? 0 : first == 0xc2 ? 1 : 2;
        run = i + 1;
    }
    buf_add(out, json.data + run, json.len - run);
}

static void write_literal(const char *s, size_t n, unsigned depth, Buf *out)
{
    bool ends = s[n - 1] == '\n', several = ends && n > 1 && s[n - 2] == '\n';
    buf_add_str(out, several ? "|+" : ends ? "|" : "|-");
    for (size_t i = 0; i < n;) {
        const char *stop = memchr(s + i, '\n', n - i);
        size_t len = stop ? (size_t)(stop - s) - i : n - i;
        buf_add_char(out, '\n');
        if (len)
            indent(depth, out);
        buf_add(out, s + i, len);
        i += len + 1;
    }
}

static void write_string(const char *s, size_t n, unsigned depth, Buf *out)
{
    if (plain_ok(s, n))
        buf_add(out, s, n);
    else if (literal_ok(s, n))
        write_literal(s, n, depth, out);
    else
        write_quoted(s, n, out);
}

static int by_key(const void *x, const void *y)
{
    return strcmp((*(const Node *const *)x)->key, (*(const Node *const *)y)->key);
}

static const Node **children(const Node *n, bool sort)
{
    const Node **list = calloc(n->n + 1, sizeof(*list));
    if (!list)
        abort();
    size_t i = 0;
    NODE_EACH (child, n)
        list[i++] = child;
    if (sort && n->kind == NODE_OBJECT)
        qsort(list, n->n, sizeof(*list), by_key);
    return list;
}

static bool is_collection(const Node *n)
{
    return (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT) && n->first;
}

static void write_block(const Node *n, bool sort, unsigned depth, bool first_in_place, Buf *out);

static void write_scalar(const Node *n, unsigned depth, Buf *out)
{
    if (n->kind == NODE_STRING)
        write_string(n->string, n->len, depth, out);
    else
        json_write(n, JSON_COMPACT, out); /* numbers, words, {} and [] */
}

/* A key is one line; a reader looks for the ':' only so far, and a longer key says what it is by a '?'. */
static void write_key(const char *key, unsigned depth, Buf *out)
{
    size_t n = strlen(key);
    if (n > SIMPLE_KEY_MAX)
        buf_add_str(out, "? ");
    if (plain_ok(key, n))
        buf_add(out, key, n);
    else
        write_quoted(key, n, out);
    if (n <= SIMPLE_KEY_MAX) {
        buf_add_char(out, ':');
        return;
    }
    buf_add_char(out, '\n');
    indent(depth, out);
    buf_add_char(out, ':');
}

static void write_member(const Node *n, bool sort, unsigned depth, Buf *out)
{
    write_key(n->key, depth, out);
    if (!is_collection(n)) {
        buf_add_char(out, ' ');
        write_scalar(n, depth + 1, out);
        buf_add_char(out, '\n');
        return;
    }
    buf_add_char(out, '\n');
    write_block(n, sort, n->kind == NODE_ARRAY ? depth : depth + 1, false, out);
}

/* first_in_place: the first line stands behind a "- " that is already indented. */
static void write_block(const Node *n, bool sort, unsigned depth, bool first_in_place, Buf *out)
{
    _cleanup_free_ const Node **list = children(n, sort);
    for (size_t i = 0; i < n->n; i++) {
        if (i || !first_in_place)
            indent(depth, out);
        if (n->kind == NODE_OBJECT) {
            write_member(list[i], sort, depth, out);
            continue;
        }
        buf_add_str(out, "- ");
        if (is_collection(list[i]))
            write_block(list[i], sort, depth + 1, true, out);
        else {
            write_scalar(list[i], depth + 1, out);
            buf_add_char(out, '\n');
        }
    }
}

void yaml_write(const Node *n, bool sort_keys, Buf *out)
{
    if (is_collection(n)) {
        write_block(n, sort_keys, 0, false, out);
        return;
    }
    write_scalar(n, 1, out);
    buf_add_char(out, '\n');
}
