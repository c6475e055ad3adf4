/* Reading is strict, since a client may send the list back; writing sorts as a real server does: by
 * operation, time, manager. */
#include "apiserver/managed_entry.h"

#include <string.h>

void managed_entries_add(Arena *a, ManagedEntries *m, const ManagedEntry *e)
{
    if (m->n == m->size) {
        size_t size = m->size ? m->size * 2 : 8;
        ManagedEntry *entries = ARENA_ARRAY(a, ManagedEntry, size);
        if (m->n)
            memcpy(entries, m->entries, m->n * sizeof(*entries));
        m->entries = entries;
        m->size = size;
    }
    m->entries[m->n++] = *e;
}

static const char *text(const Node *n, const char *key)
{
    const char *s = node_string(node_get(n, key));
    return s ? s : "";
}

static int read_entry(Arena *a, const Node *n, size_t i, ManagedEntry *ret, Error *e)
{
    const Node *fields = node_get(n, "fieldsV1");
    *ret = (ManagedEntry){text(n, "manager"),
                          text(n, "operation"),
                          text(n, "apiVersion"),
                          text(n, "subresource"),
                          node_string(node_get(n, "time")),
                          field_set_new(a, NULL)};
    if (strcmp(ret->operation, "Apply") != 0 && strcmp(ret->operation, "Update") != 0)
        return error_set(e, EINVAL, "operation must be `Apply` or `Update`");
    if (!*ret->version)
        return error_set(e, EINVAL, "apiVersion must not be empty");
    if (strcmp(text(n, "fieldsType"), "FieldsV1") != 0)
        return error_set(e, EINVAL, "invalid fieldsType \"%s\" in managed fields entry %zu",
                         text(n, "fieldsType"), i);
    return fields && fields->kind != NODE_NULL ? field_set_read(a, fields, &ret->set, e) : 0;
}

int managed_entries_read(Arena *a, const Node *list, ManagedEntries *ret, Error *e)
{
    ManagedEntries m = {0};
    size_t i = 0;
    if (list && list->kind != NODE_ARRAY && list->kind != NODE_NULL)
        return error_set(e, EINVAL, "managedFields must be a list");
    if (list && list->kind == NODE_ARRAY && list->n > MANAGED_ENTRIES_MAX)
        return error_set(e, EINVAL, "managedFields has more than %d entries", MANAGED_ENTRIES_MAX);
    for (const Node *n = list && list->kind == NODE_ARRAY ? list->first : NULL; n; n = n->next, i++) {
        ManagedEntry entry;
        int r = read_entry(a, n, i, &entry, e);
        if (r < 0)
            return r;
        managed_entries_add(a, &m, &entry);
    }
    *ret = m;
    return 0;
}

bool managed_entry_applies(const ManagedEntry *e)
{
    return !strcmp(e->operation, "Apply");
}

ManagedEntry *managed_entries_find(ManagedEntries *m, const ManagedEntry *like)
{
    for (size_t i = 0; i < m->n; i++) {
        ManagedEntry *e = &m->entries[i];
        if (!strcmp(e->manager, like->manager) && !strcmp(e->operation, like->operation) &&
            !strcmp(e->subresource, like->subresource) &&
            (managed_entry_applies(e) || !strcmp(e->version, like->version)))
            return e;
    }
    return NULL;
}

static int in_order(const void *a, const void *b)
{
    const ManagedEntry *x = a, *y = b;
    int d = strcmp(x->operation, y->operation);
    d = d ? d : strcmp(x->time ? x->time : "", y->time ? y->time : "");
    d = d ? d : strcmp(x->manager, y->manager);
    d = d ? d : strcmp(x->version, y->version);
    return d ? d : strcmp(x->subresource, y->subresource);
}

Node *managed_entries_write(Arena *a, ManagedEntries *m)
{
    Node *list = node_new(a, NODE_ARRAY);
    if (m->n)
        qsort(m->entries, m->n, sizeof(*m->entries), in_order);
    for (size_t i = 0; i < m->n; i++) {
        const ManagedEntry *e = &m->entries[i];
        if (field_set_empty(e->set))
            continue;
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "manager", *e->manager ? e->manager : NULL);
        node_set_string(a, n, "operation", e->operation);
        node_set_string(a, n, "apiVersion", e->version);
        node_set_string(a, n, "time", e->time);
        node_set_string(a, n, "fieldsType", "FieldsV1");
        node_set(a, n, "fieldsV1", field_set_write(a, e->set));
        node_set_string(a, n, "subresource", *e->subresource ? e->subresource : NULL);
    }
    return list->n ? list : NULL;
}

static void drop(ManagedEntries *m, ManagedEntry *e)
{
    memmove(e, e + 1, (size_t)(m->entries + m->n - (e + 1)) * sizeof(*e));
    m->n--;
}

void managed_entries_cap(Arena *a, ManagedEntries *m)
{
    static const char ancient[] = "ancient-changes";
    size_t updates = 0;
    for (size_t i = 0; i < m->n; i++)
        updates += !managed_entry_applies(&m->entries[i]);
    if (updates <= MANAGED_UPDATERS_MAX)
        return;
    qsort(m->entries, m->n, sizeof(*m->entries), in_order);
    for (size_t i = 0; i < m->n && updates > MANAGED_UPDATERS_MAX;) {
        ManagedEntry *e = &m->entries[i];
        ManagedEntry bucket = {ancient, "Update", e->version, "", e->time, field_set_new(a, NULL)};
        if (managed_entry_applies(e) || !strcmp(e->manager, ancient)) {
            i++;
            continue;
        }
        ManagedEntry *old = managed_entries_find(m, &bucket);
        if (!old) { /* the oldest of a version becomes the bucket, which makes none fewer */
            e->manager = ancient;
            e->subresource = "";
            i++;
            continue;
        }
        old->set = field_set_union(a, old->set, e->set);
        old->time = e->time;
        drop(m, e);
        updates--;
    }
}

FieldSet *managed_strip(Arena *a, FieldSet *set)
{
    static const char *const roots[] = {"f:apiVersion", "f:kind", "f:metadata"};
    static const char *const below[] = {"f:name",       "f:namespace",     "f:creationTimestamp",
                                        "f:selfLink",   "f:uid",           "f:clusterName",
                                        "f:generation", "f:managedFields", "f:resourceVersion"};
    FieldSet *strip = field_set_new(a, NULL), *metadata = NULL;
    for (size_t i = 0; i < ELEMENTS(roots); i++) {
        metadata = field_set_new(a, roots[i]);
        metadata->member = true;
        field_set_add(a, strip, metadata);
    }
    for (size_t i = 0; i < ELEMENTS(below); i++) {
        FieldSet *c = field_set_new(a, below[i]);
        c->member = true;
        field_set_add(a, metadata, c);
    }
    return field_set_without(a, set, strip);
}
