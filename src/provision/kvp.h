#pragma once
/* Key-value pairs that a Hyper-V host hands its guest through the kernel, once a boot. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum {
    KVP_POOLS = 5,
    KVP_KEY_SIZE = 512,
    KVP_VALUE_SIZE = 2048,
    KVP_MESSAGE_SIZE = 7432,
    KVP_PAIRS_MAX = 65536
};

typedef struct KvpPair {
    unsigned pool;
    const char *key, *value; /* without the final NUL that the host counts */
} KvpPair;

typedef struct KvpPairs {
    Arena *arena;
    KvpPair *pairs;
    size_t n, size;
} KvpPairs;

/* All that the host has to say: it is done when it is silent for a second. `fd` is the kernel's device. */
int kvp_receive(int fd, KvpPairs *ret, Error *e);
/* One message of the device: 1 with *ret when it sets a pair, 0 when it is something else. */
int kvp_message_read(Arena *a, const void *message, size_t n, KvpPair *ret, Error *e);
/* `ignition.config` of pool 0, or ignition.config.0, .1, … of it, one after the other. -ENODATA: neither. */
int kvp_config(const KvpPairs *p, Buf *ret);
/* The pool as hv_kvp_daemon keeps it in a file. */
void kvp_pool_file(const KvpPairs *p, unsigned pool, Buf *ret);
/* The same back; a rest that is no whole pair is left. */
void kvp_pool_read(unsigned pool, const Buf *file, KvpPairs *ret);
