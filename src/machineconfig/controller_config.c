/* One table of fields; the texts are templates. CA data stands in the object as base64, as bytes do in JSON.
 */
#include "machineconfig/controller_config.h"

#include <string.h>

#include "format/data_url.h"
#include "format/template.h"

const char controller_config_name[] = "machine-config-controller";
extern const TemplateFile role_templates[];

/* ---- the object ---- */

typedef enum FieldKind { FIELD_TEXT, FIELD_BASE64, FIELD_BOOL, FIELD_LIST } FieldKind;
typedef struct Field {
    const char *path; /* below spec */
    FieldKind kind;
    size_t offset;
} Field;

#define AT(member) offsetof(ControllerConfig, member)
static const Field fields[] = {
    {"additionalTrustBundle", FIELD_BASE64, AT(trust_bundle)},
    {"clusterDNSIP", FIELD_TEXT, AT(cluster_dns)},
    {"imageContentSources", FIELD_LIST, AT(image_content_sources)},
    {"kubeAPIServerServingCAData", FIELD_BASE64, AT(kubelet_client_ca)},
    {"mastersSchedulable", FIELD_BOOL, AT(masters_schedulable)},
    {"osImageURL", FIELD_TEXT, AT(os_image_url)},
    {"proxy.httpProxy", FIELD_TEXT, AT(http_proxy)},
    {"proxy.httpsProxy", FIELD_TEXT, AT(https_proxy)},
    {"proxy.noProxy", FIELD_TEXT, AT(no_proxy)},
};

static const NodeKind field_nodes[] = {[FIELD_TEXT] = NODE_STRING,
                                       [FIELD_BASE64] = NODE_STRING,
                                       [FIELD_BOOL] = NODE_BOOL,
                                       [FIELD_LIST] = NODE_ARRAY};

static void read_field(Arena *a, const Field *f, const Node *n, ControllerConfig *c, Report *r)
{
    void *to = (char *)c + f->offset;
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), f->path);
    if (n->kind != field_nodes[f->kind]) {
        report_add(r, SEVERITY_ERROR, path, n, "expected %s, found %s", node_kind_name(field_nodes[f->kind]),
                   node_kind_name(n->kind));
        return;
    }
    _cleanup_buf_ Buf bytes = BUF_INIT;
    if (f->kind == FIELD_BOOL)
        *(bool *)to = n->boolean;
    else if (f->kind == FIELD_LIST)
        *(const Node **)to = n;
    else if (f->kind == FIELD_TEXT)
        *(const char **)to = *n->string ? n->string : NULL;
    else if (base64_decode(n->string, n->len, &bytes) < 0)
        report_add(r, SEVERITY_ERROR, path, n, "not base64");
    else if (bytes.len)
        *(const char **)to = arena_memdup(a, bytes.data, bytes.len);
}

int controller_config_read(Arena *a, const Node *document, ControllerConfig *ret, Report *r)
{
    const Node *spec = node_get(document, "spec");
    size_t before = r->errors;
    *ret = (ControllerConfig){0};
    for (size_t i = 0; i < ELEMENTS(fields); i++) {
        const Node *n = node_get_path(spec, fields[i].path);
        if (n && n->kind != NODE_NULL)
            read_field(a, &fields[i], n, ret, r);
    }
    if (r->errors == before && !ret->cluster_dns)
        report_add(r, SEVERITY_ERROR, PATH_KEY(PATH_KEY(NULL, "spec"), "clusterDNSIP"), spec,
                   "a ControllerConfig needs the address of the cluster's DNS");
    return r->errors > before ? -EINVAL : 0;
}

static Node *field_node(Arena *a, const Field *f, const void *from)
{
    const char *text = f->kind == FIELD_TEXT || f->kind == FIELD_BASE64 ? *(const char *const *)from : NULL;
    if (f->kind == FIELD_BOOL)
        return node_new_bool(a, *(const bool *)from);
    if (f->kind == FIELD_LIST)
        return *(const Node *const *)from ? node_copy(a, *(const Node *const *)from) : NULL;
    if (!text)
        return NULL;
    if (f->kind == FIELD_TEXT)
        return node_new_string(a, text);
    _cleanup_buf_ Buf coded = BUF_INIT;
    base64_encode(text, strlen(text), &coded);
    return node_new_string(a, coded.data);
}

Node *controller_config_to_node(Arena *a, const ControllerConfig *c)
{
    Node *object = node_new(a, NODE_OBJECT);
    node_set_string(a, object, "apiVersion", MACHINE_CONFIG_API);
    node_set_string(a, object, "kind", "ControllerConfig");
    node_set_string(a, node_set(a, object, "metadata", node_new(a, NODE_OBJECT)), "name",
                    controller_config_name);
    Node *spec = node_set(a, object, "spec", node_new(a, NODE_OBJECT));
    for (size_t i = 0; i < ELEMENTS(fields); i++) {
        Node *value = field_node(a, &fields[i], (const char *)c + fields[i].offset), *in = spec;
        const char *dot = strchr(fields[i].path, '.'), *key = dot ? dot + 1 : fields[i].path;
        if (!value)
            continue;
        if (dot) {
            const char *up = arena_printf(a, "%.*s", (int)(dot - fields[i].path), fields[i].path);
            in = node_get(spec, up) ? node_get(spec, up) : node_set(a, spec, up, node_new(a, NODE_OBJECT));
        }
        node_set(a, in, key, value);
    }
    return object;
}

/* ---- what follows for a role ---- */

static void add_toml(Buf *out, const char *value)
{
    Node n = {.kind = NODE_STRING, .string = value, .len = strlen(value)};
    json_write(&n, JSON_COMPACT, out);
}

static void add_mirrors(Buf *out, const Node *mirrors)
{
    if (mirrors && mirrors->kind == NODE_ARRAY)
        NODE_EACH (mirror, mirrors)
            if (node_string(mirror)) {
                buf_add_str(out, "\n  [[registry.mirror]]\n  location = ");
                add_toml(out, node_string(mirror));
                buf_add_char(out, '\n');
            }
}

const char *controller_config_registries(Arena *a, const Node *sources)
{
    _cleanup_buf_ Buf out = BUF_INIT;

    buf_add_str(&out,
                "# Where images come from. An image is named in full.\nunqualified-search-registries = []\n");
    if (sources)
        NODE_EACH (source, sources) {
            const char *location = node_string(node_get(source, "source"));
            if (!location)
                continue;
            buf_add_str(&out, "\n[[registry]]\nprefix = \"\"\nlocation = ");
            add_toml(&out, location);
            buf_add_str(&out, "\nmirror-by-digest-only = true\n");
            add_mirrors(&out, node_get(source, "mirrors"));
        }
    return arena_strdup(a, out.data);
}

static void set_proxy(TemplateValues *v, const ControllerConfig *c)
{
    template_set(v, "httpProxy", c->http_proxy);
    template_set(v, "httpsProxy", c->https_proxy);
    template_set(v, "noProxyAll", c->no_proxy);
    template_set(v, "proxy", c->http_proxy || c->https_proxy ? "yes" : "");
}

const char *controller_config_proxy_unit(Arena *a, const ControllerConfig *c, Error *e)
{
    _cleanup_(template_done)
    TemplateValues v = {.arena = a, .files = role_templates};
    set_proxy(&v, c);
    return template_text(&v, "10-default-env.conf", e);
}

static int set_texts(TemplateValues *v, Error *e)
{
    static const char *const texts[][2] = {{"inotifyConf", "inotify.conf"},
                                           {"kubeletConf", "kubelet.conf"},
                                           {"storageConf", "storage.conf"},
                                           {"crioConf", "crio.conf"},
                                           {"proxyUnitEnv", "10-default-env.conf"}};
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        const char *text = template_text(v, texts[i][1], e);
        if (!text)
            return -EINVAL;
        template_set(v, texts[i][0], text);
    }
    return 0;
}

int controller_config_role(Arena *a, const ControllerConfig *c, const char *role,
                           RoleConfig ret[CONTROLLER_CONFIG_ROLE], Error *e)
{
    static const char *const configs[CONTROLLER_CONFIG_ROLE][2] = {
        {"00-%s", "00-role.yaml"},
        {"01-%s-container-runtime", "01-role-container-runtime.yaml"},
        {"01-%s-kubelet", "01-role-kubelet.yaml"}};
    static const char taints[] = "--register-with-taints=node-role.kubernetes.io/master=:NoSchedule \\\n"
                                 "            ";
    _cleanup_(template_done)
    TemplateValues v = {.arena = a, .files = role_templates};
    bool tainted = !strcmp(role, "master") && !c->masters_schedulable;

    template_set(&v, "role", role);
    template_set(&v, "registerTaints", tainted ? taints : "");
    template_set(&v, "clusterDNS", c->cluster_dns);
    template_set(&v, "kubeletClientCA", c->kubelet_client_ca);
    template_set(&v, "trustBundle", c->trust_bundle);
    template_set(&v, "registriesConf", controller_config_registries(a, c->image_content_sources));
    set_proxy(&v, c);
    int r = set_texts(&v, e);
    for (size_t i = 0; r >= 0 && i < CONTROLLER_CONFIG_ROLE; i++) {
        ret[i].name = arena_printf(a, configs[i][0], role);
        ret[i].text = template_text(&v, configs[i][1], e);
        if (!ret[i].text)
            return -EINVAL;
        ret[i].len = strlen(ret[i].text);
    }
    return r;
}
