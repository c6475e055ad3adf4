/* A reader of unit files that is exactly as strict as the one whose verdicts users know: text before the
 * first section is skipped, a line may go on after a backslash, an option needs its "=", a line that is too
 * long for systemd is refused. That last check looks only at what a 4096-byte read buffer holds at the
 * moment, so it lets some long lines pass; the buffer is modelled here, because a config that was accepted
 * elsewhere must not be refused for a line that happens to lie differently. */
#include "ignition/unit_text.h"

#include <string.h>

#include "base/buf.h"

enum { LINE_LIMIT = 2048, WINDOW = 4096 };

typedef struct Reader {
    Arena *arena;
    const char *text;
    size_t len, at, filled; /* [at, filled) is what the modelled buffer holds */
    const char *section;
    UnitOption *first, **tail;
} Reader;

static void reader_fill(Reader *r)
{
    r->filled = r->at + WINDOW < r->len ? r->at + WINDOW : r->len;
}

/* One byte, or -1 at the end. A unit's syntax is all ASCII, so characters of several bytes need no care. */
static int reader_next(Reader *r)
{
    if (r->at == r->filled)
        reader_fill(r);
    return r->at < r->len ? (unsigned char)r->text[r->at++] : -1;
}

/* Up to and without `delimiter`; *ret_end says that the text ended first. */
static char *reader_until(Reader *r, char delimiter, bool *ret_end)
{
    size_t start = r->at;

    for (;;) {
        const char *hit = memchr(r->text + r->at, delimiter, r->filled - r->at);

        if (hit) {
            r->at = (size_t)(hit - r->text) + 1;
            *ret_end = false;
            return arena_memdup(r->arena, r->text + start, r->at - 1 - start);
        }
        if (r->filled == r->len) {
            r->at = r->len;
            *ret_end = true;
            return arena_memdup(r->arena, r->text + start, r->len - start);
        }
        if (r->filled - r->at >= WINDOW)
            r->at = r->filled;
        reader_fill(r);
    }
}

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char *trim(char *s)
{
    size_t n;

    while (is_space((unsigned char)*s))
        s++;
    n = strlen(s);
    while (n > 0 && is_space((unsigned char)s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

static bool ends_with(const char *s, char c)
{
    size_t n = strlen(s);

    return n > 0 && s[n - 1] == c;
}

static void reader_skip_comment(Reader *r)
{
    bool end;
    char *line;

    do {
        line = reader_until(r, '\n', &end);
        if (ends_with(line, ' '))
            line[strlen(line) - 1] = '\0';
    } while (ends_with(line, '\\'));
}

static int reader_section(Reader *r, Error *e)
{
    bool end;
    char *garbage;
    const char *name = reader_until(r, ']', &end);

    if (end)
        return error_set(e, EINVAL, "unable to find end of section");
    garbage = trim(reader_until(r, '\n', &end));
    if (*garbage)
        return error_set(e, EINVAL, "found garbage after section name : \"%s\"", garbage);
    r->section = name;
    return 0;
}

static int reader_option(Reader *r, Error *e)
{
    size_t start = r->at;
    _cleanup_buf_ Buf value = BUF_INIT;
    char *name;
    bool end = false;
    int c;

    while ((c = reader_next(r)) != '=') {
        if (c < 0)
            return error_set(e, EINVAL, "EOF");
        if (c == '\n' || c == '\r')
            return error_set(e, EINVAL, "unexpected newline encountered while parsing option name");
    }
    name = trim(arena_memdup(r->arena, r->text + start, r->at - 1 - start));
    for (;;) {
        char *line = reader_until(r, '\n', &end);
        bool more = ends_with(line, '\\');

        buf_add_str(&value, line);
        if (!more || end)
            break;
        buf_add_char(&value, '\n');
    }
    *r->tail = ARENA_NEW(r->arena, UnitOption);
    **r->tail = (UnitOption){.section = r->section,
                             .name = name,
                             .value = trim(arena_memdup(r->arena, value.data ?: "", value.len))};
    r->tail = &(*r->tail)->next;
    return 0;
}

int unit_text_read(Arena *a, const char *text, UnitOption **ret, Error *e)
{
    Reader r = {.arena = a, .text = text ?: ""};
    int c, k;

    r.len = strlen(r.text);
    r.tail = &r.first;
    for (;;) {
        if (r.filled - r.at >= LINE_LIMIT && !memchr(r.text + r.at, '\n', LINE_LIMIT) &&
            !memchr(r.text + r.at, '\r', LINE_LIMIT))
            return error_set(e, EINVAL, "line too long (max %d bytes)", LINE_LIMIT);
        c = reader_next(&r);
        if (c < 0)
            break;
        k = 0;
        if (c == '[') {
            k = reader_section(&r, e);
        } else if (c == '#' || c == ';') {
            reader_skip_comment(&r);
        } else if (r.section && !is_space(c)) {
            r.at--;
            k = reader_option(&r, e);
        }
        if (k < 0)
            return k;
    }
    *ret = r.first;
    return 0;
}

const char *unit_text_get(const UnitOption *options, const char *section, const char *name)
{
    const char *value = NULL;

    for (const UnitOption *o = options; o; o = o->next)
        if (strcmp(o->section, section) == 0 && strcmp(o->name, name) == 0)
            value = o->value;
    return value;
}

bool unit_text_has_section(const UnitOption *options, const char *section)
{
    for (const UnitOption *o = options; o; o = o->next)
        if (strcmp(o->section, section) == 0)
            return true;
    return false;
}
