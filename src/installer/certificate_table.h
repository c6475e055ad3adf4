#pragma once
/* The cluster's certificates, a row each: who signs them, what they say, how long they live, and the assets
 * that they are. Names, subjects and lifetimes are the installer's contract. */
#include "installer/asset.h"
#include "net/pki.h"

typedef struct CertificateRow {
    Asset asset;      /* the parents: the signer, if any, first; then the install config, if it says names */
    const char *file; /* tls/FILE.crt, tls/FILE.key */
    const char *common_name, *organization, *unit;
    const char *names;  /* "DNS:a,IP:b"; @DOMAIN@ and @SERVICE@ (the first service address) are replaced */
    unsigned long life; /* seconds */
    unsigned use;       /* CertificateUse */
    bool signed_by;
    bool chained; /* the .crt ends with the signer's certificate */
    bool at_vip;  /* also good for the API's virtual address, when there is one */
} CertificateRow;

/* Several certificates in one file, those of the parents. */
typedef struct BundleRow {
    Asset asset;
    const char *file; /* tls/FILE.crt */
} BundleRow;

extern const CertificateRow certificate_rows[];
extern const size_t certificate_rows_n;
extern const BundleRow bundle_rows[];
extern const size_t bundle_rows_n;

const CertificateRow *certificate_row(const char *file);             /* NULL: none of that file */
const CertificateRow *certificate_signer(const CertificateRow *row); /* NULL: it signs itself */
enum { CERTIFICATE_BACKDATED = 300 }; /* seconds: machines whose clocks are a little behind take it too */
int certificate_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e);
int certificate_asset_validity(AssetStore *s, const AssetValue *v, time_t *ret_from, time_t *ret_until,
                               Error *e);
int bundle_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e);
int service_account_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e);
