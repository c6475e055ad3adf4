#pragma once
/* The schema of a version of a CustomResourceDefinition (openAPIV3Schema): whether it is structural, and what
 * it makes of objects. Findings are field errors (field_error.h), worded as apiextensions-apiserver words
 * them. Rules in CEL (x-kubernetes-validations) are kept but not run. */
#include "apiserver/field_error.h"

enum {
    CRD_SCHEMA_DEPTH_MAX = 100,
    CRD_SCHEMA_NODES_MAX = 100000,
};

typedef struct CrdSchema CrdSchema;

/* 0; or -EINVAL with findings about why no CRD may have it, at spec.validation.openAPIV3Schema. The schema
 * borrows from the tree. */
int crd_schema_read(Arena *a, const Node *openapi_v3_schema, CrdSchema **ret, Report *r);
/* At another place: a real server says spec.validation where all versions have the same schema, as one
 * version always has, else spec.versions[0].schema.openAPIV3Schema. */
int crd_schema_read_at(Arena *a, const Node *openapi_v3_schema, const PathStep *path, CrdSchema **ret,
                       Report *r);

/* Takes away fields that the schema does not know, then fills in defaults. apiVersion, kind and metadata
 * stay, at the root and in embedded resources. */
void crd_schema_apply(Arena *a, const CrdSchema *s, Node *object);
/* The same, and adds the fields taken away to `unknown` (warnings, `unknown field "spec.x"`), for
 * fieldValidation=Warn and Strict; may be NULL. */
void crd_schema_apply_reporting(Arena *a, const CrdSchema *s, Node *object, Report *unknown);

void crd_schema_validate(const CrdSchema *s, const Node *object, Report *r);
