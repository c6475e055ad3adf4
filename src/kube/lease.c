/* A try is: look at the Lease (or believe what was written last, while it is ours and fresh), decide, write
 * with its resourceVersion, so that of two only one can win. What was seen is kept with the moment when it
 * was first seen so. The moment of a renewal is that before its request was sent: the answer may have taken
 * long. */
#include "kube/lease.h"

#include <string.h>

#include "kube/kube_kind.h"

enum { DURATION_SEC = 15, RENEW_MS = 10000, RETRY_MS = 2000 };

struct Lease {
    Kube *kube;
    LeaseOptions options;
    const KubeTime *time;
    Arena *seen_in;
    Node *seen;                            /* in seen_in; NULL: nothing yet */
    int64_t seen_at, renewed_at, next_try; /* renewed_at 0: not ours */
    bool leads;                            /* as the caller was told */
};

/* ---- what a Lease says ---- */

static const Node *spec_of(const Node *lease)
{
    return node_get(lease, "spec");
}

static int64_t number_of(const Node *lease, const char *key, int64_t otherwise)
{
    const Node *n = node_get(spec_of(lease), key);
    int64_t v = otherwise;
    return n && node_int(n, &v) >= 0 ? v : otherwise;
}

const char *lease_holder(const Lease *l)
{
    const char *holder = node_string(node_get(spec_of(l->seen), "holderIdentity"));
    return holder ? holder : "";
}

static bool is_ours(const Lease *l)
{
    return !strcmp(lease_holder(l), l->options.identity);
}

static int64_t now_ms(const Lease *l)
{
    return kube_monotonic_ms(l->time);
}

static bool is_fresh(const Lease *l, int64_t now)
{
    return l->seen &&
           now < l->seen_at + number_of(l->seen, "leaseDurationSeconds", l->options.duration_sec) * 1000;
}

/* ---- decisions ---- */

typedef enum Move { MOVE_WAIT, MOVE_CREATE, MOVE_TAKE, MOVE_RENEW } Move;

static Move decide(const Lease *l, int64_t now)
{
    if (!l->seen)
        return MOVE_CREATE;
    if (is_ours(l))
        return MOVE_RENEW;
    return *lease_holder(l) && is_fresh(l, now) ? MOVE_WAIT : MOVE_TAKE;
}

/* What the Lease is to be; NULL of `holder`: nobody's. */
static Node *make(const Lease *l, Arena *a, Move move, const char *holder)
{
    char now[32];
    Node *lease = l->seen && move != MOVE_CREATE
                      ? node_copy(a, l->seen)
                      : kube_object_new(a, &kube_lease, l->options.namespace, l->options.name);
    Node *spec = node_get(lease, "spec");
    if (!spec || spec->kind != NODE_OBJECT)
        spec = node_set(a, lease, "spec", node_new(a, NODE_OBJECT));
    kube_time_text_micro(l->time->wall_us(l->time->context), now);
    node_set_string(a, spec, "holderIdentity", holder);
    if (!holder)
        node_remove(spec, "holderIdentity");
    node_set(a, spec, "leaseDurationSeconds", node_new_int(a, holder ? l->options.duration_sec : 1));
    node_set_string(a, spec, "renewTime", now);
    if (move != MOVE_RENEW || !node_get(spec, "acquireTime") || !holder)
        node_set_string(a, spec, "acquireTime", now);
    if (move != MOVE_RENEW)
        node_set(a, spec, "leaseTransitions",
                 node_new_int(a, move == MOVE_TAKE ? number_of(l->seen, "leaseTransitions", 0) + 1 : 0));
    return lease;
}

/* ---- calls ---- */

static KubeRequest request(const Lease *l, KubeVerb verb)
{
    return (KubeRequest){.verb = verb,
                         .kind = &kube_lease,
                         .namespace = l->options.namespace,
                         .name = l->options.name,
                         .timeout_ms = l->options.renew_ms / 2};
}

/* The clock starts anew only when what matters has changed, whoever else has written to the object. */
static void see(Lease *l, const Node *object, int64_t now)
{
    Arena *a = arena_new();
    Node *seen = node_copy(a, object);
    if (!l->seen || !spec_of(seen) || !spec_of(l->seen) || !node_equal(spec_of(seen), spec_of(l->seen)))
        l->seen_at = now;
    arena_free(l->seen_in);
    l->seen_in = a;
    l->seen = seen;
}

static void forget(Lease *l)
{
    arena_free(l->seen_in);
    l->seen_in = NULL;
    l->seen = NULL;
}

static int look(Lease *l, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const KubeRequest q = request(l, KUBE_GET);
    KubeAnswer answer;
    int r = kube_call(l->kube, &q, a, &answer, e);
    if (r == -ENOENT) {
        forget(l);
        return 0;
    }
    if (r >= 0)
        see(l, answer.object, now_ms(l));
    return r;
}

static int put(Lease *l, Move move, const char *holder, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeRequest q = request(l, move == MOVE_CREATE ? KUBE_CREATE : KUBE_UPDATE);
    KubeAnswer answer;
    int64_t before = now_ms(l);
    q.body = make(l, a, move, holder);
    int r = kube_call(l->kube, &q, a, &answer, e);
    if (r < 0)
        return r;
    see(l, answer.object, now_ms(l));
    l->renewed_at = holder ? before : 0;
    return 0;
}

static int try_once(Lease *l, Error *e)
{
    if (l->renewed_at && l->seen && is_ours(l) && is_fresh(l, now_ms(l))) {
        int r = put(l, MOVE_RENEW, l->options.identity, e);
        if (r != -ESTALE && r != -ENOENT)
            return r; /* else somebody has written to it: look */
    }
    int r = look(l, e);
    if (r < 0)
        return r;
    Move move = decide(l, now_ms(l));
    if (move == MOVE_WAIT) {
        l->renewed_at = 0; /* it was ours, and is somebody else's now */
        return 0;
    }
    return put(l, move, l->options.identity, e);
}

/* ---- the outside ---- */

Lease *lease_new(Kube *kube, const LeaseOptions *options)
{
    Lease *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    *l = (Lease){.kube = kube, .options = *options, .time = options->time ? options->time : &kube_time};
    if (!l->options.duration_sec)
        l->options.duration_sec = DURATION_SEC;
    if (!l->options.renew_ms)
        l->options.renew_ms = RENEW_MS;
    if (!l->options.retry_ms)
        l->options.retry_ms = RETRY_MS;
    return l;
}

void lease_free(Lease *l)
{
    if (l)
        forget(l);
    free(l);
}

bool lease_held(const Lease *l)
{
    return l->renewed_at && now_ms(l) < l->renewed_at + l->options.renew_ms;
}

int lease_timeout_ms(const Lease *l)
{
    int64_t now = now_ms(l), first = l->next_try;
    if (l->leads && l->renewed_at + l->options.renew_ms < first)
        first = l->renewed_at + l->options.renew_ms;
    return first > now ? (int)(first - now) : 0;
}

int lease_step(Lease *l, Error *e)
{
    int r = 0;
    int64_t retry = l->options.retry_ms;
    if (now_ms(l) >= l->next_try) {
        r = try_once(l, e);
        /* Those who wait come at different moments, up to 2.2 times the pause. */
        l->next_try = now_ms(l) + (lease_held(l) ? retry : kube_chance(l->time, retry, retry * 6 / 5));
    }
    if (lease_held(l) == l->leads)
        return r;
    l->leads = !l->leads;
    if (!l->leads)
        l->renewed_at = 0;
    return 1;
}

int lease_release(Lease *l, Error *e)
{
    if (!l->renewed_at || !is_ours(l))
        return 0;
    int r = put(l, MOVE_RENEW, NULL, e);
    l->renewed_at = 0;
    l->leads = false;
    return r < 0 ? error_wrap(e, r, "giving the lease '%s' back", l->options.name) : 0;
}
