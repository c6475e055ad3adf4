/* Two or three digits that mean something, as apimachinery's duration package chooses them. */
#include "apiserver/human_duration.h"

#include <string.h>
#include <time.h>

int time_read(const char *s, int64_t *ret)
{
    struct tm tm = {0};
    const char *at = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    int sign, hours, minutes, n = 0;
    if (!at)
        return -EINVAL;
    if (*at == '.')
        at += 1 + strspn(at + 1, "0123456789");
    int64_t t = timegm(&tm);
    if (strcmp(at, "Z") != 0) {
        sign = *at == '+' ? 1 : -1;
        if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || at[1 + n])
            return -EINVAL;
        t -= sign * (hours * 3600 + minutes * 60);
    }
    *ret = t;
    return 0;
}

static const char *two(Arena *a, int64_t x, char unit, int64_t y, char small)
{
    return y ? arena_printf(a, "%lld%c%lld%c", (long long)x, unit, (long long)y, small)
             : arena_printf(a, "%lld%c", (long long)x, unit);
}

const char *human_duration(Arena *a, int64_t s)
{
    int64_t minutes = s / 60, hours = s / 3600, days = hours / 24;
    if (s < -1)
        return "<invalid>";
    if (s < 0)
        return "0s";
    if (s < 120)
        return two(a, s, 's', 0, 0);
    if (minutes < 10)
        return two(a, minutes, 'm', s % 60, 's');
    if (minutes < 180)
        return two(a, minutes, 'm', 0, 0);
    if (hours < 8)
        return two(a, hours, 'h', minutes % 60, 'm');
    if (hours < 48)
        return two(a, hours, 'h', 0, 0);
    if (days < 8)
        return two(a, days, 'd', hours % 24, 'h');
    if (days < 365 * 2)
        return two(a, days, 'd', 0, 0);
    if (days < 365 * 8)
        return two(a, days / 365, 'y', days % 365, 'd');
    return two(a, days / 365, 'y', 0, 0);
}
