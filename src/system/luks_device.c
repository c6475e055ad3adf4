/* Each call opens the container, does one thing and forgets it: nothing is kept between calls but the
 * library. Defaults are those of `cryptsetup luksFormat` (aes-xts-plain64, twice 256 bits, argon2id), so that
 * a config means the same container as before, except where that hurts: memory of the derivation, see the
 * header. Messages: the library says what is wrong in lines of its log; the last error line goes into ours.
 */
#include "system/luks_device.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <linux/fs.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "base/library.h"
#include "system/mapping.h"

enum { DEFAULT_KEY_BITS = 256, FAST_ITERATIONS = 1000, TAIL_WIPED = 1 << 20, WIPE_STEP = 1 << 20 };
enum { MEMORY_MIN_KIB = 64 << 10, MEMORY_MAX_KIB = 1 << 20 };

typedef struct Cryptsetup {
    int (*init)(struct crypt_device **, const char *);
    int (*init_by_name)(struct crypt_device **, const char *);
    void (*free)(struct crypt_device *);
    int (*load)(struct crypt_device *, const char *, void *);
    int (*format)(struct crypt_device *, const char *, const char *, const char *, const char *, const char *,
                  size_t, void *);
    void (*set_log)(struct crypt_device *, void (*)(int, const char *, void *), void *);
    const struct crypt_pbkdf_type *(*pbkdf_default)(const char *);
    int (*set_pbkdf)(struct crypt_device *, const struct crypt_pbkdf_type *);
    int (*set_metadata_size)(struct crypt_device *, uint64_t, uint64_t);
    int (*set_data_offset)(struct crypt_device *, uint64_t);
    void (*set_rng)(struct crypt_device *, int);
    int (*set_keyslot_encryption)(struct crypt_device *, const char *, size_t);
    int (*add_by_volume_key)(struct crypt_device *, int, const char *, size_t, const char *, size_t);
    int (*add_by_passphrase)(struct crypt_device *, int, const char *, size_t, const char *, size_t);
    crypt_keyslot_info (*keyslot_status)(struct crypt_device *, int);
    int (*keyslot_destroy)(struct crypt_device *, int);
    int (*flags_get)(struct crypt_device *, crypt_flags_type, uint32_t *);
    int (*flags_set)(struct crypt_device *, crypt_flags_type, uint32_t);
    int (*activate)(struct crypt_device *, const char *, int, const char *, size_t, uint32_t);
    int (*activate_by_volume_key)(struct crypt_device *, const char *, const char *, size_t, uint32_t);
    int (*deactivate)(struct crypt_device *, const char *);
    const char *(*label)(struct crypt_device *);
    const char *(*subsystem)(struct crypt_device *);
    int (*set_label)(struct crypt_device *, const char *, const char *);
    crypt_token_info (*token_status)(struct crypt_device *, int, const char **);
    int (*token_get)(struct crypt_device *, int, const char **);
    int (*token_set)(struct crypt_device *, int, const char *);
    int (*token_max)(const char *);
    int (*wipe)(struct crypt_device *, const char *, crypt_wipe_pattern, uint64_t, uint64_t, size_t, uint32_t,
                int (*)(uint64_t, uint64_t, void *), void *);
    void (*external_tokens_disable)(void);
} Cryptsetup;

static Cryptsetup lib;
static char last_message[512]; /* under the lock, like the library */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void log_keep(int level, const char *message, void *context _unused_)
{
    if (level != CRYPT_LOG_ERROR)
        return;
    snprintf(last_message, sizeof(last_message), "%s", message);
    last_message[strcspn(last_message, "\n")] = '\0';
}

static int load_locked(Error *e)
{
    static bool loaded;
    if (loaded)
        return 0;
    const LibrarySymbol rows[] = {
        {"crypt_init", &lib.init},
        {"crypt_init_by_name", &lib.init_by_name},
        {"crypt_free", &lib.free},
        {"crypt_load", &lib.load},
        {"crypt_format", &lib.format},
        {"crypt_set_log_callback", &lib.set_log},
        {"crypt_get_pbkdf_default", &lib.pbkdf_default},
        {"crypt_set_pbkdf_type", &lib.set_pbkdf},
        {"crypt_set_metadata_size", &lib.set_metadata_size},
        {"crypt_set_data_offset", &lib.set_data_offset},
        {"crypt_set_rng_type", &lib.set_rng},
        {"crypt_keyslot_set_encryption", &lib.set_keyslot_encryption},
        {"crypt_keyslot_add_by_volume_key", &lib.add_by_volume_key},
        {"crypt_keyslot_add_by_passphrase", &lib.add_by_passphrase},
        {"crypt_keyslot_status", &lib.keyslot_status},
        {"crypt_keyslot_destroy", &lib.keyslot_destroy},
        {"crypt_persistent_flags_get", &lib.flags_get},
        {"crypt_persistent_flags_set", &lib.flags_set},
        {"crypt_activate_by_passphrase", &lib.activate},
        {"crypt_activate_by_volume_key", &lib.activate_by_volume_key},
        {"crypt_deactivate", &lib.deactivate},
        {"crypt_get_label", &lib.label},
        {"crypt_get_subsystem", &lib.subsystem},
        {"crypt_set_label", &lib.set_label},
        {"crypt_token_status", &lib.token_status},
        {"crypt_token_json_get", &lib.token_get},
        {"crypt_token_json_set", &lib.token_set},
        {"crypt_token_max", &lib.token_max},
        {"crypt_wipe", &lib.wipe},
        {"crypt_token_external_disable", &lib.external_tokens_disable},
    };
    int r = library_load("libcryptsetup.so.12", "encrypted volumes", rows, ELEMENTS(rows), e);
    if (r < 0)
        return r;
    lib.set_log(NULL, log_keep, NULL);
    lib.external_tokens_disable();
    loaded = true;
    return 0;
}

/* The library's own words where it had some, else those of the code. */
static int fail(Error *e, int r, const char *what)
{
    const char *path = last_message;
    return *path ? error_set(e, -r, "%s: %s", what, path) : error_errno(e, r, "%s", what);
}

/* One container while the library is ours. */
typedef struct Session {
    struct crypt_device *cd;
} Session;

static void session_end(Session *s)
{
    if (s->cd)
        lib.free(s->cd);
    pthread_mutex_unlock(&lock);
}
#define _cleanup_session_ _cleanup_(session_end)

/* Whatever comes of it, the session is to be ended. */
static int session_begin(Session *s, const char *path, Error *e)
{
    *s = (Session){0};
    pthread_mutex_lock(&lock);
    last_message[0] = '\0';
    int r = load_locked(e);
    if (r < 0)
        return r;
    r = lib.init(&s->cd, path);
    return r < 0 ? fail(e, r, path) : 0;
}

static int session_load(Session *s, const char *path, Error *e)
{
    int r = session_begin(s, path, e);
    if (r < 0)
        return r;
    r = lib.load(s->cd, CRYPT_LUKS2, NULL);
    return r < 0 ? fail(e, r, path) : 0;
}

/* ---- making ---- */

uint32_t luks_memory_limit_kib(uint64_t available_kib)
{
    uint64_t limit = available_kib / 4;
    if (limit > MEMORY_MAX_KIB)
        limit = MEMORY_MAX_KIB;
    return limit < MEMORY_MIN_KIB ? MEMORY_MIN_KIB : (uint32_t)limit;
}

static uint64_t available_kib(void)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (file_read_at(AT_FDCWD, "/proc/meminfo", 64 << 10, &b, NULL) < 0 || !b.data)
        return 0;
    const char *line = strstr(b.data, "MemAvailable:");
    return line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) : 0;
}

static struct crypt_pbkdf_type fast_pbkdf(void)
{
    return (struct crypt_pbkdf_type){.type = CRYPT_KDF_PBKDF2,
                                     .hash = "sha256",
                                     .iterations = FAST_ITERATIONS,
                                     .flags = CRYPT_PBKDF_NO_BENCHMARK};
}

static struct crypt_pbkdf_type choose_pbkdf(const LuksOptions *o, bool random_key)
{
    const struct crypt_pbkdf_type *standard = lib.pbkdf_default(CRYPT_LUKS2);
    bool unsaid = !o->pbkdf && !o->iterations && !o->iter_time_ms && !o->memory_kib && !o->parallel;
    struct crypt_pbkdf_type p;

    if (unsaid && random_key) {
        p = fast_pbkdf();
        p.hash = o->hash ? o->hash : p.hash;
        return p;
    }
    p = standard ? *standard
                 : (struct crypt_pbkdf_type){.type = CRYPT_KDF_PBKDF2, .hash = "sha256", .time_ms = 2000};
    p.type = o->pbkdf ? o->pbkdf : p.type;
    p.hash = o->hash ? o->hash : p.hash;
    if (strcmp(p.type, CRYPT_KDF_PBKDF2) == 0)
        p.max_memory_kb = p.parallel_threads = 0;
    else {
        uint32_t limit = luks_memory_limit_kib(available_kib());
        if (!p.max_memory_kb || p.max_memory_kb > limit)
            p.max_memory_kb = limit;
        p.max_memory_kb = o->memory_kib ? (uint32_t)o->memory_kib : p.max_memory_kb;
        p.parallel_threads = o->parallel          ? (uint32_t)o->parallel
                             : p.parallel_threads ? p.parallel_threads
                                                  : 4;
    }
    if (o->iter_time_ms)
        p.time_ms = (uint32_t)o->iter_time_ms;
    if (o->iterations) {
        p.iterations = (uint32_t)o->iterations;
        p.time_ms = 0;
        p.flags |= CRYPT_PBKDF_NO_BENCHMARK;
    }
    return p;
}

typedef struct Cipher {
    char name[64], mode[128], integrity[64];
    size_t key_size; /* bytes, that of the integrity included */
} Cipher;

/* Names of integrity as the command line has them, the kernel's, and how long their key is. */
static const struct {
    const char *name, *kernel;
    size_t key_size;
} integrities[] = {
    {"none", "none", 0},
    {"aead", "aead", 0},
    {"poly1305", "poly1305", 0},
    {"hmac-sha1", "hmac(sha1)", 20},
    {"hmac-sha256", "hmac(sha256)", 32},
    {"hmac-sha512", "hmac(sha512)", 64},
    {"cmac-aes", "cmac(aes)", 16},
};

static int choose_cipher(const LuksOptions *o, Cipher *ret, Error *e)
{
    const char *text = o->cipher ? o->cipher : "aes-xts-plain64";
    *ret = (Cipher){0};
    size_t n = strcspn(text, "-");
    if (strncmp(text, "capi:", 5) == 0) /* capi:MODE(CIPHER)-IV */
        n = 4;
    if (n >= sizeof(ret->name) || strlen(text + n) >= sizeof(ret->mode))
        return error_set(e, EINVAL, "the name of the cipher '%s' is too long", text);
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)n, text);
    snprintf(ret->mode, sizeof(ret->mode), "%s", text[n] ? text + n + 1 : "cbc-plain");
    if (strncmp(text, "capi:", 5) == 0)
        snprintf(ret->name, sizeof(ret->name), "capi:%.*s", (int)strcspn(text + 5, "-"), text + 5);
    if (strncmp(text, "capi:", 5) == 0 && strchr(text, '-'))
        snprintf(ret->mode, sizeof(ret->mode), "%s", strchr(text, '-') + 1);

    bool xts = strncmp(ret->mode, "xts-", 4) == 0;
    ret->key_size = o->key_size ? o->key_size / 8 : (size_t)DEFAULT_KEY_BITS / 8 * (xts ? 2 : 1);
    if (!o->integrity)
        return 0;
    for (size_t i = 0; i < ELEMENTS(integrities); i++)
        if (strcmp(integrities[i].name, o->integrity) == 0) {
            snprintf(ret->integrity, sizeof(ret->integrity), "%s", integrities[i].kernel);
            ret->key_size += integrities[i].key_size;
            return 0;
        }
    return error_set(e, EINVAL, "the integrity algorithm '%s' is not known", o->integrity);
}

/* What identifies a former member of something by its last sectors (MD 0.90 and 1.0, a second GPT, ZFS): the
 * format itself only clears what is before its data. Inside the container nothing is stored yet. */
static int tail_wipe(const char *path, Error *e)
{
    static const char zeroes[64 << 10];
    uint64_t size = 0;
    struct stat st;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(e, -errno, "%s", path);
    if (S_ISBLK(st.st_mode) ? ioctl(fd, BLKGETSIZE64, &size) < 0 : (size = (uint64_t)st.st_size, false))
        return error_errno(e, -errno, "%s", path);
    uint64_t at = size > TAIL_WIPED ? size - TAIL_WIPED : 0;
    while (at < size) {
        size_t n = size - at < sizeof(zeroes) ? (size_t)(size - at) : sizeof(zeroes);
        ssize_t done = pwrite(fd, zeroes, n, (off_t)at);
        if (done <= 0)
            return error_errno(e, done < 0 ? -errno : -EIO, "clearing the end of %s", path);
        at += (uint64_t)done;
    }
    return fsync(fd) < 0 ? error_errno(e, -errno, "%s", path) : 0;
}

/* With integrity every sector that was not written reads as an error, so each is written once. */
static int integrity_wipe(Session *s, const char *path, Error *e)
{
    char name[64];
    snprintf(name, sizeof(name), "temporary-ignition-%d", (int)getpid());
    int r =
        lib.activate_by_volume_key(s->cd, name, NULL, 0, CRYPT_ACTIVATE_PRIVATE | CRYPT_ACTIVATE_NO_JOURNAL);
    if (r < 0)
        return fail(e, r, path);
    char mapped[96];
    snprintf(mapped, sizeof(mapped), "/dev/mapper/%s", name);
    r = lib.wipe(s->cd, mapped, CRYPT_WIPE_ZERO, 0, 0, WIPE_STEP, 0, NULL, NULL);
    int closed = lib.deactivate(s->cd, name);
    return r < 0 || closed < 0 ? fail(e, r < 0 ? r : closed, path) : 0;
}

static int apply_sizes(Session *s, const char *path, const LuksOptions *o, Error *e)
{
    int r = 0;
    if (o->metadata_size || o->keyslots_size)
        r = lib.set_metadata_size(s->cd, o->metadata_size, o->keyslots_size);
    if (r >= 0 && o->offset)
        r = lib.set_data_offset(s->cd, o->offset);
    if (r >= 0 && o->use_random)
        lib.set_rng(s->cd, CRYPT_RNG_RANDOM);
    return r < 0 ? fail(e, r, path) : 0;
}

static int format_locked(Session *s, const char *path, const LuksOptions *o, const Buf *key, bool random_key,
                         Error *e)
{
    Cipher cipher;
    int r = choose_cipher(o, &cipher, e);
    if (r >= 0)
        r = apply_sizes(s, path, o, e);
    if (r < 0)
        return r;
    struct crypt_pbkdf_type pbkdf = choose_pbkdf(o, random_key);
    struct crypt_params_luks2 params = {
        .pbkdf = &pbkdf,
        .integrity = *cipher.integrity ? cipher.integrity : NULL,
        .data_alignment = o->alignment,
        .sector_size = (uint32_t)o->sector_size,
        .label = o->label,
        .subsystem = o->subsystem,
    };
    /* That a label or mark is in the header from its first byte on is what reruns stand on. */
    r = lib.format(s->cd, CRYPT_LUKS2, cipher.name, cipher.mode, o->uuid, NULL, cipher.key_size, &params);
    if (r >= 0 && o->keyslot_cipher)
        r = lib.set_keyslot_encryption(s->cd, o->keyslot_cipher, o->keyslot_key_size / 8);
    if (r >= 0)
        r = lib.add_by_volume_key(s->cd, o->key_slot ? (int)o->key_slot - 1 : CRYPT_ANY_SLOT, NULL, 0,
                                  key->data, key->len);
    if (r >= 0 && o->flags)
        r = lib.flags_set(s->cd, CRYPT_FLAGS_ACTIVATION, (uint32_t)o->flags);
    if (r < 0)
        return fail(e, r, path);
    return params.integrity && !o->integrity_no_wipe ? integrity_wipe(s, path, e) : 0;
}

int luks_device_format(const char *path, const LuksOptions *o, const Buf *key, bool random_key, Error *e)
{
    if (!key->len || key->len > LUKS_KEY_MAX)
        return error_set(e, EINVAL, key->len ? "the key is longer than 8 MiB" : "the key is empty");
    int r = tail_wipe(path, e);
    if (r < 0)
        return r;
    _cleanup_session_ Session s;
    r = session_begin(&s, path, e);
    return r < 0 ? r : format_locked(&s, path, o, key, random_key, e);
}

/* ---- using ---- */

int luks_device_key_fits(const char *path, const Buf *key, Error *e)
{
    _cleanup_session_ Session s;
    int r = session_load(&s, path, e);
    if (r < 0)
        return r;
    r = lib.activate(s.cd, NULL, CRYPT_ANY_SLOT, key->data, key->len, 0);
    return r >= 0 ? 1 : r == -EPERM || r == -ENOENT ? 0 : fail(e, r, path);
}

int luks_device_open(const char *path, const char *name, const Buf *key, Error *e)
{
    _cleanup_session_ Session s;
    int r = session_load(&s, path, e);
    if (r < 0)
        return r;
    r = lib.activate(s.cd, name, CRYPT_ANY_SLOT, key->data, key->len, 0);
    if (r == -EPERM || r == -ENOENT)
        return error_set(e, EACCES, "%s: the key does not open it", path);
    return r < 0 ? fail(e, r, path) : 0;
}

int luks_device_close(const char *name, Error *e)
{
    _cleanup_session_ Session s = {0};
    pthread_mutex_lock(&lock);
    last_message[0] = '\0';
    int r = mapping_remove_unstarted(name, e);
    if (r != 0)
        return r < 0 ? r : 0;
    r = load_locked(e);
    if (r < 0)
        return r;
    r = lib.init_by_name(&s.cd, name);
    if (r >= 0)
        r = lib.deactivate(s.cd, name);
    return r < 0 ? fail(e, r, name) : 0;
}

int luks_device_set_flags(const char *path, uint64_t flags, Error *e)
{
    _cleanup_session_ Session s;
    uint32_t old = 0;
    int r = session_load(&s, path, e);
    if (r < 0)
        return r;
    r = lib.flags_get(s.cd, CRYPT_FLAGS_ACTIVATION, &old);
    if (r >= 0 && old == flags)
        return 0;
    if (r >= 0)
        r = lib.flags_set(s.cd, CRYPT_FLAGS_ACTIVATION, (uint32_t)flags);
    return r < 0 ? fail(e, r, path) : 1;
}

int luks_device_set_subsystem(const char *path, const char *subsystem, Error *e)
{
    _cleanup_session_ Session s;
    int r = session_load(&s, path, e);
    if (r < 0)
        return r;
    const char *old = lib.subsystem(s.cd), *label = lib.label(s.cd);
    if (strcmp(old ? old : "", subsystem ? subsystem : "") == 0)
        return 0;
    _cleanup_free_ char *kept = label ? strdup(label) : NULL; /* the library's own text changes under it */
    r = lib.set_label(s.cd, kept, subsystem);
    return r < 0 ? fail(e, r, path) : 1;
}

int luks_device_bind(const char *path, const LuksBinding *b, Error *e)
{
    _cleanup_session_ Session s;
    char slot[16];
    int r = session_load(&s, path, e);
    if (r < 0)
        return r;
    struct crypt_pbkdf_type fast = fast_pbkdf();
    r = lib.set_pbkdf(s.cd, &fast);
    if (r >= 0)
        r = lib.add_by_passphrase(s.cd, CRYPT_ANY_SLOT, b->key->data, b->key->len, b->bound->data,
                                  b->bound->len);
    if (r < 0)
        return fail(e, r, path);
    snprintf(slot, sizeof(slot), "%d", r);
    Node *slots = node_new(b->arena, NODE_ARRAY);
    node_append(slots, node_new_string(b->arena, slot));
    node_set(b->arena, b->token, "keyslots", slots);
    _cleanup_buf_ Buf json = BUF_INIT;
    json_write(b->token, JSON_COMPACT, &json);
    r = lib.token_set(s.cd, CRYPT_ANY_TOKEN, json.data);
    return r < 0 ? fail(e, r, path) : 0;
}

int luks_device_tokens(Arena *a, const char *path, const char *type, StringList *ret, Error *e)
{
    _cleanup_session_ Session s;
    int r = session_load(&s, path, e);
    if (r < 0)
        return r;
    for (int i = 0; i < lib.token_max(CRYPT_LUKS2); i++) {
        const char *found, *json;
        crypt_token_info status = lib.token_status(s.cd, i, &found);
        if (status <= CRYPT_TOKEN_INACTIVE || strcmp(found, type) != 0)
            continue;
        r = lib.token_get(s.cd, i, &json);
        if (r < 0)
            return fail(e, r, path);
        string_list_add(ret, arena_strdup(a, json));
    }
    return 0;
}

int luks_device_remove_key(const char *path, const Buf *key, Error *e)
{
    _cleanup_session_ Session s;
    int r = session_load(&s, path, e);
    if (r < 0)
        return r;
    int slot = lib.activate(s.cd, NULL, CRYPT_ANY_SLOT, key->data, key->len, 0);
    if (slot < 0)
        return fail(e, slot, path);
    if (lib.keyslot_status(s.cd, slot) == CRYPT_SLOT_ACTIVE_LAST)
        return error_set(e, EBUSY, "%s: this is the only key that opens it", path);
    r = lib.keyslot_destroy(s.cd, slot);
    return r < 0 ? fail(e, r, path) : 0;
}
