/* A back-off is not taken back by one success: a server that answers and breaks off in turn would be asked
 * all the time. It is forgotten after two quiet minutes. */
#include "kube/kube_time.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"

static int64_t real_monotonic(void *context)
{
    (void)context;
    return monotonic_ms();
}

static int64_t real_wall(void *context)
{
    struct timespec t;
    (void)context;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint32_t real_chance(void *context)
{
    uint32_t v = 0;
    (void)context;
    if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != sizeof(v))
        v = (uint32_t)real_wall(NULL) * 2654435761u;
    return v;
}

const KubeTime kube_time = {.monotonic_ms = real_monotonic, .wall_us = real_wall, .chance = real_chance};

int64_t kube_chance(const KubeTime *t, int64_t from, int64_t width)
{
    return width > 0 ? from + t->chance(t->context) % width : from;
}

static const char *write_time(int64_t wall_us, const char *fraction, char out[32])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    char text[24] = "";
    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 32, "%s%sZ", text, fraction);
    return out;
}

const char *kube_time_text(int64_t wall_us, char out[32])
{
    return write_time(wall_us, "", out);
}

const char *kube_time_text_micro(int64_t wall_us, char out[32])
{
    char fraction[16];
    snprintf(fraction, sizeof(fraction), ".%06d", (int)(wall_us % 1000000));
    return write_time(wall_us, fraction, out);
}

bool kube_backoff_quiet(const KubeBackoff *b, const KubeTime *t)
{
    return !b->next_ms || kube_monotonic_ms(t) - b->failed_at > KUBE_BACKOFF_FORGET_MS;
}

int64_t kube_backoff(KubeBackoff *b, const KubeTime *t)
{
    int64_t now = kube_monotonic_ms(t);
    if (kube_backoff_quiet(b, t))
        b->next_ms = KUBE_BACKOFF_FIRST_MS;
    int64_t wait = kube_chance(t, b->next_ms, b->next_ms);
    b->next_ms = b->next_ms * 2 > KUBE_BACKOFF_LAST_MS ? KUBE_BACKOFF_LAST_MS : b->next_ms * 2;
    b->failed_at = now + wait;
    return wait;
}
