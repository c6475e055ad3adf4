/* Text that claims to be a key or a certificate. What is read can be written, and what was written is read as
 * the same; verifying against the text itself must not crash, whatever it says. */
#include <assert.h>
#include <string.h>

#include "net/pki.h"

static void check_key(const char *pem, size_t n)
{
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL, *again = NULL;
    _cleanup_buf_ Buf one = BUF_INIT;
    if (key_pair_read(pem, n, &key, NULL) < 0)
        return;
    key_pair_write_public(key, &one);
    one.len = 0;
    key_pair_write_private(key, &one);
    if (key_pair_read(one.data, one.len, &again, NULL) < 0)
        return; /* OpenSSL writes the parameters of a curve that it would not take itself */
    _cleanup_buf_ Buf two = BUF_INIT;
    key_pair_write_private(again, &two);
    assert(one.len == two.len && !memcmp(one.data, two.data, one.len));
}

static void check_certificate(const char *pem, size_t n)
{
    _cleanup_(certificate_freep)
    Certificate *c = NULL, *again = NULL;
    _cleanup_buf_ Buf text = BUF_INIT, written = BUF_INIT;
    char name[64];
    if (certificate_read(pem, n, &c, NULL) < 0)
        return;
    assert(strlen(certificate_common_name(c, name, sizeof(name))) < sizeof(name));
    certificate_write(c, &written);
    assert(certificate_read(written.data, written.len, &again, NULL) == 0);
    assert(certificate_not_before(c) == certificate_not_before(again));
    assert(certificate_not_after(c) == certificate_not_after(again));
    buf_add(&text, pem, n);
    (void)certificate_verify(c, text.data, NULL, certificate_not_before(c), NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_key((const char *)data, size);
    check_certificate((const char *)data, size);
    return 0;
}
