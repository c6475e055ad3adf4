/* The Status objects that a real server answers with: apimachinery pkg/api/errors. */
#include <stdarg.h>
#include <string.h>

#include "apiserver/api_call.h"
#include "apiserver/field_error.h"
#include "kube/kube_kind.h"

static Node *status_new(Arena *a, const char *status, const char *message, const char *reason)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "kind", "Status");
    node_set_string(a, n, "apiVersion", "v1");
    node_set(a, n, "metadata", node_new(a, NODE_OBJECT));
    node_set_string(a, n, "status", status);
    node_set_string(a, n, "message", message);
    node_set_string(a, n, "reason", reason);
    return n;
}

static void set_answer(Arena *a, ApiAnswer *answer, unsigned code, const Node *n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(n, JSON_COMPACT, &b);
    buf_add_char(&b, '\n');
    answer->code = code;
    answer->json = arena_memdup(a, b.data, b.len);
    answer->n = b.len;
}

int call_answer_node(ApiCall *c, unsigned code, const Node *n)
{
    set_answer(c->a, c->answer, code, n);
    return 0;
}

static int refuse(ApiCall *c, unsigned code, const char *reason, const Node *details, const char *message)
{
    Node *n = status_new(c->a, "Failure", message, reason);
    if (details)
        node_set(c->a, n, "details", (Node *)details);
    node_set(c->a, n, "code", node_new_int(c->a, code));
    set_answer(c->a, c->answer, code, n);
    return REFUSED;
}

void api_refuse(Arena *a, unsigned code, const char *reason, const char *message, ApiAnswer *ret)
{
    ApiCall c = {.a = a, .answer = ret};
    refuse(&c, code, reason, NULL, message);
}

static char *vformat(Arena *a, const char *format, va_list args)
{
    _cleanup_free_ char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    return arena_strdup(a, text);
}
#define FORMATTED(text)                                                                                      \
    char *text;                                                                                              \
    do {                                                                                                     \
        va_list args_;                                                                                       \
        va_start(args_, format);                                                                             \
        text = vformat(c->a, format, args_);                                                                 \
        va_end(args_);                                                                                       \
    } while (0)

int call_refuse(ApiCall *c, unsigned code, const char *reason, const Node *details, const char *format, ...)
{
    FORMATTED(text);
    return refuse(c, code, reason, details, text);
}

Node *call_details(const ApiCall *c, const ApiKind *k, const char *name)
{
    Node *d = node_new(c->a, NODE_OBJECT);
    node_set_string(c->a, d, "name", name && *name ? name : NULL);
    node_set_string(c->a, d, "group", *k->kube.group ? k->kube.group : NULL);
    node_set_string(c->a, d, "kind", k->kube.plural);
    return d;
}

static const char *qualified(const ApiCall *c, const ApiKind *k)
{
    return *k->kube.group ? arena_printf(c->a, "%s.%s", k->kube.plural, k->kube.group) : k->kube.plural;
}

int call_not_found(ApiCall *c, const ApiKind *k, const char *name)
{
    return call_refuse(c, 404, "NotFound", call_details(c, k, name), "%s \"%s\" not found", qualified(c, k),
                       name);
}

int call_conflict(ApiCall *c, const ApiKind *k, const char *name, const char *format, ...)
{
    FORMATTED(text);
    return call_refuse(c, 409, "Conflict", call_details(c, k, name),
                       "Operation cannot be fulfilled on %s \"%s\": %s", qualified(c, k), name, text);
}

int call_bad_request(ApiCall *c, const char *format, ...)
{
    FORMATTED(text);
    return refuse(c, 400, "BadRequest", NULL, text);
}

int call_forbidden(ApiCall *c, const ApiKind *k, const char *name, const char *format, ...)
{
    FORMATTED(text);
    if (!name || !*name)
        return call_refuse(c, 403, "Forbidden", call_details(c, k, NULL), "%s is forbidden: %s",
                           qualified(c, k), text);
    return call_refuse(c, 403, "Forbidden", call_details(c, k, name), "%s \"%s\" is forbidden: %s",
                       qualified(c, k), name, text);
}

int call_invalid(ApiCall *c, const ApiKind *k, const char *name)
{
    set_answer(c->a, c->answer, 422, field_error_status(c->a, &k->kube, name ? name : "", &c->report));
    return REFUSED;
}

int call_failed(ApiCall *c, const Error *e)
{
    return call_refuse(c, 500, "InternalError", NULL, "Internal error occurred: %s", e->text);
}

int call_success(ApiCall *c, const ApiKind *k, const Node *object)
{
    Node *n = status_new(c->a, "Success", NULL, NULL), *d = call_details(c, k, kube_name(object));
    node_set_string(c->a, d, "uid", kube_uid(object));
    node_set(c->a, n, "details", d);
    return call_answer_node(c, 200, n);
}
