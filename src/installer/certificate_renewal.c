/* Reads all, plans in memory in the order of the table (signers come before what they sign), looks at the
 * result as a client would, and only then writes: one change of the asset directory's kind, whose pending
 * file decides. A certificate that its signer's key has not signed is somebody else's and stays. */
#include "installer/certificate_renewal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "installer/asset_state.h"
#include "installer/certificate_clock.h"
#include "installer/certificate_table.h"

enum { FILE_MAX = 1 << 20 };

typedef struct Slot {
    Certificate *certificate, *former; /* certificate: as it is to be */
    KeyPair *key;
    const char *text; /* of the .crt, as it is to be; NULL: there is none */
    const char *was, *key_was;
    const char *key_text; /* a new key; NULL: none */
    bool renewed;
    const char *why; /* not, though it is due */
} Slot;

typedef struct Renewal {
    Arena *a;
    const RenewalOptions *o;
    int dir;
    Slot *rows;           /* as certificate_rows */
    const char **bundles; /* as bundle_rows: as they are to be; NULL: none, or as it is */
    const char **bundles_were;
} Renewal;

static void renewal_done(Renewal *r)
{
    for (size_t i = 0; r->rows && i < certificate_rows_n; i++) {
        certificate_free(r->rows[i].certificate);
        certificate_free(r->rows[i].former);
        key_pair_free(r->rows[i].key);
    }
    closep(&r->dir);
}

/* ---- reading ---- */

/* NULL: there is none. */
static int read_text(Renewal *r, const char *file, const char *suffix, const char **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int k = file_read_at(r->dir, arena_printf(r->a, "%s%s", file, suffix), FILE_MAX, &text, NULL);
    *ret = k < 0 ? NULL : arena_memdup(r->a, text.data ? text.data : "", text.len);
    return k < 0 && k != -ENOENT ? error_errno(e, k, "reading %s%s", file, suffix) : 0;
}

static int read_row(Renewal *r, size_t i, Error *e)
{
    Slot *s = &r->rows[i];
    const char *file = certificate_rows[i].file;
    int k = read_text(r, file, ".crt", &s->was, e);
    if (k >= 0)
        k = read_text(r, file, ".key", &s->key_was, e);
    s->text = s->was;
    if (k < 0 || !s->text)
        return k;
    k = certificate_read(s->text, strlen(s->text), &s->certificate, e);
    if (k >= 0 && s->key_was)
        k = key_pair_read(s->key_was, strlen(s->key_was), &s->key, e);
    if (k >= 0 && s->key && !certificate_belongs_to(s->certificate, s->key))
        k = error_set(e, EINVAL, "the key does not belong to the certificate");
    return k < 0 ? error_wrap(e, k, "%s", file) : 0;
}

static int read_all(Renewal *r, Error *e)
{
    size_t n = 0;
    int k = 0;
    for (size_t i = 0; i < certificate_rows_n && k >= 0; i++) {
        k = read_row(r, i, e);
        n += r->rows[i].text != NULL;
    }
    for (size_t i = 0; i < bundle_rows_n && k >= 0; i++)
        k = read_text(r, bundle_rows[i].file, ".crt", &r->bundles_were[i], e);
    if (k >= 0 && !n)
        k = error_set(e, ENOENT, "'%s' has no certificate of a cluster", r->o->dir);
    return k;
}

/* ---- planning ---- */

static Slot *slot_of(Renewal *r, const CertificateRow *row)
{
    return row ? &r->rows[row - certificate_rows] : NULL;
}

static bool is_due(const Renewal *r, const Slot *s, const CertificateRow *row, const Slot *signer)
{
    return r->o->all || (row->chained && signer && signer->renewed) ||
           certificate_used(certificate_not_before(s->certificate), certificate_not_after(s->certificate),
                            r->o->now) >= CERTIFICATE_DUE_PERCENT;
}

/* NULL: it can be issued again. */
static const char *obstacle(const Renewal *r, const Slot *s, const CertificateRow *row, const Slot *signer)
{
    const CertificateRow *by = certificate_signer(row);
    if (!by)
        return s->key ? NULL : "its key is not here";
    if (!signer->text || !signer->key)
        return arena_printf(r->a, "the key of its signer %s is not here", by->file);
    if (certificate_not_after(signer->certificate) <= r->o->now)
        return arena_printf(r->a, "its signer %s has expired", by->file);
    if (!certificate_signed_by(s->certificate, signer->key))
        return arena_printf(r->a, "%s has not signed it", by->file);
    return NULL;
}

static const char *text_of(Renewal *r, const Certificate *c, const Slot *chain)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    certificate_write(c, &text);
    if (chain)
        certificate_write(chain->certificate, &text);
    return arena_memdup(r->a, text.data, text.len);
}

static int new_key(Renewal *r, Slot *s, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    KeyPair *key = NULL;
    int k = key_pair_new(s->key ? key_pair_kind(s->key) : KEY_P256, &key, e);
    if (k < 0)
        return k;
    key_pair_free(s->key);
    s->key = key;
    key_pair_write_private(key, &text);
    s->key_text = arena_memdup(r->a, text.data, text.len);
    return 0;
}

static int issue(Renewal *r, Slot *s, const CertificateRow *row, const Slot *signer, Error *e)
{
    CertificateNames names;
    Certificate *c = NULL;
    unsigned scale = r->o->lifetime_scale ? r->o->lifetime_scale : 1;
    time_t life = (time_t)(row->life / scale), now = r->o->now;
    int k = certificate_names(r->a, s->certificate, &names, e);
    if (k >= 0 && signer)
        k = new_key(r, s, e);
    if (k < 0)
        return k;
    CertificateSpec spec = {.common_name = names.common_name ? names.common_name : row->common_name,
                            .organization = names.n_organizations ? names.organizations[0] : NULL,
                            .unit = names.unit,
                            .use = row->use,
                            .dns = names.dns,
                            .ip = names.ip,
                            .not_before = now - (time_t)(CERTIFICATE_BACKDATED / scale),
                            .not_after = now + (life ? life : 1)};
    if (signer && certificate_not_after(signer->certificate) < spec.not_after)
        spec.not_after = certificate_not_after(signer->certificate);
    k = certificate_issue(&spec, s->key, signer ? signer->certificate : NULL, signer ? signer->key : s->key,
                          &c, e);
    if (k < 0)
        return k;
    s->former = s->certificate;
    s->certificate = c;
    s->text = text_of(r, c, row->chained ? signer : NULL);
    s->renewed = true;
    return 0;
}

static int plan_row(Renewal *r, size_t i, Error *e)
{
    const CertificateRow *row = &certificate_rows[i];
    Slot *s = &r->rows[i], *signer = slot_of(r, certificate_signer(row));
    if (!s->text || !is_due(r, s, row, signer))
        return 0;
    s->why = obstacle(r, s, row, signer);
    int k = s->why ? 0 : issue(r, s, row, signer, e);
    return k < 0 ? error_wrap(e, k, "%s", row->file) : 0;
}

/* ---- bundles ---- */

static bool add_asset(Renewal *r, const char *asset, Buf *out, bool *changed);

static bool add_bundle(Renewal *r, const BundleRow *row, Buf *out, bool *changed)
{
    for (const char *const *p = row->asset.parents; *p; p++)
        if (!add_asset(r, *p, out, changed))
            return false;
    return true;
}

/* False: a part of it is not here. */
static bool add_asset(Renewal *r, const char *asset, Buf *out, bool *changed)
{
    for (size_t i = 0; i < bundle_rows_n; i++)
        if (strcmp(bundle_rows[i].asset.name, asset) == 0)
            return add_bundle(r, &bundle_rows[i], out, changed);
    for (size_t i = 0; i < certificate_rows_n; i++)
        if (strcmp(certificate_rows[i].asset.name, asset) == 0 && r->rows[i].text) {
            buf_add_str(out, r->rows[i].text);
            *changed |= r->rows[i].renewed;
            return true;
        }
    return false;
}

/* A bundle of which a part is missing keeps its former text, with the new ones behind it. */
static void plan_bundle(Renewal *r, size_t i)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    bool changed = false;
    if (!r->bundles_were[i])
        return;
    if (!add_bundle(r, &bundle_rows[i], &text, &changed)) {
        text.len = 0;
        buf_add_str(&text, r->bundles_were[i]);
        for (const char *const *p = bundle_rows[i].asset.parents; *p; p++)
            (void)add_asset(r, *p, &text, &changed);
    }
    if (changed)
        r->bundles[i] = arena_memdup(r->a, text.data, text.len);
}

/* ---- the result ---- */

static void leave(Renewal *r, RenewalResult *ret, size_t i, const char *why)
{
    ret->left[ret->n_left++] = arena_printf(r->a, "%s: %s", certificate_rows[i].file, why);
}

/* As who is shown them would look at them. */
static void judge(Renewal *r, RenewalResult *ret)
{
    for (size_t i = 0; i < certificate_rows_n; i++) {
        const Slot *s = &r->rows[i], *signer = slot_of(r, certificate_signer(&certificate_rows[i]));
        const char *by = signer ? signer->text : s->text;
        Error e = ERROR_INIT;
        if (s->why)
            leave(r, ret, i, s->why);
        else if (s->text && by && certificate_verify(s->certificate, by, s->key, r->o->now, &e) < 0)
            leave(r, ret, i, e.text);
    }
}

static void put(Renewal *r, AssetChange *c, RenewalResult *ret, const AssetFile *file, const char *was)
{
    mode_t mode = strcmp(file->path + strlen(file->path) - 4, ".key") == 0 ? 0600 : 0644;
    if (was)
        asset_change_write(r->a, c,
                           &(AssetFile){.path = arena_printf(r->a, "%s/%s", ret->former, file->path),
                                        .data = was,
                                        .len = strlen(was)},
                           0600);
    asset_change_write(r->a, c, file, mode);
    ret->files[ret->n++] = file->path;
}

static void put_text(Renewal *r, AssetChange *c, RenewalResult *ret, const char *path,
                     const char *const text[2])
{
    put(r, c, ret, &(AssetFile){.path = path, .data = text[0], .len = strlen(text[0])}, text[1]);
}

static int write_all(Renewal *r, RenewalResult *ret, Error *e)
{
    char stamp[32];
    struct tm tm;
    AssetChange c;
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H-%M-%SZ", gmtime_r(&r->o->now, &tm));
    ret->former = arena_printf(r->a, RENEWAL_FORMER_DIR "/%s", stamp);
    asset_change_init(r->a, &c, NULL, ret->former);
    for (size_t i = 0; i < certificate_rows_n; i++) {
        const Slot *s = &r->rows[i];
        const char *file = certificate_rows[i].file;
        if (s->renewed && s->key_text)
            put_text(r, &c, ret, arena_printf(r->a, "%s.key", file),
                     (const char *[]){s->key_text, s->key_was});
        if (s->renewed)
            put_text(r, &c, ret, arena_printf(r->a, "%s.crt", file), (const char *[]){s->text, s->was});
    }
    for (size_t i = 0; i < bundle_rows_n; i++)
        if (r->bundles[i])
            put_text(r, &c, ret, arena_printf(r->a, "%s.crt", bundle_rows[i].file),
                     (const char *[]){r->bundles[i], r->bundles_were[i]});
    if (ret->n)
        return asset_change_commit(r->a, &c, r->dir, e);
    ret->former = NULL;
    return 0;
}

/* ---- all of it ---- */

static int open_directory(Renewal *r, RenewalResult *ret, Error *e)
{
    const char *tls = arena_printf(r->a, "%s/tls", r->o->dir);
    r->dir = open(tls, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir < 0)
        r->dir = open(r->o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir < 0)
        return error_errno(e, -errno, "opening '%s'", r->o->dir);
    if (faccessat(r->dir, ASSET_STATE_FILE, F_OK, 0) == 0)
        return error_set(e, EINVAL, "'%s' is an install directory: basalt create makes anew what has expired",
                         r->o->dir);
    if (flock(r->dir, LOCK_EX | LOCK_NB) < 0)
        return error_errno(e, -errno, "another basalt works in '%s'", r->o->dir);
    int k = asset_change_resume(r->a, r->dir, e);
    ret->completed = k > 0;
    return k;
}

static int plan(Renewal *r, Error *e)
{
    int k = read_all(r, e);
    for (size_t i = 0; i < certificate_rows_n && k >= 0; i++)
        k = plan_row(r, i, e);
    for (size_t i = 0; i < bundle_rows_n && k >= 0; i++)
        plan_bundle(r, i);
    return k;
}

int certificate_renewal(Arena *a, const RenewalOptions *o, RenewalResult *ret, Error *e)
{
    _cleanup_(renewal_done)
    Renewal r = {.a = a,
                 .o = o,
                 .dir = -EBADF,
                 .rows = ARENA_ARRAY(a, Slot, certificate_rows_n),
                 .bundles = ARENA_ARRAY(a, const char *, bundle_rows_n),
                 .bundles_were = ARENA_ARRAY(a, const char *, bundle_rows_n)};
    *ret = (RenewalResult){.files = ARENA_ARRAY(a, const char *, 2 * certificate_rows_n + bundle_rows_n),
                           .left = ARENA_ARRAY(a, const char *, certificate_rows_n)};
    int k = open_directory(&r, ret, e);
    if (k >= 0)
        k = plan(&r, e);
    if (k < 0)
        return k;
    judge(&r, ret);
    if (o->whole && ret->n_left)
        return error_set(e, EKEYREJECTED, "not all can be made good, so nothing was changed");
    return write_all(&r, ret, e);
}
