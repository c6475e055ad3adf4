#pragma once
/* The API without HTTP in it: a request and its answer. Semantics and messages are those of a real server
 * (kubernetes.io/docs/reference/using-api/api-concepts; apimachinery pkg/api/errors). What is answered is on
 * the disk only after api_commit(): nobody may be told of it before. For one thread. */
#include "apiserver/kind_table.h"
#include "apiserver/store.h"
#include "apiserver/watch.h"

enum { API_BODY_MAX = 3 << 20, API_VALUES_MAX = 300000, API_DEPTH_MAX = 128, API_KEYS_MAX = 10000 };

typedef struct ApiUser {
    const char *name, *uid; /* uid "" when there is none */
    const char *const *groups;
    size_t n_groups;
} ApiUser;
bool api_user_in(const ApiUser *u, const char *group);

typedef enum ApiVerb {
    API_GET,
    API_LIST,
    API_WATCH,
    API_CREATE,
    API_UPDATE,
    API_PATCH,
    API_DELETE,
    API_DELETE_COLLECTION,
} ApiVerb;
const char *api_verb_name(ApiVerb v); /* "get", …, "deletecollection" */

typedef struct ApiRequest {
    ApiVerb verb;
    const ApiKind *kind;
    const KindVersion *version;
    const char *namespace, *name, *subresource; /* NULL: none; namespace NULL: all of them */
    const char *label_selector, *field_selector, *resource_version, *version_match, *continue_token;
    unsigned limit, timeout_sec;
    bool bookmarks, initial_events, dry_run, force, strict; /* strict: no field that the kind does not have */
    KubePatch patch;
    const char *field_manager, *propagation, *grace; /* grace: seconds as text */
    WatchForm form;
    const Node *body; /* NULL: none */
    const ApiUser *user;
} ApiRequest;

typedef struct ApiAnswer {
    unsigned code;
    const char *json; /* in the arena */
    size_t n;
    unsigned retry_after;
    Watch *watch; /* the caller's, of API_WATCH; then there is no text */
} ApiAnswer;

typedef struct ApiOptions {
    const char *directory;
    bool quick;           /* as store_open() has it */
    const char *ca;       /* PEM that clients verify this server by, for service accounts; NULL: none */
    int64_t (*now)(void); /* seconds; NULL: the clock */
} ApiOptions;

typedef struct Api Api;
/* Makes what every cluster has when it is not there: namespaces, roles, Basalt's own CRDs. */
int api_new(const ApiOptions *o, Api **ret, Error *e);
void api_free(Api *a); /* after its watches */
DEFINE_CLEANUP(Api *, api_free);

/* Checks that the user may, then does it. */
void api_call(Api *api, Arena *a, const ApiRequest *q, ApiAnswer *ret);
/* A Status that says no, for who has no request to call with. */
void api_refuse(Arena *a, unsigned code, const char *reason, const char *message, ApiAnswer *ret);

bool api_dirty(const Api *api);
int api_commit(Api *api, Error *e); /* < 0: all since the last one has not happened */
/* What time brings: pods whose grace is over, watches that end. Returns in how many ms to call again. */
int api_tick(Api *api);

const KindTable *api_kinds(const Api *api);
/* Who has a token? -EACCES: nobody, or it has expired. */
int api_token_user(Api *api, Arena *a, const char *token, ApiUser *ret);
