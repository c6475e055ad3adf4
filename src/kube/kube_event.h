#pragma once
/* Events of core/v1: what `kubectl describe` shows of what happened to an object. The same again within a
 * while counts up one Event; ten that differ in their message alone become one; more than a few a minute of
 * one object are dropped, as client-go's recorder does. An Event is a courtesy: nothing should depend on one.
 */
#include "kube/kube.h"
#include "kube/kube_time.h"

enum { KUBE_EVENT_MESSAGE_MAX = 1024 }; /* bytes; what is longer is cut */

typedef struct KubeOccurrence {
    const Node *object; /* what it happened to; only its identity is used */
    bool warning;
    const char *reason, *message; /* "Rendered", and a sentence; never a secret */
} KubeOccurrence;

typedef struct KubeRecorder KubeRecorder;

/* Texts and `kube` must outlive it. `host` may be NULL; `time` NULL: the real one. */
KubeRecorder *kube_recorder_new(Kube *kube, const char *component, const char *host, const KubeTime *time);
void kube_recorder_free(KubeRecorder *r);
DEFINE_CLEANUP(KubeRecorder *, kube_recorder_free);

/* 1: an Event was made or counted up. 0: it was one too many. */
int kube_record(KubeRecorder *r, const KubeOccurrence *o, Error *e);
