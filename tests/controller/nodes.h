#pragma once
/* Nodes in a word each: "a@z1 v1>v2 Working" is node a of zone z1 that has v1 and was told v2; "!" after the
 * name: not ready; "#": cordoned by a person; "%": cordoned for an update. */
#include <stdio.h>
#include <string.h>

#include "fleet/fleet_node.h"
#include "kube/kube_kind.h"

typedef struct NodeWord {
    char name[32], zone[32], current[32], desired[32], state[32];
    bool ready, cordoned, for_update;
} NodeWord;

static inline NodeWord node_word(const char *text)
{
    NodeWord w = {.ready = true};
    char name[64];
    if (sscanf(text, "%63s %31[^> ]>%31s %31s", name, w.current, w.desired, w.state) != 4)
        abort();
    size_t n = strcspn(name, "@!#%");
    snprintf(w.name, sizeof(w.name), "%.*s", (int)n, name);
    w.ready = !strchr(name, '!');
    w.for_update = strchr(name, '%') != NULL;
    w.cordoned = w.for_update || strchr(name, '#');
    const char *zone = strchr(name, '@');
    if (zone)
        snprintf(w.zone, sizeof(w.zone), "%.*s", (int)strcspn(zone + 1, "!#%"), zone + 1);
    return w;
}

static inline Node *node_word_object(Arena *a, const NodeWord *w, int64_t created)
{
    Node *object = kube_object_new(a, &kube_node, NULL, arena_strdup(a, w->name));
    Node *metadata = node_get(object, "metadata");
    Node *annotations = node_set(a, metadata, "annotations", node_new(a, NODE_OBJECT));
    Node *labels = node_set(a, metadata, "labels", node_new(a, NODE_OBJECT));
    Node *spec = node_set(a, object, "spec", node_new(a, NODE_OBJECT));
    Node *conditions = node_set(a, node_set(a, object, "status", node_new(a, NODE_OBJECT)), "conditions",
                                node_new(a, NODE_ARRAY));
    Node *ready = node_append(conditions, node_new(a, NODE_OBJECT));

    node_set_string(a, metadata, "creationTimestamp",
                    arena_printf(a, "2026-01-01T00:%02d:%02dZ", (int)(created / 60), (int)(created % 60)));
    if (*w->zone)
        node_set_string(a, labels, NODE_ZONE_LABEL, arena_strdup(a, w->zone));
    node_set_string(a, annotations, NODE_CURRENT_CONFIG, arena_strdup(a, w->current));
    node_set_string(a, annotations, NODE_DESIRED_CONFIG, arena_strdup(a, w->desired));
    node_set_string(a, annotations, NODE_STATE, arena_strdup(a, w->state));
    if (w->for_update)
        node_set_string(a, annotations, NODE_LAST_DRAIN, arena_printf(a, "drain-%s", w->desired));
    node_set(a, spec, "unschedulable", node_new_bool(a, w->cordoned));
    node_set_string(a, ready, "type", "Ready");
    node_set_string(a, ready, "status", w->ready ? "True" : "False");
    return object;
}

static inline FleetNode *node_of_word(Arena *a, const char *text, int64_t created)
{
    NodeWord w = node_word(text);
    return fleet_node_new(node_word_object(a, &w, created));
}
