/* What can be booted is what the entries in boot/loader/entries say, nothing else: an entry names a link
 * below ostree/boot.<0 or 1>, the link a deployment, the deployment has a directory and an origin file beside
 * it. Each of these is looked at once and whatever does not lead on is a finding, so that one bad entry hides
 * no good one. Directories that no entry leads to do not count. The order is that of the entries' versions,
 * from high to low. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "system/boot_entry.h"
#include "update/ostree_object.h"
#include "update/staged_record.h"
#include "update/boot_esp.h"
#include "update/sysroot_state.h"

enum { COMMIT_MAX = 16 << 20, STAMP_MAX = 64 << 10, PROC_CMDLINE_MAX = 64 << 10, CHECKSUM_HEX = 64 };

/* ---- names ---- */

static bool is_checksum(const char *s, size_t n)
{
    return n == CHECKSUM_HEX && strspn(s, "0123456789abcdef") >= n;
}

static bool number_read(const char *s, unsigned *ret)
{
    size_t n = strspn(s, "0123456789");

    if (n == 0 || n > 9 || s[n] != '\0')
        return false;
    *ret = (unsigned)strtoul(s, NULL, 10);
    return true;
}

bool deployment_name_read(const char *name, char ret_checksum[65], unsigned *ret_serial)
{
    const char *dot = strchr(name, '.');

    if (!dot || !is_checksum(name, (size_t)(dot - name)) || !number_read(dot + 1, ret_serial))
        return false;
    memcpy(ret_checksum, name, CHECKSUM_HEX);
    ret_checksum[CHECKSUM_HEX] = '\0';
    return true;
}

const char *deployment_path(Arena *a, const char *stateroot, const char *checksum, unsigned serial)
{
    return arena_printf(a, "ostree/deploy/%s/deploy/%s.%u", stateroot, checksum, serial);
}

bool deployment_is_same(const Deployment *a, const Deployment *b)
{
    return strcmp(a->path, b->path) == 0;
}

bool boot_link_read(Arena *a, const char *text, BootLink *ret)
{
    static const char start[] = "/ostree/boot.";
    BootLink l = {0};

    if (strncmp(text, start, sizeof(start) - 1) != 0)
        return false;
    const char *p = text + sizeof(start) - 1;
    if ((p[0] != '0' && p[0] != '1') || p[1] != '/')
        return false;
    l.bootversion = (unsigned)(p[0] - '0');
    const char *stateroot = p + 2, *checksum = strchr(stateroot, '/'), *serial = strrchr(text, '/');
    if (!checksum || checksum == stateroot || serial <= checksum + 1 || strchr(checksum + 1, '/') != serial ||
        !number_read(serial + 1, &l.serial))
        return false;
    l.stateroot = arena_memdup(a, stateroot, (size_t)(checksum - stateroot));
    l.boot_checksum = arena_memdup(a, checksum + 1, (size_t)(serial - checksum - 1));
    if (l.stateroot[0] == '.' || !is_checksum(l.boot_checksum, strlen(l.boot_checksum)))
        return false;
    *ret = l;
    return true;
}

bool boot_link_target_read(Arena *a, const char *target, const char **ret_stateroot,
                           const char **ret_checksum, unsigned *ret_serial)
{
    static const char start[] = "../../../deploy/", middle[] = "/deploy/";
    char checksum[CHECKSUM_HEX + 1];
    const char *name = strrchr(target, '/');

    if (!name || strncmp(target, start, sizeof(start) - 1) != 0 ||
        !deployment_name_read(name + 1, checksum, ret_serial))
        return false;
    const char *stateroot = target + sizeof(start) - 1, *end = strchr(stateroot, '/');
    if (!end || end == stateroot || stateroot[0] == '.' || name + 1 != end + sizeof(middle) - 1 ||
        strncmp(end, middle, sizeof(middle) - 1) != 0)
        return false;
    *ret_stateroot = arena_memdup(a, stateroot, (size_t)(end - stateroot));
    *ret_checksum = arena_strdup(a, checksum);
    return true;
}

const char *link_read(Arena *a, int dirfd, const char *path)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dirfd, path, target, sizeof(target));

    if (n < 0)
        return NULL;
    if ((size_t)n == sizeof(target)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return arena_memdup(a, target, (size_t)n);
}

/* ---- one deployment ---- */

int deployment_open(const Sysroot *s, const Deployment *d, Error *e)
{
    int fd = root_openat(s->root, d->path, O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? error_errno(e, fd, "%s", d->path) : fd;
}

int deployment_commit_read(const Sysroot *s, Deployment *d)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf data = BUF_INIT;
    OstreeCommit c;
    char path[128];

    snprintf(path, sizeof(path), "repo/objects/%.2s/%s.commit", d->checksum, d->checksum + 2);
    int r = file_read_at(s->ostree, path, COMMIT_MAX, &data, NULL);
    if (r >= 0)
        r = ostree_commit_decode(a, data.data, data.len, &c);
    if (r < 0)
        return r;
    d->timestamp = c.timestamp;
    const char *version = ostree_commit_text(&c, "version");
    if (version)
        d->version = arena_strdup(s->arena, version);
    return 0;
}

static bool has_run_flag(const Sysroot *s, const Deployment *d, const char *flag)
{
    const char *path =
        arena_printf(s->arena, "run/ostree/deployment-state/%s.%u/%s", d->checksum, d->serial, flag);
    _cleanup_close_ int fd = root_openat(s->root, path, O_PATH | O_NOFOLLOW, 0);

    return fd >= 0;
}

int deployment_describe(Sysroot *s, Deployment *d, Error *e)
{
    const char *path = arena_printf(s->arena, "%s.origin", d->path);
    _cleanup_buf_ Buf text = BUF_INIT;
    _cleanup_close_ int dir = deployment_open(s, d, e);
    struct stat st;

    if (dir < 0 || fstat(dir, &st) < 0)
        return dir < 0 ? dir : error_errno(e, -errno, "%s", d->path);
    d->origin = (Origin){.arena = s->arena};
    Error why = ERROR_INIT;
    int r = root_read(s->root, path, ORIGIN_SIZE_MAX, &text);
    if (r >= 0)
        r = origin_parse(s->arena, path, text.data ? text.data : "", text.len, &d->origin, &why);
    else if (r != -ENOENT)
        (void)error_errno(&why, r, "%s", path);
    if (why.code) /* it boots all the same */
        report_add(&s->problems, SEVERITY_WARNING, NULL, NULL, "%s", why.text);
    d->booted = s->is_root && st.st_dev == s->top.st_dev && st.st_ino == s->top.st_ino;
    if (s->options.booted) {
        const char *name = arena_printf(s->arena, "%s/%s.%u", d->stateroot, d->checksum, d->serial);
        d->booted = strcmp(name, s->options.booted) == 0;
    }
    d->pinned = origin_get_bool(&d->origin, ORIGIN_TRANSIENT, "pinned");
    const char *unlocked = origin_get(&d->origin, ORIGIN_GROUP, "unlocked");
    d->unlocked = has_run_flag(s, d, "unlocked-development")    ? "development"
                  : has_run_flag(s, d, "unlocked-transient")    ? "transient"
                  : unlocked && strcmp(unlocked, "hotfix") == 0 ? "hotfix"
                                                                : NULL;
    (void)deployment_commit_read(s, d); /* a tree may outlive its commit */
    return 0;
}

/* ---- entries ---- */

#define PROBLEM(s, severity, ...) report_add(&(s)->problems, (severity), NULL, NULL, __VA_ARGS__)

static bool boot_has(const Sysroot *s, const char *path)
{
    _cleanup_close_ int fd = root_openat(s->boot, path, O_PATH, 0);

    return fd >= 0;
}

const char *options_split(Arena *a, const char *options, const char **ret_link)
{
    CmdlineWords w = cmdline_split(a, options, CMDLINE_QUOTED);
    _cleanup_buf_ Buf out = BUF_INIT;

    *ret_link = NULL;
    for (size_t i = 0; i < w.n; i++) {
        const char *word = w.words[i];
        if (strncmp(word, "ostree=", 7) == 0) {
            *ret_link = word + 7;
            continue;
        }
        if (strncmp(word, "init=/ostree/boot.", 18) == 0 && strstr(word, "ostree-prepare-root"))
            continue;
        if (out.len)
            buf_add_char(&out, ' ');
        buf_add_str(&out, word);
    }
    return arena_memdup(a, out.data ? out.data : "", out.len);
}

static const char *kernel_version_of(Arena *a, const char *image)
{
    const char *name = strrchr(image, '/');
    name = name ? name + 1 : image;
    return strncmp(name, "vmlinuz-", 8) == 0 ? arena_strdup(a, name + 8) : NULL;
}

Deployment *sysroot_entry_follow(Sysroot *s, const BootEntry *b)
{
    Deployment d = {.title = b->title, .entry_rest = b->rest};
    Error e = ERROR_INIT;
    const char *text;
    BootLink l;

    d.options = options_split(s->arena, b->options, &text);
    if (!text || !boot_link_read(s->arena, text, &l)) {
        PROBLEM(s, SEVERITY_ERROR, "boot entry %s: %s", b->file,
                text ? "its ostree= is no link of a deployment" : "it names no deployment (ostree=)");
        return NULL;
    }
    const char *target = link_read(s->arena, s->ostree, text + strlen("/ostree/"));
    if (!target) {
        PROBLEM(s, SEVERITY_ERROR, "boot entry %s: its link %s is not there (%s)", b->file, text,
                strerror(errno));
        return NULL;
    }
    if (!boot_link_target_read(s->arena, target, &d.stateroot, &d.checksum, &d.serial)) {
        PROBLEM(s, SEVERITY_ERROR, "boot entry %s: its link %s leads to %s", b->file, text, target);
        return NULL;
    }
    d.boot_checksum = l.boot_checksum;
    d.boot_serial = l.serial;
    d.kernel_version = kernel_version_of(s->arena, b->linux_image);
    d.path = deployment_path(s->arena, d.stateroot, d.checksum, d.serial);
    if (deployment_describe(s, &d, &e) < 0) {
        PROBLEM(s, SEVERITY_ERROR, "boot entry %s: %s", b->file, e.text);
        return NULL;
    }
    if (l.bootversion != s->bootversion)
        PROBLEM(s, SEVERITY_WARNING, "boot entry %s: it goes through boot.%u, not boot.%u", b->file,
                l.bootversion, s->bootversion);
    if (!boot_has(s, b->linux_image))
        PROBLEM(s, SEVERITY_ERROR, "boot entry %s: its kernel %s is not there", b->file, b->linux_image);
    if (b->initrd && !boot_has(s, b->initrd))
        PROBLEM(s, SEVERITY_ERROR, "boot entry %s: its initramfs %s is not there", b->file, b->initrd);
    Deployment *copy = ARENA_NEW(s->arena, Deployment);
    *copy = d;
    return copy;
}

static int by_version(const void *pa, const void *pb)
{
    const BootEntry *a = pa, *b = pb;

    if (!a->version || !b->version)
        return (a->version == NULL) - (b->version == NULL);
    return strverscmp(b->version, a->version);
}

/* Files that are none of ours may look as they like. */
int sysroot_entries_read(Sysroot *s, unsigned bootversion, BootEntry *entries, size_t *ret_n, Error *e)
{
    const char *path = arena_printf(s->arena, "loader.%u/entries", bootversion);
    int fd = s->boot < 0 ? -ENOENT : root_openat(s->boot, path, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t n = 0;

    *ret_n = 0;
    if (!dir)
        return fd == -ENOENT ? 0 : error_errno(e, fd < 0 ? fd : -errno, "boot/%s", path);
    for (struct dirent *f; (errno = 0, f = readdir(dir));) {
        _cleanup_buf_ Buf text = BUF_INIT;
        Error why = ERROR_INIT;
        size_t length = strlen(f->d_name);
        if (strncmp(f->d_name, "ostree-", 7) != 0 || length < 6 ||
            strcmp(f->d_name + length - 5, ".conf") != 0)
            continue;
        if (n >= DEPLOYMENTS_MAX)
            return error_set(e, E2BIG, "more than %d boot entries", DEPLOYMENTS_MAX);
        int r = file_read_at(dirfd(dir), f->d_name, BOOT_ENTRY_SIZE_MAX, &text, &why);
        if (r >= 0)
            r = boot_entry_parse(s->arena, f->d_name, text.data ? text.data : "", text.len, &entries[n],
                                 &why);
        if (r < 0)
            PROBLEM(s, SEVERITY_ERROR, "boot entry %s: %s", f->d_name, why.text);
        n += r >= 0;
    }
    if (errno)
        return error_errno(e, -errno, "boot/%s", path);
    qsort(entries, n, sizeof(*entries), by_version);
    *ret_n = n;
    return 0;
}

/* ---- all of it ---- */

static bool version_of(const char *target, const char *start, unsigned *ret)
{
    size_t n = strlen(start);

    if (strncmp(target, start, n) != 0 || (target[n] != '0' && target[n] != '1') || target[n + 1])
        return false;
    *ret = (unsigned)(target[n] - '0');
    return true;
}

static void versions_read(Sysroot *s)
{
    const char *loader = s->boot < 0 ? (errno = ENOENT, NULL) : link_read(s->arena, s->boot, "loader"),
               *links;
    const char *name;

    s->bootversion = s->subbootversion = 0;
    s->has_loader = loader && version_of(loader, "loader.", &s->bootversion);
    if (!s->has_loader && (loader || errno != ENOENT))
        PROBLEM(s, SEVERITY_ERROR, "boot/loader is no link to loader.0 or loader.1");
    name = arena_printf(s->arena, "boot.%u", s->bootversion);
    links = link_read(s->arena, s->ostree, name);
    if (links && !version_of(links, arena_printf(s->arena, "%s.", name), &s->subbootversion))
        PROBLEM(s, SEVERITY_ERROR, "ostree/%s leads to %s", name, links);
}

static bool has_deployments(const Sysroot *s)
{
    int fd = openat(s->ostree, "deploy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    char checksum[65];
    unsigned serial;

    for (struct dirent *f; d && (f = readdir(d));) {
        const char *path = arena_printf(s->arena, "%s/deploy", f->d_name);
        int sub = f->d_name[0] == '.' ? -EBADF : openat(fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *trees = sub < 0 ? NULL : fdopendir(sub);
        for (struct dirent *t; trees && (t = readdir(trees));)
            if (deployment_name_read(t->d_name, checksum, &serial))
                return true;
    }
    return false;
}

/* A tree below another file system has no device of its own to be known by. */
static void booted_by_cmdline(Sysroot *s)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    const char *stateroot, *checksum, *link, *target;
    unsigned serial;

    for (size_t i = 0; i < s->list.n; i++)
        if (s->list.items[i]->booted || !s->is_root)
            return;
    if (!s->is_root || file_read_at(AT_FDCWD, "/proc/cmdline", PROC_CMDLINE_MAX, &text, NULL) < 0)
        return;
    link = cmdline_last(s->arena, text.data, CMDLINE_QUOTED, "ostree");
    target = link && strncmp(link, "/ostree/", 8) == 0 ? link_read(s->arena, s->ostree, link + 8) : NULL;
    for (size_t i = 0; target && i < s->list.n; i++) {
        Deployment *d = s->list.items[i];
        if (boot_link_target_read(s->arena, target, &stateroot, &checksum, &serial) &&
            strcmp(d->path, deployment_path(s->arena, stateroot, checksum, serial)) == 0) {
            d->booted = true;
            return;
        }
    }
    PROBLEM(s, SEVERITY_ERROR, "the running system is none of those that can be booted");
}

static int staged_load(Sysroot *s, DeploymentList *list, Error *e)
{
    StagedRecord record;
    int r = staged_record_read(s, &record, e);

    if (r <= 0)
        return r;
    Deployment *d = ARENA_NEW(s->arena, Deployment);
    *d = record.target;
    for (size_t i = 0; i < list->n; i++)
        if (deployment_is_same(list->items[i], d))
            return 0; /* it has its place already: finalizing was cut off behind the swap */
    Error why = ERROR_INIT;
    if (deployment_describe(s, d, &why) < 0) {
        PROBLEM(s, SEVERITY_WARNING, "staged deployment: %s", why.text);
        return 0;
    }
    d->staged = true;
    memmove(&list->items[1], &list->items[0], list->n * sizeof(*list->items));
    list->items[0] = d;
    list->n++;
    return 0;
}

int sysroot_load(Sysroot *s, Error *e)
{
    BootEntry *entries = ARENA_ARRAY(s->arena, BootEntry, DEPLOYMENTS_MAX);
    DeploymentList list = {.items = ARENA_ARRAY(s->arena, Deployment *, DEPLOYMENTS_MAX + 1)};
    _cleanup_buf_ Buf stamp = BUF_INIT;
    size_t n;

    report_done(&s->problems);
    s->problems = REPORT_INIT(s->arena);
    versions_read(s);
    int r = sysroot_entries_read(s, s->bootversion, entries, &n, e);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        Deployment *d = sysroot_entry_follow(s, &entries[i]);
        if (d)
            list.items[list.n++] = d;
    }
    if (r >= 0)
        r = staged_load(s, &list, e);
    if (r < 0)
        return r;
    s->list = list;
    if (!s->has_loader && s->problems.errors == 0 && has_deployments(s))
        PROBLEM(s, SEVERITY_ERROR, "there are deployments, but no boot/loader");
    booted_by_cmdline(s);
    const char *behind = boot_esp_behind(s);
    if (behind)
        PROBLEM(s, SEVERITY_WARNING, "%s than boot/loader", behind);
    s->failure = NULL;
    if (s->boot >= 0 && root_read(s->boot, "ostree/finalize-failure.stamp", STAMP_MAX, &stamp) >= 0)
        s->failure = arena_memdup(s->arena, stamp.data ? stamp.data : "", stamp.len);
    return 0;
}
