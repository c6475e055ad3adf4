/* drive_kube KUBECONFIG: a client that does what its standard input says, a JSON object a line, and answers
 * each with one line of JSON. The tests in Python speak with it.
 *   {"do":"call","verb":"get","kind":"Node","name":"w1",…}   → {"result":0,"object":{…}} or
 * {"result":-2,"error":…,"code":404,…}
 *   {"do":"watch","kind":…,"namespace":…}                    → {"result":0}, the only one; a former one ends
 *   {"do":"next","ms":1000}                                  → {"result":1,"type":…,"object":…}, 0 after so
 * long, or an error
 *   {"do":"gets","n":1000,"kind":…,"name":…}                 → {"result":0,"us":…} for all of them
 *   {"do":"lease","namespace":…,"name":…,"identity":…,"duration_sec":…,"renew_ms":…,"retry_ms":…}
 *   {"do":"elect","ms":500}                                  → {"result":0,"held":…,"holder":…} after so
 * long, or a change
 *   {"do":"release"}
 *   {"do":"inform","kind":…,"page":…}, {"do":"informed","ms":…} → {"seen":…,"gone":…,"synced":…,"count":…} up
 * to now
 *   {"do":"memory"}                                          → {"rss":…,"anonymous":…} in kB, {"fds":…} */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "format/json.h"
#include "kube/informer.h"
#include "kube/kube_http.h"
#include "kube/kube_kind.h"
#include "kube/lease.h"

#include <fcntl.h>

static Kube *kube;
static KubeWatch *watch;
static Lease *lease;
static Informer *informer;
static unsigned seen, gone, synced;
static Arena *kept; /* texts of lease and informer */

static const KubeKind *const kinds[] = {
    &kube_machine_config,
    &kube_machine_config_pool,
    &kube_kubelet_config,
    &kube_container_runtime_config,
    &kube_controller_config,
    &kube_node,
    &kube_pod,
    &kube_namespace,
    &kube_config_map,
    &kube_secret,
    &kube_event,
    &kube_lease,
    &kube_certificate_signing_request,
    &kube_pod_disruption_budget,
    &kube_daemon_set,
    &kube_custom_resource_definition,
};
static const char *const verbs[] = {"get", "list", "create", "update", "patch", "delete"};
static const char *const patches[] = {"merge", "json", "strategic", "apply"};
static const char *const types[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};

static const char *text(const Node *n, const char *key)
{
    return node_string(node_get(n, key));
}

static unsigned number(const Node *n, const char *key)
{
    int64_t v = 0;
    const Node *at = node_get(n, key);
    if (at)
        (void)node_int(at, &v);
    return (unsigned)v;
}

static unsigned index_of(const char *const *words, size_t n, const char *word)
{
    for (unsigned i = 0; word && i < n; i++)
        if (!strcmp(words[i], word))
            return i;
    return 0;
}

static KubeRequest request_of(const Node *n)
{
    const char *kind = text(n, "kind");
    const Node *force = node_get(n, "force"), *dry = node_get(n, "dry_run");
    KubeRequest q = {
        .verb = index_of(verbs, ELEMENTS(verbs), text(n, "verb")),
        .namespace = text(n, "namespace"),
        .name = text(n, "name"),
        .subresource = text(n, "subresource"),
        .label_selector = text(n, "label_selector"),
        .field_selector = text(n, "field_selector"),
        .resource_version = text(n, "resource_version"),
        .limit = number(n, "limit"),
        .continue_token = text(n, "continue_token"),
        .patch = index_of(patches, ELEMENTS(patches), text(n, "patch")),
        .field_manager = text(n, "field_manager"),
        .force = force && force->boolean,
        .dry_run = dry && dry->boolean,
        .propagation = text(n, "propagation"),
        .body = node_get(n, "body"),
        .timeout_ms = number(n, "timeout_ms"),
    };
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        if (kind && !strcmp(kinds[i]->kind, kind))
            q.kind = kinds[i];
    if (!q.kind)
        exit(3);
    return q;
}

static void say_error(Arena *a, Node *out, int r, const Error *e)
{
    node_set(a, out, "result", node_new_int(a, r));
    if (r < 0)
        node_set_string(a, out, "error", e->text);
}

static void do_call(Arena *a, const Node *in, Node *out)
{
    KubeRequest q = request_of(in);
    KubeAnswer answer;
    Error e = ERROR_INIT;
    int r = kube_call(kube, &q, a, &answer, &e);
    say_error(a, out, r, &e);
    if (r >= 0)
        node_set(a, out, "object", node_copy(a, answer.object));
    else {
        node_set(a, out, "code", node_new_int(a, answer.status.code));
        node_set_string(a, out, "reason", answer.status.reason);
        node_set_string(a, out, "message", answer.status.message);
        node_set(a, out, "retry_after", node_new_int(a, answer.status.retry_after_sec));
    }
}

static void do_gets(Arena *a, const Node *in, Node *out)
{
    KubeRequest q = request_of(in);
    Error e = ERROR_INIT;
    int r = 0;
    int64_t start = monotonic_ms();
    for (unsigned i = 0; r >= 0 && i < number(in, "n"); i++) {
        _cleanup_arena_ Arena *one = arena_new();
        KubeAnswer answer;
        r = kube_call(kube, &q, one, &answer, &e);
    }
    say_error(a, out, r, &e);
    node_set(a, out, "us", node_new_int(a, (monotonic_ms() - start) * 1000));
}

static void do_watch(Arena *a, const Node *in, Node *out)
{
    KubeRequest q = request_of(in);
    Error e = ERROR_INIT;
    kube_unwatch(watch);
    watch = NULL;
    say_error(a, out, kube_watch(kube, &q, &watch, &e), &e);
}

static void do_next(Arena *a, const Node *in, Node *out)
{
    int64_t until = monotonic_ms() + number(in, "ms");
    KubeEvent event;
    Error e = ERROR_INIT;
    int r = 0;
    while (!(r = watch ? kube_watch_next(watch, a, &event, &e) : -EBADF)) {
        struct pollfd p = {.fd = kube_fd(kube), .events = POLLIN};
        int64_t left = until - monotonic_ms(), wait = kube_timeout_ms(kube);
        if (left <= 0)
            break;
        poll(&p, 1, (int)(wait >= 0 && wait < left ? wait : left));
    }
    say_error(a, out, r, &e);
    if (r == 1) {
        node_set_string(a, out, "type", types[event.kind]);
        node_set(a, out, "object", node_copy(a, event.object));
    }
}

static void wait_for(int64_t left, int own)
{
    struct pollfd p = {.fd = kube_fd(kube), .events = POLLIN};
    int wait = kube_timeout_ms(kube);
    left = own >= 0 && own < left ? own : left;
    poll(&p, 1, (int)(wait >= 0 && wait < left ? wait : left));
}

static void do_lease(const Node *in)
{
    const LeaseOptions options = {.namespace = arena_strdup(kept, text(in, "namespace")),
                                  .name = arena_strdup(kept, text(in, "name")),
                                  .identity = arena_strdup(kept, text(in, "identity")),
                                  .duration_sec = number(in, "duration_sec"),
                                  .renew_ms = number(in, "renew_ms"),
                                  .retry_ms = number(in, "retry_ms")};
    lease = lease_new(kube, &options);
}

static void do_elect(Arena *a, const Node *in, Node *out)
{
    int64_t until = monotonic_ms() + number(in, "ms"), left;
    Error e = ERROR_INIT;
    int r = 0;
    while ((r = lease_step(lease, &e)) != 1 && (left = until - monotonic_ms()) > 0)
        wait_for(left, lease_timeout_ms(lease));
    say_error(a, out, r < 0 ? r : 0, &e);
    node_set(a, out, "held", node_new_bool(a, lease_held(lease)));
    node_set_string(a, out, "holder", lease_holder(lease));
}

static void count_seen(void *context, const Node *object)
{
    (void)context;
    if (!kube_name(object) || !text(object, "kind"))
        exit(4);
    seen++;
}

static void count_gone(void *context, const char *namespace, const char *name, const Node *last)
{
    (void)context;
    (void)namespace;
    (void)name;
    (void)last;
    gone++;
}

static void count_synced(void *context)
{
    (void)context;
    synced++;
}

static void do_inform(const Node *in)
{
    const InformerOptions options = {.kind = request_of(in).kind,
                                     .namespace = arena_strdup(kept, text(in, "namespace")),
                                     .page = number(in, "page"),
                                     .handler = {count_seen, count_gone, count_synced, NULL}};
    informer = informer_new(kube, &options);
}

static void do_informed(Arena *a, const Node *in, Node *out)
{
    int64_t until = monotonic_ms() + number(in, "ms"), left;
    Error e = ERROR_INIT;
    while ((left = until - monotonic_ms()) > 0) {
        (void)informer_step(informer, &e);
        wait_for(left, informer_timeout_ms(informer));
    }
    node_set(a, out, "seen", node_new_int(a, seen));
    node_set(a, out, "gone", node_new_int(a, gone));
    node_set(a, out, "synced", node_new_int(a, synced));
    node_set(a, out, "count", node_new_int(a, (int64_t)informer_count(informer)));
    node_set_string(a, out, "error", e.text);
}

static void do_memory(Arena *a, Node *out)
{
    _cleanup_buf_ Buf status = BUF_INIT;
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    closedir(d);
    (void)file_read_at(AT_FDCWD, "/proc/self/status", 1 << 16, &status, NULL);
    node_set(a, out, "rss", node_new_int(a, atoi(strstr(status.data, "VmRSS:") + 6)));
    node_set(a, out, "anonymous", node_new_int(a, atoi(strstr(status.data, "RssAnon:") + 8)));
    node_set(a, out, "fds", node_new_int(a, (int64_t)n - 3));
}

static void obey(const char *line, size_t n)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf answer = BUF_INIT;
    Source source = {.name = "command", .text = line, .len = n};
    Node *in = NULL, *out = node_new(a, NODE_OBJECT);
    if (json_read(a, &source, SEVERITY_ERROR, &in, &report) < 0)
        exit(3);
    const char *what = text(in, "do");
    if (!strcmp(what, "call"))
        do_call(a, in, out);
    else if (!strcmp(what, "gets"))
        do_gets(a, in, out);
    else if (!strcmp(what, "watch"))
        do_watch(a, in, out);
    else if (!strcmp(what, "next"))
        do_next(a, in, out);
    else if (!strcmp(what, "memory"))
        do_memory(a, out);
    else if (!strcmp(what, "lease"))
        do_lease(in);
    else if (!strcmp(what, "elect"))
        do_elect(a, in, out);
    else if (!strcmp(what, "release"))
        node_set(a, out, "result", node_new_int(a, lease_release(lease, NULL)));
    else if (!strcmp(what, "inform"))
        do_inform(in);
    else if (!strcmp(what, "informed"))
        do_informed(a, in, out);
    json_write(out, JSON_COMPACT, &answer);
    puts(answer.data);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_free_ char *line = NULL;
    size_t size = 0;
    KubeConfig config;
    KubeHttpOptions options = {.agent = "basalt-test"};
    Error e = ERROR_INIT;
    if (argc != 2)
        return 2;
    if (kubeconfig_load(a, argv[1], NULL, &config, &report) < 0) {
        _cleanup_buf_ Buf said = BUF_INIT;
        report_write(&report, REPORT_TEXT, &said);
        fputs(said.data, stderr);
        return 1;
    }
    if (kube_http_new(&config, &options, &kube, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    kept = arena_new();
    for (ssize_t n; (n = getline(&line, &size, stdin)) > 0;)
        obey(line, (size_t)n);
    kube_unwatch(watch);
    informer_free(informer);
    lease_free(lease);
    arena_free(kept);
    kube_free(kube);
    return 0;
}
