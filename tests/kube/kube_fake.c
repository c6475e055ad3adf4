/* Objects are never changed in place: each write makes a new tree, so that what was handed out and what
 * history has stays as it was. All lives in one arena until the end of the test. A watch is a place in the
 * history. */
#include "kube_fake.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "format/json.h"
#include "kube/kube_answer.h"

enum { FAULTS_MAX = 32, VERSION_FIRST = 100 };

typedef struct Stored {
    const KubeKind *kind;
    const char *namespace, *name; /* "" for none */
    Node *object;                 /* NULL: deleted */
} Stored;

typedef struct Change {
    const KubeKind *kind;
    Node *before, *after; /* NULL: was not there, is not there */
    long version;
} Change;

typedef struct Fake Fake;
typedef struct FakeWatch {
    KubeWatch base;
    Fake *fake;
    struct FakeWatch *next;
    KubeRequest q;
    size_t at; /* in the history */
    int cut;
    bool bookmark;
} FakeWatch;

struct Fake {
    Kube base;
    Arena *arena;
    Stored *stored;
    size_t n_stored, n_changes;
    Change *changes;
    FakeWatch *watches;
    long version, compacted;
    unsigned serial, started;
    struct {
        KubeVerb verb;
        const KubeKind *kind;
    } * log;
    size_t n_log;
    KubeFakeFault faults[FAULTS_MAX];
    size_t n_faults;
    void (*before)(void *context, Kube *k, const KubeRequest *q);
    void *context;
    int wake;
};

static Fake *fake_of(const Kube *k)
{
    return (Fake *)k;
}

static _noreturn_ void die(const char *what)
{
    fprintf(stderr, "kube_fake: %s\n", what);
    abort();
}

static void *grown(void *p, size_t n, size_t size)
{
    if (n & (n - 1)) /* a power of two is full */
        return p;
    p = realloc(p, (n ? n * 2 : 1) * size);
    return p ? p : (die("no memory"), NULL);
}

static bool same_kind(const KubeKind *a, const KubeKind *b)
{
    return !strcmp(a->group, b->group) && !strcmp(a->plural, b->plural);
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static Stored *find(Fake *f, const KubeKind *kind, const char *namespace, const char *name)
{
    for (size_t i = 0; i < f->n_stored; i++) {
        Stored *s = &f->stored[i];
        if (same_kind(s->kind, kind) && !strcmp(s->namespace, or_empty(namespace)) &&
            !strcmp(s->name, or_empty(name)))
            return s;
    }
    return NULL;
}

/* ---- writing ---- */

static void wake(Fake *f)
{
    (void)!eventfd_write(f->wake, 1);
}

static void set_metadata(Fake *f, Node *object, const char *key, const char *value)
{
    Node *metadata = node_get(object, "metadata");
    if (!metadata)
        metadata = node_set(f->arena, object, "metadata", node_new(f->arena, NODE_OBJECT));
    node_set_string(f->arena, metadata, key, value);
}

/* `object` NULL: it goes. */
static void store(Fake *f, Stored *s, Node *object)
{
    Node *before = s->object, *last = object ? object : node_copy(f->arena, before);
    f->version++;
    set_metadata(f, last, "resourceVersion", arena_printf(f->arena, "%ld", f->version));
    f->changes = grown(f->changes, f->n_changes, sizeof(*f->changes));
    f->changes[f->n_changes++] =
        (Change){.kind = s->kind, .before = object ? before : last, .after = object, .version = f->version};
    s->object = object;
    wake(f);
}

static int64_t generation_of(const Node *object)
{
    const Node *n = node_get_path(object, "metadata.generation");
    int64_t v = 0;
    if (n)
        (void)node_int(n, &v);
    return v;
}

/* Whether all but metadata and status is the same. */
static bool same_content(Arena *a, const Node *x, const Node *y)
{
    Node *p = node_copy(a, x), *q = node_copy(a, y);
    node_remove(p, "metadata");
    node_remove(q, "metadata");
    node_remove(p, "status");
    node_remove(q, "status");
    return node_equal(p, q);
}

static Node *keep_metadata(Fake *f, Node *object, const Node *old)
{
    static const char *const kept[] = {
        "uid", "creationTimestamp", "resourceVersion", "deletionTimestamp", "namespace", "name"};
    for (size_t i = 0; i < ELEMENTS(kept); i++) {
        const Node *n = node_get(node_get(old, "metadata"), kept[i]);
        if (n)
            node_set(f->arena, node_get(object, "metadata"), kept[i], node_copy(f->arena, n));
    }
    int64_t generation = generation_of(old) + !same_content(f->arena, object, old);
    node_set(f->arena, node_get(object, "metadata"), "generation", node_new_int(f->arena, generation));
    return object;
}

static Stored *make(Fake *f, const KubeKind *kind, Node *object)
{
    const char *name = kube_name(object), *namespace = or_empty(kube_namespace_of(object));
    Stored *s = find(f, kind, namespace, name);
    if (!s) {
        f->stored = grown(f->stored, f->n_stored, sizeof(*f->stored));
        s = &f->stored[f->n_stored++];
        *s = (Stored){.kind = kind,
                      .namespace = arena_strdup(f->arena, namespace),
                      .name = arena_strdup(f->arena, name)};
    }
    char version[128];
    node_set_string(f->arena, object, "apiVersion", kube_api_version(kind, version));
    node_set_string(f->arena, object, "kind", kind->kind);
    set_metadata(f, object, "uid", arena_printf(f->arena, "uid-%u", ++f->serial));
    if (!node_get_path(object, "metadata.creationTimestamp"))
        set_metadata(f, object, "creationTimestamp", "2026-01-01T00:00:00Z");
    node_set(f->arena, node_get(object, "metadata"), "generation", node_new_int(f->arena, 1));
    store(f, s, object);
    return s;
}

static bool has_finalizers(const Node *object)
{
    const Node *list = node_get_path(object, "metadata.finalizers");
    return list && list->kind == NODE_ARRAY && list->n;
}

static void settle(Fake *f, Stored *s, Node *object)
{
    if (node_get_path(object, "metadata.deletionTimestamp") && !has_finalizers(object))
        store(f, s, NULL);
    else if (!node_equal(object, s->object))
        store(f, s, object);
}

static bool has_status(const KubeKind *kind)
{
    return !same_kind(kind, &kube_machine_config) && !same_kind(kind, &kube_config_map) &&
           !same_kind(kind, &kube_secret) && !same_kind(kind, &kube_event) && !same_kind(kind, &kube_lease);
}

static void set_or_remove(Fake *f, Node *object, const char *key, const Node *value)
{
    if (value)
        node_set(f->arena, object, key, node_copy(f->arena, value));
    else
        node_remove(object, key);
}

/* What a write of `wanted` to `subresource` makes of what is there. */
static Node *written(Fake *f, const Stored *s, const Node *wanted, const char *subresource)
{
    Node *object;
    if (subresource) { /* status; of approval its conditions are all that matters */
        object = node_copy(f->arena, s->object);
        set_or_remove(f, object, "status", node_get(wanted, "status"));
    } else {
        object = node_copy(f->arena, wanted);
        if (has_status(s->kind))
            set_or_remove(f, object, "status", node_get(s->object, "status"));
    }
    return keep_metadata(f, object, s->object);
}

static void merge(Arena *a, Node *to, const Node *patch)
{
    NODE_EACH (n, patch) {
        Node *old = node_get(to, n->key);
        if (n->kind == NODE_NULL)
            node_remove(to, n->key);
        else if (n->kind != NODE_OBJECT)
            node_set(a, to, n->key, node_copy(a, n));
        else {
            if (!old || old->kind != NODE_OBJECT)
                old = node_set(a, to, n->key, node_new(a, NODE_OBJECT));
            merge(a, old, n);
        }
    }
}

/* ---- refusals ---- */

static int refuse(int code, const char *reason, KubeAnswer *ret, Error *e)
{
    ret->status.code = code;
    ret->status.reason = reason;
    ret->status.message = "so says the fake";
    return kube_status_error(&ret->status, e);
}

static KubeFakeFault *fault_of(Fake *f, const KubeRequest *q, bool watch)
{
    for (size_t i = 0; i < f->n_faults; i++) {
        KubeFakeFault *t = &f->faults[i];
        bool fits = t->any ? !watch : watch ? t->watch : !t->watch && t->verb == q->verb;
        if (!t->times || !fits || (t->kind && !same_kind(t->kind, q->kind)) ||
            (t->subresource && strcmp(t->subresource, or_empty(q->subresource))))
            continue;
        if (t->skip) {
            t->skip--;
            continue;
        }
        t->times--;
        return t;
    }
    return NULL;
}

static int fail_by(const KubeFakeFault *t, KubeAnswer *ret, Error *e)
{
    *ret = (KubeAnswer){.status.reason = "", .status.message = ""};
    if (!t->code)
        return error_set(e, t->error ? t->error : ECONNREFUSED, "no answer, says the fake");
    ret->status.retry_after_sec = t->retry_after_sec;
    return refuse(t->code, or_empty(t->reason), ret, e);
}

/* ---- selectors ---- */

static bool term_fits(const Node *object, const char *term, bool labels)
{
    char key[256];
    size_t n = strcspn(term, "=!");
    bool unlike = term[n] == '!';
    if (!term[n] || n >= sizeof(key))
        die("a selector that is no equality");
    snprintf(key, sizeof(key), "%.*s", (int)n, term);
    const char *value = term + n + strspn(term + n, "=!");
    const char *has = labels ? kube_label(object, key) : node_string(node_get_path(object, key));
    size_t len = strcspn(value, ",");
    bool equal = has ? strlen(has) == len && !strncmp(has, value, len) : !labels && !len;
    return equal != unlike;
}

static bool fits_terms(const Node *object, const char *selector, bool labels)
{
    for (const char *p = selector; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!term_fits(object, p, labels))
            return false;
    return true;
}

static bool fits(const Node *object, const KubeRequest *q)
{
    return object && (!q->namespace || !strcmp(q->namespace, or_empty(kube_namespace_of(object)))) &&
           fits_terms(object, q->label_selector, true) && fits_terms(object, q->field_selector, false);
}

/* ---- calls ---- */

static int compare(const void *x, const void *y)
{
    const Stored *a = *(Stored *const *)x, *b = *(Stored *const *)y;
    int r = strcmp(a->namespace, b->namespace);
    return r ? r : strcmp(a->name, b->name);
}

/* A token is "VERSION/PLACE". */
static int do_list(Fake *f, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e)
{
    Stored **all = malloc((f->n_stored + 1) * sizeof(*all));
    size_t n = 0, from = 0, end;
    long version = f->version;
    char text[128];
    if (q->continue_token && sscanf(q->continue_token, "%ld/%zu", &version, &from) != 2)
        die("a token that it never gave");
    if (q->continue_token && version < f->compacted) {
        free(all);
        return refuse(410, "Expired", ret, e);
    }
    for (size_t i = 0; i < f->n_stored; i++)
        if (same_kind(f->stored[i].kind, q->kind) && fits(f->stored[i].object, q))
            all[n++] = &f->stored[i];
    qsort(all, n, sizeof(*all), compare);
    end = q->limit && from + q->limit < n ? from + q->limit : n;
    Node *list = node_new(a, NODE_OBJECT), *metadata = node_new(a, NODE_OBJECT);
    Node *items = node_new(a, NODE_ARRAY);
    node_set_string(a, list, "apiVersion", kube_api_version(q->kind, text));
    node_set_string(a, list, "kind", arena_printf(a, "%sList", q->kind->kind));
    node_set(a, list, "metadata", metadata);
    node_set_string(a, metadata, "resourceVersion", arena_printf(a, "%ld", version));
    if (end < n)
        node_set_string(a, metadata, "continue", arena_printf(a, "%ld/%zu", version, end));
    node_set(a, list, "items", items);
    for (size_t i = from; i < end; i++)
        node_append(items, node_copy(a, all[i]->object));
    free(all);
    ret->object = list;
    return 0;
}

static int do_create(Fake *f, const KubeRequest *q, Stored **ret_stored, KubeAnswer *ret, Error *e)
{
    Node *object = node_copy(f->arena, q->body);
    const char *prefix = node_string(node_get_path(object, "metadata.generateName"));
    if (!kube_name(object) && prefix)
        set_metadata(f, object, "name", arena_printf(f->arena, "%s%05u", prefix, ++f->serial));
    if (!kube_name(object))
        return refuse(422, "Invalid", ret, e);
    if (q->namespace)
        set_metadata(f, object, "namespace", q->namespace);
    Stored *s = find(f, q->kind, q->namespace, kube_name(object));
    if (s && s->object)
        return refuse(409, "AlreadyExists", ret, e);
    if (strstr(q->kind->group, "openshift") && has_status(q->kind))
        node_remove(object, "status");
    *ret_stored = make(f, q->kind, object);
    return 0;
}

static bool precondition_fails(const Node *wanted, const Node *object)
{
    const char *version = node_string(node_get(wanted, "resourceVersion"));
    const char *uid = node_string(node_get(wanted, "uid"));
    return (version && *version && strcmp(version, or_empty(kube_resource_version(object)))) ||
           (uid && *uid && strcmp(uid, or_empty(kube_uid(object))));
}

static int do_delete(Fake *f, const KubeRequest *q, Stored *s, KubeAnswer *ret, Error *e)
{
    if (precondition_fails(node_get(q->body, "preconditions"), s->object))
        return refuse(409, "Conflict", ret, e);
    if (!has_finalizers(s->object)) {
        store(f, s, NULL);
        return 0;
    }
    Node *object = node_copy(f->arena, s->object);
    set_metadata(f, object, "deletionTimestamp", "2026-01-01T00:00:01Z");
    settle(f, s, object);
    return 0;
}

static int do_write(Fake *f, const KubeRequest *q, Stored *s, KubeAnswer *ret, Error *e)
{
    Node *wanted = q->verb == KUBE_UPDATE ? node_copy(f->arena, q->body) : node_copy(f->arena, s->object);
    if (q->verb == KUBE_PATCH && q->patch == KUBE_PATCH_JSON)
        die("a JSON patch");
    if (precondition_fails(node_get(q->body, "metadata"), s->object))
        return refuse(409, "Conflict", ret, e);
    if (q->verb == KUBE_PATCH)
        merge(f->arena, wanted, q->body);
    settle(f, s, written(f, s, wanted, q->subresource));
    return 0;
}

static Node *success(Arena *a)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "kind", "Status");
    node_set_string(a, n, "apiVersion", "v1");
    node_set_string(a, n, "status", "Success");
    return n;
}

static int carry_out(Fake *f, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e)
{
    if (q->verb == KUBE_LIST)
        return do_list(f, q, a, ret, e);
    Stored *s = find(f, q->kind, q->namespace, q->name);
    bool eviction = q->subresource && !strcmp(q->subresource, "eviction"), there = s && s->object;
    bool creates = (q->verb == KUBE_CREATE && !eviction) ||
                   (q->verb == KUBE_PATCH && q->patch == KUBE_PATCH_APPLY && !there);
    Node *before = there ? s->object : NULL;
    int r = 0;
    if (q->dry_run)
        die("a dry run");
    if (creates)
        r = do_create(f, q, &s, ret, e);
    else if (!there)
        r = refuse(404, "NotFound", ret, e);
    else if (q->verb == KUBE_DELETE || eviction)
        r = do_delete(f, q, s, ret, e);
    else if (q->verb != KUBE_GET)
        r = do_write(f, q, s, ret, e);
    if (r >= 0)
        ret->object = eviction ? success(a) : node_copy(a, s->object ? s->object : before);
    return r;
}

static int fake_call(Kube *k, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e)
{
    Fake *f = fake_of(k);
    f->log = grown(f->log, f->n_log, sizeof(*f->log));
    f->log[f->n_log].verb = q->verb;
    f->log[f->n_log++].kind = q->kind;
    if (f->before)
        f->before(f->context, k, q);
    KubeFakeFault *t = fault_of(f, q, false);
    if (t && !t->carried_out)
        return fail_by(t, ret, e);
    int r = carry_out(f, q, a, ret, e);
    return t ? fail_by(t, ret, e) : r;
}

/* ---- watches ---- */

static int fake_watch(Kube *k, const KubeRequest *q, KubeWatch **ret, Error *e)
{
    Fake *f = fake_of(k);
    KubeAnswer answer = {.status.reason = ""};
    KubeFakeFault *t = fault_of(f, q, true);
    f->started++;
    if (t && !t->code)
        return fail_by(t, &answer, e);
    FakeWatch *w = calloc(1, sizeof(*w));
    if (!w)
        die("no memory");
    *w = (FakeWatch){.base.backend = k->backend, .fake = f, .next = f->watches, .q = *q};
    w->q.namespace = arena_strdup(f->arena, q->namespace);
    w->q.label_selector = arena_strdup(f->arena, q->label_selector);
    w->q.field_selector = arena_strdup(f->arena, q->field_selector);
    long from = q->resource_version ? strtol(q->resource_version, NULL, 10) : f->version;
    while (w->at < f->n_changes && f->changes[w->at].version <= from)
        w->at++;
    if (from < f->compacted)
        w->cut = ESTALE;
    if (t) {
        KubeAnswer refused;
        w->cut = -fail_by(t, &refused, NULL);
    }
    f->watches = w;
    wake(f);
    *ret = &w->base;
    return 0;
}

static int fake_next(KubeWatch *base, Arena *a, KubeEvent *ret, Error *e)
{
    FakeWatch *w = (FakeWatch *)base;
    Fake *f = w->fake;
    eventfd_t ignored;
    if (w->cut)
        return error_set(e, w->cut, "the watch is over, says the fake");
    while (w->at < f->n_changes) {
        const Change *c = &f->changes[w->at++];
        bool before = fits(c->before, &w->q), after = fits(c->after, &w->q);
        if (!same_kind(c->kind, w->q.kind) || (!before && !after))
            continue;
        ret->kind = !after ? KUBE_DELETED : before ? KUBE_MODIFIED : KUBE_ADDED;
        ret->object = node_copy(a, after || c->after ? c->after : c->before);
        return 1;
    }
    if (w->bookmark) {
        w->bookmark = false;
        ret->kind = KUBE_BOOKMARK;
        ret->object = kube_object_new(a, w->q.kind, NULL, NULL);
        node_set_string(a, node_get(ret->object, "metadata"), "resourceVersion",
                        arena_printf(a, "%ld", f->version));
        return 1;
    }
    (void)!eventfd_read(f->wake, &ignored);
    return 0;
}

static void fake_unwatch(KubeWatch *base)
{
    FakeWatch *w = (FakeWatch *)base, **link = &w->fake->watches;
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    free(w);
}

static int fake_fd(const Kube *k)
{
    return fake_of(k)->wake;
}

/* One eventfd serves all watches: whoever empties it may not have been the only one with something to come.
 */
static int fake_timeout_ms(Kube *k)
{
    Fake *f = fake_of(k);
    for (const FakeWatch *w = f->watches; w; w = w->next)
        if (w->cut || w->bookmark || w->at < f->n_changes)
            return 0;
    return -1;
}

static void fake_free(Kube *k)
{
    Fake *f = fake_of(k);
    if (f->watches)
        die("a watch is left");
    arena_free(f->arena);
    free(f->stored);
    free(f->changes);
    free(f->log);
    close(f->wake);
    free(f);
}

static const KubeBackend backend = {
    .call = fake_call,
    .watch = fake_watch,
    .next = fake_next,
    .unwatch = fake_unwatch,
    .fd = fake_fd,
    .timeout_ms = fake_timeout_ms,
    .free = fake_free,
};

/* ---- the test's side ---- */

Kube *kube_fake_new(void)
{
    Fake *f = calloc(1, sizeof(*f));
    if (!f)
        die("no memory");
    f->base.backend = &backend;
    f->arena = arena_new();
    f->version = VERSION_FIRST;
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return &f->base;
}

const Node *kube_fake_put(Kube *k, const KubeKind *kind, const char *json)
{
    Fake *f = fake_of(k);
    _cleanup_report_ Report report = REPORT_INIT(f->arena);
    char *text = arena_strdup(f->arena, json);
    Source *source = ARENA_NEW(f->arena, Source);
    Node *object = NULL;
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    *source = (Source){.name = "test", .text = text, .len = strlen(text)};
    if (json_read(f->arena, source, SEVERITY_ERROR, &object, &report) < 0 || !kube_name(object))
        die(json);
    Stored *s = find(f, kind, kube_namespace_of(object), kube_name(object));
    if (!s || !s->object)
        return make(f, kind, object)->object;
    char version[128];
    node_set_string(f->arena, object, "apiVersion", kube_api_version(kind, version));
    node_set_string(f->arena, object, "kind", kind->kind);
    settle(f, s, keep_metadata(f, object, s->object));
    return s->object;
}

const Node *kube_fake_get(Kube *k, const KubeKind *kind, const char *namespace, const char *name)
{
    const Stored *s = find(fake_of(k), kind, namespace, name);
    return s ? s->object : NULL;
}

bool kube_fake_delete(Kube *k, const KubeKind *kind, const char *namespace, const char *name)
{
    Stored *s = find(fake_of(k), kind, namespace, name);
    if (!s || !s->object)
        return false;
    store(fake_of(k), s, NULL);
    return true;
}

size_t kube_fake_objects(Kube *k, const KubeKind *kind)
{
    Fake *f = fake_of(k);
    size_t n = 0;
    for (size_t i = 0; i < f->n_stored; i++)
        n += f->stored[i].object && same_kind(f->stored[i].kind, kind);
    return n;
}

void kube_fake_fail(Kube *k, const KubeFakeFault *fault)
{
    Fake *f = fake_of(k);
    if (f->n_faults == FAULTS_MAX)
        die("too many faults");
    f->faults[f->n_faults] = *fault;
    if (!fault->times)
        f->faults[f->n_faults].times = 1;
    f->n_faults++;
}

void kube_fake_reset_faults(Kube *k)
{
    fake_of(k)->n_faults = 0;
}

void kube_fake_cut(Kube *k, int error)
{
    for (FakeWatch *w = fake_of(k)->watches; w; w = w->next)
        w->cut = error;
    wake(fake_of(k));
}

void kube_fake_compact(Kube *k)
{
    Fake *f = fake_of(k);
    f->compacted = ++f->version; /* so that no version that was given out is new enough */
    for (FakeWatch *w = f->watches; w; w = w->next)
        if (w->at < f->n_changes)
            w->cut = ESTALE;
    wake(f);
}

void kube_fake_bookmark(Kube *k)
{
    for (FakeWatch *w = fake_of(k)->watches; w; w = w->next)
        w->bookmark = true;
    wake(fake_of(k));
}

void kube_fake_before(Kube *k, void (*before)(void *context, Kube *k, const KubeRequest *q), void *context)
{
    fake_of(k)->before = before;
    fake_of(k)->context = context;
}

unsigned kube_fake_calls(const Kube *k, KubeVerb verb, const KubeKind *kind)
{
    const Fake *f = fake_of(k);
    unsigned n = 0;
    for (size_t i = 0; i < f->n_log; i++)
        n += f->log[i].verb == verb && (!kind || same_kind(f->log[i].kind, kind));
    return n;
}

unsigned kube_fake_watches(const Kube *k)
{
    return fake_of(k)->started;
}
