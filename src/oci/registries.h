#pragma once
/* From where an image is fetched, by containers-registries.conf(5) (version 2) and its directory of drop-ins:
 * the entry with the longest prefix, its mirrors in order, then its own location. A prefix is a host, which
 * does not stand for other ports of it, with or without a path, or "*.domain", whatever the port. Lists for
 * short names (unqualified-search-registries, aliases) are noted and not used: whoever answers first to a
 * name without a registry is not to be the one that an OS comes from, and image_name.h refuses such names. */
#include "format/report.h"
#include "oci/image_name.h"

enum { REGISTRIES_FILE_MAX = 1 << 20, REGISTRIES_MAX = 512, REGISTRY_MIRRORS_MAX = 32 };

typedef enum MirrorUse { MIRROR_ALWAYS, MIRROR_BY_DIGEST, MIRROR_BY_TAG } MirrorUse;

typedef struct RegistryPlace {
    const char *location; /* "host[:port][/path]"; NULL: the prefix itself */
    bool insecure;        /* plain http and certificates of anybody */
    MirrorUse use;        /* of a mirror */
} RegistryPlace;

typedef struct RegistryRule {
    const char *prefix;
    RegistryPlace own;
    RegistryPlace *mirrors;
    size_t n_mirrors;
    bool blocked;
} RegistryRule;

typedef struct Registries {
    RegistryRule *rules; /* no prefix twice */
    size_t n;
} Registries;

/* Below a root: root/.config/containers/registries.conf if it is there, with the directory beside it, as
 * engines have it that root runs; else etc/containers/registries.conf and both directories. Of a directory
 * registries.conf.d the files *.conf by name, whose entries take the place of former ones of the same prefix.
 * Files that are not there say nothing. -EINVAL with findings in `r`, or -errno. */
int registries_load(Arena *a, int root, Registries *ret, Report *r);
/* One text; entries are added. */
int registries_read(Arena *a, const Source *source, Registries *to, Report *r);

typedef struct ImagePlace {
    ImageName name; /* as it is called there */
    bool insecure, mirror;
} ImagePlace;

/* In the order in which they are to be tried; at least one. -EACCES: blocked. */
int registries_resolve(Arena *a, const Registries *from, const ImageName *name, ImagePlace **ret,
                       size_t *ret_n, Error *e);
