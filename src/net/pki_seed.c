/* For tests only: OpenSSL's random numbers become SHA-256 of the seed and a counter. The method that replaces
 * them is process-wide and was deprecated with OpenSSL 3, which still honours it; keys, serial numbers, and
 * the nonces of ECDSA all come through it, so one switch makes everything repeatable. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <string.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "net/pki.h"

static struct {
    unsigned char key[32];
    uint64_t counter;
    EVP_MD *sha256; /* fetched before the method is replaced */
} stream;

static int stream_bytes(unsigned char *out, int n)
{
    while (n > 0) {
        unsigned char in[sizeof(stream.key) + sizeof(stream.counter)], block[32];
        memcpy(in, stream.key, sizeof(stream.key));
        memcpy(in + sizeof(stream.key), &stream.counter, sizeof(stream.counter));
        stream.counter++;
        if (!EVP_Digest(in, sizeof(in), block, NULL, stream.sha256, NULL))
            return 0;
        int take = n < (int)sizeof(block) ? n : (int)sizeof(block);
        memcpy(out, block, (size_t)take);
        out += take;
        n -= take;
    }
    return 1;
}

static int stream_status(void)
{
    return 1;
}

void pki_seed(const char *seed)
{
    static const RAND_METHOD method = {
        .bytes = stream_bytes, .pseudorand = stream_bytes, .status = stream_status};
    if (!stream.sha256)
        stream.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    stream.counter = 0;
    if (!stream.sha256 || !EVP_Digest(seed, strlen(seed), stream.key, NULL, stream.sha256, NULL) ||
        !RAND_set_rand_method(&method))
        abort();
}
