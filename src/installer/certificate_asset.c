/* From a row of the table to the files of its asset. Lifetimes are divided by the scale that tests give, and
 * so is the back-dating, which makes a certificate good on machines whose clocks are a little behind. */
#include <string.h>

#include "installer/asset_store.h"
#include "installer/certificate_table.h"

static const char *replace(Arena *a, const char *text, const char *what, const char *with)
{
    const char *at = text ? strstr(text, what) : NULL;

    if (!at)
        return text;
    return replace(a, arena_printf(a, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what)), what,
                   with);
}

/* The names of one kind out of "DNS:a,IP:b"; ends with NULL. */
static const char *const *names_of(Arena *a, const char *names, const char *kind)
{
    const char **list = ARENA_ARRAY(a, const char *, strlen(names) + 1);
    size_t n = 0, kind_len = strlen(kind);

    for (const char *p = names; *p;) {
        size_t len = strcspn(p, ",");
        if (strncmp(p, kind, kind_len) == 0)
            list[n++] = arena_memdup(a, p + kind_len, len - kind_len);
        p += len + (p[len] == ',');
    }
    return list;
}

/* Only rows whose names depend on the install config have it among their parents. */
static int fill_names(AssetStore *s, const CertificateRow *row, CertificateSpec *spec, Error *e)
{
    Arena *a = asset_store_arena(s);
    const char *names = row->names;
    const InstallConfig *config;
    char service[NETWORK_TEXT_MAX];

    spec->common_name = row->common_name;
    if (!names)
        return 0;
    if (strchr(names, '@')) {
        int r = asset_store_config(s, &config, e);
        if (r < 0)
            return r;
        network_range_nth(&config->service_networks[0], 1, service);
        spec->common_name = replace(a, spec->common_name, "@DOMAIN@", config->cluster_domain);
        names = replace(a, names, "@DOMAIN@", config->cluster_domain);
        names = replace(a, names, "@SERVICE@", service);
        if (row->at_vip && config->api_vip)
            names = arena_printf(a, "%s,IP:%s", names, config->api_vip);
    }
    spec->dns = names_of(a, names, "DNS:");
    spec->ip = names_of(a, names, "IP:");
    return 0;
}

static const CertificateRow *row_of(const char *asset)
{
    for (size_t i = 0; i < certificate_rows_n; i++)
        if (strcmp(certificate_rows[i].asset.name, asset) == 0)
            return &certificate_rows[i];
    return NULL;
}

const CertificateRow *certificate_signer(const CertificateRow *row)
{
    return row->signed_by ? row_of(row->asset.parents[0]) : NULL;
}

const CertificateRow *certificate_row(const char *file)
{
    for (size_t i = 0; i < certificate_rows_n; i++)
        if (strcmp(certificate_rows[i].file, file) == 0)
            return &certificate_rows[i];
    return NULL;
}

static KeyKind key_kind(AssetStore *s)
{
    return strcmp(asset_store_options(s)->key_type, "rsa2048") == 0 ? KEY_RSA2048 : KEY_P256;
}

static int read_signer(const AssetFile *cert, const AssetFile *key, Certificate **ret_cert, KeyPair **ret_key,
                       Error *e)
{
    int r = certificate_read(cert->data, cert->len, ret_cert, e);
    return r < 0 ? r : key_pair_read(key->data, key->len, ret_key, e);
}

int certificate_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e)
{
    const CertificateRow *row = (const CertificateRow *)asset; /* its first member */
    const CertificateRow *signer = certificate_signer(row);
    const InstallerOptions *options = asset_store_options(s);
    Arena *a = asset_store_arena(s);
    _cleanup_(certificate_freep)
    Certificate *cert = NULL, *signer_cert = NULL;
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL, *signer_key = NULL;
    _cleanup_buf_ Buf cert_text = BUF_INIT;
    _cleanup_(buf_done_secret)
    Buf key_text = BUF_INIT;
    unsigned long life = row->life / options->lifetime_scale;
    CertificateSpec spec = {
        .organization = row->organization,
        .unit = row->unit,
        .use = row->use,
        .not_before = options->now - (time_t)(CERTIFICATE_BACKDATED / options->lifetime_scale),
        .not_after = options->now + (time_t)(life ? life : 1),
    };
    int r = 0;

    if (signer) {
        const AssetFile *file =
            asset_store_file(s, asset->parents[0], arena_printf(a, "tls/%s.crt", signer->file));
        r = read_signer(file,
                        asset_store_file(s, asset->parents[0], arena_printf(a, "tls/%s.key", signer->file)),
                        &signer_cert, &signer_key, e);
    }
    if (r >= 0)
        r = fill_names(s, row, &spec, e);
    if (r >= 0)
        r = key_pair_new(key_kind(s), &key, e);
    if (r >= 0)
        r = certificate_issue(&spec, key, signer_cert, signer_key ? signer_key : key, &cert, e);
    if (r < 0)
        return r;
    certificate_write(cert, &cert_text);
    if (row->chained && signer_cert)
        certificate_write(signer_cert, &cert_text);
    key_pair_write_private(key, &key_text);
    asset_value_add(a, ret, arena_printf(a, "tls/%s.crt", row->file), cert_text.data, cert_text.len);
    asset_value_add(a, ret, arena_printf(a, "tls/%s.key", row->file), key_text.data, key_text.len);
    return 0;
}

int certificate_asset_validity(AssetStore *s _unused_, const AssetValue *v, time_t *ret_from,
                               time_t *ret_until, Error *e)
{
    _cleanup_(certificate_freep)
    Certificate *cert = NULL;

    if (!v->n) /* by path: the .crt comes first */
        return error_set(e, EINVAL, "no certificate");
    int r = certificate_read(v->files[0].data, v->files[0].len, &cert, e);
    if (r < 0)
        return r;
    *ret_from = certificate_not_before(cert);
    *ret_until = certificate_not_after(cert);
    return 0;
}

static bool is_certificate(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".crt") == 0;
}

int bundle_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e _unused_)
{
    const BundleRow *row = (const BundleRow *)asset;
    _cleanup_buf_ Buf all = BUF_INIT;

    for (const char *const *name = asset->parents; *name; name++) {
        const AssetValue *v = asset_store_get(s, *name);
        for (size_t i = 0; i < v->n; i++)
            if (is_certificate(v->files[i].path))
                buf_add(&all, v->files[i].data, v->files[i].len);
    }
    asset_value_add(asset_store_arena(s), ret, arena_printf(asset_store_arena(s), "tls/%s.crt", row->file),
                    all.data, all.len);
    return 0;
}

int service_account_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    _cleanup_(buf_done_secret)
    Buf private = BUF_INIT;
    _cleanup_buf_ Buf public = BUF_INIT;

    int r = key_pair_new(key_kind(s), &key, e);
    if (r < 0)
        return r;
    key_pair_write_private(key, &private);
    key_pair_write_public(key, &public);
    asset_value_add(asset_store_arena(s), ret, "tls/service-account.key", private.data, private.len);
    asset_value_add(asset_store_arena(s), ret, "tls/service-account.pub", public.data, public.len);
    return 0;
}
