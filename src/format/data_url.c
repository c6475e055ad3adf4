/* data: URLs and base64. What a URL may look like is decided by the parser that Ignition uses
 * (vincent-petithory dataurl): a media type of a known family or "x-", then parameters, ";base64" only as the
 * last of them, a comma, and data of URL characters alone. Its texts are kept, since a validation report
 * shows them. Decoding base64 goes by a table, four letters a step; what went wrong where is looked for only
 * after it did. */
#include "format/data_url.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "format/characters.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- base64 ---- */

/* One more than the value of each letter of the alphabet; 0 for all other bytes. */
static const uint8_t letters[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

void base64_encode(const void *data, size_t n, Buf *out)
{
    const unsigned char *p = data;
    char *o = buf_reserve(out, (n + 2) / 3 * 4), *start = o;
    for (; n >= 3; p += 3, n -= 3) {
        *o++ = alphabet[p[0] >> 2];
        *o++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *o++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *o++ = alphabet[p[2] & 63];
    }
    if (n) {
        *o++ = alphabet[p[0] >> 2];
        *o++ = alphabet[(p[0] & 3) << 4 | (n > 1 ? p[1] >> 4 : 0)];
        *o++ = n > 1 ? alphabet[(p[1] & 15) << 2] : '=';
        *o++ = '=';
    }
    *o = '\0';
    out->len += (size_t)(o - start);
}

/* The three bytes of four letters in the low 24 bits; bit 31 is set when one of them is no letter. */
static inline uint32_t quad(const unsigned char *p)
{
    uint32_t a = letters[p[0]], b = letters[p[1]], c = letters[p[2]], d = letters[p[3]];
    uint32_t bad = ((a - 1) | (b - 1) | (c - 1) | (d - 1)) & 0x80000000;
    return bad | (((a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1)) & 0xffffff);
}

/* Bits that no byte uses are let be, as Go's decoder does: configs in the field have them. */
int base64_decode(const char *text, size_t n, Buf *ret)
{
    const unsigned char *p = (const unsigned char *)text;
    if (n % 4)
        return -EINVAL;
    size_t pad = n && p[n - 1] == '=' ? 1 + (p[n - 2] == '=') : 0, whole = n / 4 - (pad > 0);
    unsigned char *o = (unsigned char *)buf_reserve(ret, n / 4 * 3), *start = o;
    uint32_t v, bad = 0;
    for (size_t i = 0; i < whole; i++, p += 4, o += 3) {
        bad |= v = quad(p);
        o[0] = (unsigned char)(v >> 16);
        o[1] = (unsigned char)(v >> 8);
        o[2] = (unsigned char)v;
    }
    if (pad) {
        unsigned char last[4] = {p[0], p[1], pad == 1 ? p[2] : 'A', 'A'};
        bad |= v = quad(last);
        *o++ = (unsigned char)(v >> 16);
        if (pad == 1)
            *o++ = (unsigned char)(v >> 8);
    }
    if (bad & 0x80000000) {
        ret->data[ret->len] = '\0'; /* nothing of it is left behind */
        return -EINVAL;
    }
    *o = '\0';
    ret->len += (size_t)(o - start);
    return 0;
}

static bool base64_valid(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t pad = n && p[n - 1] == '=' ? 1 + (n > 1 && p[n - 2] == '=') : 0;
    uint8_t bad = 0;
    for (size_t i = 0; i + pad < n; i++)
        bad |= letters[p[i]] == 0;
    return n % 4 == 0 && !bad;
}

/* Where Go's decoder stops in a text that is not base64. */
static size_t base64_error(const unsigned char *p)
{
    size_t i = 0, at = 0;
    for (;; at = (at + 1) % 4, i++) {
        if (!p[i])
            return i - at;
        if (letters[p[i]])
            continue;
        if (p[i] != '=' || at < 2)
            return i;
        if (at == 2 && p[i + 1] != '=')
            return p[i + 1] ? i : i + 1;
        return i + (at == 2 ? 2 : 1);
    }
}

/* ---- URLs ---- */

/* RFC 2045's token. */
static bool is_token(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static const char *skip_token(const char *p)
{
    while (is_token(*p))
        p++;
    return p;
}

static bool is_known_family(const char *type)
{
    static const char *const families[] = {"text",        "image",   "audio",    "video",
                                           "application", "message", "multipart"};
    for (size_t i = 0; i < ELEMENTS(families); i++)
        if (!strncmp(type, families[i], strlen(families[i])))
            return true;
    return false;
}

static int skip_media_type(const char **pos, Error *e)
{
    const char *start = *pos;
    bool x = *start == 'x' || *start == 'X', extension = x && start[1] == '-';
    /* That parser takes the character behind an x unseen. */
    const char *p = skip_token(start + (x && start[1] ? 2 : 1));
    if (*p != '/')
        return error_set(e, EINVAL, *p ? "invalid character for media type" : "missing media type slash");
    if (!extension && !is_known_family(start))
        return error_set(e, EINVAL, "invalid media type");
    p = skip_token(p + 1);
    if (*p != ';' && *p != ',')
        return error_set(e, EINVAL, *p ? "invalid character for media subtype" : "incomplete media type");
    *pos = p;
    return 0;
}

static int skip_quoted(const char **pos, Error *e)
{
    const char *p = *pos + 1;
    for (; *p != '"'; p++) {
        if (*p == '\\')
            p++;
        if (!*p)
            return error_set(e, EINVAL, "unclosed quoted string");
        if ((unsigned char)*p >= 0x80)
            return error_set(e, EINVAL,
                             p[-1] == '\\' ? "invalid escaped character"
                                           : "invalid character for parameter value");
    }
    *pos = ++p;
    if (*p == ';' || *p == ',')
        return 0;
    return error_set(e, EINVAL, *p ? "expected semicolon or comma" : "missing comma before data");
}

static int skip_value(const char **pos, Error *e)
{
    if (**pos == '"')
        return skip_quoted(pos, e);
    const char *p = skip_token(*pos);
    if (!*p)
        return error_set(e, EINVAL, "missing comma before data");
    if (p == *pos || (*p != ';' && *p != ','))
        return error_set(e, EINVAL, "invalid character for parameter value");
    *pos = p;
    return 0;
}

/* From a ';' to the next one or to the comma. */
static int skip_parameter(const char **pos, bool *base64, Error *e)
{
    const char *name = *pos + 1, *p = skip_token(name);
    if (!*p || (p == name && (*p == '=' || *p == ',')))
        return error_set(e, EINVAL, "unterminated parameter sequence");
    if (p == name || (*p != '=' && *p != ','))
        return error_set(e, EINVAL, "invalid character for parameter attribute");
    if (*p == '=') {
        *pos = p + 1;
        return skip_value(pos, e);
    }
    if (p - name != 6 || memcmp(name, "base64", 6) != 0)
        return error_set(e, EINVAL, "expected base64, got %.*s", (int)(p - name), name);
    *base64 = true;
    *pos = p;
    return 0;
}

static int skip_header(const char **pos, bool *base64, Error *e)
{
    const char *p = *pos;
    int r = 0;
    if (!*p)
        return error_set(e, EINVAL, "missing comma before data");
    if (*p != ';' && *p != ',')
        r = is_token(*p) ? skip_media_type(&p, e)
                         : error_set(e, EINVAL, "invalid character after data prefix");
    while (r >= 0 && *p == ';')
        r = skip_parameter(&p, base64, e);
    *pos = p + 1;
    return r;
}

/* ---- percent-encoding ---- */

static inline Characters is_hex(Characters c)
{
    return characters_within(c, '0', '9') | characters_within(c | 32, 'a', 'f');
}

/* What a URL's data may have: all that prints but <>#"{}|\^[]` and space. Bytes past ASCII are taken, where
 * that parser wants them escaped: what they mean is clear. */
static inline Characters is_data(Characters c)
{
    return characters_within(c, '!', '!') | characters_within(c, '$', ';') | characters_within(c, '=', '=') |
           characters_within(c, '?', 'Z') | characters_within(c, '_', '_') | characters_within(c, 'a', 'z') |
           characters_within(c, '~', '~') | characters_within(c, 0x80, 0xff);
}

/* The first escape that is none. */
static int escape_explain(const char *p, Error *e)
{
    while (*p != '%' || (isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])))
        p++;
    bool ends = !p[1] || (isxdigit((unsigned char)p[1]) && !p[2]);
    return error_set(e, EINVAL, "rfc2396: %s",
                     ends ? "unexpected end of unescape sequence" : "invalid char 0x25 in unescape sequence");
}

static int percent_check(const char *text, size_t n, Error *e)
{
    enum { STEP = sizeof(Characters), SEEN = STEP + 2 /* the digits of an escape at the end */ };
    Characters no_data = {0}, broken = {0};
    for (size_t i = 0; i < n; i += STEP) {
        char tail[SEEN];
        const char *p = text + i;
        if (n - i < SEEN) {
            memset(tail, '!', SEEN); /* data, and no digit */
            p = memcpy(tail, p, n - i);
        }
        Characters c = characters_load(p);
        no_data |= ~is_data(c);
        broken |= characters_within(c, '%', '%') &
                  ~(is_hex(characters_load(p + 1)) & is_hex(characters_load(p + 2)));
    }
    if (characters_any(no_data))
        return error_set(e, EINVAL, "invalid data character");
    return characters_any(broken) ? escape_explain(text, e) : 0;
}

static inline uint8_t hex_value(uint8_t digit)
{
    return (uint8_t)((digit & 15) + 9 * (digit >> 6));
}

/* Of what was checked. Without a branch on the character: nobody can foretell where the next escape stands.
 */
static void percent_decode(const char *text, size_t n, Buf *ret)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + n;
    char *o = buf_reserve(ret, n), *start = o;
    while (end - p > 2) {
        uint8_t escaped = (uint8_t)(hex_value(p[1]) << 4 | hex_value(p[2]));
        bool escape = *p == '%';
        *o++ = (char)(escape ? escaped : *p);
        p += escape ? 3 : 1;
    }
    while (p < end) /* too short for an escape */
        *o++ = (char)*p++;
    *o = '\0';
    ret->len += (size_t)(o - start);
}

/* ---- the whole ---- */

bool data_url_is(const char *url)
{
    return !strncmp(url, "data:", 5);
}

static int base64_explain(const char *p, Error *e)
{
    for (const char *q = p; *q; q++)
        if (!letters[(unsigned char)*q] && *q != '=')
            return error_set(e, EINVAL, "invalid data character");
    return error_set(e, EINVAL, "illegal base64 data at input byte %zu",
                     base64_error((const unsigned char *)p));
}

static int split(const char *url, const char **ret_data, bool *ret_base64, Error *e)
{
    *ret_base64 = false;
    *ret_data = url + 5;
    return data_url_is(url) ? skip_header(ret_data, ret_base64, e)
                            : error_set(e, EINVAL, "missing data prefix");
}

int data_url_decode(const char *url, Buf *ret, Error *e)
{
    const char *p;
    bool base64;
    int r = split(url, &p, &base64, e);
    if (r < 0)
        return r;
    size_t n = strlen(p);
    if (base64)
        return base64_decode(p, n, ret) < 0 ? base64_explain(p, e) : 0;
    r = percent_check(p, n, e);
    if (r >= 0)
        percent_decode(p, n, ret);
    return r;
}

int data_url_check(const char *url, Error *e)
{
    const char *p;
    bool base64;
    int r = split(url, &p, &base64, e);
    if (r < 0)
        return r;
    size_t n = strlen(p);
    if (base64)
        return base64_valid(p, n) ? 0 : base64_explain(p, e);
    return percent_check(p, n, e);
}

void data_url_encode_base64(const char *media_type, const void *data, size_t n, Buf *out)
{
    buf_addf(out, "data:%s;base64,", media_type);
    base64_encode(data, n, out);
}

void data_url_encode_percent(const void *data, size_t n, Buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()";
    static const char hex[] = "0123456789ABCDEF";
    const unsigned char *p = data;
    buf_add_str(out, "data:,");
    for (size_t i = 0; i < n; i++)
        if (p[i] && strchr(plain, p[i]))
            buf_add_char(out, (char)p[i]);
        else
            buf_add(out, (char[]){'%', hex[p[i] >> 4], hex[p[i] & 15]}, 3);
}
