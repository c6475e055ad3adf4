#pragma once
/* Kubernetes label selectors (LabelSelector of meta/v1): matchLabels and matchExpressions, all of which must
 * hold. A selector that says nothing selects nothing here, as machine config pools mean it. */
#include "base/arena.h"
#include "format/report.h"

typedef enum SelectorOperator {
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_EXISTS,
    SELECTOR_DOES_NOT_EXIST
} SelectorOperator;

typedef struct SelectorTerm {
    const char *key;
    SelectorOperator operator;
    const char **values;
    size_t n_values;
} SelectorTerm;

typedef struct LabelSelector {
    SelectorTerm *terms;
    size_t n;
} LabelSelector;

/* `node` may be NULL: an empty selector. Findings go to the report; the good terms are kept. */
void label_selector_read(Arena *a, const Node *node, const PathStep *path, LabelSelector *ret, Report *r);
/* key = value, for pools that were not declared. */
LabelSelector label_selector_equals(Arena *a, const char *key, const char *value);
/* `labels`: an object of strings, or NULL. */
bool label_selector_matches(const LabelSelector *s, const Node *labels);
