/* URLs of any kind. What is taken has a host without anything that ends one. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/url_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url = malloc(size + 1);
    UrlAddress u = {0};

    if (!url)
        abort();
    memcpy(url, data, size);
    url[size] = '\0';
    if (url_address_read(url, &u) == 0) {
        Buf value = BUF_INIT;
        assert(*u.host && !strpbrk(u.host, "/?#@"));
        assert(u.path.len == 0 || (u.path.data[0] == '/' && strlen(u.path.data) == u.path.len));
        (void)url_address_query(&u, "versionId", &value);
        buf_done(&value);
    }
    url_address_done(&u);
    free(url);
    return 0;
}
