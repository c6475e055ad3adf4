/* The key first, on the disk, then its request, named after the key: killed anywhere, the next run finds the
 * key, and by it the request. An answer is believed when it is a certificate of that key, for that name, and
 * good now. It is written beside the former pair; a link that is replaced decides; then the waiting key goes.
 * A key whose request was denied, has failed, or is somebody else's, is thrown away, and another asked for
 * after a while. */
#include "kube/certificate_rotation.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "format/data_url.h"
#include "kube/kube_kind.h"
#include "net/certificate_request.h"

enum {
    PAIR_MAX = 1 << 20,
    POLL_FIRST_MS = 500,
    POLL_LAST_MS = 60000,
    REFUSED_MS = 5 * 60 * 1000,
    UNSEEN_MS = 10 * 1000,
    NAME_MAX_LEN = 160,
    TRIES_PER_SECOND = 100, /* of names for a pair */
};

typedef struct Pair {
    int64_t from, until; /* 0: there is none that is good */
    int64_t renew;       /* seconds since 1970 */
} Pair;

struct CertificateRotation {
    CertificateRotationOptions o;
    const KubeTime *time;
    char common_name[300], current[NAME_MAX_LEN], waiting[NAME_MAX_LEN];
    Pair pair;
    KeyPair *key;     /* of the request that waits; NULL: none does */
    char request[64]; /* its object; "": not made yet */
    int64_t next, poll_ms;
    KubeBackoff backoff;
    bool asked_as_own; /* the request is that of the pair in use, and only it may look at it */
    bool loaded;
};

static int64_t now_sec(const CertificateRotation *r)
{
    return r->time->wall_us(r->time->context) / 1000000;
}

static void pause_for(CertificateRotation *r, int64_t ms)
{
    r->next = kube_monotonic_ms(r->time) + ms;
}

static bool serves(const CertificateRotation *r)
{
    return r->o.dns || r->o.ip;
}

/* ---- files ---- */

static int open_directory(const CertificateRotation *r, Error *e)
{
    int fd = open(r->o.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_errno(e, -errno, "opening '%s'", r->o.directory) : fd;
}

static bool lists_all(const char *const *wanted, const char *const *has)
{
    for (; wanted && *wanted; wanted++) {
        const char *const *h = has;
        while (h && *h && strcasecmp(*h, *wanted) != 0)
            h++;
        if (!h || !*h)
            return false;
    }
    return true;
}

/* Of that key, for this node, good now; NULL names: they are not asked for. */
static int check(const CertificateRotation *r, const Certificate *c, const KeyPair *key, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    CertificateNames n;
    int k = certificate_names(a, c, &n, e);
    if (k < 0)
        return k;
    if (!certificate_belongs_to(c, key))
        return error_set(e, EINVAL, "a certificate of another key");
    if (!n.common_name || strcmp(n.common_name, r->common_name) != 0)
        return error_set(e, EINVAL, "a certificate of somebody else");
    if (certificate_not_after(c) <= now_sec(r))
        return error_set(e, EKEYEXPIRED, "a certificate that has expired");
    return 0;
}

static bool has_names(const CertificateRotation *r, const Certificate *c)
{
    _cleanup_arena_ Arena *a = arena_new();
    CertificateNames n;
    return certificate_names(a, c, &n, NULL) >= 0 && lists_all(r->o.dns, n.dns) && lists_all(r->o.ip, n.ip);
}

/* 70 to 90 % of a life, each node another, so that they do not all come at once. */
static void take_pair(CertificateRotation *r, const Certificate *c)
{
    int64_t from = certificate_not_before(c), until = certificate_not_after(c);
    r->pair = (Pair){.from = from, .until = until};
    r->pair.renew = from + kube_chance(r->time, (until - from) * 7 / 10, (until - from) / 5 + 1);
}

static int read_pair(int dir, const char *name, Certificate **ret, KeyPair **ret_key)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int k = file_read_at(dir, name, PAIR_MAX, &text, NULL);
    if (k >= 0)
        k = certificate_read(text.data ? text.data : "", text.len, ret, NULL);
    if (k >= 0)
        k = key_pair_read(text.data, text.len, ret_key, NULL);
    return k;
}

static int read_key(int dir, const char *name, KeyPair **ret)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int k = file_read_at(dir, name, PAIR_MAX, &text, NULL);
    return k < 0 ? k : key_pair_read(text.data ? text.data : "", text.len, ret, NULL);
}

static void forget_key(CertificateRotation *r, int dir)
{
    if (unlinkat(dir, r->waiting, 0) == 0)
        (void)dir_sync(dir);
    key_pair_free(r->key);
    r->key = NULL;
    *r->request = '\0';
}

static void take_key(CertificateRotation *r, KeyPair *key)
{
    key_pair_free(r->key);
    r->key = key;
    *r->request = '\0';
    r->poll_ms = POLL_FIRST_MS;
}

/* What a former run has left. A pair that is none is as good as missing. */
static int load(CertificateRotation *r, Error *e)
{
    _cleanup_close_ int dir = open_directory(r, e);
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL, *waiting = NULL;
    if (dir < 0)
        return dir;
    r->pair = (Pair){0};
    if (read_pair(dir, r->current, &c, &key) >= 0 && check(r, c, key, NULL) >= 0)
        take_pair(r, c);
    if (r->pair.until && !has_names(r, c))
        r->pair.renew = 0;
    if (read_key(dir, r->waiting, &waiting) >= 0) {
        if (r->pair.until && certificate_belongs_to(c, waiting))
            forget_key(r, dir); /* killed between the link and this */
        else
            take_key(r, TAKE_PTR(waiting));
    }
    r->loaded = true;
    return 0;
}

static int make_key(CertificateRotation *r, Error *e)
{
    _cleanup_close_ int dir = open_directory(r, e);
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int k = dir < 0 ? dir : key_pair_new(KEY_P256, &key, e);
    if (k < 0)
        return k;
    key_pair_write_private(key, &text);
    k = file_write_at(dir, r->waiting, text.data, text.len, FILE_WRITE(.mode = 0600, .sync = true));
    if (k < 0)
        return error_errno(e, k, "writing '%s/%s'", r->o.directory, r->waiting);
    take_key(r, TAKE_PTR(key));
    return 0;
}

/* ---- storing ---- */

static int write_pair(const CertificateRotation *r, int dir, const Buf *text, char name[NAME_MAX_LEN])
{
    time_t now = (time_t)now_sec(r);
    char stamp[32];
    struct tm tm;
    int k = -EEXIST;
    strftime(stamp, sizeof(stamp), "%Y-%m-%d-%H-%M-%S", gmtime_r(&now, &tm));
    for (unsigned i = 0; k == -EEXIST && i < TRIES_PER_SECOND; i++) {
        snprintf(name, NAME_MAX_LEN, i ? "%s-%s-%u.pem" : "%s-%s.pem", r->o.prefix, stamp, i);
        k = file_write_at(dir, name, text->data, text->len,
                          FILE_WRITE(.mode = 0600, .sync = true, .exclusive = true));
    }
    return k;
}

/* This moment decides. */
static int point_to(const CertificateRotation *r, int dir, const char *name)
{
    char aside[NAME_MAX_LEN];
    snprintf(aside, sizeof(aside), "%s-updated.pem", r->o.prefix);
    if (unlinkat(dir, aside, 0) < 0 && errno != ENOENT)
        return -errno;
    if (symlinkat(name, dir, aside) < 0 || renameat(dir, aside, dir, r->current) < 0)
        return -errno;
    return dir_sync(dir);
}

/* PREFIX-20… : a pair, whoever left it. */
static bool is_pair(const CertificateRotation *r, const char *name)
{
    size_t n = strlen(r->o.prefix), len = strlen(name);
    return strncmp(name, r->o.prefix, n) == 0 && name[n] == '-' && name[n + 1] >= '0' && name[n + 1] <= '9' &&
           len > 4 && strcmp(name + len - 4, ".pem") == 0;
}

/* All but these two; what cannot be removed stays. */
static void prune(const CertificateRotation *r, int dir, const char *now, const char *former)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));)
        if (is_pair(r, entry->d_name) && strcmp(entry->d_name, now) != 0 &&
            strcmp(entry->d_name, former) != 0)
            (void)unlinkat(dir, entry->d_name, 0);
}

static int store(CertificateRotation *r, const Certificate *c, Error *e)
{
    _cleanup_close_ int dir = open_directory(r, e);
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    char name[NAME_MAX_LEN], former[NAME_MAX_LEN] = "";
    if (dir < 0)
        return dir;
    certificate_write(c, &text);
    key_pair_write_private(r->key, &text);
    ssize_t n = readlinkat(dir, r->current, former, sizeof(former) - 1);
    former[n > 0 ? n : 0] = '\0';
    int k = write_pair(r, dir, &text, name);
    if (k >= 0)
        k = point_to(r, dir, name);
    if (k < 0)
        return error_errno(e, k, "storing a certificate in '%s'", r->o.directory);
    forget_key(r, dir);
    prune(r, dir, name, former);
    take_pair(r, c);
    return 1;
}

/* ---- asking ---- */

static Kube *client(const CertificateRotation *r)
{
    bool good = r->pair.until > now_sec(r);
    return (good || !r->o.bootstrap) && r->o.own ? r->o.own : r->o.bootstrap;
}

static Node *make_object(const CertificateRotation *r, Arena *a, const char *pem, size_t n)
{
    Node *object = kube_object_new(a, &kube_certificate_signing_request, NULL, r->request);
    Node *spec = node_set(a, object, "spec", node_new(a, NODE_OBJECT)), *usages = node_new(a, NODE_ARRAY);
    _cleanup_buf_ Buf text = BUF_INIT;
    base64_encode(pem, n, &text);
    node_set_string(a, spec, "request", text.data);
    node_set_string(a, spec, "signerName",
                    serves(r) ? "kubernetes.io/kubelet-serving"
                              : "kubernetes.io/kube-apiserver-client-kubelet");
    /* All three: servers before 1.27 take no less. */
    node_append(usages, node_new_string(a, "digital signature"));
    node_append(usages, node_new_string(a, "key encipherment"));
    node_append(usages, node_new_string(a, serves(r) ? "server auth" : "client auth"));
    node_set(a, spec, "usages", usages);
    return object;
}

static int ask(CertificateRotation *r, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf pem = BUF_INIT;
    char id[KEY_ID_SIZE];
    KubeAnswer answer;
    CertificateSpec spec = {
        .common_name = r->common_name, .organization = "system:nodes", .dns = r->o.dns, .ip = r->o.ip};
    int k = certificate_request_make(&spec, r->key, &pem, e);
    if (k < 0)
        return k;
    key_pair_id(r->key, id);
    snprintf(r->request, sizeof(r->request), "node-csr-%.40s", id);
    KubeRequest q = {.verb = KUBE_CREATE,
                     .kind = &kube_certificate_signing_request,
                     .body = make_object(r, a, pem.data, pem.len)};
    k = kube_call(client(r), &q, a, &answer, e);
    if (k < 0 && k != -EEXIST) {
        *r->request = '\0';
        return k;
    }
    r->asked_as_own = k == 0 && client(r) == r->o.own && r->o.own != r->o.bootstrap;
    pause_for(r, r->poll_ms);
    return 0;
}

static bool has_condition(const Node *object, const char *type)
{
    const Node *list = node_get_path(object, "status.conditions");
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (c, list) {
            const char *t = node_string(node_get(c, "type"));
            if (t && strcmp(t, type) == 0)
                return true;
        }
    return false;
}

/* Another key, later. */
static int give_up(CertificateRotation *r, int64_t ms, const char *why, Error *e)
{
    _cleanup_close_ int dir = open_directory(r, NULL);
    char request[sizeof(r->request)];
    snprintf(request, sizeof(request), "%s", r->request);
    if (dir >= 0)
        forget_key(r, dir);
    pause_for(r, ms);
    return error_set(e, EKEYREJECTED, "certificate signing request %s %s", request, why);
}

static int take(CertificateRotation *r, const Node *object, Error *e)
{
    const Node *text = node_get_path(object, "status.certificate");
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    _cleanup_buf_ Buf pem = BUF_INIT;
    if (!node_string(text) || !text->len) {
        pause_for(r, kube_chance(r->time, r->poll_ms, r->poll_ms / 4 + 1));
        r->poll_ms = r->poll_ms * 2 < POLL_LAST_MS ? r->poll_ms * 2 : POLL_LAST_MS;
        return 0;
    }
    if (text->len > PAIR_MAX || base64_decode(text->string, text->len, &pem) < 0 || !pem.len ||
        certificate_read(pem.data, pem.len, &c, e) < 0 || check(r, c, r->key, e) < 0)
        return give_up(r, REFUSED_MS, "has brought a certificate that is not for this node", e);
    return store(r, c, e);
}

static int poll_request(CertificateRotation *r, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    KubeRequest q = {.verb = KUBE_GET, .kind = &kube_certificate_signing_request, .name = r->request};
    int k = kube_call(client(r), &q, a, &answer, e);
    if (k == -ENOENT) { /* it was removed for its age: the same again */
        *r->request = '\0';
        return 0;
    }
    if (k == -EACCES)
        return give_up(r, UNSEEN_MS, "may not be looked at", e);
    if (k < 0)
        return k;
    if (has_condition(answer.object, "Denied"))
        return give_up(r, REFUSED_MS, "was denied", e);
    if (has_condition(answer.object, "Failed"))
        return give_up(r, REFUSED_MS, "has failed", e);
    return take(r, answer.object, e);
}

/* ---- steps ---- */

static int advance(CertificateRotation *r, Error *e)
{
    if (!r->loaded)
        return load(r, e);
    if (!r->key && r->pair.until > now_sec(r) && now_sec(r) < r->pair.renew)
        return 0;
    if (!client(r))
        return error_set(e, ENOKEY, "no certificate, and no bootstrap credentials");
    if (!r->key)
        return make_key(r, e);
    if (*r->request && r->asked_as_own && r->pair.until <= now_sec(r))
        return give_up(r, 0, "came too late for the certificate that asked for it", e);
    return *r->request ? poll_request(r, e) : ask(r, e);
}

int certificate_rotation_step(CertificateRotation *r, Error *e)
{
    if (kube_monotonic_ms(r->time) < r->next)
        return 0;
    int k = advance(r, e);
    if (k < 0 && kube_monotonic_ms(r->time) >= r->next)
        pause_for(r, kube_backoff(&r->backoff, r->time));
    return k < 0 ? error_wrap(e, k, "certificate of %s", r->common_name) : k;
}

int certificate_rotation_timeout_ms(const CertificateRotation *r)
{
    int64_t ms = r->next - kube_monotonic_ms(r->time);
    bool holds = r->loaded && !r->key && r->pair.until > now_sec(r);
    int64_t until = holds ? (r->pair.renew - now_sec(r)) * 1000 : 0;
    ms = ms > until ? ms : until;
    return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

int64_t certificate_rotation_until(const CertificateRotation *r)
{
    return r->pair.until > now_sec(r) ? r->pair.until : 0;
}

int64_t certificate_rotation_renews(const CertificateRotation *r)
{
    return r->pair.renew;
}

const char *certificate_rotation_request(const CertificateRotation *r)
{
    return *r->request ? r->request : NULL;
}

void certificate_rotation_set_names(CertificateRotation *r, const char *const *dns, const char *const *ip)
{
    _cleanup_close_ int dir = open_directory(r, NULL);
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    r->o.dns = dns;
    r->o.ip = ip;
    if (dir < 0 || !r->pair.until || read_pair(dir, r->current, &c, &key) < 0 || has_names(r, c))
        return;
    if (r->key)
        forget_key(r, dir); /* its request has the former names */
    r->pair.renew = 0;
    r->next = 0;
}

CertificateRotation *certificate_rotation_new(const CertificateRotationOptions *o)
{
    CertificateRotation *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    r->o = *o;
    r->time = o->time ? o->time : &kube_time;
    snprintf(r->common_name, sizeof(r->common_name), "system:node:%s", o->node);
    snprintf(r->current, sizeof(r->current), "%s-current.pem", o->prefix);
    snprintf(r->waiting, sizeof(r->waiting), "%s.key.tmp", o->prefix);
    return r;
}

void certificate_rotation_free(CertificateRotation *r)
{
    if (!r)
        return;
    key_pair_free(r->key);
    free(r);
}
