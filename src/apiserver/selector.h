#pragma once
/* What LIST and watch are asked to leave out: label selectors (`a=b,c in (d,e),!f,g>3`) and field selectors
 * (`spec.nodeName=x,status.phase!=Running`), read and matched as apimachinery does. Messages are those of a
 * real server: the text of a 400. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"
#include "kube/kube.h"

enum { SELECTOR_TEXT_MAX = 65536 }; /* bytes */

typedef struct Selector Selector;
typedef struct FieldSelector FieldSelector;

/* NULL and "" select everything. 0, or -EINVAL. */
int selector_read(Arena *a, const char *text, Selector **ret, Error *e);
/* `labels`: the object's metadata.labels, or NULL. */
bool selector_matches(const Selector *s, const Node *labels);

/* Only fields that a real server indexes for the kind are supported; others are -EINVAL, "field label not
 * supported: x". */
int field_selector_read(Arena *a, const KubeKind *kind, const char *text, FieldSelector **ret, Error *e);
/* A missing field is "", or "false" where it is a boolean. */
bool field_selector_matches(const FieldSelector *s, const Node *object);
/* The value that metadata.name must have; NULL: not said. A list of one name need not be searched. */
const char *field_selector_name(const FieldSelector *s);
/* It asks for that and for nothing else. */
bool field_selector_is_name(const FieldSelector *s);
