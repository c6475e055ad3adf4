/* A kubeconfig is three lists of named entries; a context names one of the first and one of the second. Only
 * the entries that are used are read closely: one file often has the clusters of many years. Of the rules of
 * client-go: inline data wins over a file, of a token the file wins; an unknown key means nothing. Values are
 * secret, so that no message shows any but names. */
#include "kube/kubeconfig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/data_url.h"
#include "format/yaml.h"

enum { NAMESPACE_MAX = 256 }; /* of a file with its name */

static const char pod_directory[] = "/var/run/secrets/kubernetes.io/serviceaccount";

typedef struct Reading {
    Arena *arena;
    Report *report;
    const char *directory;
    KubeConfig *to;
} Reading;

typedef struct Field {
    const char *key;
    void (*read)(const Reading *d, const PathStep *at, const Node *n);
} Field;

static void wrong(const Reading *d, const PathStep *at, const Node *n, const char *what)
{
    report_add(d->report, SEVERITY_ERROR, at, n, "%s", what);
}

static const char *text_of(const Reading *d, const PathStep *at, const Node *n)
{
    const char *text = node_string(n);
    if (text && strlen(text) == n->len && !strpbrk(text, "\r\n"))
        return text;
    report_add(d->report, SEVERITY_ERROR, at, n, "expected a string of one line, found %s",
               text ? "another one" : node_kind_name(n->kind));
    return NULL;
}

/* ---- values ---- */

static const char *path_of(const Reading *d, const PathStep *at, const Node *n)
{
    const char *text = text_of(d, at, n);
    if (!text || !*text || *text == '/')
        return text && *text ? text : NULL;
    return arena_printf(d->arena, "%s/%s", d->directory, text);
}

static const char *data_of(const Reading *d, const PathStep *at, const Node *n)
{
    _cleanup_(buf_done_secret)
    Buf plain = BUF_INIT;
    const char *text = text_of(d, at, n);
    if (!text || !*text)
        return NULL;
    if (base64_decode(text, n->len, &plain) < 0 || !plain.len || memchr(plain.data, '\0', plain.len)) {
        wrong(d, at, n, "expected PEM in base64");
        return NULL;
    }
    return arena_memdup(d->arena, plain.data, plain.len);
}

static bool is_loopback(const char *host, size_t n)
{
    char text[64];
    struct in_addr address;
    if (n >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)n, host);
    if (!strcmp(text, "localhost") || !strcmp(text, "[::1]"))
        return true;
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* Of "HOST[:PORT][/…" the length of the host; 0: it is none. */
static size_t host_length(const char *s)
{
    static const char of_name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    size_t n = *s == '[' ? 1 + strspn(s + 1, "0123456789abcdefABCDEF:.") : strspn(s, of_name);
    if (*s == '[' && s[n++] != ']')
        return 0;
    const char *port = s + n;
    size_t digits = *port == ':' ? strspn(port + 1, "0123456789") : 0;
    if (*port == ':' && (!digits || digits > 5 || atoi(port + 1) > 65535))
        return 0;
    port += *port == ':' ? digits + 1 : 0;
    return !*port || *port == '/' ? n : 0;
}

static const char *server_fault(const char *url, bool *ret_plain)
{
    bool tls = !strncmp(url, "https://", 8), plain = !strncmp(url, "http://", 7);
    const char *host = url + (tls ? 8 : 7);
    size_t n = tls || plain ? host_length(host) : 0;
    if (!n)
        return "expected https://HOST, https://HOST:PORT or https://HOST:PORT/PATH";
    for (const char *p = host + n; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("?#\\%@", *p))
            return "the path of the server has a character that cannot stand there";
    *ret_plain = plain;
    return plain && !is_loopback(host, n) ? "http:// is for loopback only" : NULL;
}

static void read_server(const Reading *d, const PathStep *at, const Node *n)
{
    bool plain = false;
    const char *url = text_of(d, at, n), *fault = url ? server_fault(url, &plain) : NULL;
    if (fault)
        wrong(d, at, n, fault);
    if (!url || fault)
        return;
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    d->to->server = arena_memdup(d->arena, url, len);
}

static void read_name(const Reading *d, const PathStep *at, const Node *n)
{
    const char *text = text_of(d, at, n);
    if (text && *text && host_length(text) != strlen(text))
        wrong(d, at, n, "expected the name of a host");
    else if (text && *text)
        d->to->tls_server_name = text;
}

static void read_proxy(const Reading *d, const PathStep *at, const Node *n)
{
    const char *text = text_of(d, at, n);
    bool good = text && (!strncmp(text, "http://", 7) || !strncmp(text, "https://", 8) ||
                         !strncmp(text, "socks5://", 9));
    if (text && *text && !good)
        wrong(d, at, n, "expected http://, https:// or socks5://");
    else if (good)
        d->to->proxy = text;
}

static void read_insecure(const Reading *d, const PathStep *at, const Node *n)
{
    if (n->kind == NODE_BOOL)
        d->to->distrust_nobody = n->boolean;
    else
        wrong(d, at, n, "expected true or false");
}

static void read_token(const Reading *d, const PathStep *at, const Node *n)
{
    const char *text = text_of(d, at, n);
    if (text && *text)
        d->to->token.text = text;
}

static void read_namespace(const Reading *d, const PathStep *at, const Node *n)
{
    const char *text = text_of(d, at, n);
    if (text && *text)
        d->to->namespace = text;
}

#define READ_FILE(name, member)                                                                              \
    static void name(const Reading *d, const PathStep *at, const Node *n)                                    \
    {                                                                                                        \
        d->to->member.file = path_of(d, at, n);                                                              \
    }
#define READ_DATA(name, member)                                                                              \
    static void name(const Reading *d, const PathStep *at, const Node *n)                                    \
    {                                                                                                        \
        d->to->member.text = data_of(d, at, n);                                                              \
    }
READ_FILE(read_authority_file, authority)
READ_DATA(read_authority_data, authority)
READ_FILE(read_certificate_file, certificate)
READ_DATA(read_certificate_data, certificate)
READ_FILE(read_key_file, key)
READ_DATA(read_key_data, key)
READ_FILE(read_token_file, token)

static void refuse(const Reading *d, const PathStep *at, const Node *n)
{
    if (n->kind != NODE_NULL)
        report_add_key(d->report, SEVERITY_ERROR, at, n,
                       "'%s' is not supported: only certificates and tokens are", n->key);
}

static void pass_over(const Reading *d, const PathStep *at, const Node *n)
{
    (void)d;
    (void)at;
    (void)n;
}

static const Field cluster_fields[] = {
    {"server", read_server},
    {"certificate-authority", read_authority_file},
    {"certificate-authority-data", read_authority_data},
    {"tls-server-name", read_name},
    {"insecure-skip-tls-verify", read_insecure},
    {"proxy-url", read_proxy},
    {"disable-compression", pass_over},
    {"extensions", pass_over},
    {NULL, NULL},
};
static const Field user_fields[] = {
    {"client-certificate", read_certificate_file},
    {"client-certificate-data", read_certificate_data},
    {"client-key", read_key_file},
    {"client-key-data", read_key_data},
    {"token", read_token},
    {"tokenFile", read_token_file},
    {"exec", refuse},
    {"auth-provider", refuse},
    {"username", refuse},
    {"password", refuse},
    {"as", refuse},
    {"as-uid", refuse},
    {"as-groups", refuse},
    {"as-user-extra", refuse},
    {"extensions", pass_over},
    {NULL, NULL},
};
static const Field context_fields[] = {
    {"namespace", read_namespace}, {"cluster", pass_over}, {"user", pass_over},
    {"extensions", pass_over},     {NULL, NULL},
};

static void read_fields(const Reading *d, const PathStep *up, const Node *object, const Field *fields)
{
    NODE_EACH (n, object) {
        const PathStep *at = PATH_KEY(up, n->key);
        const Field *f = fields;
        while (f->key && strcmp(f->key, n->key))
            f++;
        if (!f->key)
            report_add_key(d->report, SEVERITY_WARNING, at, n, "unknown setting, not used");
        else if (n->kind != NODE_NULL)
            f->read(d, at, n);
    }
}

/* ---- lists of named entries ---- */

typedef struct Named {
    const char *list, *key; /* "clusters", "cluster" */
    const Field *fields;
} Named;
static const Named clusters = {"clusters", "cluster", cluster_fields};
static const Named users = {"users", "user", user_fields};
static const Named contexts = {"contexts", "context", context_fields};

/* Reads what the entry `name` has, and returns it; `from` is where the name was written. */
static const Node *read_named(const Reading *d, const Node *root, const Named *kind, const char *name,
                              const Node *from)
{
    const Node *list = node_get(root, kind->list);
    const PathStep *at = PATH_KEY(NULL, kind->list);
    size_t i = 0;
    if (list && list->kind != NODE_ARRAY && list->kind != NODE_NULL) {
        wrong(d, at, list, "expected a list");
        return NULL;
    }
    for (const Node *n = list && list->kind == NODE_ARRAY ? list->first : NULL; n; n = n->next, i++) {
        const char *own = node_string(node_get(n, "name"));
        const Node *value = node_get(n, kind->key);
        const PathStep *step = PATH_KEY(PATH_INDEX(at, i), kind->key);
        if (!own || strcmp(own, name))
            continue;
        if (value && value->kind == NODE_OBJECT) {
            read_fields(d, step, value, kind->fields);
            return value;
        }
        wrong(d, PATH_INDEX(at, i), value ? value : n, "the entry has no settings");
        return NULL;
    }
    report_add(d->report, SEVERITY_ERROR, at, from ? from : list, "there is no %s of the name '%s'",
               kind->key, name);
    return NULL;
}

static void check_pairs(const Reading *d, const Node *cluster, const Node *user)
{
    const PathStep *of_clusters = PATH_KEY(NULL, "clusters"), *of_users = PATH_KEY(NULL, "users");
    const KubeConfig *to = d->to;
    bool certificate = to->certificate.text || to->certificate.file, key = to->key.text || to->key.file;
    if (cluster && !node_get(cluster, "server"))
        wrong(d, of_clusters, cluster, "the cluster has no server");
    if (cluster && to->distrust_nobody && (to->authority.text || to->authority.file))
        wrong(d, of_clusters, cluster, "insecure-skip-tls-verify and an authority exclude each other");
    if (user && certificate != key)
        wrong(d, of_users, user, certificate ? "the certificate has no key" : "the key has no certificate");
    if (user && to->token.text && strspn(to->token.text, " \t") == strlen(to->token.text))
        wrong(d, of_users, user, "the token is empty");
}

static void read_root(const Reading *d, const Node *root, const char *name)
{
    const Node *current = node_get(root, "current-context"), *context = NULL, *cluster = NULL, *user = NULL;
    const Node *kind = node_get(root, "kind");
    if (kind && (!node_string(kind) || strcmp(node_string(kind), "Config")))
        wrong(d, PATH_KEY(NULL, "kind"), kind, "expected Config");
    if (!name && current && current->kind == NODE_STRING)
        name = current->string;
    else
        current = NULL;
    if (name && *name)
        context = read_named(d, root, &contexts, name, current);
    else
        wrong(d, PATH_KEY(NULL, "current-context"), root, "no context is chosen");
    if (!context)
        return;
    const Node *of_cluster = node_get(context, "cluster"), *of_user = node_get(context, "user");
    if (node_string(of_cluster) && *of_cluster->string)
        cluster = read_named(d, root, &clusters, of_cluster->string, of_cluster);
    else
        wrong(d, PATH_KEY(NULL, "contexts"), context, "the context names no cluster");
    if (of_user && node_string(of_user) && *of_user->string)
        user = read_named(d, root, &users, of_user->string, of_user);
    check_pairs(d, cluster, user);
}

static void settle(KubeConfig *c)
{
    KubeSecret *by_text[] = {&c->authority, &c->certificate, &c->key};
    for (size_t i = 0; i < ELEMENTS(by_text); i++)
        if (by_text[i]->text)
            by_text[i]->file = NULL;
    if (c->token.file)
        c->token.text = NULL;
    if (!c->namespace)
        c->namespace = "default";
}

int kubeconfig_read(Arena *a, const Source *source, const KubeconfigOptions *options, KubeConfig *ret,
                    Report *r)
{
    KubeConfig config = {0};
    const Reading d = {
        .arena = a, .report = r, .directory = options->directory ? options->directory : ".", .to = &config};
    Node *root = NULL;
    size_t before = r->errors;
    int k = yaml_read(a, source, SEVERITY_ERROR, &root, r);
    if (k < 0)
        return k;
    if (root->kind == NODE_OBJECT)
        read_root(&d, root, options->context);
    else
        wrong(&d, NULL, root, "expected a mapping");
    if (r->errors > before)
        return -EINVAL;
    settle(&config);
    *ret = config;
    return 0;
}

int kubeconfig_load(Arena *a, const char *path, const char *context, KubeConfig *ret, Report *r)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    _cleanup_free_ char *directory = NULL;
    Source *source = ARENA_NEW(a, Source);
    const char *slash = strrchr(path, '/');
    *source = (Source){.name = arena_strdup(a, path), .secret = true};
    int k = file_read_at(AT_FDCWD, path, KUBECONFIG_MAX, &text, NULL);
    if (k >= 0) {
        directory = realpath(slash ? arena_printf(a, "%.*s/", (int)(slash - path), path) : ".", NULL);
        k = directory ? 0 : -errno;
    }
    if (k < 0) {
        report_add_at(r, SEVERITY_ERROR, source, 0, 0, "it cannot be read: %s", strerror(-k));
        return k;
    }
    source->text = arena_memdup(a, text.len ? text.data : "", text.len);
    source->len = text.len;
    const KubeconfigOptions options = {.context = context, .directory = arena_strdup(a, directory)};
    return kubeconfig_read(a, source, &options, ret, r);
}

int kubeconfig_of_pod(Arena *a, const char *directory, const char *host, const char *port, KubeConfig *ret,
                      Error *e)
{
    _cleanup_buf_ Buf namespace = BUF_INIT;
    bool plain = false;
    const char *d = directory ? directory : pod_directory, *ns = arena_printf(a, "%s/namespace", d);
    if (!host || !*host || !port || !*port)
        return error_set(e, ENOENT, "this is no pod: the environment names no API server");
    bool six = strchr(host, ':') && *host != '[';
    char *server = arena_printf(a, six ? "https://[%s]:%s" : "https://%s:%s", host, port);
    if (server_fault(server, &plain))
        return error_set(e, EINVAL, "'%.200s' is no address of an API server", server);
    int r = file_read_at(AT_FDCWD, ns, NAMESPACE_MAX, &namespace, e);
    if (r < 0 && r != -ENOENT)
        return error_wrap(e, r, "reading the pod's namespace");
    size_t n = namespace.len ? strcspn(namespace.data, " \t\r\n") : 0;
    *ret = (KubeConfig){
        .server = server,
        .authority.file = arena_printf(a, "%s/ca.crt", d),
        .token.file = arena_printf(a, "%s/token", d),
        .namespace = n ? arena_memdup(a, namespace.data, n) : "default",
    };
    return 0;
}
