/* A node as its object says, in a few fields. Ready is what a scheduler would say: the condition Ready holds,
 * and neither DiskPressure nor NetworkUnavailable does, where a node reports these. */
#include "fleet/fleet_node.h"

#include <arpa/inet.h>
#include <string.h>

#include "kube/kube_kind.h"

enum { ADDRESSES_MAX = 16, ADDRESS_MAX = 253 };

static const char *const state_words[] = {
    [NODE_STATE_DONE] = "Done",
    [NODE_STATE_WORKING] = "Working",
    [NODE_STATE_REBOOTING] = "Rebooting",
    [NODE_STATE_DEGRADED] = "Degraded",
    [NODE_STATE_UNRECONCILABLE] = "Unreconcilable",
};

static bool keep(char **field, const char *text)
{
    if (!text)
        text = "";
    if (*field && !strcmp(*field, text))
        return false;
    free(*field);
    *field = strdup(text);
    if (!*field)
        abort();
    return true;
}

static NodeState state_of(const char *word)
{
    for (size_t i = 0; word && i < ELEMENTS(state_words); i++)
        if (state_words[i] && !strcmp(word, state_words[i]))
            return (NodeState)i;
    return NODE_STATE_UNKNOWN;
}

static bool condition_is(const Node *conditions, const char *type, const char *status)
{
    if (!conditions || conditions->kind != NODE_ARRAY)
        return false;
    NODE_EACH (c, conditions) {
        const char *t = node_string(node_get(c, "type")), *s = node_string(node_get(c, "status"));
        if (t && s && !strcmp(t, type))
            return !strcmp(s, status);
    }
    return false;
}

static bool has_condition(const Node *conditions, const char *type)
{
    return condition_is(conditions, type, "True") || condition_is(conditions, type, "Unknown");
}

/* As a certificate's names are read: an IP address in one spelling, a name in small letters. */
static void add_address(const char *text, Buf *out)
{
    unsigned char raw[sizeof(struct in6_addr)];
    char ip[INET6_ADDRSTRLEN];
    for (int family = AF_INET;; family = AF_INET6) {
        if (inet_pton(family, text, raw) == 1) {
            buf_addf(out, "%s ", inet_ntop(family, raw, ip, sizeof(ip)));
            return;
        }
        if (family == AF_INET6)
            break;
    }
    for (; *text; text++)
        buf_add_char(out, *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text);
    buf_add_char(out, ' ');
}

char *fleet_node_addresses(const Node *object)
{
    const Node *list = node_get_path(object, "status.addresses");
    Buf out = BUF_INIT;
    unsigned n = 0;
    buf_add_char(&out, ' ');
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (x, list) {
            const char *text = node_string(node_get(x, "address"));
            if (text && *text && !strchr(text, ' ') && strlen(text) <= ADDRESS_MAX && n++ < ADDRESSES_MAX)
                add_address(text, &out);
        }
    return buf_take(&out);
}

int fleet_node_update(FleetNode *n, const Node *object)
{
    const Node *metadata = node_get(object, "metadata"), *annotations = node_get(metadata, "annotations");
    const Node *conditions = node_get_path(object, "status.conditions");
    const Node *cordon = node_get_path(object, "spec.unschedulable");
    const struct {
        char **field;
        const char *text;
    } texts[] = {
        {&n->name, node_string(node_get(metadata, "name"))},
        {&n->uid, node_string(node_get(metadata, "uid"))},
        {&n->zone, node_string(node_get(node_get(metadata, "labels"), NODE_ZONE_LABEL))},
        {&n->current, node_string(node_get(annotations, NODE_CURRENT_CONFIG))},
        {&n->desired, node_string(node_get(annotations, NODE_DESIRED_CONFIG))},
        {&n->reason, node_string(node_get(annotations, NODE_REASON))},
        {&n->drain_wanted, node_string(node_get(annotations, NODE_DESIRED_DRAIN))},
        {&n->drain_done, node_string(node_get(annotations, NODE_LAST_DRAIN))},
    };

    FleetNode was = *n;
    bool changed = false;
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        changed |= keep(texts[i].field, texts[i].text);
    _cleanup_free_ char *addresses = fleet_node_addresses(object);
    (void)keep(&n->addresses, addresses); /* nothing is to be done about them */
    (void)keep(&n->version, node_string(node_get(metadata, "resourceVersion")));
    n->created = kube_created(object);
    n->state = state_of(node_string(node_get(annotations, NODE_STATE)));
    const char *repair = node_string(node_get(annotations, NODE_DRIFT_REPAIR));
    n->repairs = repair && !strcmp(repair, "true");
    n->unschedulable = cordon && cordon->kind == NODE_BOOL && cordon->boolean;
    n->ready = condition_is(conditions, "Ready", "True") && !has_condition(conditions, "DiskPressure") &&
               !has_condition(conditions, "NetworkUnavailable");
    return changed || was.created != n->created || was.state != n->state || was.ready != n->ready ||
           was.unschedulable != n->unschedulable || was.repairs != n->repairs;
}

FleetNode *fleet_node_new(const Node *object)
{
    FleetNode *n = calloc(1, sizeof(*n));
    if (!n)
        abort();
    fleet_node_update(n, object);
    return n;
}

void fleet_node_free(FleetNode *n)
{
    if (!n)
        return;
    char *const texts[] = {n->name,   n->version,      n->uid,        n->zone,    n->current,  n->desired,
                           n->reason, n->drain_wanted, n->drain_done, n->no_pool, n->addresses};
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        free(texts[i]);
    free(n);
}

static bool gave_up(const FleetNode *n)
{
    return n->state == NODE_STATE_DEGRADED || n->state == NODE_STATE_UNRECONCILABLE;
}

bool fleet_node_done(const FleetNode *n)
{
    return *n->current && n->state == NODE_STATE_DONE && !strcmp(n->current, n->desired);
}

bool fleet_node_failing(const FleetNode *n)
{
    return strcmp(n->current, n->desired) != 0 && gave_up(n);
}

bool fleet_node_settled(const FleetNode *n)
{
    return fleet_node_done(n) || (*n->current && gave_up(n));
}

bool fleet_node_kept_away(const FleetNode *n)
{
    return n->unschedulable && strncmp(n->drain_done, "drain-", 6) != 0;
}

bool fleet_node_in_service(const FleetNode *n)
{
    return n->ready && !n->unschedulable;
}

bool fleet_node_unavailable(const FleetNode *n)
{
    return !fleet_node_in_service(n) || (!fleet_node_done(n) && !fleet_node_failing(n));
}
