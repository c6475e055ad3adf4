#pragma once
/* The documents that describe the API: /openapi/v3 and its part per group and version, which kubectl (1.27
 * and newer) reads for explain, for patches and to learn that the server validates fields; and /openapi/v2.
 *
 * What the caller answers: /openapi/v3 with openapi_v3_index(), /openapi/v3/api/v1 and
 * /openapi/v3/apis/GROUP/VERSION with openapi_v3_group(), as application/json. /openapi/v2 is asked for as
 * application/com.github.proto-openapi.spec.v2@v1.0+protobuf first: that is 406 (and 404 for
 * /swagger-2.0.0.pb-v1, which kubectl tries then); with application/json or without Accept it is
 * openapi_v2(). kubectl does without v2 as long as v3 tells of fieldValidation, which the server must then
 * do. */
#include "base/arena.h"
#include "format/node.h"
#include "kube/kube.h"

typedef struct OpenapiKind {
    const KubeKind *kind;
    const Node *schema; /* openAPIV3Schema of a CRD; NULL: built in, or without a schema */
    bool has_status;    /* the subresource */
} OpenapiKind;

typedef struct OpenapiKinds {
    const OpenapiKind *kinds;
    size_t n;
} OpenapiKinds;

Node *openapi_v3_index(Arena *a, const OpenapiKinds *kinds);
/* group "" is the core group. NULL: no kind is of it. */
Node *openapi_v3_group(Arena *a, const OpenapiKinds *kinds, const char *group, const char *version);
Node *openapi_v2(Arena *a, const OpenapiKinds *kinds);
