#pragma once
/* Encrypted volumes (LUKS2) made, opened and changed by libcryptsetup, which is loaded at the first call; the
 * cryptsetup program is not needed. The library is not made for threads, so calls of several threads come one
 * after the other; that also keeps two memory-hard key derivations from adding up. What it has to say is in
 * the Error, never on the terminal. Keys are bytes of any value; they are in no message. */
#include "base/buf.h"
#include "format/node.h"
#include "system/luks_options.h"

/* The subsystem of a container that is not finished: its key may be known to nobody. */
#define LUKS_UNFINISHED "ignition-unfinished"

enum { LUKS_KEY_MAX = 8 << 20 }; /* the library's limit of a key file */

/* Makes a container with one key. Everything before is gone, also signatures at the end of the device. A key
 * that is as good as random is not stretched: derivation would cost each boot seconds and add nothing; what
 * the options say of derivation is done all the same. */
int luks_device_format(const char *path, const LuksOptions *o, const Buf *key, bool random_key, Error *e);

/* 1: the key opens it, 0: it does not. */
int luks_device_key_fits(const char *path, const Buf *key, Error *e);
/* Makes /dev/mapper/NAME, with the flags that the header keeps. -EACCES: the key does not fit. */
int luks_device_open(const char *path, const char *name, const Buf *key, Error *e);
int luks_device_close(const char *name, Error *e);

/* The flags that the header keeps (LUKS_ALLOW_DISCARDS, …), exactly these. 1: changed. */
int luks_device_set_flags(const char *path, uint64_t flags, Error *e);
/* NULL: none. The label stays. 1: changed. */
int luks_device_set_subsystem(const char *path, const char *subsystem, Error *e);

/* A second, random key and the token that says how it is had; the token gets its member `keyslots` here. */
typedef struct LuksBinding {
    const Buf *key; /* one that the container has */
    const Buf *bound;
    Node *token;
    Arena *arena;
} LuksBinding;
int luks_device_bind(const char *path, const LuksBinding *b, Error *e);
/* The tokens of that type as JSON, in their order; the list's items are of the arena. */
int luks_device_tokens(Arena *a, const char *path, const char *type, StringList *ret, Error *e);
/* Destroys the slot that the key opens; the last one is refused (-EBUSY). */
int luks_device_remove_key(const char *path, const Buf *key, Error *e);

/* How much memory a derivation may take that a config does not speak of: a quarter of what is free, at most 1
 * GiB; the library's own limit (half of all memory) is too much for a machine that has its root in memory. */
uint32_t luks_memory_limit_kib(uint64_t available_kib);
