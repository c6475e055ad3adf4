/* Objects are never changed in place: each write makes a new tree, so that what was handed out and what
 * history has stays as it was. */
#include "fake_objects.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

_noreturn_ void fake_die(const char *what)
{
    fprintf(stderr, "kube_fake: %s\n", what);
    abort();
}

void *fake_grown(void *p, size_t n, size_t size)
{
    if (n & (n - 1)) /* a power of two is full */
        return p;
    p = realloc(p, (n ? n * 2 : 1) * size);
    return p ? p : (fake_die("no memory"), NULL);
}

bool fake_same_kind(const KubeKind *a, const KubeKind *b)
{
    return !strcmp(a->group, b->group) && !strcmp(a->plural, b->plural);
}

const char *fake_or_empty(const char *s)
{
    return s ? s : "";
}

Stored *fake_find(FakeObjects *f, const KubeKind *kind, const char *namespace, const char *name)
{
    for (size_t i = 0; i < f->n_stored; i++) {
        Stored *s = &f->stored[i];
        if (fake_same_kind(s->kind, kind) && !strcmp(s->namespace, fake_or_empty(namespace)) &&
            !strcmp(s->name, fake_or_empty(name)))
            return s;
    }
    return NULL;
}

/* ---- writing ---- */

void fake_wake(FakeObjects *f)
{
    (void)!eventfd_write(f->wake, 1);
}

void fake_set_metadata(FakeObjects *f, Node *object, const char *key, const char *value)
{
    Node *metadata = node_get(object, "metadata");
    if (!metadata)
        metadata = node_set(f->arena, object, "metadata", node_new(f->arena, NODE_OBJECT));
    node_set_string(f->arena, metadata, key, value);
}

void fake_store(FakeObjects *f, Stored *s, Node *object)
{
    Node *before = s->object, *last = object ? object : node_copy(f->arena, before);
    f->version++;
    fake_set_metadata(f, last, "resourceVersion", arena_printf(f->arena, "%ld", f->version));
    f->changes = fake_grown(f->changes, f->n_changes, sizeof(*f->changes));
    f->changes[f->n_changes++] =
        (Change){.kind = s->kind, .before = object ? before : last, .after = object, .version = f->version};
    s->object = object;
    fake_wake(f);
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

Node *fake_keep_metadata(FakeObjects *f, Node *object, const Node *old)
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

Stored *fake_make(FakeObjects *f, const KubeKind *kind, Node *object)
{
    const char *name = kube_name(object), *namespace = fake_or_empty(kube_namespace_of(object));
    Stored *s = fake_find(f, kind, namespace, name);
    if (!s) {
        f->stored = fake_grown(f->stored, f->n_stored, sizeof(*f->stored));
        s = &f->stored[f->n_stored++];
        *s = (Stored){.kind = kind,
                      .namespace = arena_strdup(f->arena, namespace),
                      .name = arena_strdup(f->arena, name)};
    }
    char version[128];
    node_set_string(f->arena, object, "apiVersion", kube_api_version(kind, version));
    node_set_string(f->arena, object, "kind", kind->kind);
    fake_set_metadata(f, object, "uid", arena_printf(f->arena, "uid-%u", ++f->serial));
    if (!node_get_path(object, "metadata.creationTimestamp"))
        fake_set_metadata(f, object, "creationTimestamp", "2026-01-01T00:00:00Z");
    node_set(f->arena, node_get(object, "metadata"), "generation", node_new_int(f->arena, 1));
    fake_store(f, s, object);
    return s;
}

bool fake_has_finalizers(const Node *object)
{
    const Node *list = node_get_path(object, "metadata.finalizers");
    return list && list->kind == NODE_ARRAY && list->n;
}

void fake_settle(FakeObjects *f, Stored *s, Node *object)
{
    if (node_get_path(object, "metadata.deletionTimestamp") && !fake_has_finalizers(object))
        fake_store(f, s, NULL);
    else if (!node_equal(object, s->object))
        fake_store(f, s, object);
}

bool fake_has_status(const KubeKind *kind)
{
    return !fake_same_kind(kind, &kube_machine_config) && !fake_same_kind(kind, &kube_config_map) &&
           !fake_same_kind(kind, &kube_secret) && !fake_same_kind(kind, &kube_event) &&
           !fake_same_kind(kind, &kube_lease);
}

static void set_or_remove(FakeObjects *f, Node *object, const char *key, const Node *value)
{
    if (value)
        node_set(f->arena, object, key, node_copy(f->arena, value));
    else
        node_remove(object, key);
}

Node *fake_written(FakeObjects *f, const Stored *s, const Node *wanted, const char *subresource)
{
    Node *object;
    if (subresource) { /* status; of approval its conditions are all that matters */
        object = node_copy(f->arena, s->object);
        set_or_remove(f, object, "status", node_get(wanted, "status"));
    } else {
        object = node_copy(f->arena, wanted);
        if (fake_has_status(s->kind))
            set_or_remove(f, object, "status", node_get(s->object, "status"));
    }
    return fake_keep_metadata(f, object, s->object);
}

void fake_merge(Arena *a, Node *to, const Node *patch)
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
            fake_merge(a, old, n);
        }
    }
}

/* ---- selectors ---- */

static bool term_fits(const Node *object, const char *term, bool labels)
{
    char key[256];
    size_t n = strcspn(term, "=!");
    bool unlike = term[n] == '!';
    if (!term[n] || n >= sizeof(key))
        fake_die("a selector that is no equality");
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

bool fake_fits(const Node *object, const KubeRequest *q)
{
    return object && (!q->namespace || !strcmp(q->namespace, fake_or_empty(kube_namespace_of(object)))) &&
           fits_terms(object, q->label_selector, true) && fits_terms(object, q->field_selector, false);
}
