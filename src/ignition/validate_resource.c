/* Rules of what is fetched: sources, their verification, headers and proxies. References to other configs and
 * authorities became full resources in 3.1; in 3.0 only their source was looked at, which is why they have
 * rows of their own. */
#include <string.h>

#include "ignition/source_url.h"
#include "ignition/url_parts.h"
#include "ignition/validate_rule.h"

static void check_source(const Checker *k, const void *object)
{
    const IgnResource *r = object;
    Error e;
    if (!is_empty(r->source) && source_url_check(r->source, k->version, &e) < 0)
        check_field(k, SEVERITY_ERROR, "source", e.text);
}

static const char *headers_message(const IgnResource *r)
{
    UrlParts u;
    if (r->http_headers.n == 0)
        return NULL;
    if (is_empty(r->source) || url_parts_read(r->source, &u) < 0)
        return "unable to parse url";
    if (strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
        return "cannot use HTTP headers with this source scheme";
    return NULL;
}

static void check_resource(const Checker *k, const void *object)
{
    const IgnResource *r = object;
    if (!is_empty(r->compression) && strcmp(r->compression, "gzip") != 0)
        check_field(k, SEVERITY_ERROR, "compression", "invalid compression method");
    if (r->verification.hash && !r->source) {
        const Node *v = r->verification.node, *hash = v ? node_get(v, "hash") : NULL;
        report_add(k->report, SEVERITY_ERROR, PATH_KEY(PATH_KEY(k->path, "verification"), "hash"),
                   hash ? hash
                   : v  ? v
                        : k->node,
                   "source must be specified if verification is specified");
    }
    check_source(k, r);
    check_field(k, SEVERITY_ERROR, "httpHeaders", headers_message(r));
}

static void check_required(const Checker *k, const char *list, const IgnList *resources)
{
    for (size_t i = 0; i < resources->n; i++) {
        const IgnResource *r = IGN_AT(*resources, IgnResource, i);
        Error e;
        if (is_empty(r->source))
            check_entry(k, SEVERITY_ERROR, list, resources, i, NULL, "source is required");
        else if (source_url_check(r->source, k->version, &e) < 0)
            check_entry(k, SEVERITY_ERROR, list, resources, i, NULL, e.text);
    }
}

static void check_chain(const Checker *k, const void *object)
{
    check_required(k, "merge", &((const IgnChain *)object)->merge);
}

static void check_tls(const Checker *k, const void *object)
{
    check_required(k, "certificateAuthorities", &((const IgnTls *)object)->certificate_authorities);
}

/* In 3.0 a missing source was the empty URL, which has no scheme. */
static void check_tls_3_0(const Checker *k, const void *object)
{
    const IgnList *list = &((const IgnTls *)object)->certificate_authorities;
    for (size_t i = 0; i < list->n; i++)
        if (is_empty(IGN_AT(*list, IgnResource, i)->source))
            check_entry(k, SEVERITY_ERROR, "certificateAuthorities", list, i, "source", "invalid url scheme");
}

static const char *hash_message(const char *hash, IgnVersion version)
{
    static const struct {
        const char *prefix;
        size_t digits;
        IgnVersion since;
    } functions[] = {{"sha512-", 128, IGN_3_0}, {"sha256-", 64, IGN_3_1}};

    if (!strchr(hash, '-'))
        return "malformed hash specifier";
    for (size_t i = 0; i < ELEMENTS(functions); i++) {
        size_t n = strlen(functions[i].prefix);
        if (version >= functions[i].since && strncmp(hash, functions[i].prefix, n) == 0)
            return strlen(hash + n) == functions[i].digits ? NULL : "incorrect size for hash sum";
    }
    return "unrecognized hash function";
}

static void check_verification(const Checker *k, const void *object)
{
    const IgnVerification *v = object;
    if (v->hash)
        check_field(k, SEVERITY_ERROR, "hash", hash_message(v->hash, k->version));
}

static void check_header(const Checker *k, const void *object)
{
    const IgnHeader *h = object;
    if (is_empty(h->name))
        check_field(k, SEVERITY_ERROR, "name", "HTTP header name can't be empty");
    if (h->value && !*h->value)
        check_field(k, SEVERITY_ERROR, "value", "unable to parse HTTP header");
}

static void check_proxy_url(const Checker *k, const char *field, const char *url, bool plain_ok)
{
    UrlParts u;
    if (!url)
        return;
    if (url_parts_read(url, &u) < 0)
        check_field(k, SEVERITY_ERROR, field, "unable to parse url");
    else if (strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
        check_field(k, SEVERITY_ERROR, field, "proxies must be http(s)");
    else if (!plain_ok && strcmp(u.scheme, "http") == 0)
        check_field(k, SEVERITY_WARNING, field,
                    "insecure plaintext HTTP proxy specified for HTTPS resources");
}

static void check_proxy(const Checker *k, const void *object)
{
    const IgnProxy *p = object;
    check_proxy_url(k, "httpProxy", p->http_proxy, true);
    check_proxy_url(k, "httpsProxy", p->https_proxy, false);
}

const IgnRule ign_resource_rules[] = {
    {&ign_resource_type, check_resource, IGN_3_0, IGN_3_7_EXP},
    {&ign_reference_type, check_source, IGN_3_0, IGN_3_0},
    {&ign_reference_type, check_resource, IGN_3_1, IGN_3_7_EXP},
    {&ign_chain_type, check_chain, IGN_3_1, IGN_3_7_EXP},
    {&ign_tls_type, check_tls_3_0, IGN_3_0, IGN_3_0},
    {&ign_tls_type, check_tls, IGN_3_1, IGN_3_7_EXP},
    {&ign_verification_type, check_verification, IGN_3_0, IGN_3_7_EXP},
    {&ign_header_type, check_header, IGN_3_1, IGN_3_7_EXP},
    {&ign_proxy_type, check_proxy, IGN_3_1, IGN_3_7_EXP},
    {},
};
