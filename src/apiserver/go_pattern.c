/* Go's syntax is a subset of Perl's with a few meanings of its own: the text is walked once, what Go has not
 * is refused and `\v` and `\z` become what PCRE2 means by it. The compiled form lives in the arena through
 * PCRE2's own allocator hooks. A pattern that needs too many steps is told apart from one that does not
 * match, so that a caller can stop instead of trying thousands of texts. */
#include "apiserver/go_pattern.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"

struct GoPattern {
    pcre2_code *code;
};

static void *take(PCRE2_SIZE n, void *arena)
{
    return arena_alloc(arena, n);
}

static void give(void *p, void *arena)
{
    (void)p;
    (void)arena;
}

static int refuse(Error *e, const char *what, const char *at, int n)
{
    return error_set(e, EINVAL, "error parsing regexp: %s: `%.*s`", what, n, at);
}

/* `p` is behind "(?". */
static int check_group(const char *p, Error *e)
{
    size_t flags = strspn(p, "imsU-");
    if (p[flags] == ':' || (p[flags] == ')' && flags))
        return 0;
    if (p[0] == 'P' && p[1] == '<')
        return 0;
    if (p[0] == '<' && (isalnum((unsigned char)p[1]) || p[1] == '_'))
        return 0;
    return refuse(e, "invalid or unsupported Perl syntax", p - 2, 3);
}

/* `p` is behind a backslash; writes the escape. Returns how much was read. */
static int copy_escape(const char *p, Buf *out, Error *e)
{
    if (!*p)
        return error_set(e, EINVAL, "error parsing regexp: trailing backslash at end of expression: ``");
    if (*p == 'Q') {
        const char *end = strstr(p, "\\E");
        size_t n = end ? (size_t)(end - p) + 2 : strlen(p);
        buf_add_char(out, '\\');
        buf_add(out, p, n);
        return (int)n;
    }
    if (*p == 'v') {
        buf_add_str(out, "\\x0b");
        return 1;
    }
    if (isdigit((unsigned char)*p) && *p != '0')
        return refuse(e, "invalid escape sequence", p - 1, 2);
    if (isalpha((unsigned char)*p) && !strchr("aftnrxAbBdDsSwWpPzEC0", *p))
        return refuse(e, "invalid escape sequence", p - 1, 2);
    buf_add_char(out, '\\');
    buf_add_char(out, *p);
    return 1;
}

/* `p` is behind "[". Returns how much was read, with the closing bracket. */
static int copy_class(const char *p, Buf *out, Error *e)
{
    const char *start = p;
    if (*p == '^')
        buf_add_char(out, *p++);
    for (bool first = true; *p; first = false) {
        if (*p == ']' && !first) {
            buf_add_char(out, ']');
            return (int)(p + 1 - start);
        }
        if (*p == '\\') {
            int n = copy_escape(p + 1, out, e);
            if (n < 0)
                return n;
            p += n + 1;
        } else if (p[0] == '[' && p[1] == ':' && strstr(p + 2, ":]")) {
            size_t n = (size_t)(strstr(p + 2, ":]") + 2 - p);
            buf_add(out, p, n);
            p += n;
        } else if (*p == '[' || (*p == ']' && first)) { /* a plain character in Go */
            buf_add_char(out, '\\');
            buf_add_char(out, *p++);
        } else {
            buf_add_char(out, *p++);
        }
    }
    return refuse(e, "missing closing ]", start - 1, (int)strlen(start - 1));
}

static int translate(const char *s, Buf *out, Error *e)
{
    while (*s) {
        int n = 1;
        if (*s == '\\') {
            n = copy_escape(s + 1, out, e);
            s++;
        } else if (*s == '[') {
            buf_add_char(out, '[');
            n = copy_class(s + 1, out, e);
            s++;
        } else {
            if (s[0] == '(' && s[1] == '*')
                return refuse(e, "missing argument to repetition operator", s + 1, 1);
            if (s[0] == '(' && s[1] == '?' && check_group(s + 2, e) < 0)
                return -EINVAL;
            if (strchr("*+?}", s[0]) && s[1] == '+')
                return refuse(e, "invalid nested repetition operator", s, 2);
            buf_add_char(out, *s);
        }
        if (n < 0)
            return n;
        s += n;
    }
    return 0;
}

int go_pattern_read(Arena *a, const char *text, GoPattern **ret, Error *e)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    int code;
    PCRE2_SIZE at;
    if (strlen(text) > GO_PATTERN_MAX)
        return error_set(e, EINVAL, "longer than %d bytes", GO_PATTERN_MAX);
    int r = translate(text, &out, e);
    if (r < 0)
        return r;
    pcre2_general_context *general = pcre2_general_context_create(take, give, a);
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    GoPattern *p = ARENA_NEW(a, GoPattern);
    pcre2_set_parens_nest_limit(context, 250);
    p->code = pcre2_compile((PCRE2_SPTR)(out.data ? out.data : ""), out.len,
                            PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &code, &at, context);
    if (!p->code) {
        char message[256];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
        return error_set(e, EINVAL, "error parsing regexp: %s: `%s`", message, text);
    }
    *ret = p;
    return 0;
}

int go_pattern_match(const GoPattern *p, const char *s, size_t n)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!context || !data)
        abort();
    pcre2_set_match_limit(context, GO_PATTERN_MATCH_LIMIT);
    pcre2_set_heap_limit(context, GO_PATTERN_HEAP_KIB);
    int r = pcre2_match(p->code, (PCRE2_SPTR)s, n, 0, 0, data, context);
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (r == PCRE2_ERROR_MATCHLIMIT || r == PCRE2_ERROR_HEAPLIMIT || r == PCRE2_ERROR_DEPTHLIMIT)
        return -E2BIG;
    return r >= 0;
}
