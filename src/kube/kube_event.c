/* Three memories of fixed size, in each of which the oldest makes room: what was sent, by all that it says;
 * messages of the same kind, by all but the message; how many an object may still have. Keys are hashes: in
 * the worst case two Events are counted as one. */
#include "kube/kube_event.h"

#include <string.h>

#include "kube/kube_kind.h"

enum {
    SENT_MAX = 256,
    KINDS_MAX = 128,
    ALIKE_MAX = 10,
    ALIKE_MS = 600000,
    BURST = 25,
    REFILL_MS = 300000, /* for one more */
    NAME_MAX_BYTES = 253,
};

typedef struct Sent {
    uint64_t key;
    int64_t used_ms, first_us;
    unsigned count;
    char name[NAME_MAX_BYTES + 1];
} Sent;

typedef struct Alike {
    uint64_t key;
    int64_t used_ms;
    unsigned n;
    uint64_t messages[ALIKE_MAX];
} Alike;

typedef struct Quota {
    uint64_t key;
    int64_t used_ms, credit_ms; /* credit: what is saved up, REFILL_MS an Event */
} Quota;

struct KubeRecorder {
    Kube *kube;
    const char *component, *host;
    const KubeTime *time;
    Sent *sent;
    size_t n_sent;
    Alike alike[KINDS_MAX];
    Quota quotas[KINDS_MAX];
};

KubeRecorder *kube_recorder_new(Kube *kube, const char *component, const char *host, const KubeTime *time)
{
    KubeRecorder *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    r->kube = kube;
    r->component = component;
    r->host = host ? host : "";
    r->time = time ? time : &kube_time;
    return r;
}

void kube_recorder_free(KubeRecorder *r)
{
    if (r)
        free(r->sent);
    free(r);
}

static uint64_t hash_text(uint64_t h, const char *s)
{
    do
        h = (h ^ (unsigned char)(s ? *s : '\0')) * UINT64_C(1099511628211);
    while (s && *s++);
    return h ? h : 1;
}

static uint64_t hash_object(const Node *object)
{
    uint64_t h = hash_text(UINT64_C(14695981039346656037), node_string(node_get(object, "kind")));
    h = hash_text(h, kube_namespace_of(object));
    h = hash_text(h, kube_name(object));
    return hash_text(h, kube_uid(object));
}

/* ---- the memories ---- */

static Quota *quota_of(KubeRecorder *r, uint64_t key, int64_t now)
{
    Quota *oldest = r->quotas;
    for (size_t i = 0; i < KINDS_MAX; i++) {
        if (r->quotas[i].key == key)
            return &r->quotas[i];
        if (r->quotas[i].used_ms < oldest->used_ms)
            oldest = &r->quotas[i];
    }
    *oldest = (Quota){.key = key, .used_ms = now, .credit_ms = (int64_t)BURST * REFILL_MS};
    return oldest;
}

static bool take_quota(KubeRecorder *r, uint64_t key, int64_t now)
{
    Quota *q = quota_of(r, key, now);
    q->credit_ms += now - q->used_ms;
    if (q->credit_ms > (int64_t)BURST * REFILL_MS)
        q->credit_ms = (int64_t)BURST * REFILL_MS;
    q->used_ms = now;
    if (q->credit_ms < REFILL_MS)
        return false;
    q->credit_ms -= REFILL_MS;
    return true;
}

/* Whether there are so many of the kind that this one joins the others. */
static bool joins(KubeRecorder *r, uint64_t key, uint64_t message, int64_t now)
{
    Alike *a = r->alike;
    for (size_t i = 0; i < KINDS_MAX && a->key != key; i++)
        if (r->alike[i].key == key || r->alike[i].used_ms < a->used_ms)
            a = &r->alike[i];
    if (a->key != key || now - a->used_ms > ALIKE_MS)
        *a = (Alike){.key = key};
    a->used_ms = now;
    for (unsigned i = 0; i < a->n; i++)
        if (a->messages[i] == message)
            return false;
    if (a->n == ALIKE_MAX)
        return true;
    a->messages[a->n++] = message;
    return false;
}

static Sent *sent_of(KubeRecorder *r, uint64_t key, int64_t now)
{
    Sent *oldest = r->sent;
    for (size_t i = 0; i < r->n_sent; i++) {
        if (r->sent[i].key == key)
            return &r->sent[i];
        if (r->sent[i].used_ms < oldest->used_ms)
            oldest = &r->sent[i];
    }
    if (r->n_sent < SENT_MAX) {
        size_t n = r->n_sent++;
        if (!(n & (n - 1)) && !(r->sent = realloc(r->sent, (n ? n * 2 : 1) * sizeof(*r->sent))))
            abort();
        oldest = &r->sent[n];
    }
    *oldest = (Sent){.key = key, .used_ms = now};
    return oldest;
}

/* ---- the Event ---- */

static bool is_plain(const char *name)
{
    return name && *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(name);
}

/* The object's name and the moment, as client-go has it; its uid where a name could not be an Event's. */
static void set_name(Sent *s, const Node *object, int64_t wall_us)
{
    const char *name = kube_name(object), *base = is_plain(name) ? name : kube_uid(object);
    snprintf(s->name, sizeof(s->name), "%.230s.%llx", base ? base : "event",
             (unsigned long long)wall_us * 1000);
}

static Node *reference(Arena *a, const Node *object)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "apiVersion", node_string(node_get(object, "apiVersion")));
    node_set_string(a, n, "kind", node_string(node_get(object, "kind")));
    node_set_string(a, n, "namespace", kube_namespace_of(object));
    node_set_string(a, n, "name", kube_name(object));
    node_set_string(a, n, "uid", kube_uid(object));
    node_set_string(a, n, "resourceVersion", kube_resource_version(object));
    return n;
}

static Node *make(const KubeRecorder *r, Arena *a, const KubeOccurrence *o, const Sent *s)
{
    char first[32], last[32];
    const char *namespace = kube_namespace_of(o->object);
    Node *event = kube_object_new(a, &kube_event, namespace ? namespace : "default", s->name);
    Node *source = node_new(a, NODE_OBJECT);
    node_set_string(a, source, "component", r->component);
    node_set_string(a, source, "host", *r->host ? r->host : NULL);
    node_set(a, event, "involvedObject", reference(a, o->object));
    node_set_string(a, event, "type", o->warning ? "Warning" : "Normal");
    node_set_string(a, event, "reason", o->reason);
    node_set_string(a, event, "message", o->message);
    node_set(a, event, "source", source);
    node_set_string(a, event, "firstTimestamp", kube_time_text(s->first_us, first));
    node_set_string(a, event, "lastTimestamp", kube_time_text(r->time->wall_us(r->time->context), last));
    node_set(a, event, "count", node_new_int(a, s->count));
    node_set_string(a, event, "reportingComponent", r->component);
    node_set_string(a, event, "reportingInstance", r->host);
    return event;
}

static int count_up(const KubeRecorder *r, Arena *a, const KubeOccurrence *o, const Sent *s, Error *e)
{
    char last[32];
    const char *namespace = kube_namespace_of(o->object);
    Node *patch = node_new(a, NODE_OBJECT);
    KubeAnswer answer;
    node_set(a, patch, "count", node_new_int(a, s->count));
    node_set_string(a, patch, "lastTimestamp", kube_time_text(r->time->wall_us(r->time->context), last));
    node_set_string(a, patch, "message", o->message);
    const KubeRequest q = {.verb = KUBE_PATCH,
                           .kind = &kube_event,
                           .namespace = namespace ? namespace : "default",
                           .name = s->name,
                           .patch = KUBE_PATCH_MERGE,
                           .body = patch};
    return kube_call(r->kube, &q, a, &answer, e);
}

static int send_event(const KubeRecorder *r, Arena *a, const KubeOccurrence *o, Sent *s, Error *e)
{
    KubeAnswer answer;
    int k = s->count > 1 ? count_up(r, a, o, s, e) : -ENOENT;
    if (k != -ENOENT)
        return k;
    set_name(s, o->object, r->time->wall_us(r->time->context));
    Node *event = make(r, a, o, s);
    const KubeRequest q = {.verb = KUBE_CREATE,
                           .kind = &kube_event,
                           .namespace = kube_namespace_of(event),
                           .name = s->name,
                           .body = event};
    return kube_call(r->kube, &q, a, &answer, e);
}

static const char *cut_message(Arena *a, const char *prefix, const char *message)
{
    char *text = arena_printf(a, "%s%s", prefix, message);
    size_t n = strlen(text);
    if (n <= KUBE_EVENT_MESSAGE_MAX)
        return text;
    for (n = KUBE_EVENT_MESSAGE_MAX - 3; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    strcpy(text + n, "…");
    return text;
}

int kube_record(KubeRecorder *r, const KubeOccurrence *o, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    int64_t now = kube_monotonic_ms(r->time);
    uint64_t object = hash_object(o->object);
    uint64_t kind = hash_text(hash_text(object, o->warning ? "Warning" : "Normal"), o->reason);
    uint64_t message = hash_text(kind, o->message);
    bool joined = joins(r, kind, message, now);
    if (!take_quota(r, object, now))
        return 0;
    KubeOccurrence told = *o;
    told.message = cut_message(a, joined ? "(combined from similar events): " : "", o->message);
    Sent *s = sent_of(r, joined ? kind : message, now);
    if (!s->count)
        s->first_us = r->time->wall_us(r->time->context);
    s->used_ms = now;
    s->count++;
    int k = send_event(r, a, &told, s, e);
    if (k < 0)
        s->count--;
    return k < 0 ? error_wrap(e, k, "telling '%s'", o->reason) : 1;
}
