/* In order: who (401), whether there is such a path (404), the body (400, 413, 415), the form of the answer
 * (406), the call. Anonymous is who has neither a certificate nor a token; a bad one of either is 401, not
 * anonymous. */
#include "apiserver/front.h"

#include <openssl/crypto.h>
#include <string.h>

#include "apiserver/api_call.h"
#include "apiserver/discovery.h"
#include "apiserver/openapi_answer.h"
#include "apiserver/protobuf.h"
#include "apiserver/route.h"
#include "base/log.h"
#include "format/json.h"
#include "format/yaml.h"

enum { LIMIT_MAX = 1000000 };

#define JSON_TYPE "application/json"

/* ---- who ---- */

static int certificate_user(Arena *a, const HttpSubject *s, ApiUser *ret)
{
    if (!s->trusted || !s->common_name)
        return -EACCES;
    const char **groups = ARENA_ARRAY(a, const char *, s->n_organizations + 1);
    for (size_t i = 0; i < s->n_organizations; i++)
        groups[i] = s->organizations[i];
    groups[s->n_organizations] = "system:authenticated";
    *ret = (ApiUser){.name = s->common_name, .uid = "", .groups = groups, .n_groups = s->n_organizations + 1};
    return 0;
}

static int file_user(Arena *a, const Node *tokens, const char *token, ApiUser *ret)
{
    size_t n = strlen(token);
    if (tokens)
        NODE_EACH (t, tokens) {
            const Node *kept = node_get(t, "token"), *list = node_get(t, "groups");
            if (kept->len != n || CRYPTO_memcmp(kept->string, token, n))
                continue;
            const char **groups = ARENA_ARRAY(a, const char *, list->n + 1);
            size_t at = 0;
            NODE_EACH (g, list)
                groups[at++] = g->string;
            groups[at++] = "system:authenticated";
            *ret = (ApiUser){.name = node_string(node_get(t, "user")),
                             .uid = node_string(node_get(t, "uid")),
                             .groups = groups,
                             .n_groups = at};
            return 0;
        }
    return -EACCES;
}

static int find_user(Front *f, Arena *a, const HttpExchange *x, ApiUser *ret)
{
    static const char *const strangers[] = {"system:unauthenticated"};
    const char *header = http_exchange_header(x, "Authorization");
    if (header && !strncasecmp(header, "Bearer ", 7)) {
        const char *token = header + 7 + strspn(header + 7, " ");
        return file_user(a, f->tokens, token, ret) == 0 ? 0 : api_token_user(f->api, a, token, ret);
    }
    const HttpSubject *s = http_exchange_subject(x);
    if (s)
        return certificate_user(a, s, ret);
    *ret = (ApiUser){.name = "system:anonymous", .uid = "", .groups = strangers, .n_groups = 1};
    return 0;
}

/* `kubectl --as`: who may speak for another is asked like any other right. */
static int impersonate(Front *f, Arena *a, const HttpExchange *x, ApiUser *user, ApiAnswer *answer)
{
    const char *name = http_exchange_header(x, "Impersonate-User"),
               *group = http_exchange_header(x, "Impersonate-Group");
    if (!name)
        return 0;
    const char *const wanted[][2] = {{"users", name}, {"groups", group}};
    for (size_t i = 0; i < ELEMENTS(wanted); i++) {
        const AuthzQuestion q = {
            .user = user, .verb = "impersonate", .group = "", .resource = wanted[i][0], .name = wanted[i][1]};
        if (wanted[i][1] && !authz_allows(f->api->authz, &q)) {
            api_refuse(a, 403, "Forbidden",
                       arena_printf(a, "%s \"%s\" is forbidden: %s", wanted[i][0], wanted[i][1],
                                    authz_reason(a, &q)),
                       answer);
            return -EACCES;
        }
    }
    const char **groups = ARENA_ARRAY(a, const char *, 2);
    size_t n = 0;
    if (group)
        groups[n++] = group;
    if (strcmp(name, "system:anonymous"))
        groups[n++] = "system:authenticated";
    *user = (ApiUser){.name = arena_strdup(a, name), .uid = "", .groups = groups, .n_groups = n};
    return 0;
}

/* ---- what ---- */

typedef struct Asked {
    Front *front;
    Arena *a;
    const HttpExchange *x;
    const char *method, *path;
    ApiUser user;
    ApiAnswer *answer;
} Asked;

static int refuse(Asked *q, unsigned code, const char *reason, const char *message)
{
    api_refuse(q->a, code, reason, message, q->answer);
    return -EINVAL;
}

static bool query_is_true(const Asked *q, const char *name)
{
    const char *v = http_exchange_query(q->x, name);
    return v && (!*v || !strcasecmp(v, "true") || !strcmp(v, "1"));
}

static const char *query(const Asked *q, const char *name)
{
    const char *v = http_exchange_query(q->x, name);
    return v && *v ? v : NULL;
}

static int read_form(Asked *q, WatchForm *ret)
{
    const char *accept = http_exchange_header(q->x, "Accept"), *include = query(q, "includeObject");
    *ret = WATCH_PLAIN;
    if (!accept || !*accept)
        return 0;
    const char *table = strstr(accept, "as=Table"), *end = table ? table + strcspn(table, ",") : NULL;
    const char *start = table;
    while (start && start > accept && start[-1] != ',')
        start--;
    if (table && memmem(start, (size_t)(end - start), "v=v1", 4) &&
        memmem(start, (size_t)(end - start), "json", 4))
        *ret = include && !strcmp(include, "Object") ? WATCH_TABLE_WITH_OBJECTS
               : include && !strcmp(include, "None") ? WATCH_TABLE_BARE
                                                     : WATCH_TABLE;
    if (strstr(accept, "json") || strstr(accept, "*/*") || strstr(accept, "application/*") ||
        strstr(accept, "yaml"))
        return 0;
    return refuse(q, 406, "NotAcceptable",
                  "only the following media types are accepted: application/json, "
                  "application/json;as=Table;g=meta.k8s.io;v=v1");
}

/* Objects are searched one key after the other. */
static bool few_keys(const Node *n)
{
    if (n->kind != NODE_OBJECT && n->kind != NODE_ARRAY)
        return true;
    if (n->kind == NODE_OBJECT && n->n > API_KEYS_MAX)
        return false;
    NODE_EACH (child, n)
        if (!few_keys(child))
            return false;
    return true;
}

static int read_json(Asked *q, const char *text, size_t n, bool yaml, const Node **ret)
{
    _cleanup_report_ Report r = REPORT_INIT(q->a);
    Source *source = ARENA_NEW(q->a, Source);
    Node *node = NULL;
    const JsonLimits limits = {
        .duplicate_keys = SEVERITY_WARNING, .depth = API_DEPTH_MAX, .values = API_VALUES_MAX};
    *source = (Source){.name = "body", .text = text, .len = n, .secret = true};
    int code = yaml ? yaml_read(q->a, source, SEVERITY_WARNING, &node, &r)
                    : json_read_within(q->a, source, &limits, &node, &r);
    if (code >= 0 && !few_keys(node))
        return refuse(q, 400, "BadRequest", "the body has an object with too many keys in it");
    if (code >= 0) {
        *ret = node;
        return 0;
    }
    const char *what = "unreadable";
    for (size_t i = 0; i < r.n; i++)
        if (r.entries[i].severity == SEVERITY_ERROR) {
            what = arena_printf(q->a, "line %u: %s", r.entries[i].line, r.entries[i].message);
            break;
        }
    return refuse(q, 400, "BadRequest", arena_printf(q->a, "the body cannot be read: %s", what));
}

static const struct {
    const char *type;
    KubePatch patch;
    bool yaml;
} patch_types[] = {
    {"application/merge-patch+json", KUBE_PATCH_MERGE, false},
    {"application/json-patch+json", KUBE_PATCH_JSON, false},
    {"application/strategic-merge-patch+json", KUBE_PATCH_STRATEGIC, false},
    {"application/apply-patch+yaml", KUBE_PATCH_APPLY, true},
};

static bool type_is(const char *given, const char *type)
{
    size_t n = strlen(type);
    return !strncasecmp(given, type, n) && (!given[n] || given[n] == ';' || given[n] == ' ');
}

static int read_body(Asked *q, ApiRequest *call)
{
    size_t n;
    const char *text = http_exchange_body(q->x, &n), *type = http_exchange_header(q->x, "Content-Type");
    if (!text)
        return refuse(q, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728");
    if (!n)
        return 0;
    if (!type)
        type = JSON_TYPE;
    if (call->verb == API_PATCH) {
        for (size_t i = 0; i < ELEMENTS(patch_types); i++)
            if (type_is(type, patch_types[i].type)) {
                call->patch = patch_types[i].patch;
                return read_json(q, text, n, patch_types[i].yaml, &call->body);
            }
    } else if (type_is(type, PROTOBUF_TYPE)) {
        Error e = ERROR_INIT;
        Node *node;
        int r = protobuf_read(q->a, text, n, &node, &e);
        if (r >= 0)
            call->body = node;
        return r >= 0 ? 0
                      : refuse(q, r == -EOPNOTSUPP ? 415 : 400,
                               r == -EOPNOTSUPP ? "UnsupportedMediaType" : "BadRequest", e.text);
    } else if (type_is(type, JSON_TYPE) || type_is(type, "application/yaml"))
        return read_json(q, text, n, type_is(type, "application/yaml"), &call->body);
    return refuse(q, 415, "UnsupportedMediaType",
                  call->verb == API_PATCH
                      ? "the body of the request was in an unknown format - accepted media types include: "
                        "application/json-patch+json, application/merge-patch+json, "
                        "application/strategic-merge-patch+json, application/apply-patch+yaml"
                      : "the body of the request was in an unknown format - accepted media types include: "
                        "application/json, application/yaml");
}

static int read_verb(Asked *q, const Route *r, ApiVerb *ret)
{
    static const struct {
        const char *method;
        ApiVerb one, all;
        bool any;
    } verbs[] = {
        {"GET", API_GET, API_LIST, true},       {"HEAD", API_GET, API_LIST, true},
        {"POST", API_CREATE, API_CREATE, true}, {"PUT", API_UPDATE, API_UPDATE, false},
        {"PATCH", API_PATCH, API_PATCH, false}, {"DELETE", API_DELETE, API_DELETE_COLLECTION, true},
    };
    for (size_t i = 0; i < ELEMENTS(verbs); i++) {
        if (strcmp(q->method, verbs[i].method) || (!r->name && !verbs[i].any))
            continue;
        if (!strcmp(q->method, "POST") &&
            ((r->name && !r->subresource) || (!r->name && r->kind->kube.namespaced && !r->namespace)))
            break;
        *ret = r->name ? verbs[i].one : verbs[i].all;
        if (*ret == API_LIST && query_is_true(q, "watch"))
            *ret = API_WATCH;
        return 0;
    }
    return refuse(q, 405, "MethodNotAllowed",
                  "the server does not allow this method on the requested resource");
}

static unsigned query_number(const Asked *q, const char *name)
{
    const char *v = query(q, name);
    unsigned long long n = v ? strtoull(v, NULL, 10) : 0;
    return n > LIMIT_MAX ? LIMIT_MAX : (unsigned)n;
}

/* "kubectl/v1.32.4 (linux/amd64) …": the part before the slash. */
static const char *manager(const Asked *q)
{
    const char *v = query(q, "fieldManager"), *agent = http_exchange_header(q->x, "User-Agent");
    return v ? v : agent ? arena_printf(q->a, "%.*s", (int)strcspn(agent, "/"), agent) : "unknown";
}

static int read_call(Asked *q, const Route *r, ApiRequest *call)
{
    *call = (ApiRequest){
        .kind = r->kind,
        .version = r->version,
        .namespace = r->namespace,
        .name = r->name,
        .subresource = r->subresource,
        .label_selector = query(q, "labelSelector"),
        .field_selector = query(q, "fieldSelector"),
        .resource_version = query(q, "resourceVersion"),
        .version_match = query(q, "resourceVersionMatch"),
        .continue_token = query(q, "continue"),
        .limit = query_number(q, "limit"),
        .timeout_sec = query_number(q, "timeoutSeconds"),
        .bookmarks = query_is_true(q, "allowWatchBookmarks"),
        .initial_events = query_is_true(q, "sendInitialEvents"),
        .dry_run = query(q, "dryRun") != NULL,
        .force = query_is_true(q, "force"),
        .strict = query(q, "fieldValidation") && !strcmp(query(q, "fieldValidation"), "Strict"),
        .field_manager = manager(q),
        .propagation = query(q, "propagationPolicy"),
        .grace = query(q, "gracePeriodSeconds"),
        .user = &q->user,
    };
    int code = read_verb(q, r, &call->verb);
    if (code >= 0)
        code = read_form(q, &call->form);
    if (code >= 0 && call->verb >= API_CREATE)
        code = read_body(q, call);
    if (code >= 0 && call->verb == API_PATCH && call->patch == KUBE_PATCH_APPLY && !query(q, "fieldManager"))
        call->field_manager = NULL;
    if (code >= 0 && call->body && call->verb >= API_CREATE && node_get(call->body, "dryRun") &&
        (call->verb == API_DELETE || call->verb == API_DELETE_COLLECTION))
        call->dry_run = call->dry_run || node_get(call->body, "dryRun")->n;
    return code;
}

/* ---- what is no object ---- */

static bool is_public(const char *path)
{
    static const char *const paths[] = {"/version", "/version/", "/healthz", "/livez", "/readyz"};
    for (size_t i = 0; i < ELEMENTS(paths); i++)
        if (!strcmp(path, paths[i]))
            return true;
    return false;
}

static int may_path(Asked *q)
{
    const AuthzQuestion question = {
        .user = &q->user, .verb = strcmp(q->method, "GET") ? "head" : "get", .path = q->path};
    if (is_public(q->path) || authz_allows(q->front->api->authz, &question))
        return 0;
    return refuse(q, 403, "Forbidden", arena_printf(q->a, "forbidden: %s", authz_reason(q->a, &question)));
}

static HttpAnswer text_answer(unsigned status, const char *type, const void *data, size_t n)
{
    return (HttpAnswer){.status = status, .content_type = type, .body = http_body_new(data, n)};
}

static HttpAnswer node_answer(const Node *n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(n, JSON_COMPACT, &b);
    buf_add_char(&b, '\n');
    return text_answer(200, JSON_TYPE, b.data, b.len);
}

static int answer_path(Asked *q, HttpAnswer *ret)
{
    const char *path = q->path;
    Node *n = NULL;
    int r = may_path(q);
    if (r < 0)
        return r;
    if (strcmp(q->method, "GET") && strcmp(q->method, "HEAD"))
        return refuse(q, 405, "MethodNotAllowed",
                      "the server does not allow this method on the requested resource");
    if (!strncmp(path, "/version", 8) && is_public(path))
        n = discovery_version(q->a);
    else if (is_public(path))
        *ret = text_answer(200, "text/plain; charset=utf-8", "ok", 2);
    else if (!strncmp(path, "/openapi/", 9)) {
        _cleanup_buf_ Buf b = BUF_INIT;
        const char *type = NULL;
        if (openapi_answer(q->a, api_kinds(q->front->api), path, http_exchange_header(q->x, "Accept"), &b,
                           &type) < 0)
            return refuse(q, 404, "NotFound", "the server could not find the requested resource");
        *ret = text_answer(200, type, b.data ? b.data : "", b.len);
    } else
        n = discovery_answer(q->a, api_kinds(q->front->api), path + 1);
    if (n)
        *ret = node_answer(n);
    if (!ret->status)
        return refuse(q, 404, "NotFound", "the server could not find the requested resource");
    return 0;
}

/* ---- watches ---- */

typedef struct WatchStream {
    HttpStream stream;
    Watch *watch;
} WatchStream;

static int stream_more(HttpStream *s, Buf *out)
{
    return watch_next(((WatchStream *)s)->watch, out);
}

static void stream_free(HttpStream *s)
{
    watch_free(((WatchStream *)s)->watch);
    free(s);
}

static void stream_wake(void *stream)
{
    http_stream_wake(stream);
}

static HttpStream *stream_new(Watch *w)
{
    WatchStream *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->stream = (HttpStream){.more = stream_more, .free = stream_free};
    s->watch = w;
    watch_on_wake(w, stream_wake, &s->stream);
    return &s->stream;
}

/* ---- the handler ---- */

static HttpAnswer http_answer(Front *f, const ApiAnswer *a)
{
    HttpAnswer out = {.status = a->code, .content_type = JSON_TYPE, .retry_after = a->retry_after};
    if (a->watch)
        out.stream = stream_new(a->watch);
    else
        out.body = http_body_new(a->json, a->n);
    out.hold = api_dirty(f->api);
    return out;
}

HttpAnswer front_answer(void *front, const HttpExchange *x, const char *method, const char *path)
{
    Front *f = front;
    _cleanup_arena_ Arena *a = arena_new();
    ApiAnswer answer = {0};
    HttpAnswer direct = {0};
    Route route;
    ApiRequest call;
    Asked q = {.front = f, .a = a, .x = x, .method = method, .path = path, .answer = &answer};
    if (find_user(f, a, x, &q.user) < 0) {
        api_refuse(a, 401, "Unauthorized", "Unauthorized", &answer);
        return http_answer(f, &answer);
    }
    int r = impersonate(f, a, x, &q.user, &answer);
    if (r < 0)
        return http_answer(f, &answer);
    if (route_read(a, api_kinds(f->api), path, &route) < 0) {
        if (answer_path(&q, &direct) >= 0) {
            direct.hold = api_dirty(f->api);
            return direct;
        }
    } else if (read_call(&q, &route, &call) >= 0)
        api_call(f->api, a, &call, &answer);
    return http_answer(f, &answer);
}

void front_settle(Front *f, HttpServer *server)
{
    Error e = ERROR_INIT;
    if (!api_dirty(f->api))
        return;
    if (api_commit(f->api, &e) >= 0) {
        http_server_release(server, NULL);
        return;
    }
    log_error("nothing was written: %s", e.text);
    _cleanup_arena_ Arena *a = arena_new();
    ApiAnswer answer = {0};
    api_refuse(a, 500, "InternalError", arena_printf(a, "Internal error occurred: %s", e.text), &answer);
    HttpAnswer instead = text_answer(500, JSON_TYPE, answer.json, answer.n);
    http_server_release(server, &instead);
    http_body_unref(instead.body);
}

int front_tokens_read(Arena *a, const char *text, Node **ret, Error *e)
{
    Node *list = node_new(a, NODE_ARRAY);
    unsigned number = 0;
    char *save = NULL;
    for (char *line = strtok_r(arena_strdup(a, text), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *field[3] = {0}, *rest = line, *inner = NULL;
        number++;
        for (size_t i = 0; i < 3 && rest; i++)
            field[i] = strsep(&rest, ",");
        if (!field[2] || !*field[0] || !*field[1])
            return error_set(e, EINVAL, "line %u is not \"token,user,uid,groups\"", number);
        Node *n = node_new(a, NODE_OBJECT), *groups;
        node_set_string(a, n, "token", field[0]);
        node_set_string(a, n, "user", field[1]);
        node_set_string(a, n, "uid", field[2]);
        groups = node_set(a, n, "groups", node_new(a, NODE_ARRAY));
        for (char *g = strtok_r(rest ? rest : (char[]){""}, "\", \r", &inner); g;
             g = strtok_r(NULL, "\", \r", &inner))
            node_append(groups, node_new_string(a, g));
        node_append(list, n);
    }
    *ret = list;
    return 0;
}
