/* The walk over the graph. load() decides for every asset, parents first, where its value comes from; fetch()
 * makes those that nobody has; commit puts the outcome into one change. An asset is dirty when something
 * below it was edited in the directory: its own copies there and in the state then mean nothing. The age of
 * what the state holds is looked at before anything is generated. */
#include "installer/asset_store.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "installer/asset_state.h"
#include "installer/install_log.h"

enum { ASSET_FILE_MAX = 16 << 20 };

typedef enum From { FROM_NOWHERE, FROM_DISK, FROM_STATE, FROM_GENERATOR } From;

typedef struct Entry {
    const Asset *asset;
    From from;
    bool loaded, dirty;
    bool discarded; /* its copy on disk gives way to a new one */
    AssetValue disk, value;
} Entry;

struct AssetStore {
    Arena *arena;
    const InstallerOptions *options;
    int dirfd;
    Node *state;
    bool had_state;
    Entry *entries;
    const InstallConfig *config;
};

Arena *asset_store_arena(AssetStore *s)
{
    return s->arena;
}

const InstallerOptions *asset_store_options(const AssetStore *s)
{
    return s->options;
}

const char *asset_store_path(AssetStore *s, const char *path)
{
    const char *dir = s->options->dir;
    return strcmp(dir, ".") == 0 ? path : arena_printf(s->arena, "%s/%s", dir, path);
}

static Entry *entry_of(AssetStore *s, const char *name)
{
    for (size_t i = 0; i < asset_count(); i++)
        if (strcmp(s->entries[i].asset->name, name) == 0)
            return &s->entries[i];
    abort(); /* a name in the table that the table does not have; a test looks for it */
}

const AssetValue *asset_store_get(AssetStore *s, const char *asset)
{
    return &entry_of(s, asset)->value;
}

const AssetFile *asset_store_file(AssetStore *s, const char *asset, const char *path)
{
    static const AssetFile nothing = {.path = "", .data = "", .len = 0};
    const AssetFile *f = asset_value_file(asset_store_get(s, asset), path);
    return f ? f : &nothing;
}

/* All errors in one line, as scripts look for them: "message", or "[message, message]". */
static int config_error(const Report *r, Error *e)
{
    _cleanup_buf_ Buf all = BUF_INIT;

    for (size_t i = 0; i < r->n; i++)
        if (r->entries[i].severity == SEVERITY_ERROR)
            buf_addf(&all, "%s%s", all.len ? ", " : "", r->entries[i].message);
    return error_set(e, EBADMSG,
                     "failed to load asset \"Install Config\": invalid \"install-config.yaml\" file: %s%s%s",
                     r->errors > 1 ? "[" : "", all.data ? all.data : "", r->errors > 1 ? "]" : "");
}

int asset_store_config(AssetStore *s, const InstallConfig **ret, Error *e)
{
    if (!s->config) {
        _cleanup_report_ Report r = REPORT_INIT(s->arena);
        const AssetFile *f = asset_store_file(s, "Install Config", "install-config.yaml");
        Source *source = ARENA_NEW(s->arena, Source);
        InstallConfig *config;
        *source = (Source){.name = asset_store_path(s, "install-config.yaml"),
                           .text = f->data,
                           .len = f->len,
                           .secret = true};
        int n = install_config_read(s->arena, source, s->options->lenient ? SEVERITY_WARNING : SEVERITY_ERROR,
                                    &config, &r);
        if (r.n) {
            _cleanup_buf_ Buf text = BUF_INIT;
            report_sort(&r);
            report_write(&r, REPORT_TEXT, &text);
            install_log_text(text.data, text.data);
        }
        if (n < 0)
            return config_error(&r, e);
        s->config = config;
    }
    *ret = s->config;
    return 0;
}

/* ---- opening ---- */

int asset_store_open(const InstallerOptions *options, AssetStore **ret, Error *e)
{
    _cleanup_(asset_store_freep)
    AssetStore *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->arena = arena_new();
    s->options = options;
    int r = dir_make_all_at(AT_FDCWD, options->dir, 0750);
    s->dirfd = r < 0 ? -EBADF : open(options->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0)
        return error_errno(e, r < 0 ? r : -errno, "opening the directory %s", options->dir);
    if (flock(s->dirfd, LOCK_EX | LOCK_NB) < 0)
        return error_set(e, EBUSY, "another basalt is at work in %s", options->dir);
    install_log_open(s->dirfd);
    r = asset_change_resume(s->arena, s->dirfd, e);
    if (r < 0)
        return r;
    if (r > 0)
        install_log(INSTALL_LOG_INFO, "Completed the change of a run that was interrupted");
    r = asset_state_read(s->arena, s->dirfd, &s->state, e);
    if (r < 0)
        return r;
    s->had_state = s->state->n > 0;
    s->entries = ARENA_ARRAY(s->arena, Entry, asset_count());
    for (size_t i = 0; i < asset_count(); i++)
        s->entries[i].asset = asset_at(i);
    *ret = TAKE_PTR(s);
    return 0;
}

void asset_store_free(AssetStore *s)
{
    install_log_close();
    closep(&s->dirfd);
    arena_free(s->arena);
    free(s);
}

/* ---- loading ---- */

static bool claims(const Asset *asset, const char *path)
{
    for (const char *const *p = asset->patterns; p && *p; p++)
        if (fnmatch(*p, path, FNM_PATHNAME | FNM_PERIOD) == 0)
            return true;
    return false;
}

/* A file belongs to the first asset of the table that has a pattern for it. */
static bool owns(const Asset *asset, const char *path)
{
    for (size_t i = 0; i < asset_count(); i++)
        if (claims(asset_at(i), path))
            return asset_at(i) == asset;
    return false;
}

static int disk_read_dir(AssetStore *s, Entry *entry, const char *dir, Error *e)
{
    int fd = openat(s->dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(e, -errno, "opening %s", dir);
    _cleanup_closedir_ DIR *d = fdopendir(fd);
    if (!d)
        abort();
    for (struct dirent *de; (de = readdir(d));) {
        _cleanup_(buf_done_secret)
        Buf data = BUF_INIT;
        const char *path = strcmp(dir, ".") == 0 ? arena_strdup(s->arena, de->d_name)
                                                 : arena_printf(s->arena, "%s/%s", dir, de->d_name);
        struct stat st;
        if (!owns(entry->asset, path) || fstatat(s->dirfd, path, &st, 0) < 0)
            continue;
        if (!S_ISREG(st.st_mode))
            return error_set(e, EINVAL, "%s in %s is no regular file; only files are taken from there", path,
                             s->options->dir);
        int r = file_read_at(s->dirfd, path, ASSET_FILE_MAX, &data, e);
        if (r < 0)
            return r;
        asset_value_add(s->arena, &entry->disk, path, data.data ? data.data : "", data.len);
    }
    return 0;
}

static int disk_read(AssetStore *s, Entry *entry, Error *e)
{
    const char *last = NULL;

    for (const char *const *p = entry->asset->patterns; p && *p; p++) {
        const char *slash = strchr(*p, '/');
        const char *dir = slash ? arena_memdup(s->arena, *p, (size_t)(slash - *p)) : ".";
        if (last && strcmp(last, dir) == 0)
            continue;
        int r = disk_read_dir(s, entry, dir, e);
        if (r < 0)
            return r;
        last = dir;
    }
    return 0;
}

static int load(AssetStore *s, Entry *entry, Error *e)
{
    const Asset *asset = entry->asset;
    AssetValue kept;
    int r;

    if (entry->loaded)
        return 0;
    entry->loaded = true;
    for (const char *const *name = asset->parents; name && *name; name++) {
        Entry *parent = entry_of(s, *name);
        r = load(s, parent, e);
        if (r < 0)
            return r;
        entry->dirty |= parent->dirty || parent->from == FROM_DISK;
    }
    r = disk_read(s, entry, e);
    if (r < 0)
        return r;
    int in_state = asset_state_get(s->arena, s->state, asset->name, &kept, e);
    if (in_state < 0)
        return in_state;
    if (!s->options->reuse_state && s->had_state && !asset->input)
        entry->dirty = true;
    if (entry->dirty) {
        entry->discarded = entry->disk.n > 0;
        if (entry->discarded)
            install_log(
                INSTALL_LOG_WARNING,
                "Discarding the %s that was provided in the target directory because its dependencies are "
                "dirty and it needs to be regenerated",
                asset->name);
    } else if (entry->disk.n && !(in_state && asset_value_equal(&entry->disk, &kept))) {
        install_log(INSTALL_LOG_DEBUG, "Using %s loaded from target directory", asset->name);
        entry->value = entry->disk;
        entry->from = FROM_DISK;
    } else if (in_state) {
        install_log(INSTALL_LOG_DEBUG, "Using %s loaded from state file", asset->name);
        entry->value = kept;
        entry->from = FROM_STATE;
    }
    return 0;
}

/* ---- age ---- */

static void age_text(time_t seconds, char out[32])
{
    if (seconds >= 3600)
        snprintf(out, 32, "%lldh%02lldm", (long long)seconds / 3600, (long long)seconds / 60 % 60);
    else
        snprintf(out, 32, "%lldm%02llds", (long long)seconds / 60, (long long)seconds % 60);
}

/* Something past half of its life is not handed to machines that are yet to be made. The one that ends first
 * is named; the remedy is the same for all. */
static int check_age(AssetStore *s, Error *e)
{
    const Asset *first = NULL;
    time_t first_from = 0, first_until = 0, now = s->options->now;
    size_t n = 0;

    for (size_t i = 0; i < asset_count(); i++) {
        Entry *entry = &s->entries[i];
        time_t from, until;
        if (entry->from != FROM_STATE || !entry->asset->validity)
            continue;
        int r = entry->asset->validity(s, &entry->value, &from, &until, e);
        if (r < 0)
            return error_wrap(e, r, "looking at the age of '%s'", entry->asset->name);
        if (now <= from + (until - from) / 2)
            continue;
        n++;
        if (!first || until < first_until) {
            first = entry->asset;
            first_from = from;
            first_until = until;
        }
    }
    if (!n)
        return 0;
    char age[32], rest[32];
    age_text(now - first_from, age);
    age_text(now < first_until ? first_until - now : now - first_until, rest);
    return error_set(
        e, ESTALE,
        "%zu of the certificates and tokens in %s/%s are past half of their life: %s is %s old and %s "
        "%s%s. Run again with --reuse-state=never to make new ones for the same install config",
        n, s->options->dir, ASSET_STATE_FILE, first->name, age, now < first_until ? "expires in" : "expired",
        rest, now < first_until ? "" : " ago");
}

/* ---- making ---- */

/* What somebody put into the directory lives on in the state only. When it is made anew, such files are gone
 * from it, and that must not happen unseen. */
static void tell_forgotten(AssetStore *s, const Entry *entry)
{
    AssetValue kept;

    if (asset_state_get(s->arena, s->state, entry->asset->name, &kept, NULL) <= 0)
        return;
    for (size_t i = 0; i < kept.n; i++)
        if (!asset_value_file(&entry->value, kept.files[i].path))
            install_log(
                INSTALL_LOG_WARNING,
                "%s of a former run is not taken over; to have it again, take it from " ASSET_ASIDE_DIR
                "/ and put it where it was after `create manifests`",
                kept.files[i].path);
}

static void tell_rsa(AssetStore *s)
{
    size_t n = 0;

    for (size_t i = 0; i < asset_count(); i++)
        n += s->entries[i].loaded && s->entries[i].from == FROM_NOWHERE && s->entries[i].asset->validity;
    if (n > 1 && strcmp(s->options->key_type, "rsa2048") == 0)
        install_log(INSTALL_LOG_INFO, "Making RSA keys for %zu certificates; this takes a while", n);
}

static int fetch(AssetStore *s, Entry *entry, Error *e)
{
    const Asset *asset = entry->asset;

    if (entry->from != FROM_NOWHERE)
        return 0;
    for (const char *const *name = asset->parents; name && *name; name++) {
        int r = fetch(s, entry_of(s, *name), e);
        if (r < 0)
            return r;
    }
    install_log(INSTALL_LOG_DEBUG, "Generating %s", asset->name);
    int r = asset->generate(s, asset, &entry->value, e);
    if (r < 0)
        return r == -EBADMSG ? r : error_wrap(e, r, "failed to generate asset \"%s\"", asset->name);
    entry->from = FROM_GENERATOR;
    tell_forgotten(s, entry);
    return 0;
}

static bool is_target(const AssetTarget *t, const Asset *asset)
{
    for (const char *const *name = t->assets; *name; name++)
        if (strcmp(*name, asset->name) == 0)
            return true;
    return false;
}

/* A directory for what is set aside: the time of the run, and a number when that is taken. */
static const char *aside_name(AssetStore *s)
{
    char when[32];
    struct tm tm;

    strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", gmtime_r(&s->options->now, &tm));
    const char *base = arena_printf(s->arena, ASSET_ASIDE_DIR "/%s", when), *name = base;
    for (unsigned n = 2; faccessat(s->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; n++)
        name = arena_printf(s->arena, "%s-%u", base, n);
    return name;
}

static int commit(AssetStore *s, const AssetTarget *target, Error *e)
{
    AssetChange change;

    asset_change_init(s->arena, &change, s->state, aside_name(s));
    for (size_t i = 0; i < asset_count(); i++) {
        Entry *entry = &s->entries[i];
        bool wanted = is_target(target, entry->asset);
        if (!entry->loaded)
            continue;
        if (entry->disk.n && !wanted && !entry->discarded)
            install_log(INSTALL_LOG_INFO, "Consuming %s from target directory", entry->asset->name);
        for (size_t f = 0; f < entry->disk.n && (!wanted || entry->discarded); f++)
            asset_change_move(s->arena, &change, entry->disk.files[f].path);
        for (size_t f = 0; f < entry->value.n && wanted && entry->from != FROM_DISK; f++)
            asset_change_write(s->arena, &change, &entry->value.files[f], entry->asset->mode);
        if (entry->from != FROM_NOWHERE)
            asset_state_put(s->arena, s->state, entry->asset->name, &entry->value);
    }
    return asset_change_commit(s->arena, &change, s->dirfd, e);
}

int asset_store_create(AssetStore *s, const AssetTarget *target, Error *e)
{
    const InstallConfig *config;
    int r;

    for (const char *const *name = target->assets; *name; name++) {
        r = load(s, entry_of(s, *name), e);
        if (r < 0)
            return r;
    }
    r = fetch(s, entry_of(s, "Install Config"), e);
    if (r >= 0)
        r = asset_store_config(s, &config, e);
    if (r >= 0)
        r = check_age(s, e);
    if (r >= 0)
        tell_rsa(s);
    for (const char *const *name = target->assets; r >= 0 && *name; name++)
        r = fetch(s, entry_of(s, *name), e);
    return r < 0 ? r : commit(s, target, e);
}
