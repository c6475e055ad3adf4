/* data: URLs and base64. Decoding goes by a table of 256, four characters a step. Ignition's parser
 * (vincent-petithory dataurl) sets the rules: a comma is required, ";base64" is the last parameter, the
 * payload may be percent-encoded in both forms. */
#include "format/data_url.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Of ASCII; the value of each letter of the alphabet, -1 for all others. */
static const signed char letter_values[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63, 52, 53, 54, 55,
    56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1, -1, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
    13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1, -1, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};

static int letter_value(unsigned char c)
{
    return c < 128 ? letter_values[c] : -1;
}

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

int base64_decode(const char *text, size_t n, Buf *ret)
{
    const unsigned char *p = (const unsigned char *)text;
    if (n % 4)
        return -EINVAL;
    size_t pad = n && p[n - 1] == '=' ? 1 + (p[n - 2] == '=') : 0, whole = n / 4 - (pad > 0);
    unsigned char *o = (unsigned char *)buf_reserve(ret, n / 4 * 3), *start = o;
    int bad = 0;
    for (size_t i = 0; i < whole; i++, p += 4, o += 3) {
        int a = letter_value(p[0]), b = letter_value(p[1]), c = letter_value(p[2]), d = letter_value(p[3]);
        bad |= a | b | c | d;
        uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        o[0] = (unsigned char)(v >> 16);
        o[1] = (unsigned char)(v >> 8);
        o[2] = (unsigned char)v;
    }
    if (pad) {
        int a = letter_value(p[0]), b = letter_value(p[1]), c = pad == 1 ? letter_value(p[2]) : 0;
        bad |= a | b | c;
        /* Bits that no byte uses must be zero, so that each text has one meaning. */
        if (bad >= 0 && (pad == 1 ? c & 3 : b & 15))
            return -EINVAL;
        *o++ = (unsigned char)(a << 2 | b >> 4);
        if (pad == 1)
            *o++ = (unsigned char)(b << 4 | c >> 2);
    }
    if (bad < 0)
        return -EINVAL;
    *o = '\0';
    ret->len += (size_t)(o - start);
    return 0;
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
    for (;;) {
        size_t run = strcspn(p, "%");
        buf_add(ret, p, run);
        p += run;
        if (!*p)
            return 0;
        int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0)
            return error_set(e, EINVAL, "invalid URL escape \"%.3s\"", p);
        buf_add_char(ret, (char)(high << 4 | low));
        p += 3;
    }
}

bool data_url_is(const char *url)
{
    return !strncmp(url, "data:", 5);
}

static bool ends_in_base64(const char *header, size_t n)
{
    return n >= 7 && !memcmp(header + n - 7, ";base64", 7);
}

int data_url_decode(const char *url, Buf *ret, Error *e)
{
    const char *comma = strchr(url, ',');
    if (!data_url_is(url) || !comma)
        return error_set(e, EINVAL, "missing comma before data");
    if (!ends_in_base64(url, (size_t)(comma - url)))
        return percent_decode(comma + 1, ret, e);
    if (!strchr(comma + 1, '%')) {
        if (base64_decode(comma + 1, strlen(comma + 1), ret) < 0)
            return error_set(e, EINVAL, "illegal base64 data");
        return 0;
    }
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = percent_decode(comma + 1, &text, e);
    if (r >= 0 && base64_decode(text.data, text.len, ret) < 0)
        r = error_set(e, EINVAL, "illegal base64 data");
    return r;
}

void data_url_encode_base64(const char *media_type, const void *data, size_t n, Buf *out)
{
    buf_addf(out, "data:%s;base64,", media_type);
    base64_encode(data, n, out);
}

void data_url_encode_percent(const void *data, size_t n, Buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    const unsigned char *p = data;
    buf_add_str(out, "data:,");
    for (size_t i = 0; i < n; i++)
        if (p[i] && strchr(plain, p[i]))
            buf_add_char(out, (char)p[i]);
        else
            buf_addf(out, "%%%02X", p[i]);
}
