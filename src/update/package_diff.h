#pragma once
/* Which packages come and go between two systems. */
#include "update/ostree_object.h"
#include "update/package_list.h"

typedef enum PackageChangeKind {
    PACKAGE_ADDED,
    PACKAGE_REMOVED,
    PACKAGE_UPGRADED,
    PACKAGE_DOWNGRADED
} PackageChangeKind;

typedef struct PackageChange {
    PackageChangeKind kind;
    const char *name, *architecture; /* architecture: of the new one, where there is one */
    const char *from, *to;           /* versions; NULL: none */
} PackageChange;

typedef struct PackageDiff {
    PackageChange *changes; /* by name */
    size_t n;
    bool known;              /* both systems have a database that can be read, or neither has any */
    const char *unsupported; /* "rpm": a system has this database, which is not read; else NULL */
} PackageDiff;

/* Of two lists. A package that has another architecture than before is still the same when it stands once in
 * both lists. The texts are those of the lists. */
void package_lists_compare(Arena *a, const PackageList *from, const PackageList *to, PackageDiff *ret);

/* Of two commits: usr/lib/sysimage/dpkg/status, usr/share/dpkg/status or var/lib/dpkg/status, the first that
 * is there. One that cannot be read as such is -EBADMSG. */
int package_diff(int repo, Arena *a, const uint8_t from[OSTREE_CHECKSUM], const uint8_t to[OSTREE_CHECKSUM],
                 PackageDiff *ret, Error *e);
