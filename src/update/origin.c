/* A key file as lines, in their order. What is asked for or changed is looked up among them, so that writing
 * gives back what was read but for the change. As GLib: the last of equal keys counts, a group may stand
 * several times, spaces around '=' do not count, values escape what would not survive them. Refused: a zero
 * byte, a key before the first group, a line that is neither group, key, comment nor empty. */
#include "update/origin.h"

#include <errno.h>
#include <string.h>

/* ---- values ---- */

static const char *value_read(Arena *a, const char *s, size_t n)
{
    _cleanup_buf_ Buf b = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\' || i + 1 == n) {
            buf_add_char(&b, s[i]);
            continue;
        }
        static const char names[] = "sntr\\", bytes[] = " \n\t\r\\";
        const char *at = strchr(names, s[++i]);
        if (at)
            buf_add_char(&b, bytes[at - names]);
        else
            buf_add(&b, &s[i - 1], 2);
    }
    return arena_memdup(a, b.data ? b.data : "", b.len);
}

static void value_write(Buf *out, const char *s)
{
    for (bool leading = true; *s; s++) {
        leading = leading && (*s == ' ' || *s == '\t');
        if (*s == ' ' && leading)
            buf_add_str(out, "\\s");
        else if (*s == '\t' && leading)
            buf_add_str(out, "\\t");
        else if (*s == '\n')
            buf_add_str(out, "\\n");
        else if (*s == '\r')
            buf_add_str(out, "\\r");
        else if (*s == '\\')
            buf_add_str(out, "\\\\");
        else
            buf_add_char(out, *s);
    }
}

/* ---- reading and writing ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void trim(const char **s, const char **end)
{
    while (*s < *end && is_space(**s))
        (*s)++;
    while (*end > *s && is_space((*end)[-1]))
        (*end)--;
}

static OriginLine *line_add(Origin *o)
{
    if (o->n >= ORIGIN_LINES_MAX)
        return NULL;
    if (o->n == o->size) {
        size_t size = o->size ? 2 * o->size : 16;
        OriginLine *lines = ARENA_ARRAY(o->arena, OriginLine, size);
        if (o->n)
            memcpy(lines, o->lines, o->n * sizeof(*lines));
        o->lines = lines;
        o->size = size;
    }
    o->lines[o->n] = (OriginLine){0};
    return &o->lines[o->n++];
}

/* False: no line of a key file. *group is the group that the line stands in, or opens. */
static bool line_read(Arena *a, const char *s, const char *end, const char **group, OriginLine *ret)
{
    const char *start = s;

    ret->text = arena_memdup(a, s, (size_t)(end - s));
    trim(&s, &end);
    if (s == end || *start == '#') {
        ret->group = *group;
        return true;
    }
    if (*s == '[') {
        const char *close = memchr(s, ']', (size_t)(end - s));
        if (!close || close != end - 1 || close == s + 1)
            return false;
        ret->group = *group = arena_memdup(a, s + 1, (size_t)(close - s - 1));
        return true;
    }
    const char *equals = memchr(s, '=', (size_t)(end - s));
    if (!equals || equals == s || !*group)
        return false;
    const char *key_end = equals, *value = equals + 1;
    trim(&s, &key_end);
    trim(&value, &end);
    ret->group = *group;
    ret->key = arena_memdup(a, s, (size_t)(key_end - s));
    ret->value = value_read(a, value, (size_t)(end - value));
    return true;
}

int origin_parse(Arena *a, const char *file, const char *text, size_t n, Origin *ret, Error *e)
{
    Origin o = {.arena = a};
    const char *group = NULL, *end = text + n;
    unsigned number = 0;

    if (n > ORIGIN_SIZE_MAX)
        return error_set(e, EFBIG, "%s: larger than %d bytes", file, ORIGIN_SIZE_MAX);
    if (n > 0 && memchr(text, '\0', n))
        return error_set(e, EBADMSG, "%s: there is a zero byte in it", file);
    for (const char *s = text; s < end; number++) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        OriginLine *l = line_add(&o);
        if (!l)
            return error_set(e, EFBIG, "%s: more than %d lines", file, ORIGIN_LINES_MAX);
        if (!line_read(a, s, stop ? stop : end, &group, l))
            return error_set(e, EBADMSG, "%s: line %u is neither a group nor a key with a value", file,
                             number + 1);
        s = stop ? stop + 1 : end;
    }
    *ret = o;
    return 0;
}

void origin_encode(const Origin *o, Buf *out)
{
    for (size_t i = 0; i < o->n; i++) {
        const OriginLine *l = &o->lines[i];
        if (l->text)
            buf_add_str(out, l->text);
        else {
            buf_addf(out, "%s=", l->key);
            value_write(out, l->value);
        }
        buf_add_char(out, '\n');
    }
}

Origin origin_copy(Arena *a, const Origin *o)
{
    Origin c = {.arena = a};

    for (size_t i = 0; i < o->n; i++) {
        const OriginLine *l = &o->lines[i];
        *line_add(&c) = (OriginLine){.group = arena_strdup(a, l->group),
                                     .key = arena_strdup(a, l->key),
                                     .value = arena_strdup(a, l->value),
                                     .text = arena_strdup(a, l->text)};
    }
    return c;
}

/* ---- looking up and changing ---- */

static bool line_is(const OriginLine *l, const char *group, const char *key)
{
    return l->key && strcmp(l->group, group) == 0 && strcmp(l->key, key) == 0;
}

const char *origin_get(const Origin *o, const char *group, const char *key)
{
    for (size_t i = o->n; i-- > 0;)
        if (line_is(&o->lines[i], group, key))
            return o->lines[i].value;
    return NULL;
}

bool origin_get_bool(const Origin *o, const char *group, const char *key)
{
    const char *v = origin_get(o, group, key);

    return v && (strcmp(v, "true") == 0 || strcmp(v, "1") == 0);
}

static void line_remove(Origin *o, size_t i)
{
    memmove(&o->lines[i], &o->lines[i + 1], (o->n - i - 1) * sizeof(*o->lines));
    o->n--;
}

/* Behind the last line of the group that says something; a new group goes to the end. */
static int line_insert(Origin *o, const char *group, const char *key, const char *value)
{
    size_t at = 0;

    for (size_t i = 0; i < o->n; i++) {
        const OriginLine *l = &o->lines[i];
        if (l->group && strcmp(l->group, group) == 0 && (l->key || strchr(l->text, '[')))
            at = i + 1;
    }
    if (o->n + (at == 0 ? 2 : 1) > ORIGIN_LINES_MAX)
        return -E2BIG;
    if (at == 0) {
        *line_add(o) = (OriginLine){.group = arena_strdup(o->arena, group),
                                    .text = arena_printf(o->arena, "[%s]", group)};
        at = o->n;
    }
    (void)line_add(o);
    memmove(&o->lines[at + 1], &o->lines[at], (o->n - at - 1) * sizeof(*o->lines));
    o->lines[at] = (OriginLine){.group = arena_strdup(o->arena, group),
                                .key = arena_strdup(o->arena, key),
                                .value = arena_strdup(o->arena, value)};
    return 0;
}

int origin_set(Origin *o, const char *group, const char *key, const char *value)
{
    bool placed = false;

    for (size_t i = o->n; i-- > 0;) {
        if (!line_is(&o->lines[i], group, key))
            continue;
        if (value && !placed) {
            o->lines[i].value = arena_strdup(o->arena, value);
            o->lines[i].text = NULL;
        } else
            line_remove(o, i);
        placed = true;
    }
    return value && !placed ? line_insert(o, group, key, value) : 0;
}

void origin_forget_transient(Origin *o)
{
    for (size_t i = o->n; i-- > 0;)
        if (o->lines[i].group && strcmp(o->lines[i].group, ORIGIN_TRANSIENT) == 0)
            line_remove(o, i);
    (void)origin_set(o, ORIGIN_GROUP, "unlocked", NULL);
    (void)origin_set(o, ORIGIN_GROUP, "override-commit", NULL);
}
