#pragma once
/* One call of the API in the making: shared by the files that carry it out. Functions return 0, or REFUSED
 * with the answer set: a Status. */
#include "apiserver/api.h"
#include "apiserver/authz.h"
#include "base/buf.h"
#include "format/report.h"

enum { REFUSED = -ECANCELED };

struct Api {
    Store *store;
    KindTable *kinds;
    WatchHub *hub;
    Authz *authz;
    char *ca;
    int64_t (*now)(void);
    uint8_t token_key[32];
    bool crds_changed, deadlines_known;
    int64_t next_deadline; /* of a pod's grace; 0: none known */
};

typedef struct ApiCall {
    Api *api;
    Arena *a;
    const ApiRequest *q;
    ApiAnswer *answer;
    int64_t now;
    Report report;         /* what is wrong with the object */
    struct Doomed *doomed; /* whose dependents have to be looked at */
    unsigned deletions;
    const char *disrupted[16]; /* namespaces whose pods or budgets were written */
    size_t n_disrupted;
    bool refreshing;
    bool applied; /* its managed fields are set */
} ApiCall;

/* A stored object, as it is stored. */
typedef struct Object {
    Node *node;
    const char *json;
    size_t n;
    int64_t revision;
} Object;

/* ---- api_status.c ---- */
int call_refuse(ApiCall *c, unsigned code, const char *reason, const Node *details, const char *format, ...)
    _printf_(5, 6);
Node *call_details(const ApiCall *c, const ApiKind *k, const char *name);
int call_not_found(ApiCall *c, const ApiKind *k, const char *name);
int call_conflict(ApiCall *c, const ApiKind *k, const char *name, const char *format, ...) _printf_(4, 5);
int call_bad_request(ApiCall *c, const char *format, ...) _printf_(2, 3);
int call_forbidden(ApiCall *c, const ApiKind *k, const char *name, const char *format, ...) _printf_(4, 5);
int call_invalid(ApiCall *c, const ApiKind *k, const char *name);   /* of what c->report has */
int call_failed(ApiCall *c, const Error *e);                        /* 500 */
int call_success(ApiCall *c, const ApiKind *k, const Node *object); /* Status of a deletion */

/* ---- api_object.c ---- */
int object_find(ApiCall *c, const ApiKind *k, const char *namespace, const char *name,
                Object *ret); /* -ENOENT */
int object_load(ApiCall *c, const ApiKind *k, const char *namespace, const char *name, Object *ret);
int object_read(ApiCall *c, const char *json, size_t n, Node **ret);
/* Gives it its next resourceVersion and writes it. `former` NULL: it is new. */
int object_put(ApiCall *c, const ApiKind *k, const Object *former, Node *node, Object *ret);
int object_erase(ApiCall *c, const ApiKind *k, const Object *former);
/* As the request's version has it, and back. `node` may be changed. */
Node *object_shown(const ApiCall *c, Node *node);
Node *object_taken(const ApiCall *c, Node *node);
int call_answer(ApiCall *c, unsigned code, const Object *o);
int call_answer_node(ApiCall *c, unsigned code, const Node *n);
int call_answer_shown(ApiCall *c, unsigned code, Node *list_or_object); /* in the request's form */

Node *object_metadata(ApiCall *c, Node *object); /* made when it is not there */
bool list_has(const Node *list, const char *text);
const char *time_text(Arena *a, int64_t seconds); /* RFC 3339 */
int64_t time_parse(const char *text);             /* < 0: none */
const char *uid_new(Arena *a);

/* ---- api_meta.c ---- */
int object_prepare_new(ApiCall *c, Node *object);
int object_prepare_update(ApiCall *c, const Object *old, Node *object);

/* ---- kind_rules.c ---- */
/* Defaults, and what is wrong into c->report. `old` NULL: it is new. */
int kind_prepare(ApiCall *c, const ApiKind *k, Node *object, const Node *old);

/* ---- verbs ---- */
int call_get(ApiCall *c);
int call_list(ApiCall *c);
int call_watch(ApiCall *c);
int call_create(ApiCall *c);
int call_update(ApiCall *c);
int call_patch(ApiCall *c);
int call_delete(ApiCall *c);
int call_delete_collection(ApiCall *c);
int call_evict(ApiCall *c);
int call_bind(ApiCall *c);
int call_token(ApiCall *c);
int call_review(ApiCall *c);

/* ---- object_delete.c ---- */
typedef struct DeleteOptions {
    int64_t grace; /* -1: as the object has it */
    const char *propagation;
    const char *uid, *resource_version; /* NULL: any */
    bool bare_status;                   /* nobody asks for the object */
} DeleteOptions;
int delete_options_read(ApiCall *c, DeleteOptions *ret);
/* 1: it is gone; 0: it is on its way, and *ret what it is now. */
int object_delete(ApiCall *c, const ApiKind *k, const Object *o, const DeleteOptions *d, Object *ret);
/* After an update: was it only waiting for its finalizers? 1: it is gone. */
int object_delete_if_done(ApiCall *c, const ApiKind *k, const Object *o);
int object_collect(ApiCall *c); /* dependents of what was erased; ends a call */
int namespace_finish(ApiCall *c, const char *namespace);
void object_deadline(ApiCall *c, const Node *pod);
