/* URLs of S3 objects. What is taken makes a host that can be no other service's. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "provision/resource_scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char suffix[] = ".amazonaws.com", china[] = ".amazonaws.com.cn";
    _cleanup_arena_ Arena *a = arena_new();
    const char *url = arena_memdup(a, data, size);
    S3Object o;

    if (s3_object_read(a, url, &o, NULL) < 0)
        return 0;
    const char *host = s3_host(&o, o.region ? o.region : "us-east-1");
    size_t n = strlen(host);
    assert(!strpbrk(host, "/?#@: \r\n"));
    assert(n > sizeof(china));
    assert(strcmp(host + n - sizeof(suffix) + 1, suffix) == 0 ||
           strcmp(host + n - sizeof(china) + 1, china) == 0);
    assert(s3_path(&o)[0] == '/');
    return 0;
}
