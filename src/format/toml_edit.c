/* Line by line: a header begins a table, a line of the table that begins with the key and '=' is replaced.
 * Where there is none, one is put behind the table's last line that says something. */
#include "format/toml_edit.h"

#include <stdbool.h>
#include <string.h>

typedef struct Place {
    size_t from, to; /* bytes of the text to be replaced */
    bool in_table, found, any_table;
} Place;

static const char *skip_blanks(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    return s;
}

static bool is_header_of(const char *line, const char *end, const char *table)
{
    size_t n = strlen(table);
    const char *s = skip_blanks(line + 1, end);
    if ((size_t)(end - s) < n || memcmp(s, table, n) != 0)
        return false;
    s = skip_blanks(s + n, end);
    return s < end && *s == ']';
}

static bool sets_key(const char *line, const char *end, const char *key)
{
    size_t n = strlen(key);
    if ((size_t)(end - line) < n || memcmp(line, key, n) != 0)
        return false;
    line = skip_blanks(line + n, end);
    return line < end && *line == '=';
}

static Place find_place(const Buf *text, const char *table, const char *key)
{
    Place p = {.from = text->len, .to = text->len};
    const char *start = text->data, *end = start + text->len;
    for (const char *line = start; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *stop = newline ? newline + 1 : end, *s = skip_blanks(line, stop);
        if (s < stop && *s == '[') {
            p.in_table = !p.any_table && is_header_of(s, stop, table);
            p.any_table |= p.in_table;
        }
        bool says = s < stop && *s != '#' && *s != '\n' && *s != '\r';
        if (p.in_table && says && !p.found) {
            p.found = *s != '[' && sets_key(s, stop, key);
            p.from = (size_t)((p.found ? s : stop) - start);
            p.to = (size_t)(stop - start);
        }
        line = stop;
    }
    return p;
}

void toml_edit_set(Buf *text, const char *table, const char *key, const char *value)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    Place p = text->len ? find_place(text, table, key) : (Place){0};

    if (p.from)
        buf_add(&out, text->data, p.from);
    if (out.len && !p.found && out.data[out.len - 1] != '\n')
        buf_add_char(&out, '\n');
    if (!p.any_table)
        buf_addf(&out, "%s[%s]\n", out.len ? "\n" : "", table);
    buf_addf(&out, "%s = %s\n", key, value);
    if (p.to < text->len)
        buf_add(&out, text->data + p.to, text->len - p.to);
    buf_done(text);
    *text = out;
    out = BUF_INIT;
}
