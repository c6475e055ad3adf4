/* v2 in protobuf is what old clients validate by before they send anything: they get an empty document, with
 * which they validate nothing and leave it to the server. */
#include "apiserver/openapi_answer.h"

#include <string.h>

#include "apiserver/openapi.h"

static size_t list_kinds(Arena *a, const KindTable *t, OpenapiKind **ret)
{
    size_t n = 0, at = 0;
    const ApiKind *k;
    for (size_t i = 0; (k = kind_table_at(t, i)); i++)
        n += k->n_versions;
    OpenapiKind *list = ARENA_ARRAY(a, OpenapiKind, n + 1);
    for (size_t i = 0; (k = kind_table_at(t, i)); i++)
        for (size_t j = 0; j < k->n_versions; j++) {
            KubeKind *shown = ARENA_NEW(a, KubeKind);
            *shown = k->kube;
            shown->version = k->versions[j].name;
            list[at++] = (OpenapiKind){
                .kind = shown, .schema = k->versions[j].schema_node, .has_status = k->versions[j].status};
        }
    *ret = list;
    return at;
}

static Node *find(Arena *a, const OpenapiKinds *kinds, const char *path)
{
    const char *rest = path + strlen("/openapi/v3");
    if (!*rest)
        return openapi_v3_index(a, kinds);
    if (!strcmp(rest, "/api/v1"))
        return openapi_v3_group(a, kinds, "", "v1");
    const char *group = rest + strlen("/apis/"),
               *slash = strncmp(rest, "/apis/", 6) ? NULL : strchr(group, '/');
    if (!slash || strchr(slash + 1, '/'))
        return NULL;
    return openapi_v3_group(a, kinds, arena_memdup(a, group, (size_t)(slash - group)), slash + 1);
}

int openapi_answer(Arena *a, const KindTable *t, const char *path, const char *accept, Buf *out,
                   const char **ret_type)
{
    OpenapiKind *list;
    bool v2 = !strcmp(path, "/openapi/v2"), v3 = !strncmp(path, "/openapi/v3", 11);
    if (v2 && accept && strstr(accept, "protobuf")) {
        *ret_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        return 0;
    }
    if (!v2 && !v3)
        return -ENOENT;
    OpenapiKinds kinds = {.n = list_kinds(a, t, &list)};
    kinds.kinds = list;
    const Node *n = v2 ? openapi_v2(a, &kinds) : find(a, &kinds, path);
    if (!n)
        return -ENOENT;
    json_write(n, JSON_COMPACT, out);
    *ret_type = "application/json";
    return 0;
}
