/* Order of a binding: each Tang server's advertisement (from the config, else fetched); the policy as JSON
 * with the advertisements in it, so that Clevis fetches nothing; a random key; `clevis encrypt` of it; the
 * key and the token into the header; `clevis decrypt`, whose answer must be the key, when enough pins can be
 * reached from here (a server whose advertisement stands in the config need not be there yet). The caller
 * takes its own key away after that. Keys go to Clevis through its standard input and come back through its
 * output; its arguments carry the policy alone.
 *
 * A server that does not answer is asked for a minute, unless the config has a limit of its own
 * (timeouts.httpTotal): a network that is slow to come up is no reason to fail, a server that is down none to
 * wait for ever. */
#include "provision/clevis.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "format/base64url.h"
#include "format/json.h"
#include "provision/fetcher.h"
#include "provision/tang_advertisement.h"
#include "system/clevis_policy.h"
#include "system/luks_device.h"

enum {
    BOUND_KEY_BYTES = 32,
    TANG_PATIENCE_SEC = 60,
    CLEVIS_PATIENCE_SEC = 300,
    TPM_PATIENCE_MS = 5000,
    TPM_POLL_MS = 100
};

static bool is_custom(const IgnLuks *l)
{
    return l->clevis.custom.pin && *l->clevis.custom.pin;
}

bool clevis_wanted(const IgnLuks *l)
{
    const IgnClevis *c = &l->clevis;
    return is_custom(l) || c->tang.n || c->tpm2 == BOOL_TRUE || (c->threshold.set && c->threshold.value);
}

static int64_t threshold(const IgnLuks *l)
{
    return l->clevis.threshold.set ? l->clevis.threshold.value : 1;
}

const char *clevis_contradiction(Arena *a, const IgnLuks *l)
{
    if (!clevis_wanted(l) || is_custom(l))
        return NULL;
    int64_t pins = (int64_t)l->clevis.tang.n + (l->clevis.tpm2 == BOOL_TRUE), t = threshold(l);
    if (t < 1)
        return arena_printf(a, "the threshold is %lld; at least one pin has to be needed", (long long)t);
    return t > pins ? arena_printf(a, "the threshold is %lld, more than the number of pins (%lld)",
                                   (long long)t, (long long)pins)
                    : NULL;
}

/* ---- the policy ---- */

static Node *json_tree(Arena *a, const char *name, const char *text, size_t n)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *root;
    *source = (Source){.name = name, .text = text, .len = n, .secret = true};
    return json_read(a, source, SEVERITY_WARNING, &root, &r) < 0 ? NULL : root;
}

/* As Ignition hands it to Clevis. `advertisements` in the order of the servers; NULL: without. */
static Node *sss_config(Arena *a, const IgnLuks *l, Node *const *advertisements)
{
    Node *pins = node_new(a, NODE_OBJECT), *config = node_new(a, NODE_OBJECT);
    if (l->clevis.tang.n) {
        Node *list = node_set(a, pins, "tang", node_new(a, NODE_ARRAY));
        size_t i = 0;
        IGN_EACH (const IgnTang, t, l->clevis.tang) {
            Node *server = node_append(list, node_new(a, NODE_OBJECT));
            node_set_string(a, server, "url", t->url);
            node_set_string(a, server, "thp", t->thumbprint);
            if (advertisements)
                node_set(a, server, "adv", node_copy(a, advertisements[i++]));
        }
    }
    if (l->clevis.tpm2 == BOOL_TRUE)
        node_set(a, pins, "tpm2", node_new(a, NODE_OBJECT));
    node_set(a, config, "pins", pins);
    node_set(a, config, "t", node_new_int(a, threshold(l)));
    return config;
}

const char *clevis_policy_wanted(Arena *a, const IgnLuks *l)
{
    if (!is_custom(l))
        return clevis_policy_of_config(a, "sss", sss_config(a, l, NULL));
    const char *text = l->clevis.custom.config ? l->clevis.custom.config : "";
    return clevis_policy_of_config(a, l->clevis.custom.pin, json_tree(a, "clevis", text, strlen(text)));
}

/* ---- Tang ---- */

/* The fetcher is the stage's: its limit is put back. */
static int fetch_limited(StorageContext *c, const IgnResource *r, Buf *ret, Error *e)
{
    pthread_mutex_lock(&c->lock);
    int64_t limit = fetcher_total_timeout(c->fetcher);
    if (limit <= 0)
        (void)fetcher_set_total_timeout(c->fetcher, (int64_t)TANG_PATIENCE_SEC * 1000000000, NULL);
    int k = resource_fetch_buf(c->fetcher, r, TANG_ADVERTISEMENT_MAX, ret, e);
    (void)fetcher_set_total_timeout(c->fetcher, limit, NULL);
    pthread_mutex_unlock(&c->lock);
    return k;
}

static int tang_fetch(StorageContext *c, Arena *a, const IgnTang *t, const char *path, Buf *ret, Error *e)
{
    size_t n = strlen(t->url);
    while (n && t->url[n - 1] == '/')
        n--;
    const IgnResource r = {.source = arena_printf(a, "%.*s/adv%s", (int)n, t->url, path)};
    return fetch_limited(c, &r, ret, e);
}

static const char *list_text(Arena *a, const StringList *l)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    for (size_t i = 0; i < l->n; i++)
        buf_addf(&b, "%s%s", i ? ", " : "", l->items[i]);
    return b.len ? arena_memdup(a, b.data, b.len) : "none";
}

static int tang_read(Arena *a, const IgnTang *t, const char *text, size_t n, Node **ret, Error *e)
{
    _cleanup_(string_list_done)
    StringList thumbprints = {0};
    const char *url = source_redacted(a, t->url);
    bool given = t->advertisement && *t->advertisement;
    int r = tang_advertisement_read(a, text, n, ret, &thumbprints, e);
    if (r < 0)
        return given ? error_wrap(e, r, "the advertisement in the config for the Tang server %s", url)
                     : error_wrap(e, r, "the answer of %s", url);
    r = tang_advertisement_has(a, *ret, t->thumbprint, e);
    if (r != 0)
        return r;
    return error_set(
        e, EKEYREJECTED,
        "the Tang server %s signs with the key %s%s, the config trusts the thumbprint %s: if the server's "
        "keys were changed on purpose, put the new thumbprint into the config (tang-show-keys on the server)",
        url, list_text(a, &thumbprints), given ? " (of the advertisement in the config)" : "", t->thumbprint);
}

static int tang_unreachable(Arena *a, const IgnTang *t, int r, Error *e)
{
    _cleanup_free_ char *why = e ? strdup(e->text) : NULL;
    return error_set(e, -r,
                     "the Tang server %s cannot be reached (%s): check its address and the network of this "
                     "machine, or give "
                     "the server's advertisement in the config (clevis.tang.advertisement)",
                     source_redacted(a, t->url), why ? why : "");
}

/* A server also knows retired keys by their thumbprint; which keys it has now is only of interest when it
 * does not know the one asked for. */
static int tang_advertisement(StorageContext *c, Arena *a, const IgnTang *t, Node **ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (t->advertisement && *t->advertisement)
        return tang_read(a, t, t->advertisement, strlen(t->advertisement), ret, e);
    int r = tang_fetch(c, a, t, arena_printf(a, "/%s", t->thumbprint), &text, e);
    if (r == -ENOENT)
        r = tang_fetch(c, a, t, "", &text, e);
    return r < 0 ? tang_unreachable(a, t, r, e)
                 : tang_read(a, t, text.data ? text.data : "", text.len, ret, e);
}

static int tang_advertisements(StorageContext *c, Arena *a, const IgnLuks *l, Node ***ret, Error *e)
{
    Node **list = ARENA_ARRAY(a, Node *, l->clevis.tang.n + 1);
    for (size_t i = 0; i < l->clevis.tang.n; i++) {
        int r = tang_advertisement(c, a, IGN_AT(l->clevis.tang, IgnTang, i), &list[i], e);
        if (r < 0)
            return r;
    }
    *ret = list;
    return 0;
}

/* ---- the TPM ---- */

static bool tpm_there(void)
{
    for (char digit = '0'; digit <= '9'; digit++) {
        const char path[] = {'/', 'd', 'e', 'v', '/', 't', 'p', 'm', 'r', 'm', digit, '\0'};
        if (access(path, F_OK) == 0)
            return true;
    }
    return getenv("TPM2TOOLS_TCTI") != NULL; /* how the tools of Clevis are told of another one */
}

/* Its driver may be still loading when the disks are done. */
static int tpm_check(Error *e)
{
    _cleanup_buf_ Buf version = BUF_INIT;
    for (unsigned waited = 0; !tpm_there(); waited += TPM_POLL_MS) {
        if (waited == 0)
            log_info("waiting for a TPM");
        if (waited >= TPM_PATIENCE_MS) {
            if (file_read_at(AT_FDCWD, "/sys/class/tpm/tpm0/tpm_version_major", 16, &version, NULL) >= 0 &&
                version.len && version.data[0] == '1')
                return error_set(
                    e, ENODEV,
                    "the TPM of this machine is of version 1.2, and Clevis needs 2.0: switch it over in the "
                    "firmware's setup if it can do both, or take tpm2 out of clevis in the config");
            return error_set(
                e, ENODEV,
                "this machine has no TPM 2.0 device (/dev/tpmrm0): enable it in the firmware's setup (or "
                "give the virtual machine one), or take tpm2 out of clevis in the config");
        }
        nanosleep(&(struct timespec){.tv_nsec = TPM_POLL_MS * 1000000L}, NULL);
    }
    return 0;
}

static bool wants_tpm(const IgnLuks *l)
{
    return l->clevis.tpm2 == BOOL_TRUE || (is_custom(l) && strcmp(l->clevis.custom.pin, "tpm2") == 0);
}

/* ---- the program ---- */

static int program_failed(Error *e, int r, const char *what)
{
    if (r == -ENOENT)
        return error_set(e, ENOENT,
                         "the program clevis is not here: the initramfs needs dracut's module clevis");
    return error_wrap(e, r > 0 ? -EIO : r, "%s", what);
}

static int clevis_present(const IgnLuks *l, Error *e)
{
    static const char *const dirs[] = {"/usr/bin", "/bin", "/usr/local/bin"};
    const char *pin = is_custom(l) ? l->clevis.custom.pin : "sss";
    char path[256];
    for (size_t i = 0; i < ELEMENTS(dirs); i++) {
        snprintf(path, sizeof(path), "%s/clevis-encrypt-%s", dirs[i], pin);
        if (access(path, X_OK) == 0)
            return 0;
    }
    return error_set(e, ENOENT,
                     "Clevis with its pin %s is not here: the initramfs needs dracut's module clevis%s", pin,
                     is_custom(l) ? " and that pin" : "");
}

int clevis_check(StorageContext *c, const IgnLuks *l, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node **list;
    int r = clevis_present(l, e);
    if (r >= 0 && wants_tpm(l))
        r = tpm_check(e);
    return r < 0 ? r : tang_advertisements(c, a, l, &list, e);
}

static int decrypt(const char *jwe, size_t n, Buf *ret_key, Error *e)
{
    const char *argv[] = {"clevis", "decrypt", NULL};
    int r = process_run(&(ProcessRun){.argv = argv,
                                      .input = jwe,
                                      .input_len = n,
                                      .output = ret_key,
                                      .timeout_sec = CLEVIS_PATIENCE_SEC},
                        e);
    return r ? program_failed(e, r, "Clevis cannot give the key back") : 0;
}

static int encrypt(const IgnLuks *l, const char *config, const Buf *key, Buf *ret_jwe, Error *e)
{
    const char *argv[] = {"clevis", "encrypt", is_custom(l) ? l->clevis.custom.pin : "sss",
                          config,   "-y",      NULL};
    int r = process_run(&(ProcessRun){.argv = argv,
                                      .input = key->data,
                                      .input_len = key->len,
                                      .output = ret_jwe,
                                      .timeout_sec = CLEVIS_PATIENCE_SEC},
                        e);
    if (r)
        return program_failed(e, r, "Clevis cannot hide the key behind its pins");
    while (ret_jwe->len && ret_jwe->data[ret_jwe->len - 1] == '\n')
        ret_jwe->data[--ret_jwe->len] = '\0';
    return 0;
}

/* Text, since Clevis prints it and people may have to type it. */
static int random_key(Buf *ret, Error *e)
{
    uint8_t bytes[BOUND_KEY_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return error_errno(e, -errno, "random bytes");
    base64url_encode(bytes, sizeof(bytes), ret);
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

static bool reachable(const IgnLuks *l)
{
    int64_t n = l->clevis.tpm2 == BOOL_TRUE;
    if (is_custom(l))
        return wants_tpm(l);
    IGN_EACH (const IgnTang, t, l->clevis.tang)
        n += !t->advertisement || !*t->advertisement;
    return n >= threshold(l);
}

static int verify(const Buf *jwe, const Buf *bound, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf back = BUF_INIT;
    int r = decrypt(jwe->data, jwe->len, &back, e);
    if (r < 0)
        return r;
    if (back.len != bound->len || memcmp(back.data, bound->data, bound->len) != 0)
        return error_set(e, EKEYREJECTED, "Clevis gave another key back than it was given");
    return 0;
}

int clevis_bind(StorageContext *c, const IgnLuks *l, const char *device, const Buf *key, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(buf_done_secret)
    Buf bound = BUF_INIT;
    _cleanup_buf_ Buf jwe = BUF_INIT, config = BUF_INIT;
    Node **advertisements;
    int r = tang_advertisements(c, a, l, &advertisements, e);
    if (r < 0)
        return r;
    if (is_custom(l))
        buf_add_str(&config, l->clevis.custom.config ? l->clevis.custom.config : "{}");
    else
        json_write(sss_config(a, l, advertisements), JSON_COMPACT, &config);
    r = random_key(&bound, e);
    if (r >= 0)
        r = encrypt(l, config.data, &bound, &jwe, e);
    if (r < 0)
        return r;
    Node *unfolded = clevis_jwe_unfold(a, jwe.data ? jwe.data : "", jwe.len),
         *token = node_new(a, NODE_OBJECT);
    if (!unfolded)
        return error_set(e, EBADMSG, "what Clevis printed is not in the form of a JWE");
    node_set_string(a, token, "type", "clevis");
    node_set(a, token, "jwe", unfolded);
    r = storage_step(c, "bind %s", device);
    if (r >= 0)
        r = luks_device_bind(device, &(LuksBinding){key, &bound, token, a}, e);
    if (r < 0 || !reachable(l))
        return r;
    log_info("%s: asking the pins for the key that they were given", device);
    return verify(&jwe, &bound, e);
}

int clevis_unlock(const char *device, Buf *ret_key, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(string_list_done)
    StringList tokens = {0};
    int r = luks_device_tokens(a, device, "clevis", &tokens, e);
    if (r < 0)
        return r;
    if (!tokens.n)
        return error_set(e, ENOENT, "%s has no Clevis token", device);
    for (size_t i = 0; i < tokens.n; i++) {
        _cleanup_(buf_done_secret)
        Buf key = BUF_INIT;
        const Node *token = json_tree(a, "token", tokens.items[i], strlen(tokens.items[i]));
        const char *jwe = token ? clevis_jwe_fold(a, node_get(token, "jwe")) : NULL;
        r = jwe ? decrypt(jwe, strlen(jwe), &key, e)
                : error_set(e, EBADMSG, "%s: a damaged Clevis token", device);
        if (r < 0)
            continue;
        r = luks_device_key_fits(device, &key, e);
        if (r > 0) {
            buf_add(ret_key, key.data, key.len);
            if (e)
                *e = ERROR_INIT; /* of a token before */
            return 0;
        }
        if (r == 0)
            r = error_set(e, EACCES, "%s: the key behind its Clevis token does not open it", device);
    }
    return r;
}
