/* What is there is left alone, so that an administrator may change it; what is not is made. The texts are
 * objects/first.yaml and deploy/crds, built in. They go through the same rules as what a user sends. */
#include "apiserver/bootstrap.h"

#include <string.h>

#include "apiserver/api_call.h"
#include "format/template.h"
#include "format/yaml.h"
#include "kube/kube_kind.h"

static int ensure(Api *api, Arena *a, const Node *object, Error *e)
{
    const char *version = node_string(node_get(object, "apiVersion")), *slash = strchr(version, '/');
    const char *group = slash ? arena_printf(a, "%.*s", (int)(slash - version), version) : "";
    static const char *const masters[] = {"system:masters"};
    static const ApiUser self = {.name = "system:apiserver", .uid = "", .groups = masters, .n_groups = 1};
    const ApiKind *k = kind_table_of_kind(api->kinds, group, node_string(node_get(object, "kind")));
    StoreObject there;
    StoreKey key = {k->store, kube_namespace_of(object) ? kube_namespace_of(object) : "", kube_name(object)};
    int r = store_get(api->store, &key, a, &there, e);
    if (r != -ENOENT)
        return r;
    ApiAnswer answer;
    api_call(api, a,
             &(ApiRequest){.verb = API_CREATE,
                           .kind = k,
                           .version = &k->versions[0],
                           .namespace = kube_namespace_of(object),
                           .field_manager = "basalt-apiserver",
                           .body = object,
                           .user = &self},
             &answer);
    return answer.code == 201
               ? 0
               : error_set(e, EINVAL, "making %s '%s': %s", k->kube.kind, key.name, answer.json);
}

extern const TemplateFile first_objects[];

int bootstrap_objects(Api *api, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    for (const TemplateFile *f = first_objects; f->name; f++) {
        Source source = {.name = f->name, .text = f->text, .len = f->len};
        Node *documents;
        if (yaml_read_all(a, &source, SEVERITY_ERROR, &documents, &r) < 0)
            return error_set(e, EINVAL, "%s: %s", f->name, report_first_error(&r));
        NODE_EACH (d, documents) {
            int code = ensure(api, a, d, e);
            if (code < 0)
                return code;
        }
    }
    return 0;
}
