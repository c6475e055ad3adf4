/* The rate is that of the whole download so far, which is what the remaining time is made of; nothing is
 * shown of an import that is over within two seconds. */
#include "update/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "update/events.h"

enum { FIRST_MS = 1000, TERMINAL_MS = 200, LOG_MS = 10000 };

void bytes_text(uint64_t n, char out[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)n;
    size_t unit = 0;
    while (v >= 999.5 && unit + 1 < ELEMENTS(units))
        v /= 1000, unit++;
    snprintf(out, 16, unit && v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[unit]);
}

void progress_begin(Progress *p, bool quiet)
{
    *p = (Progress){.started = monotonic_ms(), .terminal = isatty(STDERR_FILENO), .quiet = quiet};
}

static void left_text(uint64_t left, uint64_t rate, char out[32])
{
    const uint64_t s = rate ? left / rate + 1 : 0;
    if (!rate)
        snprintf(out, 32, "?");
    else if (s < 120)
        snprintf(out, 32, "%u s", (unsigned)s);
    else
        snprintf(out, 32, "%u min", (unsigned)(s / 60));
}

static void send_progress(const ImportProgress *now)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *event = node_new(a, NODE_OBJECT), *n = node_set(a, event, "progress", node_new(a, NODE_OBJECT));
    node_set(a, n, "done", node_new_int(a, (int64_t)now->done));
    node_set(a, n, "total", node_new_int(a, (int64_t)now->total));
    node_set(a, n, "layers", node_new_int(a, (int64_t)now->layers));
    node_set(a, n, "kept", node_new_int(a, (int64_t)now->kept));
    node_set(a, n, "fetched", node_new_int(a, (int64_t)now->fetched));
    events_send(event);
}

void progress_show(void *progress, const ImportProgress *now)
{
    Progress *p = progress;
    const int64_t at = monotonic_ms(), since = p->shown ? p->shown : p->started;
    const int64_t pause = !p->shown ? FIRST_MS : p->terminal ? TERMINAL_MS : LOG_MS;
    if (events_wanted() && now->total &&
        (!p->shown || at - since >= TERMINAL_MS || now->done == now->total)) {
        send_progress(now);
        p->shown = at;
    }
    if (events_wanted() || p->quiet || !now->total || at - since < pause)
        return;
    char done[16], total[16], rate[16], left[32];
    const uint64_t per_second = now->done * 1000 / (uint64_t)(at - p->started + 1);
    bytes_text(now->done, done);
    bytes_text(now->total, total);
    bytes_text(per_second, rate);
    left_text(now->total > now->done ? now->total - now->done : 0, per_second, left);
    char what[64] = "delta";
    if (!now->delta)
        snprintf(what, sizeof(what), "layer %zu of %zu",
                 now->kept + now->fetched + 1 > now->layers ? now->layers : now->kept + now->fetched + 1,
                 now->layers);
    fprintf(stderr, "%s%s: %s of %s, %s/s, %s left%s", p->terminal ? "\r\033[K" : "", what, done, total, rate,
            left, p->terminal ? "" : "\n");
    fflush(stderr);
    p->open = p->terminal;
    p->shown = at;
}

void progress_end(Progress *p)
{
    if (p->open)
        fputs("\r\033[K", stderr);
    p->open = false;
}
