/* A header is a list of challenges with commas between them and a list of parameters with commas between
 * them: a word with '=' behind it is a parameter, one without begins the next challenge. */
#include "oci/auth_challenge.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

typedef struct Text {
    const char *p, *end;
} Text;

static bool is_word(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static void skip(Text *t, const char *what)
{
    while (t->p < t->end && *t->p && strchr(what, *t->p))
        t->p++;
}

static size_t word(Text *t)
{
    const char *from = t->p;
    while (t->p < t->end && is_word(*t->p))
        t->p++;
    return (size_t)(t->p - from);
}

/* "quoted \" text" or a bare word; too long for `to` or with control characters: "". False: no value at all.
 */
static bool value(Text *t, char *to, size_t size)
{
    size_t n = 0;
    bool good = true, quoted = t->p < t->end && *t->p == '"';
    t->p += quoted;
    while (t->p < t->end && (quoted ? *t->p != '"' : *t->p != ',' && *t->p != ' ' && *t->p != '\t')) {
        if (quoted && *t->p == '\\' && t->p + 1 < t->end)
            t->p++;
        good = good && n + 1 < size && (unsigned char)*t->p >= ' ' && *t->p != 0x7f;
        if (good)
            to[n++] = *t->p;
        t->p++;
    }
    to[good ? n : 0] = '\0';
    if (!quoted)
        return true;
    bool closed = t->p < t->end;
    t->p += closed;
    if (!closed)
        to[0] = '\0';
    return closed;
}

static bool is(const char *p, size_t n, const char *name)
{
    return strlen(name) == n && !strncasecmp(p, name, n);
}

static bool parameter(Text *t, const char *name, size_t n, AuthChallenge *c)
{
    char ignored[2];
    const struct {
        const char *name;
        char *to;
        size_t size;
    } rows[] = {{"realm", c->realm, sizeof(c->realm)},
                {"service", c->service, sizeof(c->service)},
                {"scope", c->scope, sizeof(c->scope)},
                {"error", c->error, sizeof(c->error)}};
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (is(name, n, rows[i].name))
            return value(t, rows[i].to, rows[i].size);
    return value(t, ignored, sizeof(ignored));
}

static void keep(const AuthChallenge *c, AuthChallenge *to)
{
    if (c->scheme > to->scheme && (c->scheme != AUTH_BEARER || c->realm[0]))
        *to = *c;
}

void auth_challenge_read(const char *text, size_t n, AuthChallenge *to)
{
    Text t = {text, text + n};
    AuthChallenge c = {0};
    for (;;) {
        skip(&t, " \t,\r\n");
        const char *name = t.p;
        size_t len = word(&t);
        if (!len)
            break;
        skip(&t, " \t");
        if (t.p < t.end && *t.p == '=') {
            t.p++;
            skip(&t, " \t");
            if (!parameter(&t, name, len, &c))
                break;
            continue;
        }
        keep(&c, to);
        c = (AuthChallenge){.scheme = is(name, len, "bearer")  ? AUTH_BEARER
                                      : is(name, len, "basic") ? AUTH_BASIC
                                                               : AUTH_NONE};
    }
    keep(&c, to);
}
