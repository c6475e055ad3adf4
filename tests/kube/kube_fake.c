/* The verbs on fake_objects.c, faults before and behind them, and watches, each of which is a place in the
 * history. All objects live in one arena until the end of the test. */
#include "fake_objects.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "format/json.h"
#include "kube/kube_answer.h"

enum { FAULTS_MAX = 32, VERSION_FIRST = 100 };

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
    FakeObjects objects;
    FakeWatch *watches;
    long compacted;
    unsigned started;
    struct {
        KubeVerb verb;
        const KubeKind *kind;
    } * log;
    size_t n_log;
    KubeFakeFault faults[FAULTS_MAX];
    size_t n_faults;
    void (*before)(void *context, Kube *k, const KubeRequest *q);
    void *context;
};

static Fake *fake_of(const Kube *k)
{
    return (Fake *)k;
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
        if (!t->times || !fits || (t->kind && !fake_same_kind(t->kind, q->kind)) ||
            (t->subresource && strcmp(t->subresource, fake_or_empty(q->subresource))))
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
    return refuse(t->code, fake_or_empty(t->reason), ret, e);
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
    Stored **all = malloc((f->objects.n_stored + 1) * sizeof(*all));
    size_t n = 0, from = 0, end;
    long version = f->objects.version;
    char text[128];
    if (q->continue_token && sscanf(q->continue_token, "%ld/%zu", &version, &from) != 2)
        fake_die("a token that it never gave");
    if (q->continue_token && version < f->compacted) {
        free(all);
        return refuse(410, "Expired", ret, e);
    }
    for (size_t i = 0; i < f->objects.n_stored; i++)
        if (fake_same_kind(f->objects.stored[i].kind, q->kind) && fake_fits(f->objects.stored[i].object, q))
            all[n++] = &f->objects.stored[i];
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
    Node *object = node_copy(f->objects.arena, q->body);
    const char *prefix = node_string(node_get_path(object, "metadata.generateName"));
    if (!kube_name(object) && prefix)
        fake_set_metadata(&f->objects, object, "name",
                          arena_printf(f->objects.arena, "%s%05u", prefix, ++f->objects.serial));
    if (!kube_name(object))
        return refuse(422, "Invalid", ret, e);
    if (q->namespace)
        fake_set_metadata(&f->objects, object, "namespace", q->namespace);
    Stored *s = fake_find(&f->objects, q->kind, q->namespace, kube_name(object));
    if (s && s->object)
        return refuse(409, "AlreadyExists", ret, e);
    if (strstr(q->kind->group, "openshift") && fake_has_status(q->kind))
        node_remove(object, "status");
    *ret_stored = fake_make(&f->objects, q->kind, object);
    return 0;
}

static bool precondition_fails(const Node *wanted, const Node *object)
{
    const char *version = node_string(node_get(wanted, "resourceVersion"));
    const char *uid = node_string(node_get(wanted, "uid"));
    return (version && *version && strcmp(version, fake_or_empty(kube_resource_version(object)))) ||
           (uid && *uid && strcmp(uid, fake_or_empty(kube_uid(object))));
}

static int do_delete(Fake *f, const KubeRequest *q, Stored *s, KubeAnswer *ret, Error *e)
{
    if (precondition_fails(node_get(q->body, "preconditions"), s->object))
        return refuse(409, "Conflict", ret, e);
    if (!fake_has_finalizers(s->object)) {
        fake_store(&f->objects, s, NULL);
        return 0;
    }
    Node *object = node_copy(f->objects.arena, s->object);
    fake_set_metadata(&f->objects, object, "deletionTimestamp", "2026-01-01T00:00:01Z");
    fake_settle(&f->objects, s, object);
    return 0;
}

static int do_write(Fake *f, const KubeRequest *q, Stored *s, KubeAnswer *ret, Error *e)
{
    Node *wanted = q->verb == KUBE_UPDATE ? node_copy(f->objects.arena, q->body)
                                          : node_copy(f->objects.arena, s->object);
    if (q->verb == KUBE_PATCH && q->patch == KUBE_PATCH_JSON)
        fake_die("a JSON patch");
    if (precondition_fails(node_get(q->body, "metadata"), s->object))
        return refuse(409, "Conflict", ret, e);
    if (q->verb == KUBE_PATCH)
        fake_merge(f->objects.arena, wanted, q->body);
    fake_settle(&f->objects, s, fake_written(&f->objects, s, wanted, q->subresource));
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
    Stored *s = fake_find(&f->objects, q->kind, q->namespace, q->name);
    bool eviction = q->subresource && !strcmp(q->subresource, "eviction"), there = s && s->object;
    bool creates = (q->verb == KUBE_CREATE && !eviction) ||
                   (q->verb == KUBE_PATCH && q->patch == KUBE_PATCH_APPLY && !there);
    Node *before = there ? s->object : NULL;
    int r = 0;
    if (q->dry_run)
        fake_die("a dry run");
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
    f->log = fake_grown(f->log, f->n_log, sizeof(*f->log));
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
        fake_die("no memory");
    *w = (FakeWatch){.base.backend = k->backend, .fake = f, .next = f->watches, .q = *q};
    w->q.namespace = arena_strdup(f->objects.arena, q->namespace);
    w->q.label_selector = arena_strdup(f->objects.arena, q->label_selector);
    w->q.field_selector = arena_strdup(f->objects.arena, q->field_selector);
    long from = q->resource_version ? strtol(q->resource_version, NULL, 10) : f->objects.version;
    while (w->at < f->objects.n_changes && f->objects.changes[w->at].version <= from)
        w->at++;
    if (from < f->compacted)
        w->cut = ESTALE;
    if (t) {
        KubeAnswer refused;
        w->cut = -fail_by(t, &refused, NULL);
    }
    f->watches = w;
    fake_wake(&f->objects);
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
    while (w->at < f->objects.n_changes) {
        const Change *c = &f->objects.changes[w->at++];
        bool before = fake_fits(c->before, &w->q), after = fake_fits(c->after, &w->q);
        if (!fake_same_kind(c->kind, w->q.kind) || (!before && !after))
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
                        arena_printf(a, "%ld", f->objects.version));
        return 1;
    }
    (void)!eventfd_read(f->objects.wake, &ignored);
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
    return fake_of(k)->objects.wake;
}

/* One eventfd serves all watches: whoever empties it may not have been the only one with something to come.
 */
static int fake_timeout_ms(Kube *k)
{
    Fake *f = fake_of(k);
    for (const FakeWatch *w = f->watches; w; w = w->next)
        if (w->cut || w->bookmark || w->at < f->objects.n_changes)
            return 0;
    return -1;
}

static void fake_free(Kube *k)
{
    Fake *f = fake_of(k);
    if (f->watches)
        fake_die("a watch is left");
    arena_free(f->objects.arena);
    free(f->objects.stored);
    free(f->objects.changes);
    free(f->log);
    close(f->objects.wake);
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
        fake_die("no memory");
    f->base.backend = &backend;
    f->objects.arena = arena_new();
    f->objects.version = VERSION_FIRST;
    f->objects.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return &f->base;
}

const Node *kube_fake_put(Kube *k, const KubeKind *kind, const char *json)
{
    Fake *f = fake_of(k);
    _cleanup_report_ Report report = REPORT_INIT(f->objects.arena);
    char *text = arena_strdup(f->objects.arena, json);
    Source *source = ARENA_NEW(f->objects.arena, Source);
    Node *object = NULL;
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    *source = (Source){.name = "test", .text = text, .len = strlen(text)};
    if (json_read(f->objects.arena, source, SEVERITY_ERROR, &object, &report) < 0 || !kube_name(object))
        fake_die(json);
    Stored *s = fake_find(&f->objects, kind, kube_namespace_of(object), kube_name(object));
    if (!s || !s->object)
        return fake_make(&f->objects, kind, object)->object;
    char version[128];
    node_set_string(f->objects.arena, object, "apiVersion", kube_api_version(kind, version));
    node_set_string(f->objects.arena, object, "kind", kind->kind);
    fake_settle(&f->objects, s, fake_keep_metadata(&f->objects, object, s->object));
    return s->object;
}

const Node *kube_fake_get(Kube *k, const KubeKind *kind, const char *namespace, const char *name)
{
    const Stored *s = fake_find(&fake_of(k)->objects, kind, namespace, name);
    return s ? s->object : NULL;
}

bool kube_fake_delete(Kube *k, const KubeKind *kind, const char *namespace, const char *name)
{
    Stored *s = fake_find(&fake_of(k)->objects, kind, namespace, name);
    if (!s || !s->object)
        return false;
    fake_store(&fake_of(k)->objects, s, NULL);
    return true;
}

size_t kube_fake_objects(Kube *k, const KubeKind *kind)
{
    Fake *f = fake_of(k);
    size_t n = 0;
    for (size_t i = 0; i < f->objects.n_stored; i++)
        n += f->objects.stored[i].object && fake_same_kind(f->objects.stored[i].kind, kind);
    return n;
}

void kube_fake_fail(Kube *k, const KubeFakeFault *fault)
{
    Fake *f = fake_of(k);
    if (f->n_faults == FAULTS_MAX)
        fake_die("too many faults");
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
    fake_wake(&fake_of(k)->objects);
}

void kube_fake_compact(Kube *k)
{
    Fake *f = fake_of(k);
    f->compacted = ++f->objects.version; /* so that no version that was given out is new enough */
    for (FakeWatch *w = f->watches; w; w = w->next)
        if (w->at < f->objects.n_changes)
            w->cut = ESTALE;
    fake_wake(&f->objects);
}

void kube_fake_bookmark(Kube *k)
{
    for (FakeWatch *w = fake_of(k)->watches; w; w = w->next)
        w->bookmark = true;
    fake_wake(&fake_of(k)->objects);
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
        n += f->log[i].verb == verb && (!kind || fake_same_kind(f->log[i].kind, kind));
    return n;
}

unsigned kube_fake_watches(const Kube *k)
{
    return fake_of(k)->started;
}
