/* Writing JSON: keys in the order of the tree, the shortest escapes, no HTML escapes. */
#include <string.h>

#include "format/characters.h"
#include "format/node.h"

static void write_string(const char *s, size_t n, Buf *out)
{
    static const char letters[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
    buf_add_char(out, '"');
    for (size_t i = 0, run = 0; i <= n; i = run + 1) {
        run = i;
        while (n - run >= sizeof(Characters) &&
               !characters_any(characters_json_special(characters_load(s + run))))
            run += sizeof(Characters);
        while (run < n && (unsigned char)s[run] >= 0x20 && s[run] != '"' && s[run] != '\\')
            run++;
        buf_add(out, s + i, run - i);
        if (run >= n)
            break;
        const char *special = s[run] ? strchr(letters, s[run]) : NULL;
        if (special)
            buf_addf(out, "\\%c", names[special - letters]);
        else
            buf_addf(out, "\\u%04x", (unsigned char)s[run]);
    }
    buf_add_char(out, '"');
}

static void new_line(JsonStyle style, unsigned depth, Buf *out)
{
    if (style == JSON_COMPACT)
        return;
    buf_add_char(out, '\n');
    for (unsigned i = 0; i < depth * (style == JSON_PRETTY ? 4 : 2); i++)
        buf_add_char(out, ' ');
}

static void write_node(const Node *n, JsonStyle style, unsigned depth, Buf *out)
{
    bool object = n->kind == NODE_OBJECT;
    switch (n->kind) {
    case NODE_NULL:
        buf_add_str(out, "null");
        return;
    case NODE_BOOL:
        buf_add_str(out, n->boolean ? "true" : "false");
        return;
    case NODE_NUMBER:
        buf_add(out, n->string, n->len);
        return;
    case NODE_STRING:
        write_string(n->string, n->len, out);
        return;
    case NODE_ARRAY:
    case NODE_OBJECT:
        break;
    }
    buf_add_char(out, object ? '{' : '[');
    NODE_EACH (child, n) {
        new_line(style, depth + 1, out);
        if (object) {
            write_string(child->key, strlen(child->key), out);
            buf_add_str(out, style == JSON_COMPACT ? ":" : ": ");
        }
        write_node(child, style, depth + 1, out);
        if (child->next)
            buf_add_char(out, ',');
    }
    if (n->first)
        new_line(style, depth, out);
    buf_add_char(out, object ? '}' : ']');
}

void json_write(const Node *n, JsonStyle style, Buf *out)
{
    write_node(n, style, 0, out);
}
