/* A byte picks a character; bytes that would favour the first characters of the alphabet are thrown away. */
#include "installer/random_text.h"

#include <stdint.h>
#include <string.h>

#include "net/pki.h"

int random_text(const char *alphabet, char *out, size_t n, Error *e)
{
    size_t letters = strlen(alphabet), limit = 256 - 256 % letters;

    for (size_t i = 0; i < n;) {
        uint8_t byte;
        int r = pki_random(&byte, 1, e);
        if (r < 0)
            return r;
        if (byte < limit)
            out[i++] = alphabet[byte % letters];
    }
    return 0;
}
