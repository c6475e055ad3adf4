/* A request for a certificate, or a certificate, as PEM or as the bytes inside of it: what is read keeps to
 * its bounds. The names of a certificate are read by the same code, and need no signature to be reached. */
#include <assert.h>
#include <string.h>
#include <openssl/evp.h>

#include "net/certificate_request.h"

static void check_names(const CertificateNames *n)
{
    const struct {
        const char *const *list;
        size_t n;
    } lists[] = {{n->organizations, n->n_organizations}, {n->dns, n->n_dns}, {n->ip, n->n_ip}};
    assert(!n->common_name || (*n->common_name && strlen(n->common_name) <= CERTIFICATE_NAME_MAX));
    for (size_t i = 0; i < ELEMENTS(lists); i++) {
        assert(lists[i].n <= CERTIFICATE_NAMES_MAX && (lists[i].n == 0) == !lists[i].list);
        for (size_t k = 0; k < lists[i].n; k++)
            assert(*lists[i].list[k] && strlen(lists[i].list[k]) <= CERTIFICATE_NAME_MAX);
    }
}

static void wrap(const char *label, const uint8_t *data, size_t n, Buf *out)
{
    unsigned char line[80];
    buf_addf(out, "-----BEGIN %s-----\n", label);
    for (size_t i = 0; i < n; i += 48)
        buf_addf(out, "%.*s\n", EVP_EncodeBlock(line, data + i, (int)(n - i < 48 ? n - i : 48)), line);
    buf_addf(out, "-----END %s-----\n", label);
}

static void check(const char *pem, size_t n)
{
    _cleanup_(certificate_request_freep)
    CertificateRequest *q = NULL;
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    _cleanup_arena_ Arena *a = arena_new();
    CertificateNames names;
    if (certificate_request_read(pem, n, &q, NULL) >= 0)
        check_names(&q->names);
    if (certificate_read(pem, n, &c, NULL) >= 0 && certificate_names(a, c, &names, NULL) >= 0)
        check_names(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && *data == '-') {
        check((const char *)data, size);
        return 0;
    }
    _cleanup_buf_ Buf request = BUF_INIT, certificate = BUF_INIT;
    wrap("CERTIFICATE REQUEST", data, size, &request);
    wrap("CERTIFICATE", data, size, &certificate);
    check(request.data, request.len);
    check(certificate.data, certificate.len);
    return 0;
}
