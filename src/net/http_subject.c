/* Only what was verified against the CA is believed; a certificate that was not is told apart from none, so
 * that a client with an expired one hears 401 and is not taken for a stranger. */
#include "net/http_subject.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

enum { ORGANIZATIONS_MAX = 64, NAME_MAX_BYTES = 1024 };

static char *part(gnutls_x509_crt_t crt, const char *oid, unsigned index)
{
    char text[NAME_MAX_BYTES];
    size_t n = sizeof(text);
    if (gnutls_x509_crt_get_dn_by_oid(crt, oid, index, 0, text, &n) < 0)
        return NULL;
    char *copy = strndup(text, n);
    if (!copy)
        abort();
    return strlen(copy) == n ? copy : (free(copy), NULL); /* no names with a NUL in them */
}

static bool verify(gnutls_session_t session)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (void *)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned status = 0;
    return gnutls_certificate_verify_peers(session, &purpose, 1, &status) >= 0 && !status;
}

HttpSubject *http_subject_new(void *tls)
{
    gnutls_session_t session = tls;
    unsigned n = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
    gnutls_x509_crt_t crt = NULL;
    if (!chain || !n || gnutls_x509_crt_init(&crt) < 0)
        return NULL;
    HttpSubject *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    if (gnutls_x509_crt_import(crt, chain, GNUTLS_X509_FMT_DER) >= 0) {
        s->trusted = verify(session);
        s->common_name = part(crt, GNUTLS_OID_X520_COMMON_NAME, 0);
        s->organizations = calloc(ORGANIZATIONS_MAX, sizeof(char *));
        if (!s->organizations)
            abort();
        for (char *o; s->n_organizations < ORGANIZATIONS_MAX &&
                      (o = part(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, (unsigned)s->n_organizations));)
            s->organizations[s->n_organizations++] = o;
    }
    gnutls_x509_crt_deinit(crt);
    return s;
}

void http_subject_free(HttpSubject *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_organizations; i++)
        free(s->organizations[i]);
    free(s->organizations);
    free(s->common_name);
    free(s);
}
