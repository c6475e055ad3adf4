/* data: URLs and base64. What a URL may look like is decided by the parser that Ignition uses
 * (vincent-petithory dataurl): a media type of a known family or "x-", then parameters, ";base64" only as the
 * last of them, a comma, and data of URL characters alone. Its texts are kept, since a validation report
 * shows them. Decoding goes by a table, four letters a step; what went wrong where is looked for only after
 * it did. */
#include "format/data_url.h"

#include <stdint.h>
#include <string.h>

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

/* What a URL's data may have: all that prints but <>#"{}|\^[]` and space. Bytes past ASCII are taken, where
 * that parser wants them escaped: what they mean is clear. */
static const uint8_t data_characters[256] = {
    ['!'] = 1, ['$' ... ';'] = 1, ['='] = 1, ['?' ... 'Z'] = 1,
    ['_'] = 1, ['a' ... 'z'] = 1, ['~'] = 1, [0x80 ... 0xff] = 1,
};

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

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int percent_decode(const char *p, Buf *ret, Error *e)
{
    size_t n = strlen(p), bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= !data_characters[(unsigned char)p[i]];
    if (bad)
        return error_set(e, EINVAL, "invalid data character");
    char *o = buf_reserve(ret, n), *start = o;
    for (; *p; p++) {
        *o++ = *p;
        if (*p != '%')
            continue;
        int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0) {
            bool ends = !p[1] || (high >= 0 && !p[2]);
            *start = '\0'; /* nothing of it is left behind */
            return error_set(e, EINVAL, "rfc2396: %s",
                             ends ? "unexpected end of unescape sequence"
                                  : "invalid char 0x25 in unescape sequence");
        }
        o[-1] = (char)(high << 4 | low);
        p += 2;
    }
    *o = '\0';
    ret->len += (size_t)(o - start);
    return 0;
}

bool data_url_is(const char *url)
{
    return !strncmp(url, "data:", 5);
}

int data_url_decode(const char *url, Buf *ret, Error *e)
{
    bool base64 = false;
    const char *p = url + 5;
    if (!data_url_is(url))
        return error_set(e, EINVAL, "missing data prefix");
    int r = skip_header(&p, &base64, e);
    if (r < 0)
        return r;
    if (!base64)
        return percent_decode(p, ret, e);
    if (base64_decode(p, strlen(p), ret) >= 0)
        return 0;
    for (const char *q = p; *q; q++)
        if (!letters[(unsigned char)*q] && *q != '=')
            return error_set(e, EINVAL, "invalid data character");
    return error_set(e, EINVAL, "illegal base64 data at input byte %zu",
                     base64_error((const unsigned char *)p));
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
