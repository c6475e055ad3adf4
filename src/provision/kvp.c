/* The protocol of the kernel's hv_kvp device, by linux/hyperv.h: a daemon registers itself, then takes
 * messages of one fixed size and answers each. Only SET has something for a guest that has just started;
 * everything else is answered with "cannot". Sizes in a message are the host's and are checked against what
 * the message can hold. */
#include "provision/kvp.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

/* It needs no more than the types of linux/types.h. */
#include <linux/types.h>

#include <linux/hyperv.h>

#include "base/cleanup.h"

enum { SILENCE_MS = 1000 };
#define KVP_CANNOT 0x80004005U

_Static_assert(KVP_KEY_SIZE == HV_KVP_EXCHANGE_MAX_KEY_SIZE, "the kernel's limit");
_Static_assert(KVP_MESSAGE_SIZE == sizeof(struct hv_kvp_msg), "the kernel's size");
_Static_assert(KVP_VALUE_SIZE == HV_KVP_EXCHANGE_MAX_VALUE_SIZE, "the kernel's limit");

/* Text of a size that counts its final NUL; what stands behind an earlier NUL is not text. */
static const char *text_read(Arena *a, const uint8_t *from, uint32_t size, size_t max)
{
    if (size == 0 || size > max)
        return NULL;
    return arena_memdup(a, from, strnlen((const char *)from, size - 1));
}

int kvp_message_read(Arena *a, const void *message, size_t n, KvpPair *ret, Error *e)
{
    struct hv_kvp_msg m;

    if (n != sizeof(m))
        return error_set(e, EBADMSG, "a message of %zu bytes came from the host, not of %zu", n, sizeof(m));
    memcpy(&m, message, sizeof(m));
    if (m.kvp_hdr.operation != KVP_OP_SET)
        return 0;
    const struct hv_kvp_exchg_msg_value *d = &m.body.kvp_set.data;
    ret->pool = m.kvp_hdr.pool;
    ret->key = text_read(a, d->key, d->key_size, sizeof(d->key));
    ret->value = text_read(a, d->value, d->value_size, sizeof(d->value));
    if (!ret->key || !ret->value)
        return error_set(e, EBADMSG, "a key or value of the host has no length that can be");
    return 1;
}

static void pair_add(KvpPairs *p, const KvpPair *pair)
{
    if (p->n == p->size) {
        KvpPair *grown = ARENA_ARRAY(p->arena, KvpPair, p->size ? 2 * p->size : 32);
        if (p->n > 0)
            memcpy(grown, p->pairs, p->n * sizeof(*grown));
        p->pairs = grown;
        p->size = p->size ? 2 * p->size : 32;
    }
    p->pairs[p->n++] = *pair;
}

static int message_send(int fd, const struct hv_kvp_msg *m, Error *e)
{
    ssize_t n = write(fd, m, sizeof(*m));

    if (n != (ssize_t)sizeof(*m))
        return error_errno(e, n < 0 ? -errno : -EIO, "writing to the host");
    return 0;
}

/* 1: a message; 0: the host is silent. */
static int message_receive(int fd, struct hv_kvp_msg *m, Error *e)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int r = poll(&p, 1, SILENCE_MS);
        if (r == 0)
            return 0;
        ssize_t n = r < 0 ? -1 : read(fd, m, sizeof(*m));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_errno(e, -errno, "reading from the host");
        if (n == 0)
            return 0;
        if (n != (ssize_t)sizeof(*m))
            return error_set(e, EBADMSG, "a message of %zd bytes came from the host", n);
        return 1;
    }
}

int kvp_receive(int fd, KvpPairs *ret, Error *e)
{
    struct hv_kvp_msg m = {.kvp_hdr.operation = KVP_OP_REGISTER1};
    int r = message_send(fd, &m, e);

    while (r >= 0 && (r = message_receive(fd, &m, e)) > 0) {
        KvpPair pair;
        if (m.kvp_hdr.operation == KVP_OP_REGISTER1)
            continue;
        r = kvp_message_read(ret->arena, &m, sizeof(m), &pair, e);
        if (r < 0)
            break;
        if (r > 0 && ret->n == KVP_PAIRS_MAX)
            return error_set(e, EFBIG, "the host has more than %d key-value pairs", KVP_PAIRS_MAX);
        if (r > 0)
            pair_add(ret, &pair);
        struct hv_kvp_msg answer = {.error = r > 0 ? 0 : (int)KVP_CANNOT};
        r = message_send(fd, &answer, e);
    }
    return r;
}

static const char *value_of(const KvpPairs *p, const char *key)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->pairs[i].pool == 0 && strcmp(p->pairs[i].key, key) == 0)
            return p->pairs[i].value;
    return NULL;
}

int kvp_config(const KvpPairs *p, Buf *ret)
{
    const char *whole = value_of(p, "ignition.config");
    size_t n = 0;

    if (whole && *whole) {
        buf_add_str(ret, whole);
        return 0;
    }
    for (;; n++) {
        char key[64];
        snprintf(key, sizeof(key), "ignition.config.%zu", n);
        const char *part = value_of(p, key);
        if (!part)
            break;
        buf_add_str(ret, part);
    }
    return n > 0 ? 0 : -ENODATA;
}

void kvp_pool_file(const KvpPairs *p, unsigned pool, Buf *ret)
{
    for (size_t i = 0; i < p->n; i++) {
        const KvpPair *pair = &p->pairs[i];
        if (pair->pool != pool)
            continue;
        char *to = buf_reserve(ret, KVP_KEY_SIZE + KVP_VALUE_SIZE);
        memset(to, 0, KVP_KEY_SIZE + KVP_VALUE_SIZE);
        memcpy(to, pair->key, strlen(pair->key));
        memcpy(to + KVP_KEY_SIZE, pair->value, strlen(pair->value));
        ret->len += KVP_KEY_SIZE + KVP_VALUE_SIZE;
    }
}

void kvp_pool_read(unsigned pool, const Buf *file, KvpPairs *ret)
{
    for (size_t at = 0; at + KVP_KEY_SIZE + KVP_VALUE_SIZE <= file->len && ret->n < KVP_PAIRS_MAX;
         at += KVP_KEY_SIZE + KVP_VALUE_SIZE) {
        const char *key = file->data + at, *value = key + KVP_KEY_SIZE;
        pair_add(ret, &(KvpPair){.pool = pool,
                                 .key = arena_memdup(ret->arena, key, strnlen(key, KVP_KEY_SIZE)),
                                 .value = arena_memdup(ret->arena, value, strnlen(value, KVP_VALUE_SIZE))});
    }
}
