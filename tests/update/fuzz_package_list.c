/* dpkg's status out of somebody's image: refused, or a list in order whose versions can be compared. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "update/deb_version.h"
#include "update/package_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    PackageList l, none = {0};
    PackageDiff d;

    if (package_list_read(a, (const char *)data, size, &l, NULL) < 0)
        return 0;
    for (size_t i = 0; i + 1 < l.n; i++) {
        const char *one = l.packages[i].version, *other = l.packages[i + 1].version;
        if (strcmp(l.packages[i].name, l.packages[i + 1].name) > 0)
            abort();
        int order = deb_version_compare(one, other), back = deb_version_compare(other, one);
        if ((order > 0) != (back < 0) || (order == 0) != (back == 0) || deb_version_compare(one, one) != 0)
            abort();
    }
    package_lists_compare(a, &l, &l, &d);
    if (d.n != 0)
        abort();
    package_lists_compare(a, &none, &l, &d);
    if (d.n != l.n)
        abort();
    return 0;
}
