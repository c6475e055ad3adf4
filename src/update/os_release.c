/* NAME=value lines in the way of a shell without any expansion; the last of equal names counts. A value that
 * has its quotes wrong is none. Control characters are left out: the text goes into menus and entries. */
#include "update/os_release.h"

#include <string.h>

#include "base/buf.h"
#include "base/file.h"

enum { OS_RELEASE_MAX = 64 << 10 };

static void add_printable(Buf *out, char c)
{
    if ((unsigned char)c >= 0x20 && c != 0x7f)
        buf_add_char(out, c);
}

static const char *unquote(Arena *a, const char *s, const char *end)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    char quote = 0;

    for (; s < end; s++) {
        if (quote != '\'' && *s == '\\' && s + 1 < end) {
            if (quote == '"' && !strchr("\"\\$`", s[1]))
                add_printable(&out, *s);
            add_printable(&out, *++s);
        } else if (quote ? *s == quote : *s == '"' || *s == '\'')
            quote = quote ? 0 : *s;
        else if (!quote && (*s == ' ' || *s == '\t'))
            break;
        else
            add_printable(&out, *s);
    }
    return quote ? NULL : arena_memdup(a, out.data ? out.data : "", out.len);
}

const char *os_release_parse(Arena *a, const char *text, const char *name)
{
    const size_t n = strlen(name);
    const char *found = NULL;

    for (const char *line = text; *line;) {
        const char *end = strchrnul(line, '\n');
        if ((size_t)(end - line) > n && memcmp(line, name, n) == 0 && line[n] == '=')
            found = unquote(a, line + n + 1, end);
        line = *end ? end + 1 : end;
    }
    return found;
}

const char *os_release_get(Arena *a, int tree, const char *name)
{
    static const char *const paths[] = {"usr/lib/os-release", "etc/os-release"};

    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        if (root_read(tree, paths[i], OS_RELEASE_MAX, &text) >= 0 && text.data)
            return os_release_parse(a, text.data, name);
    }
    return NULL;
}
