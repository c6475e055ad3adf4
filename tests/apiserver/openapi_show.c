/* Prints a document of the API's description: `index`, `v2`, or `v3 GROUP VERSION`, with one kind of a CRD
 * among built-in ones. */
#include <stdio.h>
#include <string.h>

#include "apiserver/openapi.h"
#include "format/json.h"
#include "kube/kube_kind.h"

static const char schema[] =
    "{\"description\":\"A "
    "widget.\",\"type\":\"object\",\"required\":[\"spec\"],\"properties\":{\"spec\":{\"type\":"
    "\"object\",\"description\":\"What is "
    "wanted.\",\"properties\":{\"size\":{\"type\":\"integer\",\"description\":"
    "\"How large it "
    "is.\",\"minimum\":1},\"anyOf\":{\"type\":\"string\"},\"share\":{\"x-kubernetes-int-or-string\":"
    "true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}}}}}";

int main(int argc, char **argv)
{
    static const KubeKind widget = {"example.com", "v1", "Widget", "widgets", true};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "schema", .text = schema, .len = strlen(schema)};
    Node *n, *document = NULL;
    if (json_read(a, &source, SEVERITY_ERROR, &n, &r) < 0)
        return 1;
    const OpenapiKind list[] = {
        {&kube_node, NULL, true},       {&kube_pod, NULL, true},    {&kube_config_map, NULL, false},
        {&kube_daemon_set, NULL, true}, {&kube_lease, NULL, false}, {&widget, n, true},
    };
    const OpenapiKinds kinds = {list, ELEMENTS(list)};
    if (argc == 2 && !strcmp(argv[1], "index"))
        document = openapi_v3_index(a, &kinds);
    else if (argc == 2 && !strcmp(argv[1], "v2"))
        document = openapi_v2(a, &kinds);
    else if (argc == 4 && !strcmp(argv[1], "v3"))
        document = openapi_v3_group(a, &kinds, argv[2], argv[3]);
    if (!document)
        return 1;
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(document, JSON_COMPACT, &b);
    puts(b.data);
    return 0;
}
