/* The one string builder of the tree. */
#include "base/buf.h"

#include <stdarg.h>
#include <string.h>

void buf_done(Buf *b)
{
    free(b->data);
    *b = BUF_INIT;
}

void buf_done_secret(Buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->size);
    buf_done(b);
}

char *buf_reserve(Buf *b, size_t more)
{
    size_t need = b->len + more + 1;
    if (need < b->len)
        abort();
    if (need > b->size) {
        size_t size = b->size ? b->size : 64;
        while (size < need)
            size *= 2;
        char *p = realloc(b->data, size);
        if (!p)
            abort();
        b->data = p;
        b->size = size;
    }
    return b->data + b->len;
}

char *buf_take(Buf *b)
{
    buf_reserve(b, 0);
    b->data[b->len] = '\0';
    char *p = b->data;
    *b = BUF_INIT;
    return p;
}

void buf_add(Buf *b, const void *data, size_t n)
{
    char *p = buf_reserve(b, n);
    if (n)
        memcpy(p, data, n);
    p[n] = '\0';
    b->len += n;
}

void buf_add_str(Buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_char(Buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(Buf *b, const char *format, ...)
{
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0)
        abort();
    vsnprintf(buf_reserve(b, (size_t)n), (size_t)n + 1, format, again);
    va_end(again);
    b->len += (size_t)n;
}

int buf_collect(void *buf, const void *data, size_t n)
{
    buf_add(buf, data, n);
    return 0;
}

int buf_restart(void *buf)
{
    ((Buf *)buf)->len = 0;
    return 0;
}
