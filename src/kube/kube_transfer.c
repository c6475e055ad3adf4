/* libcurl sends a request a second time by itself when a kept connection turns out to be dead, writes too,
 * though the server may have carried them out. It tells before it sends: that is where a second time is
 * refused. */
#include "kube/kube_transfer.h"

#include <string.h>

#include "net/http_trust.h"

enum { KEEPALIVE_IDLE_SEC = 20, KEEPALIVE_EVERY_SEC = 5, CONNECT_MS = 10000, CHUNK = 16 << 10 };

static int about_to_send(void *context, char *a, char *b, int c, int d)
{
    KubeTransfer *t = context;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return t->sent++ && t->once ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static const char *authority_of(const char *url, size_t *n)
{
    const char *host = strstr(url, "://") + 3;
    *n = strcspn(host, "/");
    return host;
}

/* A server of another name is called by that name, and found at its address. */
static void add_address(KubeTransfer *t, const char *path)
{
    const Curl *c = &t->kube->curl;
    const KubeConfig *config = t->kube->config;
    _cleanup_buf_ Buf url = BUF_INIT, to = BUF_INIT, host = BUF_INIT;
    size_t n;
    const char *authority = authority_of(config->server, &n);
    const char *bracket = memchr(authority, ']', n);
    const char *port =
        memchr(bracket ? bracket : authority, ':', bracket ? n - (size_t)(bracket - authority) : n);
    if (config->tls_server_name) {
        size_t of_host = port ? (size_t)(port - authority) : n;
        buf_addf(&url, "%.*s%s%s%s", (int)(authority - config->server), config->server,
                 config->tls_server_name, port ? port : authority + n, path);
        buf_addf(&to, "::%.*s:%.*s", (int)of_host, authority, port ? (int)(n - of_host - 1) : 0,
                 port ? port + 1 : "");
        buf_addf(&host, "Host: %.*s", (int)n, authority);
        t->connect_to = c->list_add(NULL, to.data);
        t->headers = c->list_add(t->headers, host.data);
    } else
        buf_addf(&url, "%s%s", config->server, path);
    c->setopt(t->easy, CURLOPT_URL, url.data);
    c->setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
}

static void add_headers(KubeTransfer *t, const char *content_type)
{
    const Curl *c = &t->kube->curl;
    const Buf *token = &t->kube->identity.parts[IDENTITY_TOKEN].text;
    _cleanup_(buf_done_secret)
    Buf line = BUF_INIT;
    t->headers = c->list_add(t->headers, "Accept: application/json");
    t->headers = c->list_add(t->headers, "Expect:");
    buf_addf(&line, "Content-Type:%s%s", content_type ? " " : "", content_type ? content_type : "");
    t->headers = c->list_add(t->headers, line.data);
    if (token->len) {
        line.len = 0;
        buf_addf(&line, "Authorization: Bearer %s", token->data);
        t->headers = c->list_add(t->headers, line.data);
    }
    c->setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    c->setopt(t->easy, CURLOPT_USERAGENT, t->kube->options.agent);
}

static void set_blob(KubeTransfer *t, CURLoption option, size_t part)
{
    Buf *text = &t->kube->identity.parts[part].text;
    struct curl_blob blob = {.data = text->data, .len = text->len, .flags = CURL_BLOB_COPY};
    if (blob.len)
        t->kube->curl.setopt(t->easy, option, &blob);
}

static void set_trust(KubeTransfer *t)
{
    const Curl *c = &t->kube->curl;
    bool all = t->kube->config->distrust_nobody;
    c->setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    c->setopt(t->easy, CURLOPT_SSL_VERIFYPEER, all ? 0L : 1L);
    c->setopt(t->easy, CURLOPT_SSL_VERIFYHOST, all ? 0L : 2L);
    if (t->kube->identity.parts[IDENTITY_AUTHORITY].text.len)
        c->setopt(t->easy, CURLOPT_CAPATH, NULL); /* that one alone, and none of the system's */
    set_blob(t, CURLOPT_CAINFO_BLOB, IDENTITY_AUTHORITY);
    set_blob(t, CURLOPT_SSLCERT_BLOB, IDENTITY_CERTIFICATE);
    set_blob(t, CURLOPT_SSLKEY_BLOB, IDENTITY_KEY);
}

int kube_transfer_begin(KubeTransfer *t, const char *path, const char *content_type, Error *e)
{
    const Curl *c = &t->kube->curl;
    int r = kube_identity_refresh(&t->kube->identity, e);
    if (r < 0)
        return r;
    t->why[0] = '\0';
    t->sent = 0;
    t->failed = 0;
    c->reset(t->easy);
    add_address(t, path);
    add_headers(t, content_type);
    set_trust(t);
    c->setopt(t->easy, CURLOPT_PROTOCOLS_STR, "https,http"); /* plain to loopback only: kubeconfig.c */
    c->setopt(t->easy, CURLOPT_PROXY, t->kube->config->proxy ? t->kube->config->proxy : "");
    c->setopt(t->easy, CURLOPT_NOPROXY, "");
    c->setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    c->setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    c->setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    c->setopt(t->easy, CURLOPT_ERRORBUFFER, t->why);
    c->setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    c->setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L); /* a server that is gone sends nothing, for ever */
    c->setopt(t->easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_SEC);
    c->setopt(t->easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_EVERY_SEC);
    c->setopt(t->easy, CURLOPT_BUFFERSIZE, (long)CHUNK);
    c->setopt(t->easy, CURLOPT_PREREQFUNCTION, about_to_send);
    c->setopt(t->easy, CURLOPT_PREREQDATA, t);
    return 0;
}

void kube_transfer_end(KubeTransfer *t)
{
    const Curl *c = &t->kube->curl;
    if (t->easy)
        c->setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
    for (struct curl_slist *l = t->headers; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    c->list_free(t->headers);
    c->list_free(t->connect_to);
    t->headers = t->connect_to = NULL;
}

int kube_transfer_error(const KubeTransfer *t, CURLcode code, Error *e)
{
    const char *words = t->why[0] ? t->why : t->kube->curl.strerror(code);
    Error distrust = ERROR_INIT;
    long number = 0;
    if (t->failed < 0)
        return t->failed == -EFBIG ? error_set(e, EFBIG, "the answer is too long")
                                   : error_errno(e, t->failed, "taking the answer");
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        t->kube->curl.getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &number);
        http_trust_explain(number, NULL, t->kube->config->server, &distrust);
        return error_set(e, EKEYREJECTED, "%s", distrust.text);
    case CURLE_SSL_CERTPROBLEM:
        return error_set(e, EKEYREJECTED, "the client's own certificate and key are no pair, or no PEM");
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return error_set(e, EHOSTUNREACH, "%s", words);
    case CURLE_COULDNT_CONNECT:
        t->kube->curl.getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
        return error_set(e, number > 0 ? (int)number : ECONNREFUSED, "%s", words);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(e, ETIMEDOUT, "%s", t->sent ? "no answer came in time" : words);
    default:
        return error_set(e, ECONNRESET, "%s%s", t->sent && t->once ? "it may have been carried out: " : "",
                         t->once && t->sent > 1 ? "the connection broke" : words);
    }
}
