/* An update: what has changed is taken from whoever had it and given to the one who changed it. An apply:
 * what is applied is laid over what is there; what this manager applied before and no longer does goes,
 * unless others own it; changes of fields that others own are conflicts, or are taken over by force.
 * kubectl's own way from client-side to server-side apply is honoured: what it had applied before and nobody
 * has touched since is no conflict. */
#include "apiserver/managed_fields.h"

#include <string.h>
#include <time.h>

#include "apiserver/human_duration.h"
#include "apiserver/managed_entry.h"
#include "apiserver/value.h"
#include "format/json.h"
#include "kube/kube_kind.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

typedef struct Conflict {
    const ManagedEntry *with;
    FieldSet *set;
} Conflict;

typedef struct Conflicts {
    Conflict *list;
    size_t n;
} Conflicts;

static const char *time_text(Arena *a, int64_t now)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)now;
    gmtime_r(&t, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return arena_strdup(a, text);
}

static ManagedEntry entry_of(Arena *a, const FieldManager *m, const char *operation)
{
    char version[128];
    return (ManagedEntry){m->manager && *m->manager ? m->manager : "unknown",
                          operation,
                          arena_strdup(a, kube_api_version(m->kind, version)),
                          m->subresource ? m->subresource : "",
                          time_text(a, m->now),
                          field_set_new(a, NULL)};
}

/* What a created object is compared with: structs of built-in kinds are always there. */
static Node *nothing(Arena *a, const KubeKind *kind)
{
    static const char *const structs[] = {"metadata", "spec", "status"};
    const BuiltinType *type = builtin_type_of_kind(kind);
    Node *n = node_new(a, NODE_OBJECT);
    BuiltinField f;
    for (size_t i = 0; i < ELEMENTS(structs); i++)
        if (i == 0 || builtin_field_get(type, structs[i], &f))
            node_set(a, n, structs[i], node_new(a, NODE_OBJECT));
    return n;
}

static Node *without_managed(Arena *a, const Node *object)
{
    Node *copy = node_copy(a, object), *metadata = node_get(copy, "metadata");
    copy->key = NULL;
    if (metadata && metadata->kind == NODE_OBJECT)
        node_remove(metadata, "managedFields");
    return copy;
}

static void set_managed(Arena *a, Node *object, ManagedEntries *entries)
{
    Node *metadata = node_get(object, "metadata"), *list = managed_entries_write(a, entries);
    if (!metadata || metadata->kind != NODE_OBJECT)
        metadata = node_set(a, object, "metadata", node_new(a, NODE_OBJECT));
    node_remove(metadata, "managedFields");
    if (list)
        node_set(a, metadata, "managedFields", list);
}

/* Takes from all but `self` what has changed; says what was taken by changes and additions. */
static Conflicts take_from_others(Arena *a, ManagedEntries *m, const ManagedEntry *self,
                                  const FieldChanges *c)
{
    FieldSet *changed = field_set_union(a, c->modified, c->added);
    Conflicts conflicts = {ARENA_ARRAY(a, Conflict, m->n + 1), 0};
    for (size_t i = 0; i < m->n; i++) {
        ManagedEntry *e = &m->entries[i];
        if (e == self)
            continue;
        FieldSet *both = field_set_both(a, e->set, changed);
        if (!field_set_empty(both))
            conflicts.list[conflicts.n++] = (Conflict){e, both};
        e->set = field_set_without(a, field_set_without(a, e->set, both), c->removed);
    }
    return conflicts;
}

static bool is_reset(const Node *list)
{
    return list && list->kind == NODE_ARRAY &&
           (!list->n || (list->n == 1 && list->first->kind == NODE_OBJECT && !list->first->n));
}

/* Whose list counts: a subresource leaves it alone; the object's own if it has a good one, else the stored.
 */
static void read_entries(Arena *a, const FieldManager *m, const Node *live, const Node *object,
                         ManagedEntries *ret)
{
    const Node *sent = node_get_path(object, "metadata.managedFields");
    const Node *stored = node_get_path(live, "metadata.managedFields");
    *ret = (ManagedEntries){0};
    if (!m->subresource && is_reset(sent))
        return;
    if (!m->subresource && live && managed_entries_read(a, sent, ret, NULL) == 0 && ret->n)
        return;
    *ret = (ManagedEntries){0};
    if (managed_entries_read(a, stored, ret, NULL) < 0)
        *ret = (ManagedEntries){0};
}

static void track(Arena *a, const FieldManager *m, ManagedEntries *entries, const Node *live,
                  const Node *object)
{
    FieldShape shape = field_shape_of(m->kind, m->schema);
    FieldChanges changes = typed_compare(a, &shape, live, object);
    ManagedEntry self = entry_of(a, m, "Update");
    (void)take_from_others(a, entries, NULL, &changes);
    self.set = managed_strip(a, field_set_union(a, changes.modified, changes.added));
    if (field_set_empty(self.set))
        return;
    ManagedEntry *former = managed_entries_find(entries, &self);
    if (former) {
        former->set = field_set_union(a, former->set, self.set);
        former->time = self.time;
    } else {
        managed_entries_add(a, entries, &self);
    }
}

void managed_fields_update(Arena *a, const FieldManager *m, const Node *live, Node *object)
{
    ManagedEntries entries;
    read_entries(a, m, live, object, &entries);
    Node *after = without_managed(a, object);
    if (entries.n || !live) {
        track(a, m, &entries, live ? without_managed(a, live) : nothing(a, m->kind), after);
        managed_entries_cap(a, &entries);
    }
    set_managed(a, object, &entries);
}

/* ---- apply ---- */

/* What this manager applied before and does not any more, and nobody else owns. */
static Node *prune(Arena *a, const FieldShape *s, Node *merged, ManagedEntries *entries, FieldSet *last)
{
    FieldSet *managed = field_set_new(a, NULL),
             *fields = typed_name_structs(a, s, typed_fields(a, s, merged));
    FieldSet *gone = typed_name_structs(a, s, last), *kept;
    Node *pruned = typed_remove(a, s, merged, gone);
    for (size_t i = 0; i < entries->n; i++)
        managed = field_set_union(a, managed, entries->entries[i].set);
    kept = pruned ? typed_name_structs(a, s, typed_fields(a, s, pruned)) : field_set_new(a, NULL);
    kept = field_set_union(a, kept, typed_name_structs(a, s, managed));
    pruned = typed_remove(a, s, merged, field_set_without(a, fields, kept));
    kept = pruned ? typed_name_structs(a, s, typed_fields(a, s, pruned)) : field_set_new(a, NULL);
    pruned = typed_remove(a, s, merged, field_set_both(a, field_set_without(a, fields, kept), gone));
    return pruned ? pruned : node_new(a, NODE_OBJECT);
}

static const char *conflict_manager(Arena *a, const ManagedEntry *e)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    buf_addf(&b, "\"%s\"", e->manager);
    if (*e->subresource)
        buf_addf(&b, " with subresource \"%s\"", e->subresource);
    if (!managed_entry_applies(e))
        buf_addf(&b, " using %s%s%s", e->version, e->time ? " at " : "", e->time ? e->time : "");
    return arena_strdup(a, b.data);
}

typedef struct Telling {
    Arena *arena;
    Node *causes;
    Buf *message;
    const char *manager;
    size_t n;
} Telling;

static void tell_path(void *context, const char *path)
{
    Telling *t = context;
    Node *cause = node_append(t->causes, node_new(t->arena, NODE_OBJECT));
    node_set_string(t->arena, cause, "reason", "FieldManagerConflict");
    node_set_string(t->arena, cause, "message", arena_printf(t->arena, "conflict with %s", t->manager));
    node_set_string(t->arena, cause, "field", path);
    buf_addf(t->message, "\n- %s", path);
    t->n++;
}

static Node *conflict_status(Arena *a, const Conflicts *conflicts)
{
    _cleanup_buf_ Buf list = BUF_INIT;
    Node *status = node_new(a, NODE_OBJECT), *details = node_new(a, NODE_OBJECT);
    Telling t = {a, node_new(a, NODE_ARRAY), &list, NULL, 0};
    for (size_t i = 0; i < conflicts->n; i++) {
        t.manager = conflict_manager(a, conflicts->list[i].with);
        buf_addf(&list, "%sconflicts with %s:", list.len ? "\n" : "", t.manager);
        field_set_each(a, conflicts->list[i].set, tell_path, &t);
    }
    const char *message = arena_printf(a, "Apply failed with %zu conflicts: %s", t.n, list.data);
    if (t.n == 1)
        message = arena_printf(a, "Apply failed with 1 conflict: conflict with %s: %s", t.manager,
                               node_string(node_get(t.causes->first, "field")));
    node_set_string(a, status, "kind", "Status");
    node_set_string(a, status, "apiVersion", "v1");
    node_set(a, status, "metadata", node_new(a, NODE_OBJECT));
    node_set_string(a, status, "status", "Failure");
    node_set_string(a, status, "message", message);
    node_set_string(a, status, "reason", "Conflict");
    node_set(a, status, "details", details);
    node_set(a, details, "causes", t.causes);
    node_set(a, status, "code", node_new_int(a, 409));
    return status;
}

/* What kubectl applied from its own side and what is unchanged since: no conflict for kubectl. */
static FieldSet *client_applied(Arena *a, const FieldShape *s, const Node *live)
{
    const char *text = live ? kube_annotation(live, LAST_APPLIED) : NULL;
    Source *source = ARENA_NEW(a, Source);
    _cleanup_report_ Report r = REPORT_INIT(a);
    Node *last;
    if (!text)
        return NULL;
    *source = (Source){.name = LAST_APPLIED, .text = text, .len = strlen(text)};
    if (json_read(a, source, SEVERITY_WARNING, &last, &r) < 0 || last->kind != NODE_OBJECT)
        return NULL;
    FieldChanges c = typed_compare(a, s, last, live);
    FieldSet *set = field_set_without(a, typed_fields(a, s, last), c.modified);
    return field_set_without(a, field_set_without(a, set, c.added), c.removed);
}

static void allow(Arena *a, Conflicts *conflicts, FieldSet *allowed)
{
    size_t kept = 0;
    for (size_t i = 0; i < conflicts->n; i++) {
        Conflict c = conflicts->list[i];
        c.set = field_set_without(a, c.set, allowed);
        if (!field_set_empty(c.set))
            conflicts->list[kept++] = c;
    }
    conflicts->n = kept;
}

static int check_applied(Arena *a, const FieldManager *m, const FieldShape *shape, const Node *applied,
                         Error *e)
{
    char version[128];
    const char *said = node_string(node_get(applied, "apiVersion"));
    const char *name = kube_name(applied), *namespace = kube_namespace_of(applied);
    const Node *managed = node_get_path(applied, "metadata.managedFields");
    if (!m->manager || !*m->manager)
        return error_set(e, EINVAL, "fieldManager is required for apply patch");
    if (!said || strcmp(said, kube_api_version(m->kind, version)) != 0)
        return error_set(
            e, EINVAL,
            "Incorrect version specified in apply patch. Specified patch version: %s, expected: %s",
            said ? said : "", kube_api_version(m->kind, version));
    if (managed && managed->kind != NODE_NULL)
        return error_set(e, EINVAL, "metadata.managedFields must be nil");
    int r = typed_check(a, shape, applied, e);
    if (r < 0)
        return error_wrap(e, r, "failed to create typed patch object (%s/%s; %s, Kind=%s)",
                          namespace ? namespace : "", name ? name : "", said, m->kind->kind);
    return 0;
}

/* Fields that were there before anybody's were tracked. */
static void before_first_apply(Arena *a, const FieldManager *m, const Node *live, ManagedEntries *entries)
{
    FieldManager before = *m;
    before.manager = "before-first-apply";
    before.subresource = NULL;
    if (live && !entries->n)
        track(a, &before, entries, nothing(a, m->kind), without_managed(a, live));
}

static void keep_annotation(Arena *a, const FieldManager *m, const Node *applied, Node *object)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (strcmp(m->manager, "kubectl") != 0 || !kube_annotation(object, LAST_APPLIED))
        return;
    Node *copy = node_copy(a, applied), *annotations = node_get_path(copy, "metadata.annotations");
    if (annotations)
        node_remove(annotations, LAST_APPLIED);
    json_write(copy, JSON_COMPACT, &b);
    buf_add_str(&b, "\n");
    node_set_string(a, node_get_path(object, "metadata.annotations"), LAST_APPLIED, b.data);
}

int managed_fields_apply(Arena *a, const FieldManager *m, const Node *live, const Node *applied, Node **ret,
                         Node **ret_status, Error *e)
{
    FieldShape shape = field_shape_of(m->kind, m->schema);
    ManagedEntries entries = {0};
    ManagedEntry self = entry_of(a, m, "Apply");
    int r = check_applied(a, m, &shape, applied, e);
    if (r < 0)
        return r;
    if (managed_entries_read(a, node_get_path(live, "metadata.managedFields"), &entries, NULL) < 0)
        entries = (ManagedEntries){0};
    before_first_apply(a, m, live, &entries);

    const Node *base = live ? without_managed(a, live) : nothing(a, m->kind);
    Node *made = typed_merge(a, &shape, live ? base : node_new(a, NODE_OBJECT), applied);
    ManagedEntry *mine = managed_entries_find(&entries, &self);
    FieldSet *last = mine ? mine->set : NULL;
    if (!mine) {
        managed_entries_add(a, &entries, &self);
        mine = &entries.entries[entries.n - 1];
    }
    const char *former_time = last ? mine->time : NULL;
    mine->set = typed_fields(a, &shape, applied);
    mine->version = self.version;
    if (last)
        made = prune(a, &shape, made, &entries, last);

    FieldChanges changes = typed_compare(a, &shape, base, made);
    Conflicts conflicts = take_from_others(a, &entries, mine, &changes);
    if (!m->force && conflicts.n && !strcmp(m->manager, "kubectl")) {
        FieldSet *allowed = client_applied(a, &shape, live);
        if (allowed)
            allow(a, &conflicts, allowed);
    }
    if (!m->force && conflicts.n) {
        *ret_status = conflict_status(a, &conflicts);
        return error_set(e, ESTALE, "%s", node_string(node_get(*ret_status, "message")));
    }
    mine->set = managed_strip(a, mine->set);
    bool same = live && value_equal(base, made);
    mine->time = same && former_time ? former_time : self.time;
    keep_annotation(a, m, applied, made);
    set_managed(a, made, &entries);
    *ret = made;
    return 0;
}

bool managed_fields_same(const Node *before, const Node *after)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *sides[] = {node_copy(a, before), node_copy(a, after)};
    for (size_t i = 0; i < ELEMENTS(sides); i++) {
        Node *list = node_get_path(sides[i], "metadata.managedFields");
        for (Node *n = list && list->kind == NODE_ARRAY ? list->first : NULL; n; n = n->next)
            if (n->kind == NODE_OBJECT)
                node_remove(n, "time");
    }
    return value_equal(sides[0], sides[1]);
}
