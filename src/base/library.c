/* Heavy libraries cost a program nothing until the work that needs them: a table of names, one dlopen(). A
 * second load of the same library only counts its references, so callers need not remember the first. */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

int library_load(const char *soname, const char *what, const LibrarySymbol *rows, size_t n, Error *e)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(e, ENOENT, "%s: %s cannot be loaded: %s", what, soname, dlerror());
    for (size_t i = 0; i < n; i++) {
        void *symbol = dlsym(library, rows[i].name);
        if (!symbol)
            return error_set(e, ENOENT, "%s: %s has no %s", what, soname, rows[i].name);
        memcpy(rows[i].to, &symbol, sizeof(symbol)); /* ISO C has no cast from data to function */
    }
    return 0;
}
