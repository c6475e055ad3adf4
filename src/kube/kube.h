#pragma once
/* The Kubernetes API as its clients see it: one request and its answer, and watches, behind a table with two
 * implementations: over the network (kube_http.h), and inside the process that stores the objects. What the
 * verbs mean, and their errors: kubernetes.io/docs/reference/using-api/api-concepts. Objects are Node trees
 * with apiVersion, kind and metadata. For one thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"

/* One kind of object; the kinds that Basalt's programs ask for are rows of kube_kind.c. */
typedef struct KubeKind {
    const char *group; /* "": the core group */
    const char *version, *kind, *plural;
    bool namespaced;
} KubeKind;

typedef enum KubeVerb {
    KUBE_GET,
    KUBE_LIST,
    KUBE_CREATE,
    KUBE_UPDATE, /* replaces the whole; a resourceVersion in the body must be the one that is stored */
    KUBE_PATCH,
    KUBE_DELETE,
} KubeVerb;

typedef enum KubePatch {
    KUBE_PATCH_MERGE,     /* RFC 7386 */
    KUBE_PATCH_JSON,      /* RFC 6902 */
    KUBE_PATCH_STRATEGIC, /* of built-in kinds only */
    KUBE_PATCH_APPLY,     /* server-side apply; needs field_manager */
} KubePatch;

typedef struct KubeRequest {
    KubeVerb verb;
    const KubeKind *kind;
    const char *namespace;   /* NULL: of no namespace; of LIST and watch: of all */
    const char *name;        /* NULL for LIST, and for CREATE with generateName */
    const char *subresource; /* "status", "eviction", "approval"; NULL: the object itself */
    const char *label_selector, *field_selector; /* LIST and watch; NULL: all */
    const char *resource_version; /* watch: what comes after it. LIST: NULL the newest, "0" any */
    unsigned limit;               /* LIST: at most so many at a time; 0: all */
    const char *continue_token;   /* LIST: metadata.continue of the former part */
    KubePatch patch;
    const char *field_manager; /* NULL: the client's own name */
    bool force, dry_run;
    const char *propagation; /* DELETE: "Background", "Foreground", "Orphan"; NULL: as the kind has it */
    const Node *body;        /* of DELETE: DeleteOptions (preconditions); may be NULL */
    unsigned timeout_ms;     /* for the answer; 0: the client's own. Of a watch: it ends after so long */
} KubeRequest;

/* What a server says when it refuses (Status of meta/v1). */
typedef struct KubeStatus {
    int code;                 /* of HTTP; 0: no answer came, the Error tells why */
    const char *reason;       /* "NotFound", "Conflict", …; "" when it was not said */
    const char *message;      /* for people */
    unsigned retry_after_sec; /* 0: not said */
} KubeStatus;

typedef struct KubeAnswer {
    Node *object;      /* in the caller's arena: the object, or the list */
    KubeStatus status; /* of a refusal */
} KubeAnswer;

typedef enum KubeEventKind {
    KUBE_ADDED,
    KUBE_MODIFIED,
    KUBE_DELETED,
    KUBE_BOOKMARK, /* object: its kind and metadata.resourceVersion alone */
} KubeEventKind;

typedef struct KubeEvent {
    KubeEventKind kind;
    Node *object;
} KubeEvent;

typedef struct Kube Kube;
typedef struct KubeWatch KubeWatch;

/* What an implementation provides; the first member of a watch and of a client is its table. */
typedef struct KubeBackend {
    int (*call)(Kube *k, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e);
    int (*watch)(Kube *k, const KubeRequest *q, KubeWatch **ret, Error *e);
    int (*next)(KubeWatch *w, Arena *a, KubeEvent *ret, Error *e);
    void (*unwatch)(KubeWatch *w);
    int (*fd)(const Kube *k);
    int (*timeout_ms)(Kube *k);
    void (*free)(Kube *k);
} KubeBackend;
struct Kube {
    const KubeBackend *backend;
};
struct KubeWatch {
    const KubeBackend *backend;
};

/* 0 with ret->object. -ENOENT: 404; -EEXIST: 409 AlreadyExists; -ESTALE: 409 Conflict, read it again;
 * -EACCES: 401 and 403; -EINVAL: 400 and 422; -ESTALE: 410, the version or the token is too old; -EBUSY: 429;
 * -EREMOTEIO: 500 and above; -ETIMEDOUT, -ECONNREFUSED, … when no answer came. ret->status is set on failure,
 * too. A request that the server may have carried out is never sent twice; a GET and a LIST may be. */
int kube_call(Kube *k, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e);

/* Starts a watch; does not wait for the answer. */
int kube_watch(Kube *k, const KubeRequest *q, KubeWatch **ret, Error *e);
/* 1 with the next event, 0: nothing there now. -ESTALE: 410, list again; another error: it broke off, and is
 * only good for kube_unwatch(). Never waits. */
int kube_watch_next(KubeWatch *w, Arena *a, KubeEvent *ret, Error *e);
void kube_unwatch(KubeWatch *w);
DEFINE_CLEANUP(KubeWatch *, kube_unwatch);

int kube_fd(const Kube *k);   /* readable when a watch may have something */
int kube_timeout_ms(Kube *k); /* ask the watches after so long at the latest; -1: whenever */
void kube_free(Kube *k);      /* after its watches */
DEFINE_CLEANUP(Kube *, kube_free);
