/* Until the documents are there: an empty one of v2, with which clients validate nothing. */
#include "apiserver/openapi_answer.h"

#include <string.h>

int openapi_answer(Arena *a, const KindTable *t, const char *path, const char *accept, Buf *out,
                   const char **ret_type)
{
    (void)a;
    (void)t;
    if (strcmp(path, "/openapi/v2"))
        return -ENOENT;
    bool protobuf = accept && strstr(accept, "protobuf");
    if (!protobuf)
        buf_add_str(out,
                    "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Basalt\",\"version\":\"v1\"},\"paths\":{}}");
    *ret_type = protobuf ? "application/com.github.proto-openapi.spec.v2.v1.0+protobuf" : "application/json";
    return 0;
}
