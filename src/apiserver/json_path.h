#pragma once
/* The part of Kubernetes' JSONPath that columns of custom resources use: .a.b, .a\.b, ['a.b/c'], [n], [-1],
 * [*], [?(@.type=="Ready")].status with == != < <= > >=. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"

enum { JSON_PATH_MAX = 1024, JSON_PATH_STEPS_MAX = 64 };

typedef struct JsonPath JsonPath;
/* With or without braces around it. -EINVAL. */
int json_path_read(Arena *a, const char *text, JsonPath **ret, Error *e);
/* The first value that it leads to; NULL: none. */
const Node *json_path_first(const JsonPath *p, const Node *root);
/* The names on a path of plain fields (".spec.replicas"), at most `max`; -1: it is another one. */
int json_path_fields(const JsonPath *p, const char **names, int max);
