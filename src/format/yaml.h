#pragma once
/* YAML into the same tree, by libyaml. Scalars resolve as Kubernetes and its tools read them (YAML 1.1:
 * yes/no, on/off, 0644 octal, 0o644 too; quoted ones are strings), anchors and merge keys (<<) are expanded
 * within a limit on nodes (YAML_NODES_MAX), duplicate keys are findings with both positions, keys must be
 * strings. JSON is read too. Several documents in one text come as an array of trees. */
#include "base/arena.h"
#include "format/node.h"
#include "format/report.h"

enum { YAML_NODES_MAX = 1000000, YAML_DEPTH_MAX = 512 };

int yaml_read(Arena *a, const Source *source, Severity duplicate_keys, Node **ret, Report *r);
/* *ret is an array with one tree for each non-empty document. */
int yaml_read_all(Arena *a, const Source *source, Severity duplicate_keys, Node **ret, Report *r);
