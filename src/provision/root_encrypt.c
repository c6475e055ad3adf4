/* The file holds what Clevis takes as a pin's config, and which pin is told by its members: "pins" for sss,
 * "url" for tang, else tpm2 ({} for short). The root filesystem of now moves into a volume named "root" on
 * its device, by root_move.h, with its format, label and UUID. Pins that storage.luks can say are said so,
 * since those are looked at before anything is touched; others go to Clevis as they are. The cipher is the
 * default of today. A config that moves its root otherwise is refused, for it would contradict the file;
 * /etc/rhcos-no-clevis in the config means that it does not count. */
#include "provision/root_encrypt.h"

#include <errno.h>
#include <string.h>

#include "format/json.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/translate.h"
#include "provision/fetcher.h"
#include "provision/root_move.h"

#define OPT_OUT "/etc/rhcos-no-clevis"

enum { TEXT_MAX = 1 << 20 };

static const IgnFile *file_of(const IgnConfig *c, const char *path)
{
    IGN_EACH (const IgnFile, f, c->storage.files)
        if (strcmp(f->base.path, path) == 0)
            return f;
    return NULL;
}

static const IgnFile *asked_by(const IgnConfig *c)
{
    const IgnFile *f = file_of(c, ROOT_ENCRYPT_PATH);
    return f && f->contents.source && !file_of(c, OPT_OUT) ? f : NULL;
}

/* ---- from a pin's config to storage.luks[].clevis ---- */

static bool only(const Node *object, const char *const *keys)
{
    NODE_EACH (child, object) {
        bool known = false;
        for (const char *const *k = keys; *k; k++)
            known = known || strcmp(child->key, *k) == 0;
        if (!known)
            return false;
    }
    return true;
}

static bool empty_object(const Node *n)
{
    return n->kind == NODE_OBJECT && n->n == 0;
}

/* NULL: it says more than storage.luks can. */
static Node *tang_of(Arena *a, const Node *pin)
{
    const char *url = node_string(node_get(pin, "url")), *thumbprint = node_string(node_get(pin, "thp"));
    if (!url || !thumbprint || !only(pin, (const char *const[]){"url", "thp", NULL}))
        return NULL;
    Node *tang = node_new(a, NODE_OBJECT);
    node_set_string(a, tang, "url", url);
    node_set_string(a, tang, "thumbprint", thumbprint);
    return tang;
}

/* A pin of sss is one config or a list of them. */
static bool sss_pin_add(Arena *a, Node *clevis, const Node *pin)
{
    const Node one = {.kind = NODE_ARRAY, .first = (Node *)pin, .last = (Node *)pin, .n = 1};
    const Node *list = pin->kind == NODE_ARRAY ? pin : &one;
    if (strcmp(pin->key, "tpm2") == 0) {
        node_set(a, clevis, "tpm2", node_new_bool(a, true));
        return list->n == 1 && empty_object(list->first);
    }
    if (strcmp(pin->key, "tang") != 0)
        return false;
    Node *servers = node_set(a, clevis, "tang", node_new(a, NODE_ARRAY));
    for (const Node *n = list->first; n; n = list == &one ? NULL : n->next) {
        Node *tang = tang_of(a, n);
        if (!tang)
            return false;
        node_append(servers, tang);
    }
    return true;
}

static Node *sss_of(Arena *a, const Node *policy)
{
    int64_t threshold = 1;
    Node *clevis = node_new(a, NODE_OBJECT), *t = node_get(policy, "t"), *pins = node_get(policy, "pins");
    if (!only(policy, (const char *const[]){"t", "pins", NULL}) || pins->kind != NODE_OBJECT ||
        (t && node_int(t, &threshold) < 0))
        return NULL;
    NODE_EACH (pin, pins)
        if (!sss_pin_add(a, clevis, pin))
            return NULL;
    node_set(a, clevis, "threshold", node_new_int(a, threshold));
    return clevis;
}

static bool has_tang(const Node *policy)
{
    return node_get(policy, "url") || node_get_path(policy, "pins.tang");
}

static Node *custom_of(Arena *a, const char *pin, const Node *policy)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *clevis = node_new(a, NODE_OBJECT),
         *custom = node_set(a, clevis, "custom", node_new(a, NODE_OBJECT));
    json_write(policy, JSON_COMPACT, &text);
    node_set_string(a, custom, "pin", pin);
    node_set(a, custom, "config", node_new_string_n(a, text.data, text.len));
    node_set(a, custom, "needsNetwork", node_new_bool(a, has_tang(policy)));
    return clevis;
}

static Node *clevis_of(Arena *a, const Node *policy)
{
    Node *clevis = NULL;
    if (node_get(policy, "pins")) {
        clevis = sss_of(a, policy);
        return clevis ? clevis : custom_of(a, "sss", policy);
    }
    if (node_get(policy, "url")) {
        Node *tang = tang_of(a, policy);
        if (!tang)
            return custom_of(a, "tang", policy);
        clevis = node_new(a, NODE_OBJECT);
        node_append(node_set(a, clevis, "tang", node_new(a, NODE_ARRAY)), tang);
        return clevis;
    }
    if (!empty_object(policy))
        return custom_of(a, "tpm2", policy);
    clevis = node_new(a, NODE_OBJECT);
    node_set(a, clevis, "tpm2", node_new_bool(a, true));
    return clevis;
}

static int policy_read(Arena *a, const char *text, size_t len, Node **ret, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = ROOT_ENCRYPT_PATH, .text = text, .len = len, .secret = true};
    if (json_read(a, source, SEVERITY_ERROR, ret, &report) < 0)
        return error_set(e, EINVAL, ROOT_ENCRYPT_PATH ":%u:%u: %s", report.entries[0].line,
                         report.entries[0].column, report.entries[0].message);
    if ((*ret)->kind != NODE_OBJECT)
        return error_set(e, EINVAL, ROOT_ENCRYPT_PATH ": the config of a clevis pin is an object, this is %s",
                         node_kind_name((*ret)->kind));
    if (node_get(*ret, "url") && !node_get(*ret, "thp") && !node_get(*ret, "adv"))
        return error_set(e, EINVAL,
                         ROOT_ENCRYPT_PATH
                         ": \"thp\" is missing: the thumbprint of the Tang server's key, without "
                         "which any server would be trusted");
    return 0;
}

/* ---- the config ---- */

static Node *storage_of(Arena *a, const Node *policy, const RootNow *now)
{
    Node *storage = node_new(a, NODE_OBJECT);
    Node *luks = node_append(node_set(a, storage, "luks", node_new(a, NODE_ARRAY)), node_new(a, NODE_OBJECT));
    Node *filesystem =
        node_append(node_set(a, storage, "filesystems", node_new(a, NODE_ARRAY)), node_new(a, NODE_OBJECT));
    node_set_string(a, luks, "name", "root");
    node_set_string(a, luks, "device", now->device);
    node_set(a, luks, "clevis", clevis_of(a, policy));
    node_set(a, luks, "wipeVolume", node_new_bool(a, true));
    node_set_string(a, filesystem, "device", "/dev/mapper/root");
    node_set_string(a, filesystem, "format", now->format);
    node_set_string(a, filesystem, "label", now->label ? now->label : "root");
    node_set_string(a, filesystem, "uuid", now->uuid);
    node_set(a, filesystem, "wipeFilesystem", node_new_bool(a, true));
    return storage;
}

int root_encrypt_config(Arena *a, const char *text, size_t len, const RootNow *now, IgnConfig **ret, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    Node *policy, *config = node_new(a, NODE_OBJECT);
    int r = policy_read(a, text, len, &policy, e);
    if (r < 0)
        return r;
    node_set_string(a, node_set(a, config, "ignition", node_new(a, NODE_OBJECT)), "version", "3.5.0");
    node_set(a, config, "storage", storage_of(a, policy, now));
    r = ign_config_from_node(a, config, NULL, ret, &report);
    if (r >= 0)
        r = ign_config_lift(a, *ret, ret, &report);
    return r < 0 ? error_set(e, EINVAL, ROOT_ENCRYPT_PATH ": %s",
                             report.n ? report.entries[0].message : "it cannot be said by storage.luks")
                 : 0;
}

/* 1: what the file asks for is declared already. */
static int declared(Arena *a, const IgnConfig *c, const char *cmdline, Error *e)
{
    const IgnFilesystem *root = root_move_filesystem(a, c, cmdline);
    const IgnLuks *other = NULL;
    IGN_EACH (const IgnLuks, l, c->storage.luks) {
        if (root && strcmp(root->device, arena_printf(a, "/dev/mapper/%s", l->name)) == 0)
            return 1;
        if (strcmp(l->name, "root") == 0)
            other = l;
    }
    if (root)
        return error_set(e, EEXIST,
                         ROOT_ENCRYPT_PATH
                         " asks for an encrypted root, and the config puts the root on %s: say by "
                         "storage.luks how that is to be encrypted",
                         root->device);
    return other ? error_set(e, EEXIST,
                             ROOT_ENCRYPT_PATH
                             " asks for an encrypted root, and the config has an encrypted volume "
                             "'root' on %s for something else",
                             other->device)
                 : 0;
}

int root_encrypt(Arena *a, const RootEncrypt *o, const IgnConfig *config, IgnConfig **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    const char *label;
    RootNow now = {0};
    IgnConfig *addition;
    const IgnFile *file = asked_by(config);
    int r = file ? declared(a, config, o->cmdline, e) : 1;
    if (r)
        return r < 0 ? r : 0;
    r = resource_fetch_buf(o->fetcher, &file->contents, TEXT_MAX, &text, e);
    if (r < 0)
        return error_wrap(e, r, ROOT_ENCRYPT_PATH);
    const char *name = root_move_name(a, o->cmdline, &label);
    r = o->look(o->context, a, name, &now, e);
    if (r == 0)
        return error_set(e, ENXIO,
                         ROOT_ENCRYPT_PATH " asks for an encrypted root, and there is no root at %s", name);
    if (r < 0 || now.encrypted)
        return r < 0 ? r : 0;
    r = root_encrypt_config(a, text.data ? text.data : "", text.len, &now, &addition, e);
    if (r < 0)
        return r;
    *ret = ign_config_merge(a, config, addition);
    return 1;
}

bool root_encrypt_needs_network(const IgnConfig *config)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(fetcher_freep)
    Fetcher *offline = NULL;
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    Node *policy;
    const IgnFile *file = asked_by(config);
    if (!file || fetcher_new(&offline, NULL) < 0)
        return false;
    fetcher_set_offline(offline, true);
    return resource_fetch_buf(offline, &file->contents, TEXT_MAX, &text, NULL) >= 0 &&
           policy_read(a, text.data ? text.data : "", text.len, &policy, NULL) >= 0 && has_tang(policy);
}
