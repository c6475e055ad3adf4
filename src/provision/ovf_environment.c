/* Walks the document once, tag by tag, with the names that are open on a stack; what is not a tag is passed
 * over. Where an element Environment/PropertySection/Property begins and ends is all that its two users need:
 * one reads its attributes, the other leaves its bytes out of the copy and touches no other byte. */
#include "provision/ovf_environment.h"

#include <stdint.h>
#include <string.h>

typedef struct Span {
    const char *at;
    size_t n;
} Span;

typedef struct Walk {
    const char *p, *end;
    Span open[OVF_DEPTH_MAX]; /* local names */
    Span full[OVF_DEPTH_MAX]; /* as written, which the end tag has to repeat */
    size_t depth;
    bool root_seen;
} Walk;

/* A start tag; its attributes are what stands between the name and the end. */
typedef struct Tag {
    Span name, attributes;
    const char *start, *end;
    bool empty; /* <a/> */
} Tag;

static bool span_is(Span s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.at, text, s.n) == 0;
}

static Span local_name(Span s)
{
    const char *colon = memchr(s.at, ':', s.n);

    return colon ? (Span){colon + 1, s.n - (size_t)(colon + 1 - s.at)} : s;
}

static bool space_is(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t name_length(const char *p, const char *end)
{
    const char *from = p;

    while (p < end && !space_is(*p) && !strchr("=/><\"'&", *p))
        p++;
    return (size_t)(p - from);
}

static int malformed(const char *what, Error *e)
{
    return error_set(e, EBADMSG, "parsing the OVF environment: %s", what);
}

/* One attribute at *p: 1, or 0 at the end. */
static int attribute_next(const char **p, const char *end, Span *name, Span *value)
{
    while (*p < end && space_is(**p))
        (*p)++;
    if (*p == end)
        return 0;
    *name = (Span){*p, name_length(*p, end)};
    *p += name->n;
    while (*p < end && space_is(**p))
        (*p)++;
    if (name->n == 0 || *p == end || **p != '=')
        return -EBADMSG;
    (*p)++;
    while (*p < end && space_is(**p))
        (*p)++;
    if (*p == end || (**p != '"' && **p != '\''))
        return -EBADMSG;
    const char *close = memchr(*p + 1, **p, (size_t)(end - *p - 1));
    if (!close)
        return -EBADMSG;
    *value = (Span){*p + 1, (size_t)(close - *p - 1)};
    *p = close + 1;
    return 1;
}

/* Behind the construct that `<` opened and `close` ends. */
static int skip_to(Walk *w, const char *close, Error *e)
{
    const char *at = memmem(w->p, (size_t)(w->end - w->p), close, strlen(close));

    if (!at)
        return malformed("it breaks off", e);
    w->p = at + strlen(close);
    return 0;
}

static bool starts(const Walk *w, const char *text)
{
    return (size_t)(w->end - w->p) >= strlen(text) && memcmp(w->p, text, strlen(text)) == 0;
}

/* The end of a tag: a '>' that is in no quoted value. */
static const char *tag_end(const char *p, const char *end)
{
    char quote = 0;

    for (; p < end; p++) {
        if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '"' || *p == '\'')
            quote = *p;
        else if (*p == '>' || *p == '<')
            return *p == '>' ? p : NULL;
    }
    return NULL;
}

static int end_tag(Walk *w, const char *close, Error *e)
{
    Span name = {w->p + 2, name_length(w->p + 2, close)};

    if (w->depth == 0 || name.n != w->full[w->depth - 1].n ||
        memcmp(name.at, w->full[w->depth - 1].at, name.n) != 0)
        return malformed("an end tag has no start", e);
    w->depth--;
    w->p = close + 1;
    return 0;
}

static int start_tag(Walk *w, const char *close, Tag *t, Error *e)
{
    t->start = w->p;
    t->name = (Span){w->p + 1, name_length(w->p + 1, close)};
    t->empty = close[-1] == '/';
    t->end = close + 1;
    const char *from = t->name.at + t->name.n, *to = close - (t->empty ? 1 : 0);
    if (t->name.n == 0 || from > to || (w->depth == 0 && w->root_seen))
        return malformed("a tag is malformed", e);
    t->attributes = (Span){from, (size_t)(to - from)};
    Span name, value;
    const char *p = from;
    int r;
    while ((r = attribute_next(&p, to, &name, &value)) > 0)
        ;
    if (r < 0)
        return malformed("an attribute is malformed", e);
    if (!t->empty) {
        if (w->depth == OVF_DEPTH_MAX)
            return malformed("it is nested too deeply", e);
        w->full[w->depth] = t->name;
        w->open[w->depth++] = local_name(t->name);
    }
    w->root_seen = true;
    w->p = t->end;
    return 1;
}

/* 1: a start tag; 2: an end tag; 0: the end of the document. */
static int walk_next(Walk *w, Tag *t, Error *e)
{
    for (;;) {
        const char *at = memchr(w->p, '<', (size_t)(w->end - w->p));
        int r;
        if (!at)
            return w->depth == 0 && w->root_seen ? 0 : malformed("it breaks off", e);
        w->p = at;
        if (starts(w, "<!--"))
            r = skip_to(w, "-->", e);
        else if (starts(w, "<![CDATA["))
            r = skip_to(w, "]]>", e);
        else if (starts(w, "<?"))
            r = skip_to(w, "?>", e);
        else if (starts(w, "<!"))
            return malformed("it has a document type", e);
        else
            break;
        if (r < 0)
            return r;
    }
    const char *close = tag_end(w->p + 1, w->end);
    if (!close)
        return malformed("a tag is malformed", e);
    if (w->p[1] == '/') {
        int r = end_tag(w, close, e);
        return r < 0 ? r : 2;
    }
    return start_tag(w, close, t, e);
}

/* Is this start tag a property? The stack has its own name on top unless it is empty. */
static bool property_is(const Walk *w, const Tag *t)
{
    size_t parents = w->depth - (t->empty ? 0 : 1);

    return parents == 2 && span_is(w->open[0], "Environment") && span_is(w->open[1], "PropertySection") &&
           span_is(local_name(t->name), "Property");
}

static void code_point_add(Buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(b, (char)c);
    } else if (c < 0x800) {
        buf_add_char(b, (char)(0xc0 | c >> 6));
        buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_char(b, (char)(0xe0 | c >> 12));
        buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_char(b, (char)(0xf0 | c >> 18));
        buf_add_char(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(b, (char)(0x80 | (c & 0x3f)));
    }
}

/* The digits of &#38; or &#x26;. */
static bool number_decode(Span s, Buf *ret)
{
    bool hex = s.n > 0 && s.at[0] == 'x';
    uint32_t c = 0;

    for (size_t i = hex ? 1 : 0; i < s.n; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = s.at[i] ? strchr(digits, s.at[i] | (s.at[i] >= 'A' ? 0x20 : 0)) : NULL;
        if (!d || d - digits >= (hex ? 16 : 10) || c > 0x10ffff)
            return false;
        c = c * (hex ? 16 : 10) + (uint32_t)(d - digits);
    }
    if (s.n == (hex ? 1 : 0) || c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return false;
    code_point_add(ret, c);
    return true;
}

static int value_decode(Span v, Buf *ret, Error *e)
{
    static const struct {
        const char *name;
        char c;
    } entities[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};

    for (size_t i = 0; i < v.n; i++) {
        if (v.at[i] != '&') {
            buf_add_char(ret, v.at[i]);
            continue;
        }
        const char *semicolon = memchr(v.at + i, ';', v.n - i);
        if (!semicolon)
            return malformed("an entity has no end", e);
        Span name = {v.at + i + 1, (size_t)(semicolon - v.at) - i - 1};
        size_t k = 0;
        while (k < ELEMENTS(entities) && !span_is(name, entities[k].name))
            k++;
        if (k < ELEMENTS(entities))
            buf_add_char(ret, entities[k].c);
        else if (name.n < 2 || *name.at != '#' || !number_decode((Span){name.at + 1, name.n - 1}, ret))
            return malformed("an entity is unknown", e);
        i = (size_t)(semicolon - v.at);
    }
    return 0;
}

/* The attribute of that local name: 1, 0 or -errno. */
static int attribute_get(const Tag *t, const char *wanted, Buf *ret, Error *e)
{
    const char *p = t->attributes.at, *end = p + t->attributes.n;
    Span name, value;

    while (attribute_next(&p, end, &name, &value) > 0)
        if (span_is(local_name(name), wanted)) {
            int r = value_decode(value, ret, e);
            return r < 0 ? r : 1;
        }
    return 0;
}

int ovf_property_get(const char *text, size_t n, const char *key, Buf *ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf found = BUF_INIT;
    Walk w = {.p = text, .end = text + n};
    bool any = false;
    Tag t;
    int r;

    while ((r = walk_next(&w, &t, e)) > 0) {
        _cleanup_buf_ Buf name = BUF_INIT;
        if (r != 1 || !property_is(&w, &t))
            continue;
        r = attribute_get(&t, "key", &name, e);
        if (r < 0)
            return r;
        if (r == 0 || name.len != strlen(key) || (name.len && memcmp(name.data, key, name.len) != 0))
            continue;
        found.len = 0;
        any = true;
        r = attribute_get(&t, "value", &found, e);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    buf_add(ret, found.data ? found.data : "", found.len);
    return any ? 1 : 0;
}

static int wanted_is(const Tag *t, const char *const *keys, Error *e)
{
    _cleanup_buf_ Buf name = BUF_INIT;
    int r = attribute_get(t, "key", &name, e);

    for (; r > 0 && *keys; keys++)
        if (name.len == strlen(*keys) && memcmp(name.data ? name.data : "", *keys, name.len) == 0)
            return 1;
    return r < 0 ? r : 0;
}

int ovf_properties_remove(const char *text, size_t n, const char *const *keys, Buf *ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf copy = BUF_INIT;
    Walk w = {.p = text, .end = text + n};
    const char *kept = text; /* up to here the copy has everything */
    size_t removed = 0;
    Tag t;
    int r;

    while ((r = walk_next(&w, &t, e)) > 0) {
        if (r != 1 || !property_is(&w, &t))
            continue;
        r = wanted_is(&t, keys, e);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        buf_add(&copy, kept, (size_t)(t.start - kept));
        while (w.depth > 2 && (r = walk_next(&w, &t, e)) > 0) /* what is in the property goes with it */
            ;
        if (r < 0)
            return r;
        kept = w.p;
        removed++;
    }
    if (r < 0 || removed == 0)
        return r;
    buf_add(&copy, kept, (size_t)(text + n - kept));
    buf_add(ret, copy.data, copy.len);
    return 1;
}
