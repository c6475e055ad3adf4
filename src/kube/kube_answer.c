/* Anything may stand between a client and an API server, so a refusal need not be a Status, nor an answer
 * JSON. What of it is shown to people is cut short and printable. */
#include "kube/kube_answer.h"

#include <string.h>

#include "format/json.h"

enum { MESSAGE_MAX = 1000, DEPTH_MAX = 128 };

static char *printable(Arena *a, const char *text, size_t n)
{
    size_t end = n > MESSAGE_MAX ? MESSAGE_MAX : n;
    while (end < n && end && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--; /* not within a character */
    char *s = arena_memdup(a, text, end);
    for (size_t i = 0; i < end; i++)
        if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
            s[i] = ' ';
    return s;
}

static int read_tree(Arena *a, KubeBytes text, Node **ret, Error *e)
{
    static const JsonLimits limits = {
        .duplicate_keys = SEVERITY_INFO, .depth = DEPTH_MAX, .values = KUBE_VALUES_MAX};
    _cleanup_report_ Report report = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "answer", .text = text.data, .len = text.n, .secret = true};
    int r = json_read_within(a, source, &limits, ret, &report);
    source->text = NULL; /* the caller's */
    source->len = 0;
    if (r < 0 || (*ret)->kind != NODE_OBJECT)
        return error_set(e, EBADMSG, "the answer is no JSON object%s%s", report.n ? ": " : "",
                         report.n ? printable(a, report.entries[0].message, strlen(report.entries[0].message))
                                  : "");
    return 0;
}

int kube_object_read(Arena *a, KubeBytes text, Node **ret, Error *e)
{
    Node *object = NULL;
    int r = read_tree(a, text, &object, e);
    if (r < 0)
        return r;
    if (!node_string(node_get(object, "kind")) || !node_string(node_get(object, "apiVersion")))
        return error_set(e, EBADMSG, "the answer has no kind or no apiVersion");
    *ret = object;
    return 0;
}

/* ---- refusals ---- */

void kube_status_of(Arena *a, const Node *status, KubeStatus *ret)
{
    const Node *reason = node_get(status, "reason"), *message = node_get(status, "message");
    int64_t code = 0, after = 0;
    *ret = (KubeStatus){.reason = "", .message = ""};
    if (node_string(reason))
        ret->reason = printable(a, reason->string, reason->len);
    if (node_string(message))
        ret->message = printable(a, message->string, message->len);
    const Node *n = node_get(status, "code");
    if (n && node_int(n, &code) >= 0 && code > 0 && code < 1000)
        ret->code = (int)code;
    n = node_get_path(status, "details.retryAfterSeconds");
    if (n && node_int(n, &after) >= 0 && after > 0)
        ret->retry_after_sec = after > 3600 ? 3600 : (unsigned)after;
}

void kube_status_read(Arena *a, int code, KubeBytes body, KubeStatus *ret)
{
    Node *object = NULL;
    const char *kind = NULL;
    if (body.n && body.n <= KUBE_REFUSAL_MAX && read_tree(a, body, &object, NULL) >= 0)
        kind = node_string(node_get(object, "kind"));
    if (kind && !strcmp(kind, "Status"))
        kube_status_of(a, object, ret);
    else
        *ret = (KubeStatus){.reason = "", .message = ""};
    ret->code = code;
}

static const struct {
    int code, error;
    const char *reason, *text;
} refusals[] = {
    {409, EEXIST, "AlreadyExists", "it exists already"},
    {410, ESTALE, NULL, "the version that was asked for is too old"},
    {409, ESTALE, NULL, "somebody else has changed it"},
    {404, ENOENT, NULL, "it does not exist"},
    {401, EACCES, NULL, "the server does not know who asks"},
    {403, EACCES, NULL, "it is not allowed"},
    {400, EINVAL, NULL, "the server does not understand the request"},
    {422, EINVAL, NULL, "the object is not valid"},
    {429, EBUSY, NULL, "the server has too much to do"},
};

int kube_status_error(const KubeStatus *s, Error *e)
{
    int error = s->code >= 500 ? EREMOTEIO : EPROTO;
    const char *text = s->code >= 500 ? "the server failed" : "the server refuses";
    for (size_t i = 0; i < ELEMENTS(refusals); i++)
        if (refusals[i].code == s->code && (!refusals[i].reason || !strcmp(refusals[i].reason, s->reason))) {
            error = refusals[i].error;
            text = refusals[i].text;
            break;
        }
    return error_set(e, error, "%s (%d%s%s)%s%s", text, s->code, *s->reason ? " " : "", s->reason,
                     *s->message ? ": " : "", s->message);
}

/* ---- watches ---- */

int kube_event_read(Arena *a, KubeBytes line, KubeEvent *ret, Error *e)
{
    static const char *const types[] = {[KUBE_ADDED] = "ADDED",
                                        [KUBE_MODIFIED] = "MODIFIED",
                                        [KUBE_DELETED] = "DELETED",
                                        [KUBE_BOOKMARK] = "BOOKMARK"};
    Node *event = NULL;
    int r = read_tree(a, line, &event, e);
    if (r < 0)
        return r;
    const char *type = node_string(node_get(event, "type"));
    Node *object = node_get(event, "object");
    if (!type || !object || object->kind != NODE_OBJECT)
        return error_set(e, EBADMSG, "the watch sent what is no event");
    if (!strcmp(type, "ERROR")) {
        KubeStatus status;
        kube_status_of(a, object, &status);
        return kube_status_error(&status, e);
    }
    for (size_t i = 0; i < ELEMENTS(types); i++)
        if (!strcmp(types[i], type)) {
            *ret = (KubeEvent){.kind = (KubeEventKind)i, .object = object};
            return 0;
        }
    return error_set(e, EBADMSG, "the watch sent an event of a type that is not known");
}
