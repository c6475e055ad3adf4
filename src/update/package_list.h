#pragma once
/* What dpkg says is installed: its status file, paragraphs of deb822(5). */
#include "base/arena.h"
#include "base/error.h"

enum { PACKAGES_TEXT_MAX = 64 << 20, PACKAGES_MAX = 1 << 17 };

typedef struct Package {
    const char *name, *version, *architecture; /* architecture may be "" */
    const char *status;                        /* "installed", "unpacked", …: the last word of the field */
} Package;

/* By name, then by architecture; without those whose status is "not-installed" or "config-files". */
typedef struct PackageList {
    Package *packages;
    size_t n;
} PackageList;

/* -EBADMSG with the line: no deb822, a field twice, an installed package without name or version, a package
 * twice. -E2BIG. */
int package_list_read(Arena *a, const char *text, size_t n, PackageList *ret, Error *e);
