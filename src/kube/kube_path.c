/* Names are put into a path only when the API would take them for names: no '/', no '%', not "." or "..".
 * What is none of a URL's plain characters is escaped all the same. Paths:
 * kubernetes.io/docs/reference/using-api. */
#include "kube/kube_path.h"

#include <string.h>

enum { SEGMENT_MAX = 253 };

const char *kube_method(KubeVerb verb)
{
    static const char *const methods[] = {
        [KUBE_GET] = "GET",    [KUBE_LIST] = "GET",    [KUBE_CREATE] = "POST",
        [KUBE_UPDATE] = "PUT", [KUBE_PATCH] = "PATCH", [KUBE_DELETE] = "DELETE",
    };
    return methods[verb];
}

const char *kube_content_type(const KubeRequest *q)
{
    static const char *const patches[] = {
        [KUBE_PATCH_MERGE] = "application/merge-patch+json",
        [KUBE_PATCH_JSON] = "application/json-patch+json",
        [KUBE_PATCH_STRATEGIC] = "application/strategic-merge-patch+json",
        [KUBE_PATCH_APPLY] = "application/apply-patch+yaml", /* of which JSON is a part */
    };
    return q->verb == KUBE_PATCH ? patches[q->patch] : "application/json";
}

const char *kube_request_text(const KubeRequest *q, char *out, size_t size)
{
    static const char *const words[] = {
        [KUBE_GET] = "getting",    [KUBE_LIST] = "listing",   [KUBE_CREATE] = "creating",
        [KUBE_UPDATE] = "writing", [KUBE_PATCH] = "patching", [KUBE_DELETE] = "deleting",
    };
    const char *name = q->name ? q->name : "", *namespace = q->namespace ? q->namespace : "";
    snprintf(out, size, "%s %s%s%s%s%s%s%s%s", words[q->verb], q->kind->plural, q->subresource ? "/" : "",
             q->subresource ? q->subresource : "", *name || *namespace ? " '" : "", namespace,
             *name && *namespace ? "/" : "", name, *name || *namespace ? "'" : "");
    return out;
}

static void escape(const char *s, Buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *s; s++)
        if (strchr(plain, *s))
            buf_add_char(out, *s);
        else
            buf_addf(out, "%%%02X", (unsigned char)*s);
}

static int segment(const char *what, const char *s, Buf *out, Error *e)
{
    if (!*s || strlen(s) > SEGMENT_MAX || !strcmp(s, ".") || !strcmp(s, "..") || strpbrk(s, "/%"))
        return error_set(e, EINVAL, "'%.300s' is no %s", s, what);
    buf_add_char(out, '/');
    escape(s, out);
    return 0;
}

static void parameter(Buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_addf(out, "%c%s=", memchr(out->data, '?', out->len) ? '&' : '?', name);
    escape(value, out);
}

static void parameter_number(Buf *out, const char *name, unsigned value)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", value);
    parameter(out, name, value ? text : NULL);
}

static int add_path(const KubeRequest *q, bool with_name, Buf *ret, Error *e)
{
    const KubeKind *k = q->kind;
    int r = 0;
    buf_addf(ret, "%s%s/%s", *k->group ? "/apis/" : "/api", k->group, k->version);
    if (q->namespace && !k->namespaced)
        return error_set(e, EINVAL, "%s stand in no namespace", k->plural);
    if (q->namespace) {
        buf_add_str(ret, "/namespaces");
        r = segment("name of a namespace", q->namespace, ret, e);
    }
    if (r < 0)
        return r;
    buf_addf(ret, "/%s", k->plural);
    if (with_name)
        r = segment("name of an object", q->name, ret, e);
    if (r < 0 || !q->subresource)
        return r;
    return segment("name of a subresource", q->subresource, ret, e);
}

static int check_names(const KubeRequest *q, Error *e)
{
    const char *plural = q->kind->plural;
    if (q->verb == KUBE_LIST)
        return q->name || q->subresource ? error_set(e, EINVAL, "a list of %s has no name", plural) : 0;
    if (q->kind->namespaced && !q->namespace)
        return error_set(e, EINVAL, "%s stand in a namespace, and none is given", plural);
    if (!q->name && (q->verb != KUBE_CREATE || q->subresource))
        return error_set(e, EINVAL, "one of %s needs a name", plural);
    return 0;
}

static void add_list_query(const KubeRequest *q, Buf *ret)
{
    parameter(ret, "labelSelector", q->label_selector);
    parameter(ret, "fieldSelector", q->field_selector);
    /* A token stands for its version; both together are refused. */
    parameter(ret, "resourceVersion", q->continue_token ? NULL : q->resource_version);
}

static void add_write_query(const KubeRequest *q, const char *manager, Buf *ret)
{
    if (q->verb != KUBE_DELETE)
        parameter(ret, "fieldManager", q->field_manager ? q->field_manager : manager);
    else if (!q->body) /* where there is a body, it alone counts */
        parameter(ret, "propagationPolicy", q->propagation);
    if (q->verb == KUBE_PATCH && q->patch == KUBE_PATCH_APPLY && q->force)
        parameter(ret, "force", "true");
    if (q->dry_run && !(q->verb == KUBE_DELETE && q->body))
        parameter(ret, "dryRun", "All");
}

int kube_path(const KubeRequest *q, const char *manager, Buf *ret, Error *e)
{
    bool with_name = q->name && (q->verb != KUBE_CREATE || q->subresource);
    int r = check_names(q, e);
    if (r >= 0)
        r = add_path(q, with_name, ret, e);
    if (r < 0)
        return r;
    if (q->verb == KUBE_LIST) {
        add_list_query(q, ret);
        parameter_number(ret, "limit", q->limit);
        parameter(ret, "continue", q->continue_token);
    } else if (q->verb != KUBE_GET)
        add_write_query(q, manager, ret);
    return 0;
}

int kube_watch_path(const KubeRequest *q, unsigned seconds, Buf *ret, Error *e)
{
    int r = q->name || q->subresource
                ? error_set(e, EINVAL, "a watch of one object needs a field selector, not a name")
                : add_path(q, false, ret, e);
    if (r < 0)
        return r;
    parameter(ret, "watch", "true");
    parameter(ret, "allowWatchBookmarks", "true");
    add_list_query(q, ret);
    parameter_number(ret, "timeoutSeconds", seconds);
    return 0;
}
