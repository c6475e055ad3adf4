#pragma once
/* JSON that came from outside, for the readers of manifests, configs and credentials: bounded in size, depth
 * and number of values, no key twice. Everything is told by the first fault alone, with its line and column;
 * what is shown of the text is printable. Functions return 0 or -EINVAL, document_read() also -EFBIG. */
#include "base/error.h"
#include "format/node.h"

enum { DOCUMENT_DEPTH_MAX = 32, DOCUMENT_VALUES_MAX = 1 << 17 };

typedef struct DocumentText {
    const char *name; /* as messages show it */
    const void *data;
    size_t n, max; /* max: how many bytes such a text may have */
} DocumentText;

/* The tree; its root is an object. */
int document_read(Arena *a, const DocumentText *text, Node **ret, Error *e);
int document_fault(Error *e, const Node *at, const char *format, ...) _printf_(3, 4);

/* A member by name: *ret is NULL when it is not there or null, which is a fault when it is required. One that
 * differs in upper and lower case alone is a fault: others would read it. */
typedef enum DocumentNeed { DOCUMENT_OPTIONAL, DOCUMENT_REQUIRED } DocumentNeed;
int document_member(const Node *object, const char *key, NodeKind kind, DocumentNeed need, const Node **ret,
                    Error *e);
/* It must not be there, in no spelling; `why` ends the message "'key' …". */
int document_absent(const Node *object, const char *key, const char *why, Error *e);
/* A text without NUL. */
int document_string(const Node *object, const char *key, DocumentNeed need, const char **ret, Error *e);
/* From 0 to `max`. */
int document_size(const Node *object, const char *key, uint64_t max, uint64_t *ret, Error *e);
/* Every value is a text without NUL; *ret NULL: there is none. */
int document_texts(const Node *object, const char *key, const Node **ret, Error *e);
