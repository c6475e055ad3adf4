/* From a document to a MachineConfig, in this order: what it is called, which role it is for, the plain
 * fields by one table, then the Ignition part, parsed and validated in its own version and lifted to the
 * newest. All findings of all parts are reported. Refused: no role label (no pool would ever take it), kernel
 * types and extensions that do not exist, special mode bits (a file that the daemon could never verify),
 * kernel arguments inside the Ignition part (spec.kernelArguments is their place). */
#include "machineconfig/machine_config.h"

#include <string.h>

#include "ignition/parse.h"
#include "ignition/translate.h"

typedef enum FieldKind { FIELD_STRING, FIELD_STRINGS, FIELD_BOOL, FIELD_CONFIG } FieldKind;
typedef struct Field {
    const char *name;
    FieldKind kind;
    size_t offset, count_offset;
    const char *const *words; /* what it may be, NULL-terminated; NULL: anything */
} Field;

static const char *const kernel_types[] = {"", "default", "realtime", "64k-pages", NULL};
static const char *const extension_names[] = {
    "ipsec", "kerberos", "kernel-devel", "sandboxed-containers", "sysstat", "two-node-ha", "usbguard", NULL};

#define AT(member) offsetof(MachineConfig, member)
static const Field fields[] = {
    {"config", FIELD_CONFIG, 0, 0, NULL},
    {"kernelArguments", FIELD_STRINGS, AT(kernel_arguments), AT(n_kernel_arguments), NULL},
    {"extensions", FIELD_STRINGS, AT(extensions), AT(n_extensions), extension_names},
    {"fips", FIELD_BOOL, AT(fips), 0, NULL},
    {"kernelType", FIELD_STRING, AT(kernel_type), 0, kernel_types},
    {"osImageURL", FIELD_STRING, AT(os_image_url), 0, NULL},
    {"baseOSExtensionsContainerImage", FIELD_STRING, AT(extensions_image), 0, NULL},
};

static const Field *find_field(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(fields); i++)
        if (!strcmp(fields[i].name, name))
            return &fields[i];
    return NULL;
}

static bool word_ok(const Field *f, const char *text)
{
    for (const char *const *w = f->words; w && *w; w++)
        if (!strcmp(*w, text))
            return true;
    return f->words == NULL;
}

static void add_wrong_word(const Field *f, const PathStep *path, const Node *n, Report *r)
{
    char known[256] = "";
    for (const char *const *w = f->words; *w; w++)
        if (**w) {
            if (known[0])
                strncat(known, ", ", sizeof(known) - strlen(known) - 1);
            strncat(known, *w, sizeof(known) - strlen(known) - 1);
        }
    report_add(r, SEVERITY_ERROR, path, n, "%s '%s' is not known; there are: %s", f->name, node_string(n),
               known);
}

static const char *read_word(const Field *f, const PathStep *path, const Node *n, Report *r)
{
    const char *text = node_string(n);
    if (!text)
        report_add(r, SEVERITY_ERROR, path, n, "expected a string, found %s", node_kind_name(n->kind));
    else if (!word_ok(f, text))
        add_wrong_word(f, path, n, r);
    return text;
}

static void read_strings(Arena *a, const Field *f, const PathStep *path, const Node *n, MachineConfig *mc,
                         Report *r)
{
    if (n->kind != NODE_ARRAY) {
        report_add(r, SEVERITY_ERROR, path, n, "expected a list of strings, found %s",
                   node_kind_name(n->kind));
        return;
    }
    const char **items = ARENA_ARRAY(a, const char *, n->n ? n->n : 1);
    size_t count = 0, i = 0;
    NODE_EACH (item, n) {
        const char *text = read_word(f, PATH_INDEX(path, i++), item, r);
        if (text)
            items[count++] = text;
    }
    *(const char ***)((char *)mc + f->offset) = items;
    *(size_t *)((char *)mc + f->count_offset) = count;
}

static void warn_first_boot(const IgnConfig *c, const PathStep *path, Report *r)
{
    const PathStep *storage = PATH_KEY(path, "storage"), *passwd = PATH_KEY(path, "passwd");
    const struct {
        const IgnList *list;
        const PathStep *up;
        const char *name;
    } rows[] = {
        {&c->storage.disks, storage, "disks"},
        {&c->storage.raid, storage, "raid"},
        {&c->storage.luks, storage, "luks"},
        {&c->storage.volume_groups, storage, "volumeGroups"},
        {&c->storage.filesystems, storage, "filesystems"},
        {&c->storage.directories, storage, "directories"},
        {&c->storage.links, storage, "links"},
        {&c->passwd.groups, passwd, "groups"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (rows[i].list->n)
            report_add(r, SEVERITY_WARNING, PATH_KEY(rows[i].up, rows[i].name), rows[i].list->node,
                       "%s take effect at a machine's first boot only; machines that already run keep theirs",
                       rows[i].name);
    size_t i = 0;
    IGN_EACH (IgnUser, u, c->passwd.users) {
        if (u->name && strcmp(u->name, "core"))
            report_add(
                r, SEVERITY_WARNING, PATH_INDEX(PATH_KEY(passwd, "users"), i), u->node,
                "user '%s' takes effect at a machine's first boot only; later changes reach user core alone",
                u->name);
        i++;
    }
}

static void refuse_unmanageable(const IgnConfig *c, const PathStep *path, Report *r)
{
    const PathStep *files = PATH_KEY(PATH_KEY(path, "storage"), "files");
    size_t i = 0;
    IGN_EACH (IgnFile, f, c->storage.files) {
        const PathStep *file = PATH_INDEX(files, i++);
        if (f->mode.set && f->mode.value > 0777)
            report_add(r, SEVERITY_ERROR, PATH_KEY(file, "mode"), node_get(f->base.node, "mode"),
                       "setuid, setgid and sticky bits are not allowed in a MachineConfig");
    }
    if (c->kernel_arguments.should_exist.n || c->kernel_arguments.should_not_exist.n)
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, "kernelArguments"), c->kernel_arguments.node,
                   "kernel arguments of a MachineConfig belong into spec.kernelArguments");
}

/* An empty object, or one whose parts are all empty and that has no version, says nothing. */
static bool config_says_nothing(const Node *n)
{
    if (n->kind == NODE_NULL)
        return true;
    if (n->kind != NODE_OBJECT)
        return false;
    NODE_EACH (child, n)
        if (!config_says_nothing(child))
            return false;
    return true;
}

static void read_config(Arena *a, const Node *n, const PathStep *path, bool rendered, MachineConfig *mc,
                        Report *r)
{
    IgnConfig *written = NULL;
    if (config_says_nothing(n) || ign_config_from_node(a, n, path, &written, r) < 0)
        return;
    mc->config_version = written->version;
    refuse_unmanageable(written, path, r);
    if (!rendered)
        warn_first_boot(written, path, r);
    IgnLiftOptions as_nodes_had_it = {.path = path,
                                      .default_modes = true}; /* an unset mode of 2.x is 0644 here */
    (void)ign_config_lift_with(a, written, &as_nodes_had_it, &mc->config, r); /* its findings decide */
}

static void read_spec(Arena *a, const Node *spec, bool rendered, MachineConfig *mc, Report *r)
{
    const PathStep *path = PATH_KEY(NULL, "spec");
    if (!spec || spec->kind == NODE_NULL)
        return;
    if (spec->kind != NODE_OBJECT) {
        report_add(r, SEVERITY_ERROR, path, spec, "expected an object, found %s", node_kind_name(spec->kind));
        return;
    }
    NODE_EACH (n, spec) {
        const Field *f = find_field(n->key);
        const PathStep *at = PATH_KEY(path, n->key);
        if (!f)
            report_add_key(r, SEVERITY_WARNING, at, n, "unknown field '%s'", n->key);
        else if (f->kind == FIELD_CONFIG)
            read_config(a, n, at, rendered, mc, r);
        else if (n->kind == NODE_NULL)
            continue;
        else if (f->kind == FIELD_STRINGS)
            read_strings(a, f, at, n, mc, r);
        else if (f->kind == FIELD_STRING)
            *(const char **)((char *)mc + f->offset) = read_word(f, at, n, r);
        else if (n->kind == NODE_BOOL)
            *(bool *)((char *)mc + f->offset) = n->boolean;
        else
            report_add(r, SEVERITY_ERROR, at, n, "expected true or false, found %s", node_kind_name(n->kind));
    }
}

/* RFC 1123 subdomains, and underscores: the documented day-1 names have them, and files never reach an API.
 */
bool machine_config_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n && n <= 253 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == n &&
           strchr(".-_", name[0]) == NULL && strchr(".-_", name[n - 1]) == NULL;
}

static void read_metadata(const Node *document, bool rendered, MachineConfig *mc, Report *r)
{
    const Node *meta = node_get(document, "metadata"), *at = meta ? meta : document;
    const PathStep *path = PATH_KEY(NULL, "metadata");
    mc->name = node_string(node_get(meta, "name"));
    mc->labels = node_get(meta, "labels");
    mc->role = node_string(node_get(mc->labels, MACHINE_CONFIG_ROLE_LABEL));
    mc->generated_by = node_string(node_get(node_get(meta, "annotations"), MACHINE_CONFIG_GENERATED_BY));
    if (!mc->name)
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, "name"), at, "a MachineConfig needs a name");
    else if (!machine_config_name_ok(mc->name))
        report_add(
            r, SEVERITY_ERROR, PATH_KEY(path, "name"), node_get(meta, "name"),
            "name '%s' may only have lower case letters, digits, '-', '.' and '_', and starts and ends with "
            "a letter or digit",
            mc->name);
    if (!rendered && (!mc->role || !*mc->role))
        report_add(r, SEVERITY_ERROR, PATH_KEY(PATH_KEY(path, "labels"), MACHINE_CONFIG_ROLE_LABEL),
                   mc->labels ? mc->labels : at,
                   "no label '" MACHINE_CONFIG_ROLE_LABEL "': no pool would take this MachineConfig");
}

static void refuse_combinations(const MachineConfig *mc, Report *r)
{
    bool other_kernel = mc->kernel_type && *mc->kernel_type && strcmp(mc->kernel_type, "default");
    for (size_t i = 0; i < mc->n_extensions && other_kernel; i++)
        if (!strcmp(mc->extensions[i], "kernel-devel"))
            report_add(r, SEVERITY_ERROR, PATH_INDEX(PATH_KEY(PATH_KEY(NULL, "spec"), "extensions"), i),
                       node_get_path(mc->node, "spec.extensions"),
                       "extension kernel-devel needs the default kernel, not '%s'", mc->kernel_type);
}

bool machine_config_is(const Node *document)
{
    const char *api = node_string(node_get(document, "apiVersion")),
               *kind = node_string(node_get(document, "kind"));
    return api && kind && !strcmp(api, MACHINE_CONFIG_API) && !strcmp(kind, "MachineConfig");
}

static int read_either(Arena *a, const Node *document, bool rendered, MachineConfig **ret, Report *r)
{
    size_t before = r->errors;
    MachineConfig *mc = ARENA_NEW(a, MachineConfig);
    mc->node = document;
    if (!machine_config_is(document))
        report_add(r, SEVERITY_ERROR, NULL, document, "not a MachineConfig of " MACHINE_CONFIG_API);
    else {
        read_metadata(document, rendered, mc, r);
        read_spec(a, node_get(document, "spec"), rendered, mc, r);
        refuse_combinations(mc, r);
    }
    if (r->errors > before)
        return -EINVAL;
    *ret = mc;
    return 0;
}

const char *machine_config_pool_owner(const Node *document)
{
    const Node *owners = node_get_path(document, "metadata.ownerReferences");
    if (owners && owners->kind == NODE_ARRAY)
        NODE_EACH (o, owners) {
            const char *kind = node_string(node_get(o, "kind"));
            if (kind && !strcmp(kind, "MachineConfigPool"))
                return node_string(node_get(o, "name"));
        }
    return NULL;
}

int machine_config_read(Arena *a, const Node *document, MachineConfig **ret, Report *r)
{
    return read_either(a, document, machine_config_pool_owner(document) != NULL, ret, r);
}

int machine_config_read_rendered(Arena *a, const Node *document, MachineConfig **ret, Report *r)
{
    return read_either(a, document, true, ret, r);
}

static Node *strings_node(Arena *a, const char *const *items, size_t n)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < n; i++)
        node_append(list, node_new_string(a, items[i]));
    return list;
}

Node *machine_config_to_node(Arena *a, const MachineConfig *mc)
{
    Node *object = node_new(a, NODE_OBJECT);
    node_set_string(a, object, "apiVersion", MACHINE_CONFIG_API);
    node_set_string(a, object, "kind", "MachineConfig");
    Node *meta = node_set(a, object, "metadata", node_new(a, NODE_OBJECT));
    if (mc->generated_by)
        node_set_string(a, node_set(a, meta, "annotations", node_new(a, NODE_OBJECT)),
                        MACHINE_CONFIG_GENERATED_BY, mc->generated_by);
    if (mc->labels)
        node_set(a, meta, "labels", node_copy(a, mc->labels));
    node_set_string(a, meta, "name", mc->name);
    Node *spec = node_set(a, object, "spec", node_new(a, NODE_OBJECT));
    node_set_string(a, spec, "baseOSExtensionsContainerImage",
                    mc->extensions_image ? mc->extensions_image : "");
    if (mc->config)
        node_set(a, spec, "config", ign_config_to_node(a, mc->config));
    node_set(a, spec, "extensions", strings_node(a, mc->extensions, mc->n_extensions));
    node_set(a, spec, "fips", node_new_bool(a, mc->fips));
    node_set(a, spec, "kernelArguments", strings_node(a, mc->kernel_arguments, mc->n_kernel_arguments));
    node_set_string(a, spec, "kernelType", mc->kernel_type ? mc->kernel_type : "default");
    node_set_string(a, spec, "osImageURL", mc->os_image_url ? mc->os_image_url : "");
    return object;
}
