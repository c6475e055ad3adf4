/* One look compares both sides and says what is to be done; applying goes in this order, with a sync of the
 * ESP between the lines: kernels and the like that are missing (a name comes after its contents) entries that
 * are missing; a counter goes from the name of one whose trial is over loader.conf: the default is the new
 * set              <- from here on the next boot is another one entries of the old set, then kernels that no
 * entry names Both sets are numbered as their boot/loader.N, so that no new entry takes the name of an old
 * one. Should loader.conf be lost in a cut, systemd-boot takes the entry with the highest name: of either
 * set, and either boots. */
#include "update/boot_esp.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "system/boot_entry.h"
#include "update/boot_counting.h"
#include "update/sysroot_state.h"

enum { NAMES_MAX = 1024, CONF_MAX = 64 << 10, MIB = 1 << 20 };

typedef struct EspRow {
    const char *base, *text;
    unsigned tries;   /* 0: not on trial */
    const char *here; /* the file that is it; NULL: to be written */
    bool spoiled;     /* here, but with other contents, or a counter too much */
} EspRow;

typedef struct Esp {
    Sysroot *s;
    int dir;
    EspRow rows[DEPLOYMENTS_MAX];
    size_t n;
    const char *copies[3 * DEPLOYMENTS_MAX]; /* files of boot/ that are missing */
    size_t n_copies;
    const char *kept[DEPLOYMENTS_MAX]; /* directories of ostree/ that an entry names */
    size_t n_kept;
    const char *gone[NAMES_MAX]; /* paths to remove, in this order */
    size_t n_gone;
    const char *conf; /* a new loader.conf; NULL: it is right */
    bool goes_on;     /* the trial is that of the old set: */
    int left, done;   /* and was counted so far */
} Esp;

static void esp_done(Esp *x)
{
    closep(&x->dir);
}
#define ESP_INIT(sysroot) ((Esp){.s = (sysroot), .dir = -EBADF, .left = -1})

static int esp_open(const Sysroot *s)
{
    static const char *const places[] = {"boot/efi", "efi"};

    for (size_t i = 0; i < ELEMENTS(places); i++) {
        _cleanup_close_ int fd = root_openat(s->root, places[i], O_RDONLY | O_DIRECTORY, 0);
        _cleanup_close_ int systemd =
            fd < 0 ? -EBADF : root_openat(fd, "EFI/systemd", O_PATH | O_DIRECTORY, 0);
        if (systemd >= 0)
            return TAKE_FD(fd);
    }
    return -ENOENT;
}

bool boot_esp_is_there(const Sysroot *s)
{
    _cleanup_close_ int fd = esp_open(s);
    return fd >= 0;
}

/* ---- names ---- */

bool esp_name_read(const char *file, EspName *ret)
{
    const size_t n = strlen(file);
    EspName name = {.left = -1};

    if (n < 15 || n - 5 >= sizeof(name.base) || strcmp(file + n - 5, ".conf") != 0 ||
        strncmp(file, "ostree-", 7) != 0 || (file[7] != '0' && file[7] != '1') || file[8] != '-')
        return false;
    memcpy(name.base, file, n - 5);
    name.base[n - 5] = 0;
    char *plus = strrchr(name.base, '+');
    if (plus && plus[1] >= '0' && plus[1] <= '9') {
        int end = 0;
        if (sscanf(plus + 1, "%4d%n-%4d%n", &name.left, &end, &name.done, &end) < 1 || plus[1 + end])
            name.left = -1; /* a stateroot may have a plus in its name */
        else
            *plus = 0;
    }
    *ret = name;
    return true;
}

static const char *entry_path(Arena *a, const char *file)
{
    return arena_printf(a, "loader/entries/%s", file);
}

/* ---- looking ---- */

static void copy_want(Esp *x, const char *path)
{
    struct stat here, there;
    if (!path)
        return;
    path += strspn(path, "/");
    _cleanup_close_ int from = root_openat(x->s->boot, path, O_PATH | O_NOFOLLOW, 0);
    _cleanup_close_ int to = root_openat(x->dir, path, O_PATH | O_NOFOLLOW, 0);
    if (strncmp(path, "ostree/", 7) == 0 && strchr(path + 7, '/') && x->n_kept < ELEMENTS(x->kept))
        x->kept[x->n_kept++] = arena_memdup(x->s->arena, path, (size_t)(strchr(path + 7, '/') - path));
    if (to >= 0 && from >= 0 && fstat(from, &there) == 0 && fstat(to, &here) == 0 &&
        here.st_size == there.st_size)
        return;
    for (size_t i = 0; i < x->n_copies; i++)
        if (strcmp(x->copies[i], path) == 0)
            return;
    if (x->n_copies < ELEMENTS(x->copies))
        x->copies[x->n_copies++] = path;
}

static bool text_is(const Esp *x, const char *path, const char *text)
{
    _cleanup_buf_ Buf now = BUF_INIT;
    return root_read(x->dir, path, BOOT_ENTRY_SIZE_MAX, &now) >= 0 && now.len == strlen(text) &&
           memcmp(now.data ? now.data : "", text, now.len) == 0;
}

static EspRow *row_of(Esp *x, const EspName *name)
{
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->rows[i].base, name->base) == 0)
            return &x->rows[i];
    return NULL;
}

static void gone_add(Esp *x, const char *path)
{
    if (x->n_gone < NAMES_MAX)
        x->gone[x->n_gone++] = path;
}

static void entries_look(Esp *x)
{
    int fd = root_openat(x->dir, "loader/entries", O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    EspName name;

    for (struct dirent *f; d && (f = readdir(d));) {
        if (!esp_name_read(f->d_name, &name))
            continue;
        EspRow *row = row_of(x, &name);
        if (!row || row->here) {
            if (x->goes_on && name.left >= 0) {
                x->left = name.left;
                x->done = name.done;
            }
            gone_add(x, entry_path(x->s->arena, f->d_name));
            continue;
        }
        row->here = arena_strdup(x->s->arena, f->d_name);
        row->spoiled =
            (name.left >= 0 && !row->tries) || !text_is(x, entry_path(x->s->arena, row->here), row->text);
    }
}

static void kernels_look(Esp *x)
{
    int fd = root_openat(x->dir, "ostree", O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

    for (struct dirent *f; d && (f = readdir(d));) {
        const char *dash = strrchr(f->d_name, '-'), *path = arena_printf(x->s->arena, "ostree/%s", f->d_name);
        bool kept = !dash || strlen(dash + 1) != 64 || strspn(dash + 1, "0123456789abcdef") != 64;
        for (size_t i = 0; !kept && i < x->n_kept; i++)
            kept = strcmp(x->kept[i], path) == 0;
        if (!kept)
            gone_add(x, path);
    }
}

/* loader.conf as it is, with another default. */
static void conf_look(Esp *x)
{
    Arena *a = x->s->arena;
    _cleanup_buf_ Buf now = BUF_INIT, wanted = BUF_INIT;

    (void)root_read(x->dir, "loader/loader.conf", CONF_MAX, &now);
    buf_addf(&wanted, "default ostree-%u-*\n", x->s->bootversion);
    for (const char *line = now.data; line && *line;) {
        const size_t n = strcspn(line, "\n");
        if (strncmp(line, "default", 7) != 0 || !strchr(" \t", line[7]))
            buf_addf(&wanted, "%.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    if (now.len != wanted.len || memcmp(now.data, wanted.data, now.len) != 0)
        x->conf = arena_memdup(a, wanted.data, wanted.len);
}

/* Whoever writes the entries anew at each boot does not prolong a trial: boot_trial_plan(). */
static bool trial_goes_on(const Esp *x, const BootTrial *trial)
{
    const char *path = arena_printf(x->s->arena, "loader.%u/trial.cfg", !x->s->bootversion);
    _cleanup_buf_ Buf text = BUF_INIT;
    BootTrial old;

    return root_read(x->s->boot, path, CONF_MAX, &text) >= 0 && text.data &&
           boot_trial_parse(x->s->arena, text.data, &old) == 0 && strcmp(old.token, trial->token) == 0;
}

/* 1: *x is what has to be done; 0: there is no ESP, or nothing to offer. */
static int look(Esp *x, Error *e)
{
    Sysroot *s = x->s;
    BootEntry *entries = ARENA_ARRAY(s->arena, BootEntry, DEPLOYMENTS_MAX);
    const char *trial_text = boot_trial_now(s);
    BootTrial trial = {0};

    if (s->boot < 0 || !s->has_loader || s->problems.errors || (x->dir = esp_open(s)) < 0)
        return 0;
    if (!trial_text || boot_trial_parse(s->arena, trial_text, &trial) < 0)
        trial.tries = 0;
    x->goes_on = trial.tries > 0 && trial_goes_on(x, &trial);
    int r = sysroot_entries_read(s, s->bootversion, entries, &x->n, e);
    if (r < 0 || x->n == 0)
        return r < 0 ? r : 0;
    for (size_t i = 0; i < x->n; i++) {
        const size_t n = strlen(entries[i].file);
        const int stem = (int)(n > 5 ? n - 5 : n), skip = strncmp(entries[i].file, "ostree-", 7) == 0 ? 7 : 0;
        x->rows[i] = (EspRow){.base = arena_printf(s->arena, "ostree-%u-%.*s", s->bootversion, stem - skip,
                                                   entries[i].file + skip),
                              .text = entries[i].text,
                              .tries = i == 0 ? trial.tries : 0};
        copy_want(x, entries[i].linux_image);
        copy_want(x, entries[i].initrd);
        copy_want(x, entries[i].devicetree);
    }
    entries_look(x);
    conf_look(x);
    kernels_look(x);
    return 1;
}

static bool is_level(const Esp *x)
{
    bool level = x->n_copies == 0 && x->n_gone == 0 && !x->conf;
    for (size_t i = 0; i < x->n; i++)
        level = level && x->rows[i].here && !x->rows[i].spoiled;
    return level;
}

const char *boot_esp_behind(Sysroot *s)
{
    _cleanup_(esp_done)
    Esp x = ESP_INIT(s);
    if (look(&x, NULL) <= 0 || is_level(&x))
        return NULL;
    return x.n_copies ? "the ESP has other kernels"
           : x.conf   ? "the ESP has another default"
                      : "the ESP has other entries";
}

int boot_esp_tries(Sysroot *s, unsigned *ret_left, bool *ret_counted)
{
    _cleanup_(esp_done)
    Esp x = ESP_INIT(s);
    EspName name;
    if (look(&x, NULL) <= 0 || !x.rows[0].here || !esp_name_read(x.rows[0].here, &name) || name.left < 0)
        return 0;
    *ret_left = (unsigned)name.left;
    *ret_counted = name.done > 0;
    return 1;
}

int boot_esp_room(Sysroot *s, const EspNeed *needs, size_t n, Error *e)
{
    _cleanup_close_ int dir = esp_open(s);
    struct statvfs v;
    uint64_t wanted = MIB; /* entries, directories */

    if (dir < 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(needs[k].path, needs[i].path) == 0;
        _cleanup_close_ int fd = root_openat(dir, needs[i].path, O_PATH | O_NOFOLLOW, 0);
        wanted += again || fd >= 0 ? 0 : needs[i].size;
    }
    if (fstatvfs(dir, &v) < 0)
        return error_errno(e, -errno, "the ESP");
    const uint64_t room = (uint64_t)v.f_bavail * v.f_frsize;
    return room >= wanted
               ? 0
               : error_set(e, ENOSPC, "the kernel needs %" PRIu64 " MiB on the ESP, %" PRIu64 " MiB are free",
                           (wanted + MIB - 1) / MIB, room / MIB);
}

/* ---- writing ---- */

static int esp_step(const Esp *x, const char *what, Error *e)
{
    return sysroot_step(x->s, what, e);
}

static int esp_synced(const Esp *x, Error *e)
{
    int r = esp_step(x, "a sync of the ESP", e);
    return r < 0 ? r : syncfs(x->dir) < 0 ? error_errno(e, -errno, "writing the ESP") : 0;
}

/* FAT has no modes to set, so none is asked for but what it shows. */
static int file_copy(const Esp *x, const char *path, Error *e)
{
    _cleanup_temp_file_ TempFile t = TEMP_FILE_INIT;
    _cleanup_free_ char *name = NULL, *piece = malloc(MIB);
    _cleanup_close_ int in = root_openat(x->s->boot, path, O_RDONLY | O_NOFOLLOW, 0);
    _cleanup_close_ int dir = root_open_parent(x->dir, path, true, 0755, &name);
    int r = in < 0 ? in : dir < 0 ? dir : temp_file_open(&t, dir);

    if (!piece)
        abort();
    while (r >= 0) {
        ssize_t n = read(in, piece, MIB);
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        r = file_write_fd(t.fd, piece, (size_t)n);
    }
    if (r >= 0)
        r = temp_file_commit(&t, name, FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "the ESP: %s", path) : 0;
}

static int text_write(const Esp *x, const char *path, const char *text, Error *e)
{
    int r = root_write(x->dir, path, text, strlen(text), FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "the ESP: %s", path) : 0;
}

static int entry_put(const Esp *x, const EspRow *row, Error *e)
{
    Arena *a = x->s->arena;
    const char *name = arena_printf(a, "%s.conf", row->base);
    EspName here;
    int r = esp_step(x, "an entry of the ESP", e);

    if (r < 0)
        return r;
    if (row->here && row->tries) /* it is counted: under the name that it has */
        name = row->here;
    else if (row->tries && x->left >= 0)
        name = x->done ? arena_printf(a, "%s+%d-%d.conf", row->base, x->left, x->done)
                       : arena_printf(a, "%s+%d.conf", row->base, x->left);
    else if (row->tries)
        name = arena_printf(a, "%s+%u.conf", row->base, row->tries);
    if (!row->here || !text_is(x, entry_path(a, row->here), row->text)) {
        r = text_write(x, entry_path(a, name), row->text, e);
        if (r >= 0 && row->here && strcmp(row->here, name) != 0)
            (void)unlinkat(x->dir, entry_path(a, row->here), 0);
        return r;
    }
    if (!esp_name_read(row->here, &here) || here.left < 0)
        return 0;
    return renameat(x->dir, entry_path(a, row->here), x->dir, entry_path(a, name)) < 0
               ? error_errno(e, -errno, "the ESP: %s", name)
               : 0;
}

static int removals(const Esp *x, Error *e)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < x->n_gone; i++) {
        r = esp_step(x, "a removal on the ESP", e);
        if (r >= 0 && (r = tree_remove_at(x->dir, x->gone[i])) < 0)
            error_errno(e, r, "the ESP: removing %s", x->gone[i]);
        /* The last entry before the first kernel. */
        if (r >= 0 && strncmp(x->gone[i], "loader/", 7) == 0 &&
            (i + 1 == x->n_gone || strncmp(x->gone[i + 1], "loader/", 7) != 0))
            r = esp_synced(x, e);
    }
    return r;
}

int boot_esp_sync(Sysroot *s, Error *e)
{
    _cleanup_(esp_done)
    Esp x = ESP_INIT(s);
    int r = look(&x, e);

    if (r <= 0 || is_level(&x))
        return r < 0 ? error_wrap(e, r, "the ESP") : 0;
    for (size_t i = 0; r >= 0 && i < x.n_copies; i++) {
        r = esp_step(&x, "a kernel on the ESP", e);
        if (r >= 0)
            r = file_copy(&x, x.copies[i], e);
    }
    if (r >= 0)
        r = esp_synced(&x, e);
    for (size_t i = 0; r >= 0 && i < x.n; i++)
        if (!x.rows[i].here || x.rows[i].spoiled)
            r = entry_put(&x, x.rows + i, e);
    if (r >= 0)
        r = esp_synced(&x, e);
    if (r >= 0 && x.conf)
        r = esp_step(&x, "the default of the ESP", e);
    if (r >= 0 && x.conf)
        r = text_write(&x, "loader/loader.conf", x.conf, e);
    if (r >= 0)
        r = esp_synced(&x, e);
    if (r >= 0)
        r = removals(&x, e);
    if (r >= 0)
        r = esp_synced(&x, e);
    return r < 0 ? r : 1;
}
