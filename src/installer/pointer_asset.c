/* master.ign and worker.ign: all that a machine is given is where its config is, whom to believe, and a token
 * that says it may ask. Spec 2.2 has no headers, so the token stands in the query. */
#include <string.h>

#include "format/data_url.h"
#include "installer/generators.h"
#include "installer/ignition_output.h"

int pointer_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e)
{
    const char *role = asset->what;
    Arena *a = asset_store_arena(s);
    const AssetFile *ca = asset_store_file(s, "Root CA", "tls/root-ca.crt");
    const AssetFile *token = asset_store_file(s, "Provisioning Tokens", arena_printf(a, "tokens/%s", role));
    _cleanup_buf_ Buf ca_url = BUF_INIT, json = BUF_INIT, out = BUF_INIT;
    const InstallConfig *c;

    int r = asset_store_config(s, &c, e);
    if (r < 0)
        return r;
    data_url_encode_base64("text/plain;charset=utf-8", ca->data, ca->len, &ca_url);
    const char *host = arena_printf(a, "api-int.%s", c->cluster_domain);
    if (c->api_vip)
        host = strchr(c->api_vip, ':') ? arena_printf(a, "[%s]", c->api_vip) : c->api_vip;
    buf_addf(&json,
             "{\"ignition\":{\"config\":{\"append\":[{\"source\":\"https://%s:22623/config/%s?token=%s\","
             "\"verification\":{}}]},\"security\":{\"tls\":{\"certificateAuthorities\":[{\"source\":\"%s\","
             "\"verification\":{}}]}},\"timeouts\":{},\"version\":\"2.2.0\"},\"networkd\":{},\"passwd\":{},"
             "\"storage\":{},\"systemd\":{}}",
             host, role, token->data, ca_url.data);
    r = ignition_output(a, json.data, asset_store_options(s)->ignition_version, &out, e);
    if (r < 0)
        return r;
    asset_value_add(a, ret, arena_printf(a, "%s.ign", role), out.data, out.len);
    return 0;
}
