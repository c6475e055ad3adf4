#pragma once
/* Clocks and chance of those who wait and try again, so that tests can have their own. */
#include <stdbool.h>
#include <stdint.h>

typedef struct KubeTime {
    int64_t (*monotonic_ms)(void *context);
    int64_t (*wall_us)(void *context); /* since 1970 */
    uint32_t (*chance)(void *context);
    void *context;
} KubeTime;
extern const KubeTime kube_time; /* the real one */

static inline int64_t kube_monotonic_ms(const KubeTime *t)
{
    return t->monotonic_ms(t->context);
}
/* From `from` on, below `from + width`, evenly. */
int64_t kube_chance(const KubeTime *t, int64_t from, int64_t width);

/* As the API writes times: "2026-01-02T03:04:05Z", and of a Lease "2026-01-02T03:04:05.000006Z". */
const char *kube_time_text(int64_t wall_us, char out[32]);
const char *kube_time_text_micro(int64_t wall_us, char out[32]);

/* Waiting that doubles, up to a last one, each time up to twice as long by chance. Zeroed: nothing has
 * failed. */
typedef struct KubeBackoff {
    int64_t next_ms, failed_at;
} KubeBackoff;
enum { KUBE_BACKOFF_FIRST_MS = 500, KUBE_BACKOFF_LAST_MS = 30000, KUBE_BACKOFF_FORGET_MS = 120000 };
int64_t kube_backoff(KubeBackoff *b, const KubeTime *t);          /* how long to wait now, in ms */
bool kube_backoff_quiet(const KubeBackoff *b, const KubeTime *t); /* nothing has failed for a while */
