#pragma once
/* Who may do what: members of system:masters everything, nodes what is about themselves, everybody what the
 * RBAC objects of the store say (rbac.authorization.k8s.io). */
#include "apiserver/api.h"

typedef struct Authz Authz;

typedef struct AuthzQuestion {
    const ApiUser *user;
    const char *verb;
    const char *path; /* of no resource; NULL otherwise */
    const char *group, *resource, *subresource, *namespace, *name;
    const char *field_selector;
    const Node *body; /* of a create */
} AuthzQuestion;

Authz *authz_new(Store *s);
void authz_free(Authz *z);
DEFINE_CLEANUP(Authz *, authz_free);
void authz_changed(Authz *z); /* a role or a binding was written */
bool authz_allows(Authz *z, const AuthzQuestion *q);
/* The rules that a user has in a namespace, for SelfSubjectRulesReview: `each` gets a rule of a role. */
void authz_rules(Authz *z, const ApiUser *user, const char *namespace,
                 void (*each)(void *context, const Node *rule), void *context);
/* What a real server says: `pods "x" is forbidden: User …` without the part before the colon. */
const char *authz_reason(Arena *a, const AuthzQuestion *q);
