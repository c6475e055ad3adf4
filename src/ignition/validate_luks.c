/* Rules of encrypted volumes and of what opens them. */
#include <string.h>

#include "format/json.h"
#include "ignition/source_url.h"
#include "ignition/url_parts.h"
#include "ignition/validate_rule.h"

enum { LABEL_MAX = 47 };

static bool threshold_set(const IgnClevis *c)
{
    return c->threshold.set && c->threshold.value != 0;
}

static bool clevis_present(const IgnClevis *c)
{
    return !is_empty(c->custom.pin) || c->tang.n > 0 || c->tpm2 == BOOL_TRUE || threshold_set(c);
}

/* In 3.2 an empty `custom` counted as one. */
static bool custom_present(const IgnClevisCustom *c, IgnVersion version)
{
    return version == IGN_3_2 ? c->node != NULL : !is_empty(c->pin);
}

static void check_luks(const Checker *k, const void *object)
{
    const IgnLuks *l = object;
    Error e;
    if (l->name && strchr(l->name, '/'))
        check_field(k, SEVERITY_ERROR, "name", "device names cannot contain slashes");
    if (l->label && strlen(l->label) > LABEL_MAX)
        check_field(k, SEVERITY_ERROR, "label", "luks device labels cannot be longer than 47 characters");
    check_field(k, SEVERITY_ERROR, "device",
                is_empty(l->device) ? "disk device is required" : check_path(l->device));
    if (custom_present(&l->clevis.custom, k->version) &&
        (l->clevis.tang.n > 0 || l->clevis.tpm2 == BOOL_TRUE || threshold_set(&l->clevis)))
        check_field(k, SEVERITY_ERROR, "clevis",
                    "cannot use custom clevis config with tpm2, tang, or threshold");
    /* The field is keyFile; reports have always said "keys". */
    if (!is_empty(l->key_file.source) && source_url_check(l->key_file.source, k->version, &e) < 0)
        check_field(k, SEVERITY_ERROR, "keys", "invalid key-file source");
    if (l->cex.enabled == BOOL_TRUE && clevis_present(&l->clevis))
        check_field(k, SEVERITY_ERROR, "cex", "cannot use cex with clevis");
    if (l->cex.enabled == BOOL_TRUE && !is_empty(l->key_file.source))
        check_field(k, SEVERITY_ERROR, "cex", "cannot use key file with cex");
}

static bool pin_known(const char *pin)
{
    static const char *const pins[] = {"tpm2", "tang", "sss"};
    for (size_t i = 0; i < ELEMENTS(pins); i++)
        if (strcmp(pins[i], pin) == 0)
            return true;
    return false;
}

/* 3.2 had values where later versions have pointers: there an unset pin was an unknown one. */
static void check_custom(const Checker *k, const void *object)
{
    const IgnClevisCustom *c = object;
    bool network = k->version > IGN_3_2 && c->needs_network == BOOL_TRUE;
    if (is_empty(c->pin) && is_empty(c->config) && !network)
        return;
    if (is_empty(c->pin))
        check_field(k, SEVERITY_ERROR, "pin",
                    k->version == IGN_3_2 ? "unsupported clevis pin" : "missing required custom clevis pin");
    else if (k->version < IGN_3_6 && !pin_known(c->pin))
        check_field(k, SEVERITY_ERROR, "pin", "unsupported clevis pin");
    if (is_empty(c->config))
        check_field(k, SEVERITY_ERROR, "config", "missing required custom clevis config");
}

static const char *tang_url_message(const char *url)
{
    UrlParts u;
    if (url_parts_read(url ? url : "", &u) < 0)
        return "unable to parse url";
    return strcmp(u.scheme, "http") == 0 || strcmp(u.scheme, "https") == 0 ? NULL : "invalid url scheme";
}

static bool is_json(Arena *scratch, const char *text)
{
    Source source = {.name = "advertisement", .text = text, .len = strlen(text), .secret = true};
    _cleanup_report_ Report r = REPORT_INIT(scratch);
    Node *n;
    return json_read(scratch, &source, SEVERITY_WARNING, &n, &r) == 0;
}

static void check_tang(const Checker *k, const void *object)
{
    const IgnTang *t = object;
    check_field(k, SEVERITY_ERROR, "url", tang_url_message(t->url));
    if (is_empty(t->thumbprint))
        check_field(k, SEVERITY_ERROR, "thumbprint", "thumbprint is required");
    if (!is_empty(t->advertisement) && !is_json(k->scratch, t->advertisement))
        check_field(k, SEVERITY_ERROR, "advertisement", "advertisement is not valid JSON");
}

const IgnRule ign_luks_rules[] = {
    {&ign_luks_type, check_luks, IGN_3_2, IGN_3_7_EXP},
    {&ign_clevis_custom_type, check_custom, IGN_3_2, IGN_3_7_EXP},
    {&ign_tang_type, check_tang, IGN_3_2, IGN_3_7_EXP},
    {},
};
