/* Checks of single values. They look at text only and know nothing of where it stands; the field table says
 * which field has which check. The words are a contract: scripts match them. None of them repeats a value
 * that may be secret. */
#include "installer/value_check.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/arena.h"
#include "format/data_url.h"
#include "format/json.h"
#include "installer/network_range.h"

enum { NAME_MAX_DNS = 253, CLUSTER_NAME_MAX = 54 }; /* 63 characters of a label, minus the 9 of "\*.apps." */

#define SUBDOMAIN_WORDS                                                                                      \
    "a DNS-1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "   \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "              \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_subdomain(const char *s, size_t n)
{
    if (n == 0 || !is_lower_alnum(s[0]) || !is_lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') {
            if (!is_lower_alnum(s[i - 1]) || !is_lower_alnum(s[i + 1]))
                return false;
        } else if (s[i] != '-' && !is_lower_alnum(s[i]))
            return false;
    }
    return true;
}

const char *check_cluster_name(const char *value, char *buf, size_t size)
{
    size_t n = strlen(value);
    if (n > CLUSTER_NAME_MAX) {
        snprintf(buf, size, "must be no more than %d characters", CLUSTER_NAME_MAX);
        return buf;
    }
    return is_subdomain(value, n) ? NULL : SUBDOMAIN_WORDS;
}

const char *check_domain(const char *value, char *buf, size_t size)
{
    size_t n = strlen(value);
    if (n && value[n - 1] == '.')
        n--;
    if (n > NAME_MAX_DNS) {
        snprintf(buf, size, "must be no more than %d characters", NAME_MAX_DNS);
        return buf;
    }
    return is_subdomain(value, n) ? NULL : SUBDOMAIN_WORDS;
}

/* The first field of a key's data is its length-prefixed type, which must be the type in front of it. */
static bool key_data_matches(const char *type, size_t type_len, const char *data, size_t data_len)
{
    _cleanup_buf_ Buf raw = BUF_INIT;
    if (base64_decode(data, data_len, &raw) < 0 || raw.len < 4 + type_len)
        return false;
    const unsigned char *p = (const unsigned char *)raw.data;
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    return n == type_len && memcmp(p + 4, type, type_len) == 0;
}

/* "[options] type base64 [comment]"; an option may hold blanks inside double quotes. */
static bool line_has_key(const char *line, size_t n)
{
    const char *words[3] = {0}, *end = line + n;
    size_t lengths[3] = {0}, count = 0;

    for (const char *p = line; p < end && count < 3; count++) {
        while (p < end && isblank((unsigned char)*p))
            p++;
        words[count] = p;
        for (bool quoted = false; p < end && (quoted || !isblank((unsigned char)*p)); p++)
            if (*p == '"')
                quoted = !quoted;
        lengths[count] = (size_t)(p - words[count]);
    }
    for (size_t i = 0; i + 1 < count; i++)
        if (lengths[i] && key_data_matches(words[i], lengths[i], words[i + 1], lengths[i + 1]))
            return true;
    return false;
}

const char *check_ssh_keys(const char *value, char *buf _unused_, size_t size _unused_)
{
    bool found = false;

    for (const char *line = value; *line;) {
        size_t n = strcspn(line, "\r\n");
        if (n && line[0] != '#') {
            if (!line_has_key(line, n))
                return "ssh: no key found";
            found = true;
        }
        line += n;
        line += strspn(line, "\r\n");
    }
    return found ? NULL : "ssh: no key found";
}

const char *check_trust_bundle(const char *value, char *buf _unused_, size_t size _unused_)
{
    BIO *bio = BIO_new_mem_buf(value, -1);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len = 0;
    size_t n = 0;
    bool good = true;

    while (good && PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
        const unsigned char *p = data;
        X509 *cert = strcmp(name, "CERTIFICATE") == 0 ? d2i_X509(NULL, &p, len) : NULL;
        good = cert != NULL;
        n++;
        X509_free(cert);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }
    BIO_free(bio);
    return good && n ? NULL : "invalid block";
}

const char *check_pull_secret(const char *value, char *buf, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "pullSecret", .text = value, .len = strlen(value), .secret = true};
    Node *root;

    if (json_read(a, &source, SEVERITY_ERROR, &root, &r) < 0 || r.errors) {
        snprintf(buf, size, "not valid JSON: %s", r.n ? r.entries[0].message : "empty");
        return buf;
    }
    Node *auths = node_get(root, "auths");
    if (!auths || auths->kind != NODE_OBJECT || auths->n == 0)
        return "auths required";
    NODE_EACH (host, auths) {
        if (!node_get(host, "auth") && !node_get(host, "credsStore")) {
            snprintf(buf, size, "\"%s\" requires either auth or credsStore", host->key);
            return buf;
        }
    }
    return NULL;
}

static bool bad_escape(const char *host, size_t n, const char **ret)
{
    for (size_t i = 0; i < n; i++)
        if (host[i] == '%') {
            *ret = host + i;
            return true;
        }
    return false;
}

const char *check_uri(const char *value, char *buf, size_t size)
{
    size_t scheme = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    const char *escape;

    if (scheme == 0 || !isalpha((unsigned char)value[0]) || value[scheme] != ':')
        return "invalid URI (no scheme)";
    if (strncmp(value + scheme, "://", 3) != 0 || !value[scheme + 3])
        return "invalid URI (no host)";
    for (const char *p = value; *p; p++)
        if (iscntrl((unsigned char)*p) || *p == ' ')
            return "invalid URI: blank or control character";
    const char *host = value + scheme + 3;
    size_t n = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', n);
    if (at) {
        n -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    if (n == 0)
        return "invalid URI (no host)";
    if (bad_escape(host, n, &escape)) {
        snprintf(buf, size, "invalid URL escape \"%.3s\"", escape);
        return buf;
    }
    return NULL;
}

const char *check_no_proxy_entry(const char *value, char *buf _unused_, size_t size _unused_)
{
    NetworkRange n;
    size_t len = strlen(value), skip = value[0] == '.' ? 1 : 0; /* ".example.com" means its subdomains */

    if (len > skip && value[len - 1] == '.')
        len--;
    if (network_range_parse(value, &n) == 0 || address_parse(value, &n))
        return NULL;
    if (is_subdomain(value + skip, len - skip))
        return NULL;
    return "must be a CIDR or domain, without wildcard characters";
}

static bool is_repository_part(const char *s, size_t n)
{
    if (n == 0 || !is_lower_alnum(s[0]) || !is_lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_lower_alnum(s[i]) && !strchr("._-", s[i]))
            return false;
    return true;
}

const char *check_repository(const char *value, char *buf _unused_, size_t size _unused_)
{
    const char *slash = strchr(value, '/');
    size_t host = slash ? (size_t)(slash - value) : 0;

    /* The first part names a registry only when it could not be a directory of the default one. */
    if (!slash || (!memchr(value, '.', host) && !memchr(value, ':', host) &&
                   !(host == strlen("localhost") && strncmp(value, "localhost", host) == 0)))
        return "failed to parse: repository name must be canonical";
    size_t path = strcspn(slash + 1, ":@");
    for (const char *p = slash + 1, *end = p + path; p <= end;) {
        size_t n = strcspn(p, "/:@");
        if (!is_repository_part(p, n))
            return "failed to parse: invalid reference format";
        p += n + 1;
    }
    return slash[1 + path] ? "must be repository--not reference" : NULL;
}

const char *check_cidr(const char *value, char *buf, size_t size)
{
    NetworkRange n;
    if (network_range_parse(value, &n) == 0)
        return NULL;
    snprintf(buf, size, "invalid CIDR address: %s", value);
    return buf;
}

const char *check_ip(const char *value, char *buf, size_t size)
{
    NetworkRange n;
    if (address_parse(value, &n))
        return NULL;
    snprintf(buf, size, "\"%s\" is not a valid IP", value);
    return buf;
}

const char *check_not_empty(const char *value, char *buf _unused_, size_t size _unused_)
{
    return *value ? NULL : "must not be empty";
}
