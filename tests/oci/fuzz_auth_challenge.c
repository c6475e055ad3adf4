/* Lines of headers: whatever they hold, the fields are texts without control characters. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "oci/auth_challenge.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check(const char *text, size_t size)
{
    if (!memchr(text, '\0', size))
        abort();
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    AuthChallenge c = {0};
    const char *p = (const char *)data, *end = p + size;
    while (p < end) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((line ? line : end) - p);
        auth_challenge_read(p, n, &c);
        p += n + 1;
    }
    check(c.realm, sizeof(c.realm));
    check(c.service, sizeof(c.service));
    check(c.scope, sizeof(c.scope));
    check(c.error, sizeof(c.error));
    if (c.scheme == AUTH_BEARER && !c.realm[0])
        abort();
    return 0;
}
