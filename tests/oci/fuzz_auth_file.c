/* An auth.json: credentials fit into a header, whatever stands in it. */
#include <stdlib.h>
#include <string.h>

#include "oci/auth_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a.b/x", "docker.io/x", "reg.local/ns/user/image", "quay.io/a"};
    _cleanup_arena_ Arena *a = arena_new();
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        ImageName name;
        Credentials c;
        Error e = ERROR_INIT;
        if (image_name_read(a, names[i], &name, NULL) < 0)
            abort();
        int r = auth_text_find(a, "input", data, size, &name, &c, &e);
        if (r < 0 && !e.text[0])
            abort();
        if (r > 0 && c.user &&
            (strchr(c.user, ':') || strpbrk(c.user, "\r\n") || strpbrk(c.password, "\r\n")))
            abort();
    }
    return 0;
}
