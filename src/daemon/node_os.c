/* An image is switched to, kernel arguments are changed after it: both make the same staged deployment, the
 * second from the first. The socket is asked and nothing is kept. */
#include "daemon/node_os.h"

#include <errno.h>
#include <string.h>

#include "system/os_client.h"

static int ask(void *context, Arena *a, const char *verb, const Node *options, const char *argument,
               const Node **ret, Error *e)
{
    const char *const arguments[] = {argument, NULL};
    const OsRequest request = {.verb = verb, .options = options, .arguments = argument ? arguments : NULL};
    int r = os_client_ask(a, context, &request, NULL, NULL, ret, e);
    if (r > 0)
        r = error_set(e, EIO, "it ended with %d", r);
    return r < 0 ? error_wrap(e, r, "basalt-os %s", verb) : 0;
}

static int os_state(void *context, Arena *a, OsState *ret, Error *e)
{
    const Node *answer = NULL, *list;
    OsState s = {.staged = false};
    int r = ask(context, a, "status", NULL, NULL, &answer, e);
    if (r == -ENOENT || r == -ECONNREFUSED) {
        *ret = s;
        return 0;
    }
    if (r < 0)
        return r;
    list = node_get(answer, "deployments");
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (d, list) {
            const Node *booted = node_get(d, "booted"), *staged = node_get(d, "staged");
            if (booted && booted->kind == NODE_BOOL && booted->boolean) {
                s.image = node_string(node_get(d, "container-image-reference"));
                s.digest = node_string(node_get(d, "container-image-reference-digest"));
            }
            s.staged |= staged && staged->kind == NODE_BOOL && staged->boolean;
        }
    s.failure = node_string(node_get(answer, "failure"));
    if (!s.failure && node_get(answer, "boot-fallback"))
        s.failure = "the boot loader went back to the former system";
    *ret = s;
    return 0;
}

static Node *list_node(Arena *a, const char *const *words, size_t n)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < n; i++)
        node_append(list, node_new_string(a, words[i]));
    return list;
}

static int os_stage(void *context, const OsChange *c, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const Node *answer;
    int r = c->image ? ask(context, a, "switch", NULL, c->image, &answer, e) : 0;
    if (r < 0 || (!c->n_remove && !c->n_append))
        return r;
    Node *options = node_new(a, NODE_OBJECT);
    node_set(a, options, "delete-if-present", list_node(a, c->remove, c->n_remove));
    node_set(a, options, "append", list_node(a, c->append, c->n_append));
    return ask(context, a, "kargs", options, NULL, &answer, e);
}

static int os_discard(void *context, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const Node *answer;
    Node *options = node_new(a, NODE_OBJECT);
    node_set(a, options, "pending", node_new_bool(a, true));
    return ask(context, a, "cleanup", options, NULL, &answer, e);
}

NodeOs node_os_basalt(const char *socket)
{
    return (NodeOs){os_state, os_stage, os_discard, (void *)(socket ? socket : OS_SOCKET)};
}

bool os_state_is(const OsState *s, const char *url)
{
    const char *at = strrchr(url, '@');
    if (at && strchr(at, ':'))
        return s->digest && !strcmp(s->digest, at + 1);
    size_t n = s->image ? strlen(s->image) : 0, k = strlen(url);
    return n >= k && !strcmp(s->image + n - k, url) && (n == k || s->image[n - k - 1] == ':');
}
