/* The pool's configs are rendered without the generated ones; the file of that is changed and becomes the
 * generated one's. A kubelet's config is a document: it is merged field by field. A container engine's is
 * TOML: single values are set in its text. */
#include "fleet/generated_config.h"

#include <string.h>

#include "fleet/pool_render.h"
#include "format/data_url.h"
#include "format/toml_edit.h"
#include "format/yaml.h"
#include "kube/kube_kind.h"
#include "machineconfig/managed_path.h"

#define KUBELET_CONF "/etc/kubernetes/kubelet.conf"
#define CRIO_CONF    "/etc/crio/crio.conf"
#define STORAGE_CONF "/etc/containers/storage.conf"
#define PREFIX       "99-"

static const char *const kind_words[] = {
    [GENERATED_KUBELET] = "generated-kubelet", [GENERATED_CONTAINER_RUNTIME] = "generated-containerruntime"};
static const char *const spec_keys[] = {
    [GENERATED_KUBELET] = "kubeletConfig", [GENERATED_CONTAINER_RUNTIME] = "containerRuntimeConfig"};

/* ---- what may be said: one table for both ---- */

typedef struct Setting {
    GeneratedKind kind;
    const char *field;
    const char *file, *table, *key;          /* of TOML; NULL: the field is not taken, `why` says so */
    const char *(*wrong)(const Node *value); /* NULL when it is right */
    const char *why;
} Setting;

static const char *pids_wrong(const Node *value)
{
    int64_t v;
    return node_int(value, &v) == 0 && v >= 20 ? NULL : "it is a number of at least 20";
}

static const char *level_wrong(const Node *value)
{
    static const char *const levels[] = {"fatal", "panic", "error", "warn", "info", "debug"};
    for (size_t i = 0; node_string(value) && i < ELEMENTS(levels); i++)
        if (!strcmp(levels[i], node_string(value)))
            return NULL;
    return "it is one of fatal, panic, error, warn, info and debug";
}

/* A quantity as Kubernetes writes them; the unit's bytes, 0 when there is no such unit. */
static int64_t unit_bytes(const char *unit)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"", 1},           {"k", 1000},       {"M", 1000000},    {"G", 1000000000},
                 {"Ki", 1LL << 10}, {"Mi", 1LL << 20}, {"Gi", 1LL << 30}, {"Ti", 1LL << 40}};
    for (size_t i = 0; i < ELEMENTS(units); i++)
        if (!strcmp(units[i].unit, unit))
            return units[i].bytes;
    return 0;
}

static int64_t quantity(const Node *value)
{
    const char *text = value->kind == NODE_STRING || value->kind == NODE_NUMBER ? value->string : "";
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text)
        return -1;
    int64_t unit = unit_bytes(end);
    return unit && n <= INT64_MAX / unit ? n * unit : -1;
}

static const char *log_size_wrong(const Node *value)
{
    int64_t v = quantity(value);
    return v == -1 && value->string && !strcmp(value->string, "-1") ? NULL
           : v > 8192                                               ? NULL
                      : "it is a size of more than 8Ki, such as 50Mi, or -1";
}

static const char *size_wrong(const Node *value)
{
    return quantity(value) > 0 ? NULL : "it is a size, such as 8Gi";
}

static const char *runtime_wrong(const Node *value)
{
    const char *s = node_string(value);
    return s && (!strcmp(s, "crun") || !strcmp(s, "runc")) ? NULL : "it is crun or runc";
}

static const Setting settings[] = {
    {GENERATED_CONTAINER_RUNTIME, "pidsLimit", CRIO_CONF, "crio.runtime", "pids_limit", pids_wrong, NULL},
    {GENERATED_CONTAINER_RUNTIME, "logLevel", CRIO_CONF, "crio.runtime", "log_level", level_wrong, NULL},
    {GENERATED_CONTAINER_RUNTIME, "logSizeMax", CRIO_CONF, "crio.runtime", "log_size_max", log_size_wrong,
     NULL},
    {GENERATED_CONTAINER_RUNTIME, "defaultRuntime", CRIO_CONF, "crio.runtime", "default_runtime",
     runtime_wrong, NULL},
    {GENERATED_CONTAINER_RUNTIME, "overlaySize", STORAGE_CONF, "storage.options.overlay", "size", size_wrong,
     NULL},
    {GENERATED_KUBELET, "cgroupDriver", NULL, NULL, NULL, NULL, "the engine and the kubelet share it"},
    {GENERATED_KUBELET, "clusterDNS", NULL, NULL, NULL, NULL, "the cluster decides it"},
    {GENERATED_KUBELET, "clusterDomain", NULL, NULL, NULL, NULL, "the cluster decides it"},
    {GENERATED_KUBELET, "featureGates", NULL, NULL, NULL, NULL, "the cluster decides it"},
    {GENERATED_KUBELET, "staticPodPath", NULL, NULL, NULL, NULL, "the cluster decides it"},
    {GENERATED_KUBELET, "runtimeRequestTimeout", NULL, NULL, NULL, NULL, "the cluster decides it"},
};

static const Setting *find_setting(GeneratedKind kind, const char *field)
{
    for (size_t i = 0; i < ELEMENTS(settings); i++)
        if (settings[i].kind == kind && !strcmp(settings[i].field, field))
            return &settings[i];
    return NULL;
}

/* ---- sources ---- */

static const char *check_field(Arena *a, GeneratedKind kind, const Node *n)
{
    const Setting *s = find_setting(kind, n->key);
    const char *wrong = s && s->wrong ? s->wrong(n) : s ? s->why : NULL;
    if (!s && kind == GENERATED_CONTAINER_RUNTIME)
        wrong = "there is no such field";
    return wrong ? arena_printf(a, "spec.%s.%s: %s", spec_keys[kind], n->key, wrong) : NULL;
}

static const char *check_source(Arena *a, GeneratedKind kind, const Node *spec)
{
    static const char *const not_done[] = {"autoSizingReserved", "logLevel", "tlsSecurityProfile"};
    const Node *values = node_get(spec, spec_keys[kind]);
    for (size_t i = 0; kind == GENERATED_KUBELET && i < ELEMENTS(not_done); i++)
        if (node_get(spec, not_done[i]))
            return arena_printf(a, "spec.%s is not supported; spec.kubeletConfig takes the kubelet's fields",
                                not_done[i]);
    if (!values || values->kind != NODE_OBJECT)
        return arena_printf(a, "spec.%s is missing", spec_keys[kind]);
    NODE_EACH (n, values) {
        const char *wrong = check_field(a, kind, n);
        if (wrong)
            return wrong;
    }
    return NULL;
}

GeneratedSource *generated_source_new(GeneratedKind kind, const Node *object)
{
    GeneratedSource *s = calloc(1, sizeof(*s));
    if (!s || !(s->name = strdup(kube_name(object))))
        abort();
    s->kind = kind;
    s->created = kube_created(object);
    s->arena = arena_new();
    s->object = node_copy(s->arena, object);
    const Node *spec = node_get(s->object, "spec");
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "machineConfigPoolSelector");
    _cleanup_report_ Report r = REPORT_INIT(s->arena);
    label_selector_read(s->arena, node_get(spec, "machineConfigPoolSelector"), path, &s->pools, &r);
    s->error = r.errors ? report_first_error(&r) : check_source(s->arena, kind, spec);
    return s;
}

void generated_source_free(GeneratedSource *s)
{
    if (!s)
        return;
    free(s->name);
    arena_free(s->arena);
    free(s);
}

static int by_age(const void *x, const void *y)
{
    const GeneratedSource *a = *(const GeneratedSource *const *)x, *b = *(const GeneratedSource *const *)y;
    return a->created != b->created ? (a->created < b->created ? -1 : 1) : strcmp(a->name, b->name);
}

static size_t pick_sources(Arena *a, const FleetPool *p, const NameList *sources,
                           const GeneratedSource ***ret)
{
    const Node *labels = node_get_path(p->object, "metadata.labels");
    size_t n = 0;
    *ret = ARENA_ARRAY(a, const GeneratedSource *, sources->n + 1);
    for (size_t i = 0; i < sources->n; i++) {
        const GeneratedSource *s = sources->items[i];
        if (!s->error && label_selector_matches(&s->pools, labels))
            (*ret)[n++] = s;
    }
    qsort(*ret, n, sizeof(**ret), by_age);
    return n;
}

/* ---- files ---- */

bool generated_config_is(const CachedConfig *c)
{
    for (size_t i = 0; i < GENERATED_KINDS; i++) {
        size_t n = strlen(c->name), k = strlen(kind_words[i]);
        if (!strncmp(c->name, PREFIX, strlen(PREFIX)) && n > k && !strcmp(c->name + n - k, kind_words[i]))
            return c->config && c->config->generated_by;
    }
    return false;
}

static const ManagedState *state_without_generated(Arena *a, const FleetPool *p, const NameList *cache,
                                                   Error *e)
{
    _cleanup_(name_list_done)
    NameList rest = {0};
    for (size_t i = 0; i < cache->n; i++)
        if (!generated_config_is(cache->items[i]))
            name_list_put(&rest, cache->items[i]);
    PoolRender r = pool_render(a, p, &rest, NULL);
    if (r.rendered)
        return managed_state_read(a, r.rendered->merged.config);
    error_set(e, EINVAL, "%s", r.error);
    return NULL;
}

static void add_file(Arena *a, Node *files, const char *path, const Buf *text, unsigned mode)
{
    _cleanup_buf_ Buf url = BUF_INIT;
    Node *file = node_append(files, node_new(a, NODE_OBJECT));
    data_url_encode_base64("text/plain;charset=utf-8", text->data, text->len, &url);
    node_set_string(a, file, "path", path);
    node_set(a, file, "mode", node_new_int(a, mode));
    node_set(a, file, "overwrite", node_new_bool(a, true));
    node_set_string(a, node_set(a, file, "contents", node_new(a, NODE_OBJECT)), "source", url.data);
}

typedef struct Values {
    const GeneratedSource **sources;
    size_t n;
    const ManagedState *state;
} Values;

static const char *toml_value(Arena *a, const Node *n)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    if (n->kind == NODE_STRING && quantity(n) > 0)
        return arena_printf(a, "%lld", (long long)quantity(n));
    json_write(n, JSON_COMPACT, &out);
    return arena_strdup(a, out.data);
}

static bool set_in_file(Arena *a, const Values *v, const char *path, Buf *text)
{
    const ManagedPath *base = managed_path_find(v->state, path);
    bool any = false;
    if (base && base->data)
        buf_add(text, base->data, base->len);
    for (size_t i = 0; i < v->n; i++)
        NODE_EACH (n, node_get_path(v->sources[i]->object, "spec.containerRuntimeConfig")) {
            const Setting *s = find_setting(GENERATED_CONTAINER_RUNTIME, n->key);
            if (!s || strcmp(s->file, path) != 0)
                continue;
            bool quoted = s->wrong == size_wrong; /* storage.conf takes its sizes as text */
            const char *value = toml_value(a, n);
            toml_edit_set(text, s->table, s->key, quoted ? arena_printf(a, "\"%s\"", value) : value);
            any = true;
        }
    return any;
}

static int runtime_files(Arena *a, const Values *v, Node *files, Error *e _unused_)
{
    static const char *const paths[] = {CRIO_CONF, STORAGE_CONF};
    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        if (set_in_file(a, v, paths[i], &text))
            add_file(a, files, paths[i], &text, 0644);
    }
    return 0;
}

static int kubelet_files(Arena *a, const Values *v, Node *files, Error *e)
{
    const ManagedPath *base = managed_path_find(v->state, KUBELET_CONF);
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *conf = NULL;

    if (!base || !base->data)
        return error_set(e, ENOENT, "no MachineConfig of the pool has " KUBELET_CONF);
    Source source = {.name = KUBELET_CONF, .text = base->data, .len = base->len};
    if (yaml_read(a, &source, SEVERITY_WARNING, &conf, &r) < 0 || conf->kind != NODE_OBJECT)
        return error_set(e, EINVAL, KUBELET_CONF " of the pool is not a YAML document");
    for (size_t i = 0; i < v->n; i++)
        NODE_EACH (n, node_get_path(v->sources[i]->object, "spec.kubeletConfig"))
            if (n->kind == NODE_NULL)
                node_remove(conf, n->key);
            else
                node_set(a, conf, n->key, node_copy(a, n));
    yaml_write(conf, true, &text);
    add_file(a, files, KUBELET_CONF, &text, 0644);
    return 0;
}

static int (*const make_files[])(Arena *a, const Values *v, Node *files, Error *e) = {
    [GENERATED_KUBELET] = kubelet_files, [GENERATED_CONTAINER_RUNTIME] = runtime_files};

static Node *config_object(Arena *a, const FleetPool *p, const char *name, Node **ret_files)
{
    Node *object = kube_object_new(a, &kube_machine_config, NULL, name);
    Node *metadata = node_get(object, "metadata");
    node_set_string(a, node_set(a, metadata, "annotations", node_new(a, NODE_OBJECT)),
                    MACHINE_CONFIG_GENERATED_BY, BASALT_VERSION);
    node_set_string(a, node_set(a, metadata, "labels", node_new(a, NODE_OBJECT)), MACHINE_CONFIG_ROLE_LABEL,
                    p->name);
    Node *config = node_set(a, node_set(a, object, "spec", node_new(a, NODE_OBJECT)), "config",
                            node_new(a, NODE_OBJECT));
    node_set_string(a, node_set(a, config, "ignition", node_new(a, NODE_OBJECT)), "version", "3.2.0");
    *ret_files = node_set(a, node_set(a, config, "storage", node_new(a, NODE_OBJECT)), "files",
                          node_new(a, NODE_ARRAY));
    return object;
}

int generated_config_make(Arena *a, GeneratedKind kind, const FleetPool *p, const NameList *sources,
                          const NameList *cache, GeneratedConfig *ret, Error *e)
{
    Values v = {0};
    Node *files;

    *ret = (GeneratedConfig){.name = arena_printf(a, PREFIX "%s-%s", p->name, kind_words[kind])};
    v.n = pick_sources(a, p, sources, &v.sources);
    if (!v.n)
        return 0;
    v.state = state_without_generated(a, p, cache, e);
    if (!v.state)
        return -EINVAL;
    Node *object = config_object(a, p, ret->name, &files);
    int r = make_files[kind](a, &v, files, e);
    if (r < 0)
        return error_wrap(e, r, "%s %s",
                          kind == GENERATED_KUBELET ? "KubeletConfig" : "ContainerRuntimeConfig",
                          v.sources[v.n - 1]->name);
    ret->object = object;
    return 0;
}
