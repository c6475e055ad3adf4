#pragma once
/* Kubernetes objects in protobuf, as kubectl (1.32 and newer) sends the built-in kinds: the envelope "k8s\0"
 * with a runtime.Unknown, in it a message by the numbers of the kind's type. Only read: answers are JSON,
 * which every such client takes. */
#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"

#define PROTOBUF_TYPE "application/vnd.kubernetes.protobuf"
enum { PROTOBUF_DEPTH_MAX = 32, PROTOBUF_VALUES_MAX = 300000, PROTOBUF_ENTRIES_MAX = 10000 };

/* The object as JSON has it, with apiVersion and kind. -EBADMSG: it is no such text, or cut off;
 * -EOPNOTSUPP: of a kind that is not known here. */
int protobuf_read(Arena *a, const void *data, size_t n, Node **ret, Error *e);

typedef struct ProtobufType {
    const char *name;
    /* NUMBER=NAME:[*]TYPE by blanks. The name is JSON's. Types: s text, b bytes, i integer, t boolean, d
     * double, T time, M time with microseconds, Q quantity, I integer or text, R JSON in bytes, E a list in a
     * message, [X a list, {X a map, +X its fields are the outer one's; else the name of a type. *: what is
     * zero stands, too. */
    const char *fields;
} ProtobufType;
extern const ProtobufType protobuf_types[]; /* by name */
extern const size_t protobuf_types_n;
