/* Names out of a subject and out of alternative names, into plain C strings: whoever compares them must not
 * be told "good.example" of a name that goes on behind a NUL. */
#include <arpa/inet.h>
#include <string.h>

#include "net/pki_parts.h"

static const char *plain(Arena *a, const ASN1_STRING *from, Error *e)
{
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, from);
    const char *ret = NULL;
    bool good = n > 0 && n <= CERTIFICATE_NAME_MAX;
    for (int i = 0; good && i < n; i++)
        good = text[i] >= ' ' && text[i] != 0x7f;
    if (good)
        ret = arena_memdup(a, text, (size_t)n);
    else
        error_set(e, EINVAL, "a name that is empty, too long, or has characters that no name has");
    OPENSSL_free(text);
    return ret;
}

static int put(Arena *a, const char *const **list, size_t *n, const char *name, Error *e)
{
    const char **names = (const char **)*list;
    if (!name)
        return -EINVAL;
    if (!names)
        *list = names = ARENA_ARRAY(a, const char *, CERTIFICATE_NAMES_MAX + 1);
    if (*n == CERTIFICATE_NAMES_MAX)
        return error_set(e, E2BIG, "more than %d names", CERTIFICATE_NAMES_MAX);
    names[(*n)++] = name;
    return 0;
}

static int put_once(const char **field, const char *name, Error *e)
{
    if (!name)
        return -EINVAL;
    if (*field)
        return error_set(e, EINVAL, "two common names or units in one subject");
    *field = name;
    return 0;
}

int pki_read_subject(Arena *a, const X509_NAME *name, CertificateNames *ret, Error *e)
{
    int n = X509_NAME_entry_count(name), r = 0;
    if (n > CERTIFICATE_NAMES_MAX)
        return error_set(e, E2BIG, "a subject of more than %d parts", CERTIFICATE_NAMES_MAX);
    for (int i = 0; i < n && r >= 0; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
        if (nid == NID_commonName)
            r = put_once(&ret->common_name, plain(a, value, e), e);
        else if (nid == NID_organizationalUnitName)
            r = put_once(&ret->unit, plain(a, value, e), e);
        else if (nid == NID_organizationName)
            r = put(a, &ret->organizations, &ret->n_organizations, plain(a, value, e), e);
        else
            ret->other_subject++;
    }
    return r;
}

/* Letters, digits, hyphens and dots, "*." in front at most; written small. */
static const char *dns_name(Arena *a, const ASN1_STRING *from, Error *e)
{
    const char *name = plain(a, from, e);
    if (!name)
        return NULL;
    const char *rest = strncmp(name, "*.", 2) ? name : name + 2;
    if (!*rest || rest[strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")]) {
        error_set(e, EINVAL, "a DNS name that is none");
        return NULL;
    }
    char *small = arena_strdup(a, name);
    for (char *p = small; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    return small;
}

static const char *ip_address(Arena *a, const ASN1_OCTET_STRING *from, Error *e)
{
    char text[INET6_ADDRSTRLEN];
    int n = ASN1_STRING_length(from);
    if ((n != 4 && n != 16) ||
        !inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(from), text, sizeof(text))) {
        error_set(e, EINVAL, "an IP address of %d bytes", n);
        return NULL;
    }
    return arena_strdup(a, text);
}

int pki_read_alternatives(Arena *a, const GENERAL_NAMES *names, CertificateNames *ret, Error *e)
{
    int n = names ? sk_GENERAL_NAME_num(names) : 0, r = 0;
    for (int i = 0; i < n && r >= 0; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            r = put(a, &ret->dns, &ret->n_dns, dns_name(a, name->d.dNSName, e), e);
        else if (name->type == GEN_IPADD)
            r = put(a, &ret->ip, &ret->n_ip, ip_address(a, name->d.iPAddress, e), e);
        else
            ret->other_names++;
    }
    return r;
}
