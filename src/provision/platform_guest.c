/* VMware and VirtualBox: the config is text that the hypervisor keeps by name, and `ignition-rmcfg` takes it
 * away there. VMware's may also stand in the OVF environment of an appliance; a variable of its own goes over
 * that, and each of the two (text, encoding) by itself. VMware can neither delete nor empty a variable: what
 * is left is an empty config. */
#include <string.h>

#include "base/log.h"
#include "provision/guest_info.h"
#include "provision/ovf_environment.h"
#include "provision/platform.h"
#include "provision/user_data.h"

static const char vmware_data[] = "ignition.config.data", vmware_encoding[] = "ignition.config.data.encoding",
                  vmware_ovf[] = "ovfenv";
static const char ovf_data[] = "guestinfo.ignition.config.data",
                  ovf_encoding[] = "guestinfo.ignition.config.data.encoding";
static const char deleted_data[] = "e30K", deleted_encoding[] = "base64"; /* "{}" */
static const char vbox_config[] = "/Ignition/Config", vbox_encoding[] = "/Ignition/Config/Encoding";

typedef struct Encoding {
    const char *name;
    bool base64, gzip;
} Encoding;

static const Encoding encodings[] = {
    {"", false, false},          {"b64", true, false},   {"base64", true, false},
    {"gz", false, true},         {"gzip", false, true},  {"gz+base64", true, true},
    {"gzip+base64", true, true}, {"gz+b64", true, true}, {"gzip+b64", true, true},
};

static const char *text_of(const Buf *b)
{
    return b->data ? b->data : "";
}

static int decode(const char *name, Buf *data, Error *e)
{
    for (size_t i = 0; i < ELEMENTS(encodings); i++) {
        if (strcmp(encodings[i].name, name) != 0)
            continue;
        int r = encodings[i].base64 ? user_data_base64(data, e) : 0;
        if (r >= 0 && encodings[i].gzip)
            r = user_data_gzip(data, e);
        return r;
    }
    return error_set(e, EINVAL, "unsupported encoding \"%s\"", name);
}

/* What of it stands in the OVF environment; a document that cannot be read has nothing. */
static void ovf_read(const GuestInfo *g, Buf *data, Buf *encoding)
{
    _cleanup_(buf_done_secret)
    Buf document = BUF_INIT;
    Error why = ERROR_INIT;
    int r = g->get(vmware_ovf, &document, &why);

    if (r > 0 && document.len > 0) {
        r = ovf_property_get(document.data, document.len, ovf_data, data, &why);
        if (r >= 0)
            r = ovf_property_get(document.data, document.len, ovf_encoding, encoding, &why);
    }
    if (r < 0)
        log_warning("%s; continuing without it", why.text);
}

/* The variable, else what `otherwise` has already. */
static int variable_read(const GuestInfo *g, const char *name, Buf *otherwise, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf value = BUF_INIT;
    int r = g->get(name, &value, e);

    if (r > 0) {
        otherwise->len = 0;
        buf_add(otherwise, text_of(&value), value.len);
    }
    return r;
}

int vmware_fetch(const PlatformFetch *p _unused_, Buf *ret, Error *e)
{
    const GuestInfo *g = guest_info_choose(&guest_info_vmware);
    _cleanup_(buf_done_secret)
    Buf data = BUF_INIT, encoding = BUF_INIT;

    ovf_read(g, &data, &encoding);
    int r = variable_read(g, vmware_data, &data, e);
    if (r >= 0)
        r = variable_read(g, vmware_encoding, &encoding, e);
    if (r >= 0)
        r = decode(encoding.len ? text_of(&encoding) : "", &data, e);
    if (r < 0)
        return r;
    buf_add(ret, text_of(&data), data.len);
    return 0;
}

static int vmware_variables_remove(const GuestInfo *g, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf data = BUF_INIT, encoding = BUF_INIT;
    int r = g->get(vmware_data, &data, e);

    if (r <= 0 || strcmp(text_of(&data), deleted_data) == 0)
        return r;
    log_info("deleting config from guestinfo properties");
    r = g->set(vmware_data, deleted_data, e);
    if (r >= 0)
        r = g->get(vmware_encoding, &encoding, e);
    if (r >= 0 && strcmp(text_of(&encoding), deleted_encoding) != 0)
        r = g->set(vmware_encoding, deleted_encoding, e);
    return r;
}

int vmware_remove(Fetcher *f _unused_, Error *e)
{
    static const char *const keys[] = {ovf_data, ovf_encoding, NULL};
    const GuestInfo *g = guest_info_choose(&guest_info_vmware);
    _cleanup_(buf_done_secret)
    Buf document = BUF_INIT, pruned = BUF_INIT;
    int r = vmware_variables_remove(g, e);

    if (r >= 0)
        r = g->get(vmware_ovf, &document, e);
    if (r <= 0 || document.len == 0)
        return r < 0 ? r : 0;
    r = ovf_properties_remove(document.data, document.len, keys, &pruned, e);
    if (r <= 0)
        return r;
    log_info("deleting config from OVF environment");
    return g->set(vmware_ovf, text_of(&pruned), e);
}

int virtualbox_fetch(const PlatformFetch *p _unused_, Buf *ret, Error *e)
{
    const GuestInfo *g = guest_info_choose(&guest_info_virtualbox);
    _cleanup_buf_ Buf encoding = BUF_INIT;
    int r = g->get(vbox_encoding, &encoding, e);

    if (r > 0 && encoding.len > 0)
        return error_set(e, EINVAL, "unsupported \"%s\" value \"%s\"", vbox_encoding, encoding.data);
    if (r >= 0)
        r = g->get(vbox_config, ret, e);
    if (r == 0) {
        log_info("VirtualBox guest property %s does not exist; assuming no config", vbox_config);
        return -ENODATA;
    }
    return r < 0 ? r : 0;
}

int virtualbox_remove(Fetcher *f _unused_, Error *e)
{
    const GuestInfo *g = guest_info_choose(&guest_info_virtualbox);

    log_info("deleting Ignition config from VirtualBox guest property");
    int r = g->remove(vbox_encoding, e);
    return r < 0 ? r : g->remove(vbox_config, e);
}
