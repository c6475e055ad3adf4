#pragma once
/* For the files of the fake only: its objects and their history, without verbs, faults and watches. */
#include "kube_fake.h"

typedef struct Stored {
    const KubeKind *kind;
    const char *namespace, *name; /* "" for none */
    Node *object;                 /* NULL: deleted */
} Stored;

typedef struct Change {
    const KubeKind *kind;
    Node *before, *after; /* NULL: was not there, is not there */
    long version;
} Change;

typedef struct FakeObjects {
    Arena *arena; /* of all objects that ever were */
    Stored *stored;
    size_t n_stored, n_changes;
    Change *changes;
    long version;
    unsigned serial;
    int wake; /* an eventfd */
} FakeObjects;

_noreturn_ void fake_die(const char *what);
void *fake_grown(void *p, size_t n, size_t size); /* room for one more behind n */
bool fake_same_kind(const KubeKind *a, const KubeKind *b);
const char *fake_or_empty(const char *s);
bool fake_has_status(const KubeKind *kind);
bool fake_has_finalizers(const Node *object);
bool fake_fits(const Node *object, const KubeRequest *q); /* namespace and selectors; NULL fits nothing */
void fake_merge(Arena *a, Node *to, const Node *patch);   /* RFC 7386 */

Stored *fake_find(FakeObjects *f, const KubeKind *kind, const char *namespace, const char *name);
void fake_set_metadata(FakeObjects *f, Node *object, const char *key, const char *value);
Stored *fake_make(FakeObjects *f, const KubeKind *kind, Node *object);
void fake_store(FakeObjects *f, Stored *s, Node *object); /* `object` NULL: it goes */
/* What becomes of an object that was written: it is stored, or goes with its last finalizer, or was the same.
 */
void fake_settle(FakeObjects *f, Stored *s, Node *object);
Node *fake_keep_metadata(FakeObjects *f, Node *object, const Node *old);
/* What a write of `wanted` to `subresource` makes of what is there. */
Node *fake_written(FakeObjects *f, const Stored *s, const Node *wanted, const char *subresource);
void fake_wake(FakeObjects *f);
