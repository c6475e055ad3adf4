#pragma once
/* The API in memory, for tests: a second implementation of KubeBackend with versions, conflicts, watches,
 * generateName, status subresources, finalizers, parts of lists, selectors by equality, and failures that are
 * ordered beforehand. Merge patches; strategic and apply ones are taken for such. What it does not know fails
 * the test that asked. */
#include "kube/kube.h"
#include "kube/kube_kind.h"

Kube *kube_fake_new(void); /* kube_free() */

/* As if somebody else had written it: made or replaced whole, status too; the JSON may use ' for ". The
 * object. */
const Node *kube_fake_put(Kube *k, const KubeKind *kind, const char *json);
const Node *kube_fake_get(Kube *k, const KubeKind *kind, const char *namespace,
                          const char *name); /* or NULL */
bool kube_fake_delete(Kube *k, const KubeKind *kind, const char *namespace, const char *name);
size_t kube_fake_objects(Kube *k, const KubeKind *kind); /* how many there are */

typedef struct KubeFakeFault {
    bool watch, any;         /* of a watch's start; of any call */
    KubeVerb verb;           /* else of this one */
    const KubeKind *kind;    /* NULL: of all */
    const char *subresource; /* NULL: whether there is one or not */
    unsigned skip, times;    /* so many pass before; 0 times: once */
    int code;                /* of HTTP; 0: no answer comes */
    const char *reason;      /* NULL: "" */
    unsigned retry_after_sec;
    int error;        /* where code is 0: as ECONNRESET; 0 too: ECONNREFUSED */
    bool carried_out; /* it is done, and only the answer gets lost */
} KubeFakeFault;
void kube_fake_fail(Kube *k, const KubeFakeFault *fault);
void kube_fake_reset_faults(Kube *k);

void kube_fake_cut(Kube *k, int error); /* all watches break: EPIPE as a server ends them, ECONNRESET, … */
void kube_fake_compact(Kube *k);  /* versions up to now are too old; watches that have not got that far end */
void kube_fake_bookmark(Kube *k); /* to all watches that have nothing else waiting */
/* Called before each call is carried out: a rival that writes in between. */
void kube_fake_before(Kube *k, void (*f)(void *context, Kube *k, const KubeRequest *q), void *context);

unsigned kube_fake_calls(const Kube *k, KubeVerb verb, const KubeKind *kind); /* kind NULL: of all */
unsigned kube_fake_watches(const Kube *k);                                    /* how many were started */
