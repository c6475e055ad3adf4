/* Failure texts of bounded length on the caller's stack. No allocation happens here, so that running out of
 * memory can be reported like anything else. Overlong texts keep their beginning: what was being done is
 * worth more than the tail of a cause. */
#include "base/error.h"

#include <stdarg.h>
#include <string.h>

static void cut_mark(Error *e, size_t wanted)
{
    static const char mark[] = "…";
    if (wanted >= sizeof(e->text))
        memcpy(e->text + sizeof(e->text) - sizeof(mark), mark, sizeof(mark));
}

int error_set(Error *e, int code, const char *format, ...)
{
    if (!e)
        return -code;
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(e->text, sizeof(e->text), format, ap);
    va_end(ap);
    e->code = code;
    cut_mark(e, n < 0 ? 0 : (size_t)n);
    return -code;
}

int error_errno(Error *e, int r, const char *format, ...)
{
    if (!e)
        return r;
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(e->text, sizeof(e->text), format, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(e->text)) {
        int m = snprintf(e->text + used, sizeof(e->text) - used, ": %s", strerror(-r));
        used += m < 0 ? 0 : (size_t)m;
    }
    e->code = -r;
    cut_mark(e, used);
    return r;
}

int error_wrap(Error *e, int r, const char *format, ...)
{
    if (!e)
        return r;
    char cause[ERROR_TEXT_MAX];
    memcpy(cause, e->text, sizeof(cause));
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(e->text, sizeof(e->text), format, ap);
    va_end(ap);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof(e->text) && cause[0]) {
        int m = snprintf(e->text + used, sizeof(e->text) - used, ": %s", cause);
        used += m < 0 ? 0 : (size_t)m;
    }
    if (!e->code)
        e->code = r < 0 ? -r : EINVAL;
    cut_mark(e, used);
    return r;
}
