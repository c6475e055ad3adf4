#pragma once
/* One tree for JSON and YAML, in which every node knows where it was written. Trees live in an Arena; strings
 * are NUL-terminated, their length is counted beside them (they may hold NULs: "\u0000"). Keys keep the order
 * of the text. A key that stands twice is reported by the reader with both positions; in the tree the last
 * one stands. Nodes made by a program have no source and line 0. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

typedef enum NodeKind { NODE_NULL, NODE_BOOL, NODE_NUMBER, NODE_STRING, NODE_ARRAY, NODE_OBJECT } NodeKind;

/* A text that was read: who asks for a position gets its name from here. */
typedef struct Source {
    const char *name; /* as messages show it: a path, "-" or a URL without its query */
    const char *text; /* for the excerpt under a message; may be NULL; secrets: see report.h */
    size_t len;
    bool secret; /* no excerpt is ever printed from it */
} Source;

typedef struct Node {
    NodeKind kind;
    uint32_t line, column;         /* first character, from 1; columns count characters, not bytes */
    uint32_t key_line, key_column; /* of the key in an object, else 0 */
    const Source *source;
    const char *key; /* in an object */
    struct Node *next;
    union {
        struct {
            const char *string; /* STRING, and NUMBER as it was written */
            size_t len;
        };
        bool boolean;
        struct {
            struct Node *first, *last;
            size_t n;
        };
    };
} Node;

#define NODE_EACH(child, parent) for (Node *child = (parent)->first; child; child = child->next)

const char *node_kind_name(NodeKind kind);           /* "a string", "an object", "null", … */
Node *node_get(const Node *object, const char *key); /* NULL: no object, or no such key */
/* By "a.b.c"; list indices are numbers. NULL when anything on the way is missing. */
Node *node_get_path(const Node *object, const char *path);
const char *node_string(const Node *n); /* NULL unless a string */
/* 0, or -EINVAL unless a number without fraction or exponent, -ERANGE past 64 bits. */
int node_int(const Node *n, int64_t *ret);
bool node_equal(const Node *a, const Node *b); /* same value; order of keys does not matter */

/* ---- making trees ---- */
Node *node_new(Arena *a, NodeKind kind);
Node *node_new_string(Arena *a, const char *s);
Node *node_new_string_n(Arena *a, const char *s, size_t n);
Node *node_new_int(Arena *a, int64_t v);
Node *node_new_bool(Arena *a, bool v);
Node *node_set(Arena *a, Node *object, const char *key, Node *value); /* replaces in place; returns value */
Node *node_set_string(Arena *a, Node *object, const char *key, const char *value); /* NULL value: nothing */
Node *node_append(Node *array, Node *value);
bool node_remove(Node *object, const char *key);
Node *node_copy(Arena *a, const Node *n); /* deep; positions kept */

/* ---- writing ---- */
typedef enum JsonStyle {
    JSON_COMPACT,
    JSON_PRETTY /* four spaces */,
    JSON_PRETTY2 /* two spaces */
} JsonStyle;
void json_write(const Node *n, JsonStyle style, Buf *out); /* no final newline */
/* Block style, literal blocks for text of several lines, quotes only where a reader (1.1 too) needs them;
 * ends with a newline. sort_keys as Kubernetes tools print. */
void yaml_write(const Node *n, bool sort_keys, Buf *out);
