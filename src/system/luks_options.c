/* One row an option of `cryptsetup luksFormat` and `cryptsetup luksOpen`, as their man pages have them. Words
 * are read as cryptsetup's own parser reads them: `--name value`, `--name=value`, `-n value`, `-nvalue`. An
 * option that is not in the table is an error with the list of those that are: it would otherwise be noticed
 * when the disk is half provisioned, or never. The options that could not work on a first boot (files that
 * are not there, a container whose header is elsewhere) are rows as well, with the reason. */
#include "system/luks_options.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"

typedef enum RowKind {
    ROW_TEXT,
    ROW_CHOICE, /* one of the words of `about` */
    ROW_NUMBER,
    ROW_SIZE, /* a number with a unit */
    ROW_FLAG, /* sets `value` in the field */
    ROW_IGNORED,
    ROW_IGNORED_VALUE,
    ROW_REFUSED, /* `about` is why */
} RowKind;

typedef struct Row {
    const char *name;
    char letter;
    unsigned which;
    RowKind kind;
    size_t field;
    uint64_t value, max; /* ROW_FLAG: the bits; ROW_NUMBER: least and greatest */
    const char *about;
} Row;

#define AT(member) offsetof(LuksOptions, member)
enum { BOTH = LUKS_FOR_FORMAT | LUKS_FOR_OPEN };
static const char no_terminal[] = "there is nobody to ask on a first boot";
static const char no_file[] = "the key is given by keyFile";
static const char no_header[] = "the header must be on the device itself";
static const char no_volume_key[] = "the volume key is made when the container is";
static const char made_by_field[] = "the provisioner marks unfinished containers with it";
static const char writable[] = "a filesystem is made on the volume and files are written to it";

static const Row rows[] = {
    {"cipher", 'c', LUKS_FOR_FORMAT, ROW_TEXT, AT(cipher), 0, 0, NULL},
    {"hash", 'h', LUKS_FOR_FORMAT, ROW_TEXT, AT(hash), 0, 0, NULL},
    {"key-size", 's', LUKS_FOR_FORMAT, ROW_NUMBER, AT(key_size), 8, 4096, NULL},
    {"key-slot", 'S', LUKS_FOR_FORMAT, ROW_NUMBER, AT(key_slot), 0, 31, NULL},
    {"pbkdf", 0, LUKS_FOR_FORMAT, ROW_CHOICE, AT(pbkdf), 0, 0, "argon2id argon2i pbkdf2"},
    {"pbkdf-force-iterations", 0, LUKS_FOR_FORMAT, ROW_NUMBER, AT(iterations), 4, UINT32_MAX, NULL},
    {"pbkdf-memory", 0, LUKS_FOR_FORMAT, ROW_NUMBER, AT(memory_kib), 32, 4 << 20, NULL},
    {"pbkdf-parallel", 0, LUKS_FOR_FORMAT, ROW_NUMBER, AT(parallel), 1, 4, NULL},
    {"iter-time", 'i', LUKS_FOR_FORMAT, ROW_NUMBER, AT(iter_time_ms), 1, 3600000, NULL},
    {"sector-size", 0, LUKS_FOR_FORMAT, ROW_NUMBER, AT(sector_size), 512, 4096, NULL},
    {"offset", 'o', LUKS_FOR_FORMAT, ROW_NUMBER, AT(offset), 1, UINT32_MAX, NULL},
    {"align-payload", 0, LUKS_FOR_FORMAT, ROW_NUMBER, AT(alignment), 1, UINT32_MAX, NULL},
    {"luks2-metadata-size", 0, LUKS_FOR_FORMAT, ROW_SIZE, AT(metadata_size), 16 << 10, 4 << 20, NULL},
    {"luks2-keyslots-size", 0, LUKS_FOR_FORMAT, ROW_SIZE, AT(keyslots_size), 4096, 128 << 20, NULL},
    {"keyslot-cipher", 0, LUKS_FOR_FORMAT, ROW_TEXT, AT(keyslot_cipher), 0, 0, NULL},
    {"keyslot-key-size", 0, LUKS_FOR_FORMAT, ROW_NUMBER, AT(keyslot_key_size), 8, 4096, NULL},
    {"integrity", 'I', LUKS_FOR_FORMAT, ROW_TEXT, AT(integrity), 0, 0, NULL},
    {"integrity-no-wipe", 0, LUKS_FOR_FORMAT, ROW_FLAG, AT(integrity_no_wipe), 1, 0, NULL},
    {"label", 0, LUKS_FOR_FORMAT, ROW_TEXT, AT(label), 0, 47, NULL},
    {"uuid", 0, LUKS_FOR_FORMAT, ROW_TEXT, AT(uuid), 0, 0, NULL},
    {"type", 'M', BOTH, ROW_CHOICE, AT(type), 0, 0, "luks2 luks"},
    {"use-random", 0, LUKS_FOR_FORMAT, ROW_FLAG, AT(use_random), 1, 0, NULL},
    {"use-urandom", 0, LUKS_FOR_FORMAT, ROW_IGNORED, 0, 0, 0, NULL},
    {"force-password", 0, LUKS_FOR_FORMAT, ROW_IGNORED, 0, 0, 0, NULL},
    {"allow-discards", 0, LUKS_FOR_OPEN, ROW_FLAG, AT(flags), LUKS_ALLOW_DISCARDS, 0, NULL},
    {"perf-same_cpu_crypt", 0, LUKS_FOR_OPEN, ROW_FLAG, AT(flags), LUKS_SAME_CPU_CRYPT, 0, NULL},
    {"perf-submit_from_crypt_cpus", 0, LUKS_FOR_OPEN, ROW_FLAG, AT(flags), LUKS_SUBMIT_FROM_CRYPT_CPUS, 0,
     NULL},
    {"perf-no_read_workqueue", 0, LUKS_FOR_OPEN, ROW_FLAG, AT(flags), LUKS_NO_READ_WORKQUEUE, 0, NULL},
    {"perf-no_write_workqueue", 0, LUKS_FOR_OPEN, ROW_FLAG, AT(flags), LUKS_NO_WRITE_WORKQUEUE, 0, NULL},
    {"integrity-no-journal", 0, LUKS_FOR_OPEN, ROW_FLAG, AT(flags), LUKS_NO_JOURNAL, 0, NULL},
    {"persistent", 0, LUKS_FOR_OPEN, ROW_IGNORED, 0, 0, 0, NULL},                  /* always so */
    {"serialize-memory-hard-pbkdf", 0, LUKS_FOR_OPEN, ROW_IGNORED, 0, 0, 0, NULL}, /* likewise */
    {"disable-keyring", 0, BOTH, ROW_IGNORED, 0, 0, 0, NULL},
    {"disable-locks", 0, BOTH, ROW_IGNORED, 0, 0, 0, NULL},
    {"batch-mode", 'q', BOTH, ROW_IGNORED, 0, 0, 0, NULL},
    {"verbose", 'v', BOTH, ROW_IGNORED, 0, 0, 0, NULL},
    {"debug", 0, BOTH, ROW_IGNORED, 0, 0, 0, NULL},
    {"progress-frequency", 0, LUKS_FOR_FORMAT, ROW_IGNORED_VALUE, 0, 0, 0, NULL},
    {"tries", 'T', LUKS_FOR_OPEN, ROW_IGNORED_VALUE, 0, 0, 0, NULL},
    {"timeout", 't', BOTH, ROW_IGNORED_VALUE, 0, 0, 0, NULL},
    {"subsystem", 0, LUKS_FOR_FORMAT, ROW_REFUSED, 0, 0, 0, made_by_field},
    {"verify-passphrase", 'y', BOTH, ROW_REFUSED, 0, 0, 0, no_terminal},
    {"key-file", 'd', BOTH, ROW_REFUSED, 0, 0, 0, no_file},
    {"keyfile-offset", 0, BOTH, ROW_REFUSED, 0, 0, 0, no_file},
    {"keyfile-size", 'l', BOTH, ROW_REFUSED, 0, 0, 0, no_file},
    {"volume-key-file", 0, BOTH, ROW_REFUSED, 0, 0, 0, no_volume_key},
    {"master-key-file", 0, BOTH, ROW_REFUSED, 0, 0, 0, no_volume_key},
    {"header", 0, BOTH, ROW_REFUSED, 0, 0, 0, no_header},
    {"readonly", 'r', LUKS_FOR_OPEN, ROW_REFUSED, 0, 0, 0, writable},
    {"test-passphrase", 0, LUKS_FOR_OPEN, ROW_REFUSED, 0, 0, 0, writable},
};

static const Row *row_find(LuksOptionsFor which, const char *word, size_t n)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const Row *r = &rows[i];
        if (!(r->which & which))
            continue;
        if (word[0] == '-' && word[1] == '-' ? strlen(r->name) == n - 2 && !memcmp(r->name, word + 2, n - 2)
                                             : word[1] == r->letter && r->letter)
            return r;
    }
    return NULL;
}

static const char *known_list(Arena *a, LuksOptionsFor which)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if ((rows[i].which & which) && rows[i].kind <= ROW_FLAG)
            buf_addf(&b, "%s--%s", b.len ? ", " : "", rows[i].name);
    return arena_memdup(a, b.data, b.len);
}

/* strtoull() would take signs, spaces and an empty text. */
static bool number_read(const char *text, bool size, uint64_t *ret)
{
    static const char units[] = "kmgt";
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno)
        return false;
    const char *unit = *end && size ? strchr(units, tolower((unsigned char)*end)) : NULL;
    if (unit) {
        unsigned steps = (unsigned)(unit - units) + 1;
        uint64_t step = strcmp(end + 1, "B") == 0 || strcmp(end + 1, "b") == 0 ? 1000 : 1024;
        if (step == 1024 && end[1] && strcmp(end + 1, "iB") != 0)
            return false;
        while (steps--)
            if (__builtin_mul_overflow(v, step, &v))
                return false;
    } else if (*end)
        return false;
    *ret = v;
    return true;
}

static bool choice_has(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *at = choices; n && (at = strstr(at, value)); at += n)
        if ((at == choices || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return true;
    return false;
}

/* NULL, or what is wrong. */
static const char *row_take(Arena *a, const Row *r, const char *value, LuksOptions *o)
{
    void *field = (char *)o + r->field;
    uint64_t v;
    switch (r->kind) {
    case ROW_TEXT:
        if (!*value || (r->max && strlen(value) > r->max))
            return arena_printf(a, "--%s: the value is %s", r->name, *value ? "too long" : "empty");
        *(const char **)field = arena_strdup(a, value);
        return NULL;
    case ROW_CHOICE:
        if (!choice_has(r->about, value))
            return arena_printf(a, "--%s %s: it can be one of: %s", r->name, value, r->about);
        *(const char **)field = arena_strdup(a, value);
        return NULL;
    case ROW_NUMBER:
    case ROW_SIZE:
        if (!number_read(value, r->kind == ROW_SIZE, &v))
            return arena_printf(a, "--%s %s: not a number", r->name, value);
        if (v < r->value || v > r->max)
            return arena_printf(a, "--%s %s: it can be from %llu to %llu", r->name, value,
                                (unsigned long long)r->value, (unsigned long long)r->max);
        *(uint64_t *)field = v + (r->field == AT(key_slot));
        return NULL;
    case ROW_FLAG:
        *(uint64_t *)field |= r->value;
        return NULL;
    case ROW_IGNORED:
    case ROW_IGNORED_VALUE:
        return NULL;
    case ROW_REFUSED:
        break;
    }
    return arena_printf(a, "--%s cannot be used: %s", r->name, r->about);
}

static bool wants_value(const Row *r)
{
    return r->kind <= ROW_SIZE || r->kind == ROW_IGNORED_VALUE;
}

/* Of one word and, when it is a name alone, the next one. How many words it took. */
static size_t word_take(Arena *a, LuksOptionsFor which, const char *const *words, size_t n, LuksOptions *o,
                        StringList *problems)
{
    const char *word = words[0], *value = NULL;
    bool is_long = word[0] == '-' && word[1] == '-' && word[2];
    if (!is_long && (word[0] != '-' || !word[1] || word[1] == '-')) {
        string_list_add(problems, arena_printf(a, "'%s' is not an option", word));
        return 1;
    }
    size_t length = is_long ? strcspn(word, "=") : 2;
    const Row *r = row_find(which, word, length);
    if (word[length])
        value = word + length + (word[length] == '=');
    if (!r) {
        bool both = is_long && strchr(word, ' ');
        string_list_add(problems,
                        arena_printf(a, "the option %.*s is not known%s; known are: %s", (int)length, word,
                                     both ? " (an option and its value are two items)" : "",
                                     known_list(a, which)));
        /* What follows may be its value: nobody is helped by a second message about that. */
        return !value && n > 1 && words[1][0] != '-' ? 2 : 1;
    }
    size_t took = 1;
    if (wants_value(r) && !value) {
        if (n < 2) {
            string_list_add(problems, arena_printf(a, "--%s needs a value", r->name));
            return 1;
        }
        value = words[1];
        took = 2;
    } else if (r->kind == ROW_REFUSED && !value && n > 1 && words[1][0] != '-')
        took = 2;
    else if (!wants_value(r) && value && r->kind != ROW_REFUSED) {
        string_list_add(problems, arena_printf(a, "--%s takes no value", r->name));
        return 1;
    }
    const char *problem = row_take(a, r, value, o);
    if (problem)
        string_list_add(problems, problem);
    return took;
}

/* What cryptsetup or its library would refuse only with the device in hand. */
static void check_together(Arena *a, const LuksOptions *o, StringList *problems)
{
    if (o->sector_size & (o->sector_size - 1))
        string_list_add(problems, arena_printf(a, "--sector-size %llu: it can be 512, 1024, 2048 or 4096",
                                               (unsigned long long)o->sector_size));
    if (o->pbkdf && strcmp(o->pbkdf, "pbkdf2") == 0) {
        if (o->memory_kib || o->parallel)
            string_list_add(problems, "--pbkdf-memory and --pbkdf-parallel mean nothing with --pbkdf pbkdf2");
        if (o->iterations && o->iterations < 1000)
            string_list_add(problems, "--pbkdf-force-iterations: with --pbkdf pbkdf2 at least 1000");
    }
    if (o->iterations && o->iter_time_ms)
        string_list_add(problems, "--iter-time and --pbkdf-force-iterations exclude each other");
    if (o->key_size % 8)
        string_list_add(problems, "--key-size: it is in bits, a multiple of 8");
    if (o->keyslot_key_size % 8)
        string_list_add(problems, "--keyslot-key-size: it is in bits, a multiple of 8");
    if (!o->keyslot_cipher != !o->keyslot_key_size)
        string_list_add(problems, "--keyslot-cipher and --keyslot-key-size need each other");
    if (o->offset && o->alignment)
        string_list_add(problems, "--offset and --align-payload exclude each other");
}

void luks_options_read(Arena *a, LuksOptionsFor which, const char *const *words, size_t n, LuksOptions *o,
                       StringList *problems)
{
    for (size_t i = 0; i < n;)
        i += word_take(a, which, words + i, n - i, o, problems);
    if (which == LUKS_FOR_FORMAT)
        check_together(a, o, problems);
}
