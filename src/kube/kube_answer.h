#pragma once
/* What a server answers: objects, refusals, and the lines of a watch, out of bytes that nobody of this
 * machine wrote. */
#include "kube/kube.h"

enum {
    KUBE_ANSWER_MAX = 64 << 20,  /* bytes of one answer; lists are asked for in parts */
    KUBE_EVENT_MAX = 8 << 20,    /* bytes of one line of a watch; the API stores 1.5 MB an object at most */
    KUBE_VALUES_MAX = 1 << 21,   /* of one answer */
    KUBE_REFUSAL_MAX = 64 << 10, /* bytes of an answer that is no object */
};

typedef struct KubeBytes {
    const char *data;
    size_t n;
} KubeBytes;

/* An object, whole; -EBADMSG when it is none. */
int kube_object_read(Arena *a, KubeBytes text, Node **ret, Error *e);

/* What an answer with another code than 2xx says; its body may be anything. Texts are the arena's. */
void kube_status_read(Arena *a, int code, KubeBytes body, KubeStatus *ret);
void kube_status_of(Arena *a, const Node *status, KubeStatus *ret); /* of a Status object */
/* Its -errno as kube.h has it, with the server's message. */
int kube_status_error(const KubeStatus *s, Error *e);

/* One line of a watch: 0, or what an ERROR event says, as an error. */
int kube_event_read(Arena *a, KubeBytes line, KubeEvent *ret, Error *e);
