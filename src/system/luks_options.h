#pragma once
/* The options of an encrypted volume as configs have them: words of cryptsetup's command line, for making a
 * container (`options`) and for opening it (`openOptions`). A table has every option that is known, what
 * becomes of it, and why some are refused. Pure. */
#include <stdint.h>

#include "base/arena.h"
#include "base/command.h"

/* Flags of an open volume that are kept in its header; the values are libcryptsetup's. */
enum {
    LUKS_ALLOW_DISCARDS = 1 << 3,
    LUKS_SAME_CPU_CRYPT = 1 << 6,
    LUKS_SUBMIT_FROM_CRYPT_CPUS = 1 << 7,
    LUKS_NO_JOURNAL = 1 << 12,
    LUKS_NO_READ_WORKQUEUE = 1 << 24,
    LUKS_NO_WRITE_WORKQUEUE = 1 << 25,
};

/* Zero and NULL: the library's default. */
typedef struct LuksOptions {
    const char *cipher, *hash, *integrity; /* cipher: "aes-xts-plain64" */
    const char *label, *uuid, *subsystem;
    const char *pbkdf; /* "argon2id", "argon2i", "pbkdf2" */
    const char *keyslot_cipher;
    uint64_t key_size, keyslot_key_size; /* bits */
    uint64_t iter_time_ms, iterations, memory_kib, parallel;
    uint64_t sector_size;                  /* bytes */
    uint64_t offset, alignment;            /* sectors of 512 bytes */
    uint64_t metadata_size, keyslots_size; /* bytes */
    uint64_t key_slot;                     /* number + 1 */
    uint64_t flags;                        /* LUKS_ALLOW_DISCARDS and the other ones above */
    uint64_t integrity_no_wipe, use_random;
    const char *type;
} LuksOptions;

typedef enum LuksOptionsFor { LUKS_FOR_FORMAT = 1, LUKS_FOR_OPEN = 2 } LuksOptionsFor;

/* Adds what the words say to *o; each word that cannot be taken is a text in `problems` (of the arena). */
void luks_options_read(Arena *a, LuksOptionsFor which, const char *const *words, size_t n, LuksOptions *o,
                       StringList *problems);
