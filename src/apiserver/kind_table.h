#pragma once
/* The kinds that the server has: a row each for those that are built in, and those that
 * CustomResourceDefinitions make at run time. A kind that is taken away or changed stays in memory until the
 * table goes, since watches point to it. */
#include <stdbool.h>

#include "base/arena.h"
#include "format/node.h"
#include "kube/kube.h"

enum { KIND_VERSIONS_MAX = 16, KIND_CRDS_MAX = 1000 };

typedef struct CrdSchema CrdSchema;

typedef struct KindVersion {
    const char *name;
    bool status, scale;
    const CrdSchema *schema; /* NULL: of no CRD, or one that keeps what it does not know */
    const Node *schema_node; /* openAPIV3Schema */
    const struct TableColumns *columns;
} KindVersion;

typedef struct ApiKind {
    KubeKind kube; /* version: the one in which objects are stored */
    const char *singular, *list_kind;
    const char *short_names, *categories, *subresources; /* words, "" for none; status is in the versions */
    const KindVersion *versions;                         /* served, the preferred first */
    size_t n_versions;
    const char *store;    /* what the store calls it: "pods", "leases.coordination.k8s.io" */
    bool custom;          /* of a CRD */
    bool review;          /* computed: can be created, and is never there */
    bool counts;          /* metadata.generation */
    int64_t crd_revision; /* of its CRD */
} ApiKind;

typedef struct KindTable KindTable;
KindTable *kind_table_new(void);
void kind_table_free(KindTable *t);
DEFINE_CLEANUP(KindTable *, kind_table_free);

/* NULL: there is none. */
const ApiKind *kind_table_find(const KindTable *t, const char *group, const char *plural);
const ApiKind *kind_table_of_kind(const KindTable *t, const char *group, const char *kind);
const ApiKind *kind_table_stored(const KindTable *t, const char *store);
const KindVersion *api_kind_version(const ApiKind *k, const char *version);
/* In order: built in, then custom. NULL past the last. */
const ApiKind *kind_table_at(const KindTable *t, size_t i);

/* From a CRD that is established, in place of what was made from it before. */
int kind_table_put(KindTable *t, const Node *crd, int64_t revision);
/* Keeps custom kinds whose CRD `keep` says is there. */
void kind_table_retain(KindTable *t, bool (*keep)(void *context, const char *crd_name), void *context);
