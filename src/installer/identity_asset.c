/* What names a cluster and proves who its people and machines are: identifiers, the first password,
 * kubeconfigs, provisioning tokens. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "format/digest.h"
#include "installer/generators.h"
#include "installer/random_text.h"
#include "net/pki.h"

enum { INFRA_NAME_MAX = 21, PASSWORD_LENGTH = 23, TOKEN_BYTES = 32 };

#define KUBERNETES_ALPHABET "bcdfghjklmnpqrstvwxz2456789"
#define PASSWORD_ALPHABET   "abcdefghijkmnopqrstuvwxyzABCDEFGHIJKLMNPQRSTUVWXYZ23456789"

/* ---- identifiers ---- */

/* At most 21 letters, digits and single dashes of the name, and five random characters. */
static int infra_id(Arena *a, const char *name, const char **ret, Error *e)
{
    char text[INFRA_NAME_MAX + 1], tail[6] = "";
    size_t n = 0;

    for (; *name && n < INFRA_NAME_MAX; name++) {
        char c = isalnum((unsigned char)*name) ? *name : '-';
        if (c != '-' || n == 0 || text[n - 1] != '-')
            text[n++] = c;
    }
    while (n && text[n - 1] == '-')
        n--;
    int r = random_text(KUBERNETES_ALPHABET, tail, 5, e);
    if (r < 0)
        return r;
    *ret = arena_printf(a, "%.*s-%s", (int)n, text, tail);
    return 0;
}

int cluster_id_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    Arena *a = asset_store_arena(s);
    const InstallConfig *c;
    const char *infra;
    uint8_t u[16];

    int r = asset_store_config(s, &c, e);
    if (r >= 0)
        r = pki_random(u, sizeof(u), e);
    if (r >= 0)
        r = infra_id(a, c->name, &infra, e);
    if (r < 0)
        return r;
    u[6] = (uint8_t)(0x40 | (u[6] & 0x0f)); /* version 4: random */
    u[8] = (uint8_t)(0x80 | (u[8] & 0x3f));
    const char *uuid = arena_printf(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                                    u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11],
                                    u[12], u[13], u[14], u[15]);
    asset_value_add(a, ret, "cluster-id", uuid, strlen(uuid));
    asset_value_add(a, ret, "infra-id", infra, strlen(infra));
    return 0;
}

int metadata_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    Arena *a = asset_store_arena(s);
    const InstallConfig *c;
    _cleanup_buf_ Buf text = BUF_INIT;

    int r = asset_store_config(s, &c, e);
    if (r < 0)
        return r;
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "clusterName", c->name);
    node_set_string(a, n, "clusterID", asset_store_file(s, "Cluster ID", "cluster-id")->data);
    node_set_string(a, n, "infraID", asset_store_file(s, "Cluster ID", "infra-id")->data);
    json_write(n, JSON_COMPACT, &text);
    asset_value_add(a, ret, "metadata.json", text.data, text.len);
    return 0;
}

/* ---- the first password ---- */

int password_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    char password[PASSWORD_LENGTH + 1] = "";

    int r = random_text(PASSWORD_ALPHABET, password, PASSWORD_LENGTH, e);
    if (r < 0)
        return r;
    password[5] = password[11] = password[17] = '-';
    asset_value_add(asset_store_arena(s), ret, "auth/kubeadmin-password", password, PASSWORD_LENGTH);
    explicit_bzero(password, sizeof(password));
    return 0;
}

int password_hash_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    const AssetFile *password = asset_store_file(s, "Kubeadmin Password", "auth/kubeadmin-password");
    char hash[128];

    int r = password_hash(password->data, hash, e);
    if (r < 0)
        return r;
    asset_value_add(asset_store_arena(s), ret, "kubeadmin-password-hash", hash, strlen(hash));
    return 0;
}

/* ---- provisioning tokens: one for each role, known to the machines; the server has only their digests ----
 */

int tokens_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    static const char *const roles[] = {"master", "worker"};
    const InstallerOptions *options = asset_store_options(s);
    Arena *a = asset_store_arena(s);
    time_t life = (time_t)options->token_hours * 3600 / options->lifetime_scale;

    for (size_t i = 0; i < ELEMENTS(roles); i++) {
        uint8_t bytes[TOKEN_BYTES];
        char text[2 * TOKEN_BYTES + 1];
        int r = pki_random(bytes, sizeof(bytes), e);
        if (r < 0)
            return r;
        hex_encode(bytes, sizeof(bytes), text);
        asset_value_add(a, ret, arena_printf(a, "tokens/%s", roles[i]), text, strlen(text));
    }
    const char *from = arena_printf(a, "%lld", (long long)options->now);
    const char *until = arena_printf(a, "%lld", (long long)(options->now + (life ? life : 1)));
    asset_value_add(a, ret, "tokens/from", from, strlen(from));
    asset_value_add(a, ret, "tokens/until", until, strlen(until));
    return 0;
}

int tokens_validity(AssetStore *s _unused_, const AssetValue *v, time_t *ret_from, time_t *ret_until,
                    Error *e)
{
    const AssetFile *from = asset_value_file(v, "tokens/from"), *until = asset_value_file(v, "tokens/until");
    if (!from || !until)
        return error_set(e, EINVAL, "no tokens");
    *ret_from = (time_t)strtoll(from->data, NULL, 10);
    *ret_until = (time_t)strtoll(until->data, NULL, 10);
    return 0;
}

/* ---- kubeconfigs ---- */

#define COMPLETE_BUNDLE                                                                                      \
    .bundle = "kube-apiserver-complete-server-ca-bundle",                                                    \
    .bundle_asset = "Certificate (kube-apiserver-complete-server-ca-bundle)"
#define ADMIN_CLIENT                                                                                         \
    .client = "admin-kubeconfig-client", .client_asset = "Certificate (admin-kubeconfig-client)"

const KubeconfigRow kubeconfig_admin = {.path = "auth/kubeconfig",
                                        .user = "admin",
                                        .server_host = "api.",
                                        .of_cluster = true,
                                        COMPLETE_BUNDLE,
                                        ADMIN_CLIENT};
const KubeconfigRow kubeconfig_internal = {.path = "auth/kubeconfig",
                                           .user = "admin",
                                           .server_host = "api-int.",
                                           .of_cluster = true,
                                           COMPLETE_BUNDLE,
                                           ADMIN_CLIENT};
const KubeconfigRow kubeconfig_kubelet = {.path = "auth/kubeconfig-kubelet",
                                          .user = "kubelet",
                                          .server_host = "api-int.",
                                          .of_cluster = true,
                                          COMPLETE_BUNDLE,
                                          .client = "kubelet-client",
                                          .client_asset = "Certificate (kubelet-client)"};
const KubeconfigRow kubeconfig_loopback = {.path = "auth/kubeconfig-loopback",
                                           .user = "loopback",
                                           .server_host = "localhost",
                                           .bundle = "kube-apiserver-localhost-ca-bundle",
                                           .bundle_asset = "Certificate (kube-apiserver-localhost-ca-bundle)",
                                           ADMIN_CLIENT};

int kubeconfig_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e)
{
    const KubeconfigRow *row = asset->what;
    Arena *a = asset_store_arena(s);
    _cleanup_(template_done)
    TemplateValues v = {.arena = a, .files = installer_templates};
    const InstallConfig *c;

    int r = asset_store_config(s, &c, e);
    if (r < 0)
        return r;
    const char *host = c->api_vip && row->of_cluster ? c->api_vip
                       : row->of_cluster ? arena_printf(a, "%s%s", row->server_host, c->cluster_domain)
                                         : row->server_host;
    template_set(&v, "clusterName", c->name);
    template_set(&v, "kubeconfigUser", row->user);
    template_set(&v, "kubeconfigServer",
                 arena_printf(a, strchr(host, ':') ? "https://[%s]:6443" : "https://%s:6443", host));
    template_set(&v, "kubeconfigCA",
                 asset_store_file(s, row->bundle_asset, arena_printf(a, "tls/%s.crt", row->bundle))->data);
    template_set(&v, "kubeconfigCert",
                 asset_store_file(s, row->client_asset, arena_printf(a, "tls/%s.crt", row->client))->data);
    template_set(&v, "kubeconfigKey",
                 asset_store_file(s, row->client_asset, arena_printf(a, "tls/%s.key", row->client))->data);
    return asset_value_render(s, ret, row->path, &v, "kubeconfig", e);
}
