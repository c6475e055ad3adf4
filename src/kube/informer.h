#pragma once
/* All objects of a kind, told one by one as they are seen, change and go: a list in parts, then a watch; a
 * new list only when the server says that the watch's version is too old. Keeps no object, only names and
 * versions, so that a new list tells what went meanwhile and an object that is as it was is not told again.
 * Every failure is waited out with a growing pause and is no error of the caller's. For one thread. */
#include <stdbool.h>

#include "kube/kube.h"
#include "kube/kube_time.h"

typedef struct InformerHandler {
    void (*seen)(void *context, const Node *object); /* new or changed; it lives until the call returns */
    /* `last`: as it was at its end; NULL when that was missed. `namespace` "": it has none. */
    void (*gone)(void *context, const char *namespace, const char *name, const Node *last);
    void (*synced)(void *context); /* after every whole list: all that there is has been told. NULL allowed */
    void *context;
} InformerHandler;

typedef struct InformerOptions {
    const KubeKind *kind;
    const char *namespace, *label_selector, *field_selector; /* NULL: all */
    unsigned page;                                           /* objects of one part; 0: 500 */
    InformerHandler handler;
    const KubeTime *time; /* NULL: the real one */
} InformerOptions;

typedef struct Informer Informer;

/* Texts and `kube` must outlive it. */
Informer *informer_new(Kube *kube, const InformerOptions *options);
void informer_free(Informer *i); /* before its client */
DEFINE_CLEANUP(Informer *, informer_free);

/* What is to be done now: at most one call, and the events that are there, some hundred at a time. < 0: a
 * failure, which it is going to wait out. To be called when kube_fd() is readable or a timeout is over. */
int informer_step(Informer *i, Error *e);
int informer_timeout_ms(const Informer *i); /* -1: only when kube_fd() or kube_timeout_ms() say so */
bool informer_synced(const Informer *i);    /* the first list is whole */
size_t informer_count(const Informer *i);
