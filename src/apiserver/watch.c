/* A watch that has nothing to tell is idle: everything up to what is published has been looked at for it. A
 * change that it wants ends that, and its place is then right before that change; so an idle watch never
 * falls behind, however long nothing happens that it wants. What a selector no longer matches is told as
 * DELETED, what it matches from now on as ADDED: a change keeps what was before. */
#include "apiserver/watch.h"

#include <string.h>

#include "apiserver/selector.h"
#include "apiserver/show.h"
#include "format/json.h"
#include "kube/kube_kind.h"

enum { BUCKETS = 64, NAMED = 8192, OUT_ENOUGH = 64 << 10, PAGE = 50, TIMEOUT_SEC = 1800 };

typedef struct Change {
    StoreObject o; /* texts are its own */
    size_t bytes;
} Change;

struct Watch {
    Watch *before, *after_it;
    WatchHub *hub;
    WatchSpec spec;
    Arena *arena; /* of selectors; NULL: it has none */
    Selector *labels;
    FieldSelector *fields;
    char *store, *namespace, *name;
    int64_t after, deadline, bookmark;
    char *listed_namespace, *listed_name; /* where the first list is */
    int64_t listed;                       /* its revision; 0: there is none, or it is done */
    bool idle, ended, headed;
    void (*wake)(void *context);
    void *context;
};

struct WatchHub {
    Store *store;
    int64_t (*now)(void);
    Change *changes; /* in order, without gaps */
    size_t n, size, published;
    size_t bytes;
    int64_t revision;                /* the newest that was published */
    Watch *buckets[BUCKETS + NAMED]; /* of whole kinds, and of one name: a change concerns few of these */
};

/* ---- changes ---- */

WatchHub *watch_hub_new(Store *s, int64_t (*now)(void))
{
    WatchHub *h = calloc(1, sizeof(*h));
    if (!h)
        abort();
    h->store = s;
    h->now = now;
    h->revision = store_revision(s);
    return h;
}

static void free_change(Change *c)
{
    free((char *)c->o.key.kind);
    free((char *)c->o.key.namespace);
    free((char *)c->o.key.name);
    free((char *)c->o.json);
    free((char *)c->o.former);
}

void watch_hub_free(WatchHub *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        free_change(&h->changes[i]);
    free(h->changes);
    free(h);
}

static char *copy(const char *s, size_t n)
{
    char *out = malloc(n + 1);
    if (!out)
        abort();
    memcpy(out, s, n);
    out[n] = '\0';
    return out;
}

static char *copy_text(const char *s)
{
    return s ? copy(s, strlen(s)) : NULL;
}

void watch_hub_add(WatchHub *h, const StoreObject *o)
{
    if (h->n == h->size) {
        h->size = h->size ? 2 * h->size : 64;
        h->changes = realloc(h->changes, h->size * sizeof(Change));
        if (!h->changes)
            abort();
    }
    Change *c = &h->changes[h->n++];
    *c = (Change){.o = *o, .bytes = o->n + o->former_n + sizeof(Change)};
    c->o.key = (StoreKey){copy_text(o->key.kind), copy_text(o->key.namespace), copy_text(o->key.name)};
    c->o.json = copy(o->json, o->n);
    c->o.former = o->former ? copy(o->former, o->former_n) : NULL;
    h->bytes += c->bytes;
}

size_t watch_hub_pending(const WatchHub *h)
{
    return h->n - h->published;
}

void watch_hub_forget(WatchHub *h, size_t down_to)
{
    while (h->n > h->published + down_to) {
        h->bytes -= h->changes[h->n - 1].bytes;
        free_change(&h->changes[--h->n]);
    }
}

/* The oldest go, a quarter at a time. */
static void trim(WatchHub *h)
{
    if (h->n <= WATCH_RECENT_MAX && h->bytes <= WATCH_RECENT_BYTES)
        return;
    size_t drop = 0;
    while (drop < h->n && (h->n - drop > WATCH_RECENT_MAX * 3 / 4 || h->bytes > WATCH_RECENT_BYTES * 3 / 4)) {
        h->bytes -= h->changes[drop].bytes;
        free_change(&h->changes[drop++]);
    }
    memmove(h->changes, h->changes + drop, (h->n - drop) * sizeof(Change));
    h->n -= drop;
    h->published = h->n;
}

/* ---- what a watch wants ---- */

typedef struct Parsed { /* of a change, when a selector asks */
    Arena *arena;
    Node *now, *then;
} Parsed;

static void parsed_done(Parsed *p)
{
    arena_free(p->arena);
}

static Node *parse(Arena *a, const char *json, size_t n)
{
    Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *node = NULL;
    *source = (Source){.name = "object", .text = json, .len = n, .secret = true};
    if (json_read(a, source, SEVERITY_WARNING, &node, &r) < 0)
        node = node_new(a, NODE_OBJECT);
    report_done(&r);
    return node;
}

static void ensure_parsed(Parsed *p, const StoreObject *o)
{
    if (p->arena)
        return;
    p->arena = arena_new();
    p->now = parse(p->arena, o->json, o->n);
    p->then = o->former ? parse(p->arena, o->former, o->former_n) : NULL;
}

static bool selected(const Watch *w, const Node *object)
{
    return object && selector_matches(w->labels, node_get_path(object, "metadata.labels")) &&
           field_selector_matches(w->fields, object);
}

/* What a change is for this watch; NULL: nothing. */
static const char *meaning(const Watch *w, const StoreObject *o, Parsed *p)
{
    static const char *const words[] = {
        [STORE_ADDED] = "ADDED", [STORE_MODIFIED] = "MODIFIED", [STORE_REMOVED] = "DELETED"};
    if (strcmp(w->store, o->key.kind) || (w->namespace && strcmp(w->namespace, o->key.namespace)) ||
        (w->name && strcmp(w->name, o->key.name)))
        return NULL;
    if (!w->arena)
        return words[o->verb];
    ensure_parsed(p, o);
    bool now = selected(w, p->now), then = o->verb == STORE_MODIFIED ? selected(w, p->then) : now;
    if (o->verb != STORE_MODIFIED)
        return now ? words[o->verb] : NULL;
    return now && then ? "MODIFIED" : now ? "ADDED" : then ? "DELETED" : NULL;
}

static void write_event(Watch *w, const char *type, const StoreObject *o, Parsed *p, Buf *out)
{
    buf_addf(out, "{\"type\":\"%s\",\"object\":", type);
    bool left = o->verb == STORE_MODIFIED && type[0] == 'D';
    if (!left && w->spec.form == WATCH_PLAIN && show_as_stored(w->spec.kind, w->spec.version))
        buf_add(out, o->json, o->n);
    else {
        ensure_parsed(p, o);
        Node *node = node_copy(p->arena, left && p->then ? p->then : p->now);
        if (left)
            node_set_string(p->arena, node_get(node, "metadata"), "resourceVersion",
                            arena_printf(p->arena, "%lld", (long long)o->revision));
        node = show_version(p->arena, w->spec.kind, w->spec.version, node);
        if (w->spec.form != WATCH_PLAIN) {
            node = show_table(p->arena, w->spec.version, node, w->hub->now(), w->spec.form);
            if (w->headed) /* the columns are said once */
                node_set(p->arena, node, "columnDefinitions", node_new(p->arena, NODE_NULL));
            w->headed = true;
        }
        json_write(node, JSON_COMPACT, out);
    }
    buf_add_str(out, "}\n");
}

static void tell(Watch *w, const StoreObject *o, Buf *out)
{
    __attribute__((cleanup(parsed_done))) Parsed p = {0};
    const char *type = meaning(w, o, &p);
    if (type)
        write_event(w, type, o, &p, out);
}

/* ---- taking the next ---- */

typedef struct Taking {
    Watch *w;
    Buf *out;
    size_t n;
} Taking;

static int take_listed(void *context, const StoreObject *o)
{
    Taking *t = context;
    Watch *w = t->w;
    StoreObject added = *o;
    added.verb = STORE_ADDED;
    tell(w, &added, t->out);
    free(w->listed_namespace);
    free(w->listed_name);
    w->listed_namespace = copy_text(o->key.namespace);
    w->listed_name = copy_text(o->key.name);
    t->n++;
    return t->out->len > OUT_ENOUGH ? -ECANCELED : 0;
}

static int take_list(Watch *w, Buf *out)
{
    Taking t = {.w = w, .out = out};
    while (w->listed && out->len < OUT_ENOUGH) {
        t.n = 0;
        StoreList q = {.kind = w->store,
                       .namespace = w->namespace,
                       .name = w->name,
                       .after_namespace = w->listed_namespace,
                       .after_name = w->listed_name,
                       .revision = w->listed,
                       .limit = PAGE};
        int r = store_list(w->hub->store, &q, take_listed, &t, NULL);
        if (r < 0 && r != -ECANCELED)
            return r;
        if (r >= 0 && t.n < PAGE) {
            w->after = w->listed;
            w->listed = 0;
        }
    }
    return 0;
}

static int take_change(void *context, const StoreObject *o)
{
    Taking *t = context;
    if (o->revision > t->w->hub->revision)
        return -ECANCELED;
    tell(t->w, o, t->out);
    t->w->after = o->revision;
    return t->out->len > OUT_ENOUGH ? -ECANCELED : 0;
}

static int take_changes(Watch *w, Buf *out)
{
    WatchHub *h = w->hub;
    Taking t = {.w = w, .out = out};
    if (w->after >= h->revision)
        return 0;
    if (!h->published || w->after + 1 < h->changes[0].o.revision) {
        const StoreKey of = {w->store, w->namespace, w->name};
        int r = store_changes(h->store, &of, w->after, take_change, &t, NULL);
        if (r < 0 && r != -ECANCELED)
            return r;
        if (r >= 0)
            w->after = h->revision;
        return 0;
    }
    for (size_t i = (size_t)(w->after + 1 - h->changes[0].o.revision); i < h->published; i++)
        if (take_change(&t, &h->changes[i].o) < 0)
            return 0;
    w->after = h->revision;
    return 0;
}

static void write_bookmark(Watch *w, Buf *out)
{
    KubeKind k = w->spec.kind->kube;
    char version[128];
    k.version = w->spec.version->name;
    buf_addf(out,
             "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{"
             "\"resourceVersion\":\"%lld\",\"creationTimestamp\":null}}}\n",
             k.kind, kube_api_version(&k, version), (long long)w->after);
    w->bookmark = w->hub->now() + WATCH_BOOKMARK_SEC;
}

static void write_expired(Watch *w, Buf *out)
{
    buf_addf(out,
             "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
             "\"status\":"
             "\"Failure\",\"message\":\"too old resource version: %lld "
             "(%lld)\",\"reason\":\"Expired\",\"code\":410}"
             "}\n",
             (long long)w->after, (long long)store_floor(w->hub->store));
    w->ended = true;
}

int watch_next(Watch *w, Buf *out)
{
    if (w->ended)
        return -1;
    w->idle = false;
    int r = w->listed ? take_list(w, out) : 0;
    if (r >= 0 && !w->listed && out->len < OUT_ENOUGH)
        r = take_changes(w, out);
    if (r == -ESTALE)
        write_expired(w, out);
    else if (r < 0)
        w->ended = true;
    int64_t now = w->hub->now();
    bool up_to_date = !w->listed && w->after >= w->hub->revision;
    if (r >= 0 && up_to_date && w->spec.bookmarks && (now >= w->bookmark || now >= w->deadline))
        write_bookmark(w, out);
    if (now >= w->deadline)
        w->ended = true;
    if (out->len)
        return 1;
    if (w->ended)
        return -1;
    w->idle = true;
    return 0;
}

/* ---- watches ---- */

static uint32_t hash_more(uint32_t hash, const char *text)
{
    for (const char *p = text; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    return hash;
}

/* `name` NULL: of those that watch more than one. */
static Watch **bucket(WatchHub *h, const char *store, const char *name)
{
    uint32_t hash = hash_more(2166136261u, store);
    return &h->buckets[name ? BUCKETS + hash_more(hash, name) % NAMED : hash % BUCKETS];
}

static int read_selectors(Watch *w, Error *e)
{
    const WatchSpec *s = &w->spec;
    bool labels = s->label_selector && *s->label_selector, fields = s->field_selector && *s->field_selector;
    if (!labels && !fields)
        return 0;
    w->arena = arena_new();
    int r = selector_read(w->arena, arena_strdup(w->arena, s->label_selector), &w->labels, e);
    if (r >= 0)
        r = field_selector_read(w->arena, &s->kind->kube, arena_strdup(w->arena, s->field_selector),
                                &w->fields, e);
    const char *name = r >= 0 && fields ? field_selector_name(w->fields) : NULL;
    if (name && !w->name)
        w->name = copy_text(name);
    if (name && !labels && field_selector_is_name(w->fields) && !strcmp(w->name, name)) {
        arena_free(w->arena); /* the name says it all, and no object need be read */
        w->arena = NULL;
        w->fields = NULL;
    }
    return r;
}

int watch_new(WatchHub *h, const WatchSpec *spec, Watch **ret, Error *e)
{
    Watch *w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    *w = (Watch){.hub = h, .spec = *spec, .after = spec->after};
    w->store = copy_text(spec->kind->store);
    w->namespace = copy_text(spec->namespace);
    w->name = copy_text(spec->name);
    int r = read_selectors(w, e);
    w->spec.namespace = w->spec.name = w->spec.label_selector = w->spec.field_selector = NULL;
    Watch **at = bucket(h, w->store, w->name);
    w->after_it = *at;
    if (*at)
        (*at)->before = w;
    *at = w;
    if (r < 0) {
        watch_free(w);
        return r;
    }
    if (!w->after)
        w->listed = w->after = h->revision;
    int64_t now = h->now();
    w->deadline = now + (spec->timeout_sec ? (int64_t)spec->timeout_sec
                                           : TIMEOUT_SEC + (int64_t)((uintptr_t)w / 64 % TIMEOUT_SEC));
    w->bookmark = now + WATCH_BOOKMARK_SEC;
    *ret = w;
    return 0;
}

void watch_free(Watch *w)
{
    if (!w)
        return;
    *(w->before ? &w->before->after_it : bucket(w->hub, w->store, w->name)) = w->after_it;
    if (w->after_it)
        w->after_it->before = w->before;
    arena_free(w->arena);
    free(w->store);
    free(w->namespace);
    free(w->name);
    free(w->listed_namespace);
    free(w->listed_name);
    free(w);
}

void watch_on_wake(Watch *w, void (*wake)(void *context), void *context)
{
    w->wake = wake;
    w->context = context;
}

static void wake(Watch *w, int64_t after)
{
    w->idle = false;
    w->after = after;
    if (w->wake)
        w->wake(w->context);
}

static void wake_some(Watch *first, const StoreObject *o, Parsed *p)
{
    for (Watch *w = first, *next; w; w = next) {
        next = w->after_it;
        if (w->idle && meaning(w, o, p))
            wake(w, o->revision - 1);
    }
}

void watch_hub_publish(WatchHub *h)
{
    for (size_t i = h->published; i < h->n; i++) {
        const StoreObject *o = &h->changes[i].o;
        __attribute__((cleanup(parsed_done))) Parsed p = {0};
        wake_some(*bucket(h, o->key.kind, NULL), o, &p);
        wake_some(*bucket(h, o->key.kind, o->key.name), o, &p);
    }
    h->published = h->n;
    h->revision = store_revision(h->store);
    trim(h);
}

void watch_hub_tick(WatchHub *h)
{
    int64_t now = h->now();
    for (size_t i = 0; i < BUCKETS + NAMED; i++)
        for (Watch *w = h->buckets[i], *next; w; w = next) {
            next = w->after_it;
            if (w->idle && (now >= w->deadline || (w->spec.bookmarks && now >= w->bookmark)))
                wake(w, h->revision);
        }
}

void watch_hub_end(WatchHub *h, const ApiKind *k)
{
    for (size_t i = 0; i < BUCKETS + NAMED; i++)
        for (Watch *w = h->buckets[i], *next; w; w = next) {
            next = w->after_it;
            if (strcmp(w->store, k->store))
                continue;
            w->deadline = 0;
            if (w->idle)
                wake(w, h->revision);
        }
}
