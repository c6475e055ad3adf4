/* get, list, watch. A list in parts is one list: its continue token names the revision of the first part and
 * the last object of the former one, and the later parts are read as of that revision. */
#include <string.h>

#include "apiserver/api_call.h"
#include "apiserver/field_error.h"
#include "apiserver/selector.h"
#include "apiserver/show.h"
#include "format/base64url.h"
#include "kube/kube_kind.h"

enum { NAMES_MAX = 600 };

int call_get(ApiCall *c)
{
    Object o;
    int r = object_load(c, c->q->kind, c->q->namespace, c->q->name, &o);
    return r < 0 ? r : call_answer(c, 200, &o);
}

typedef struct Listing {
    ApiCall *c;
    const Selector *labels;
    const FieldSelector *fields;
    StoreList q;
    Buf items; /* as text, where objects are shown as they are stored */
    Node *nodes;
    size_t n;
    bool parse, select, more;
    const char *last_namespace, *last_name;
} Listing;

/* "REVISION/NAMESPACE/NAME" in base64url. */
static const char *token_write(const Listing *l)
{
    _cleanup_buf_ Buf b = BUF_INIT, out = BUF_INIT;
    buf_addf(&b, "%lld/%s/%s", (long long)l->q.revision, l->last_namespace, l->last_name);
    base64url_encode(b.data, b.len, &out);
    return arena_strdup(l->c->a, out.data);
}

static int token_read(Listing *l, const char *text)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    ApiCall *c = l->c;
    long long revision = 0;
    int at = 0;
    if (strlen(text) > 2 * NAMES_MAX || base64url_decode(text, strlen(text), &b) < 0 || !b.data ||
        sscanf(b.data, "%lld/%n", &revision, &at) != 1 || !at || !strchr(b.data + at, '/') || revision <= 0)
        return call_bad_request(c, "continue key is not valid: the token is not of this server");
    char *rest = arena_strdup(c->a, b.data + at), *slash = strchr(rest, '/');
    *slash = '\0';
    l->q.revision = revision;
    l->q.after_namespace = rest;
    l->q.after_name = slash + 1;
    return 0;
}

static int add(void *context, const StoreObject *o)
{
    Listing *l = context;
    ApiCall *c = l->c;
    Node *node = NULL;
    if (c->q->limit && l->n == c->q->limit) {
        l->more = true;
        return -ECANCELED;
    }
    if (l->parse) {
        int r = object_read(c, arena_memdup(c->a, o->json, o->n), o->n, &node);
        if (r < 0)
            return -EIO;
        if (!selector_matches(l->labels, node_get_path(node, "metadata.labels")) ||
            !field_selector_matches(l->fields, node))
            return 0;
    }
    if (l->nodes)
        node_append(l->nodes, object_shown(c, node));
    else {
        if (l->n)
            buf_add_char(&l->items, ',');
        buf_add(&l->items, o->json, o->n);
    }
    l->n++;
    if (c->q->limit && l->n == c->q->limit) {
        l->last_namespace = arena_strdup(c->a, o->key.namespace);
        l->last_name = arena_strdup(c->a, o->key.name);
    }
    return 0;
}

static int read_selectors(ApiCall *c, Selector **labels, FieldSelector **fields)
{
    Error e = ERROR_INIT;
    if (selector_read(c->a, c->q->label_selector, labels, &e) < 0 ||
        field_selector_read(c->a, &c->q->kind->kube, c->q->field_selector, fields, &e) < 0)
        return call_bad_request(c, "%s", e.text);
    return 0;
}

/* What resourceVersion asks for: of what there is now, at least that, or exactly that. */
static int read_version(Listing *l)
{
    ApiCall *c = l->c;
    const char *text = c->q->resource_version, *match = c->q->version_match;
    int64_t now = store_revision(c->api->store);
    char *end = NULL;
    long long v = text && *text ? strtoll(text, &end, 10) : 0;
    l->q.revision = now;
    if ((end && *end) || v < 0)
        return call_bad_request(c, "Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax",
                                text, text);
    if (v > now) {
        Node *d = node_new(c->a, NODE_OBJECT), *causes = node_new(c->a, NODE_ARRAY),
             *x = node_new(c->a, NODE_OBJECT);
        node_set_string(c->a, x, "reason", "ResourceVersionTooLarge");
        node_set_string(c->a, x, "message", "Too large resource version");
        node_append(causes, x);
        node_set(c->a, d, "causes", causes);
        node_set(c->a, d, "retryAfterSeconds", node_new_int(c->a, 1));
        return call_refuse(c, 504, "Timeout", d, "Too large resource version: %lld, current: %lld", v,
                           (long long)now);
    }
    if (match && !strcmp(match, "Exact") && v)
        l->q.revision = v;
    return 0;
}

static int expired(ApiCall *c)
{
    if (c->q->continue_token)
        return call_refuse(
            c, 410, "Expired", NULL,
            "The provided continue parameter is too old to display a consistent list result. You must "
            "start a new list without the continue parameter.");
    return call_refuse(c, 410, "Expired", NULL, "The resourceVersion for the provided list is too old.");
}

static Node *list_new(const Listing *l)
{
    ApiCall *c = l->c;
    KubeKind k = c->q->kind->kube;
    char version[128];
    Node *list = node_new(c->a, NODE_OBJECT), *m;
    k.version = c->q->version->name;
    node_set_string(c->a, list, "kind", c->q->kind->list_kind);
    node_set_string(c->a, list, "apiVersion", kube_api_version(&k, version));
    m = node_set(c->a, list, "metadata", node_new(c->a, NODE_OBJECT));
    node_set_string(c->a, m, "resourceVersion", arena_printf(c->a, "%lld", (long long)l->q.revision));
    if (l->more) {
        node_set_string(c->a, m, "continue", token_write(l));
        StoreList rest = l->q;
        int64_t n;
        rest.after_namespace = l->last_namespace;
        rest.after_name = l->last_name;
        if (!l->select && store_count(c->api->store, &rest, &n, NULL) >= 0 && n > 0)
            node_set(c->a, m, "remainingItemCount", node_new_int(c->a, n));
    }
    return list;
}

static int answer_list(Listing *l)
{
    ApiCall *c = l->c;
    Node *list = list_new(l);
    if (l->nodes) {
        node_set(c->a, list, "items", l->nodes);
        return call_answer_shown(c, 200, list);
    }
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(list, JSON_COMPACT, &b);
    b.len--; /* the bracket */
    buf_add_str(&b, ",\"items\":[");
    buf_add(&b, l->items.data, l->items.len);
    buf_add_str(&b, "]}");
    *c->answer = (ApiAnswer){.code = 200, .json = arena_memdup(c->a, b.data, b.len), .n = b.len};
    return 0;
}

static int list_within(Listing *l)
{
    ApiCall *c = l->c;
    const ApiRequest *q = c->q;
    Selector *labels = NULL;
    FieldSelector *fields = NULL;
    int r = read_selectors(c, &labels, &fields);
    if (r >= 0)
        r = q->continue_token ? token_read(l, q->continue_token) : read_version(l);
    if (r < 0)
        return r;
    l->labels = labels;
    l->fields = fields;
    l->select = (q->label_selector && *q->label_selector) || (q->field_selector && *q->field_selector);
    l->parse = l->select || q->form != WATCH_PLAIN || !show_as_stored(q->kind, q->version);
    if (q->form != WATCH_PLAIN || !show_as_stored(q->kind, q->version))
        l->nodes = node_new(c->a, NODE_ARRAY);
    l->q.kind = q->kind->store;
    l->q.namespace = q->namespace;
    l->q.name = fields ? field_selector_name(fields) : NULL;
    if (q->limit && !l->select)
        l->q.limit = q->limit + 1;
    Error e = ERROR_INIT;
    r = store_list(c->api->store, &l->q, add, l, &e);
    if (r == -ESTALE)
        return expired(c);
    if (r < 0 && r != -ECANCELED)
        return call_failed(c, &e);
    return answer_list(l);
}

int call_list(ApiCall *c)
{
    Listing l = {.c = c};
    int r = list_within(&l);
    buf_done(&l.items);
    return r;
}

int call_watch(ApiCall *c)
{
    const ApiRequest *q = c->q;
    char *end = NULL;
    long long after =
        q->resource_version && *q->resource_version ? strtoll(q->resource_version, &end, 10) : 0;
    if ((end && *end) || after < 0)
        return call_bad_request(c, "Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax",
                                q->resource_version, q->resource_version);
    if (q->initial_events) { /* a client that is told so lists, and watches then */
        field_error_add(
            &c->report, FIELD_FORBIDDEN, PATH_KEY(NULL, "sendInitialEvents"), NULL,
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
        static const ApiKind options = {.kube = {"meta.k8s.io", "v1", "ListOptions", "", false}};
        return call_invalid(c, &options, "");
    }
    WatchSpec spec = {.kind = q->kind,
                      .version = q->version,
                      .namespace = q->namespace,
                      .name = q->name,
                      .label_selector = q->label_selector,
                      .field_selector = q->field_selector,
                      .after = after,
                      .bookmarks = q->bookmarks,
                      .timeout_sec = q->timeout_sec,
                      .form = q->form};
    Error e = ERROR_INIT;
    if (watch_new(c->api->hub, &spec, &c->answer->watch, &e) < 0)
        return call_bad_request(c, "%s", e.text);
    c->answer->code = 200;
    return 0;
}
