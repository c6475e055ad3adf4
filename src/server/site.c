/* Routes are a table. A config is made when it is first asked for in a version, and then kept: a fleet that
 * boots asks for the same few again and again. Every answer to /config is logged with the client's address
 * and the mark of its token, never the token. */
#include "server/site.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "format/json.h"
#include "server/accept_header.h"
#include "server/served_config.h"
#include "server/token.h"

typedef struct Pool {
    const char *name, *config_name;
    const Node *rendered, *more;
    HttpBody *bodies[IGN_NEWEST + 1];
} Pool;

struct Site {
    Arena *arena;
    const Node *snapshot;
    Pool *pools;
    size_t n_pools;
};

void site_free(Site *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_pools; i++)
        for (size_t v = 0; v <= IGN_NEWEST; v++)
            http_body_unref(s->pools[i].bodies[v]);
    arena_free(s->arena);
    free(s);
}

const char *site_certificate(const Site *s)
{
    return node_string(node_get(s->snapshot, "certificate"));
}

const char *site_key(const Site *s)
{
    return node_string(node_get(s->snapshot, "key"));
}

/* By the last component of the path; slashes behind it do not count. */
static Pool *find_pool(Site *s, const char *path)
{
    size_t end = strlen(path);
    while (end && path[end - 1] == '/')
        end--;
    const char *slash = memrchr(path, '/', end), *name = slash ? slash + 1 : path;
    size_t n = (size_t)(path + end - name);
    for (size_t i = 0; i < s->n_pools; i++)
        if (strlen(s->pools[i].name) == n && !memcmp(s->pools[i].name, name, n))
            return &s->pools[i];
    return NULL;
}

/* The first finding that stands in the way becomes the Error. */
static int make_body(const Site *s, Pool *p, IgnVersion version, Error *e)
{
    if (p->bodies[version])
        return 0;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_(buf_done_secret)
    Buf json = BUF_INIT;
    const char *kubeconfig = node_string(node_get(s->snapshot, "kubeconfig"));
    ServedConfigInput in = {.rendered = p->rendered,
                            .more = p->more,
                            .kubeconfig = kubeconfig ? kubeconfig : "",
                            .version = version};
    int r = served_config_make(&in, &json, &report);
    for (size_t i = 0; r < 0 && i < report.n; i++)
        if (report.entries[i].severity == SEVERITY_ERROR)
            return error_set(e, EBADMSG, "pool '%s' as spec %s: %s: %s", p->name, ign_version_text(version),
                             report.entries[i].path, report.entries[i].message);
    if (r < 0)
        return error_errno(e, r, "pool '%s' as spec %s", p->name, ign_version_text(version));
    p->bodies[version] = http_body_new(json.data, json.len);
    return 0;
}

/* The newest spec can say all there is to say, so a config that cannot be made in it is broken. */
static int add_pools(Site *s, const Node *pools, Error *e)
{
    if (!pools || pools->kind != NODE_OBJECT)
        return error_set(e, EBADMSG, "a snapshot without pools");
    s->pools = ARENA_ARRAY(s->arena, Pool, pools->n ? pools->n : 1);
    NODE_EACH (p, pools) {
        const char *name = node_string(node_get_path(p, "metadata.name"));
        if (!name)
            return error_set(e, EBADMSG, "pool '%s' has a rendered config without a name", p->key);
        Pool *pool = &s->pools[s->n_pools++];
        *pool = (Pool){.name = p->key,
                       .config_name = name,
                       .rendered = p,
                       .more = node_get(node_get(s->snapshot, "more"), p->key)};
        int r = make_body(s, pool, IGN_NEWEST, e);
        if (r < 0)
            return r;
    }
    return 0;
}

int site_new(const char *snapshot, size_t n, Site **ret, Error *e)
{
    _cleanup_(site_freep)
    Site *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->arena = arena_new();
    Source *source = ARENA_NEW(s->arena, Source);
    *source = (Source){.name = "snapshot", .text = snapshot, .len = n, .secret = true};
    _cleanup_report_ Report report = REPORT_INIT(s->arena);
    Node *root;
    if (json_read(s->arena, source, SEVERITY_ERROR, &root, &report) < 0)
        return error_set(e, EBADMSG, "the snapshot cannot be read");
    source->text = NULL; /* the caller's, and no message ever quotes it */
    s->snapshot = root;
    if (!site_certificate(s) || !site_key(s))
        return error_set(e, EBADMSG, "a snapshot without a certificate");
    int r = add_pools(s, node_get(root, "pools"), e);
    if (r >= 0)
        *ret = TAKE_PTR(s);
    return r;
}

static const char *token_of(const HttpExchange *x)
{
    static const char bearer[] = "Bearer ";
    const char *header = http_exchange_header(x, "Authorization");
    if (header && !strncasecmp(header, bearer, sizeof(bearer) - 1))
        return header + sizeof(bearer) - 1;
    return http_exchange_query(x, "token");
}

static HttpAnswer answer_config(Site *s, const HttpExchange *x, const char *path)
{
    Pool *p = find_pool(s, path);
    if (!p) {
        log_warning("%s asked for a pool that does not exist", http_exchange_peer(x));
        return (HttpAnswer){.status = 404};
    }
    char mark[9];
    TokenVerdict verdict =
        token_check(node_get(s->snapshot, "tokens"), token_of(x), p->name, time(NULL), mark);
    if (verdict != TOKEN_GOOD) {
        log_warning("%s refused for pool '%s': %s%s%s", http_exchange_peer(x), p->name,
                    token_verdict_text(verdict), *mark ? " " : "", mark);
        if (verdict == TOKEN_NONE || verdict == TOKEN_UNKNOWN)
            return (HttpAnswer){.status = 401, .authenticate = "Bearer"};
        return (HttpAnswer){.status = 403};
    }
    IgnVersion version = accept_header_version(http_exchange_header(x, "Accept"));
    if (version == IGN_NONE) {
        log_warning("%s asked for a spec version that is not served", http_exchange_peer(x));
        return (HttpAnswer){.status = 400};
    }
    Error e = ERROR_INIT;
    if (make_body(s, p, version, &e) < 0) {
        log_error("%s", e.text);
        return (HttpAnswer){.status = 500};
    }
    HttpBody *body = http_body_ref(p->bodies[version]);
    log_info("%s got pool '%s': %s, spec %s, %zu bytes, token %s", http_exchange_peer(x), p->name,
             p->config_name, ign_version_text(version), body->n, mark);
    return (HttpAnswer){.status = 200, .content_type = "application/json", .body = body};
}

static HttpAnswer answer_health(Site *s, const HttpExchange *x, const char *path)
{
    (void)s;
    (void)x;
    (void)path;
    return (HttpAnswer){.status = 200};
}

static const struct {
    const char *path;
    bool prefix;
    HttpAnswer (*answer)(Site *s, const HttpExchange *x, const char *path);
} routes[] = {{"/config/", true, answer_config}, {"/healthz", false, answer_health}};

HttpAnswer site_answer(void *context, const HttpExchange *x, const char *method, const char *path)
{
    Site *s = *(Site **)context;
    if (strcmp(method, "GET") && strcmp(method, "HEAD"))
        return (HttpAnswer){.status = 405, .allow = "GET, HEAD"};
    for (size_t i = 0; i < ELEMENTS(routes); i++)
        if (routes[i].prefix ? !strncmp(path, routes[i].path, strlen(routes[i].path))
                             : !strcmp(path, routes[i].path))
            return routes[i].answer(s, x, path);
    return (HttpAnswer){.status = 404};
}
