/* Events of events.k8s.io/v1 are stored as those of v1, some fields of which have other names. */
#include "apiserver/show.h"

#include <string.h>

#include "apiserver/table.h"
#include "kube/kube_kind.h"

static const char *const event_fields[][2] = {
    {"message", "note"},
    {"involvedObject", "regarding"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

static bool is_other_event(const ApiKind *k)
{
    return !strcmp(k->kube.group, "events.k8s.io");
}

bool show_as_stored(const ApiKind *k, const KindVersion *v)
{
    return !strcmp(k->kube.version, v->name) && !is_other_event(k);
}

static void rename_fields(Node *node, int from)
{
    if (node->kind == NODE_OBJECT)
        NODE_EACH (n, node)
            for (size_t i = 0; i < ELEMENTS(event_fields); i++)
                if (!strcmp(n->key, event_fields[i][from])) {
                    n->key = event_fields[i][!from];
                    break;
                }
}

Node *show_version(Arena *a, const ApiKind *k, const KindVersion *v, Node *node)
{
    if (show_as_stored(k, v))
        return node;
    KubeKind shown = k->kube;
    char text[128];
    shown.version = v->name;
    if (is_other_event(k))
        rename_fields(node, 0);
    node_set_string(a, node, "apiVersion", kube_api_version(&shown, text));
    return node;
}

Node *show_stored(Arena *a, const ApiKind *k, Node *node)
{
    KubeKind stored = k->kube;
    char text[128];
    if (is_other_event(k)) {
        rename_fields(node, 1);
        stored.group = "";
    }
    node_set_string(a, node, "apiVersion", kube_api_version(&stored, text));
    return node;
}

Node *show_table(Arena *a, const KindVersion *v, const Node *node, int64_t now, WatchForm form)
{
    static const TableObjects objects[] = {[WATCH_TABLE] = TABLE_METADATA,
                                           [WATCH_TABLE_WITH_OBJECTS] = TABLE_OBJECT,
                                           [WATCH_TABLE_BARE] = TABLE_NONE};
    return table_make(a, v->columns, node, now, objects[form]);
}
