/* A sysroot is opened by descriptors: the root, ostree/ and boot/ of it, each found inside the root. To
 * write, the lock is taken first and the list read under it, so that what is planned from the list holds
 * until the lock goes. Strings of every list live as long as the Sysroot: whoever holds a Deployment over a
 * change keeps what it was. */
#include "update/sysroot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "update/boot_esp.h"
#include "update/object_store.h"
#include "update/sysroot_state.h"

/* ---- made ---- */

bool stateroot_name_is_valid(const char *name)
{
    if (!name || !name[0] || name[0] == '.' || strlen(name) > SYSROOT_NAME_MAX)
        return false;
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-+", *p)))
            return false;
    return true;
}

/* No boot loader is to be run, and /sysroot is read-only in a running system. */
static int repo_init(int root, Error *e)
{
    static const char config[] =
        "[core]\nrepo_version=1\nmode=bare\n\n[sysroot]\nbootloader=none\nreadonly=true\n";
    _cleanup_close_ int repo = openat(root, "ostree/repo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (repo >= 0 && fstatat(repo, "config", &st, 0) == 0)
        return 0;
    int r = object_store_init(root, "ostree/repo", e);
    if (r < 0)
        return r;
    r = file_write_at(root, "ostree/repo/config", config, sizeof(config) - 1, FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "ostree/repo/config") : 1;
}

static int stateroot_init(int root, const char *name, Error *e)
{
    static const struct {
        const char *name, *link;
        mode_t mode;
    } rows[] = {{"lib", NULL, 0755},
                {"log", NULL, 0755},
                {"tmp", NULL, 01777},
                {"run", "../run", 0},
                {"lock", "../run/lock", 0}};
    char path[SYSROOT_NAME_MAX + 32];
    int r;

    snprintf(path, sizeof(path), "ostree/deploy/%s/var", name);
    r = dir_make_all_at(root, path, 0755);
    _cleanup_close_ int var = r < 0 ? -EBADF : openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (var < 0)
        return error_errno(e, r < 0 ? r : -errno, "%s", path);
    if (r == 0)
        return 0; /* what is in a stateroot's /var is the system's own */
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        r = rows[i].link ? symlinkat(rows[i].link, var, rows[i].name)
                         : mkdirat(var, rows[i].name, rows[i].mode);
        if (r == 0 && !rows[i].link)
            r = fchmodat(var, rows[i].name, rows[i].mode, 0);
        if (r < 0 && errno != EEXIST)
            return error_errno(e, -errno, "%s/%s", path, rows[i].name);
    }
    return 1;
}

int sysroot_boot_init(int root, Error *e)
{
    static const char *const links[][2] = {{".", "boot/boot"}, {"loader.0", "boot/loader"}};
    struct stat st;
    int r = dir_make_all_at(root, "boot", 0755);

    if (r < 0)
        return error_errno(e, r, "boot");
    if (fstatat(root, "boot/loader", &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    r = dir_make_all_at(root, "boot/loader.0/entries", 0755);
    if (r < 0)
        return error_errno(e, r, "boot/loader.0/entries");
    for (size_t i = 0; i < ELEMENTS(links); i++)
        if (symlinkat(links[i][0], root, links[i][1]) < 0 && errno != EEXIST)
            return error_errno(e, -errno, "%s (a file system without symbolic links?)", links[i][1]);
    return 1;
}

int sysroot_init(const char *path, const char *stateroot, Error *e)
{
    _cleanup_close_ int root = root_open(path, e);
    int r, changed = 0;

    if (root < 0)
        return root;
    if (!stateroot_name_is_valid(stateroot))
        return error_set(e, EINVAL, "'%s' is no name for a stateroot (letters, digits, '.', '_', '-', '+')",
                         stateroot);
    r = sysroot_boot_init(root, e);
    changed |= r;
    if (r >= 0)
        changed |= r = repo_init(root, e);
    if (r >= 0)
        changed |= r = stateroot_init(root, stateroot, e);
    if (r < 0)
        return error_wrap(e, r, "making a sysroot in %s", path);
    if (changed && syncfs(root) < 0)
        return error_errno(e, -errno, "%s", path);
    return changed;
}

/* ---- opened ---- */

int sysroot_step(Sysroot *s, const char *what, Error *e)
{
    int r = s->options.step ? s->options.step(s->options.context, what) : 0;
    return r < 0 ? error_errno(e, r, "interrupted before %s", what) : 0;
}

int sysroot_need_write(const Sysroot *s, Error *e)
{
    return s->lock >= 0 ? 0 : error_set(e, EROFS, "the sysroot was opened to read only");
}

static int directories_open(Sysroot *s, Error *e)
{
    struct stat st;

    s->root = root_open(s->path, e);
    if (s->root < 0)
        return s->root;
    s->ostree = root_openat(s->root, "ostree", O_RDONLY | O_DIRECTORY, 0);
    if (s->ostree < 0 || faccessat(s->ostree, "repo", F_OK, 0) < 0)
        return error_set(
            e, ENOENT, "%s is no OSTree sysroot: there is no ostree/repo in it, which `init` makes", s->path);
    s->boot = root_openat(s->root, "boot", O_RDONLY | O_DIRECTORY, 0);
    if (s->boot < 0 && s->boot != -ENOENT)
        return error_errno(e, s->boot, "boot");
    if (stat("/", &s->top) < 0 || fstat(s->root, &st) < 0)
        return error_errno(e, -errno, "%s", s->path);
    s->is_root = st.st_dev == s->top.st_dev && st.st_ino == s->top.st_ino &&
                 faccessat(AT_FDCWD, "/run/ostree-booted", F_OK, 0) == 0;
    return 0;
}

int sysroot_open(const char *path, const SysrootOptions *o, Sysroot **ret, Error *e)
{
    _cleanup_sysroot_ Sysroot *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->root = s->ostree = s->boot = s->lock = -EBADF;
    s->arena = arena_new();
    s->problems = REPORT_INIT(s->arena);
    s->options = o ? *o : (SysrootOptions){0};
    s->path = strdup(path);
    if (!s->path)
        abort();
    int r = s->options.write ? sysroot_make_writable(path, e) : 0;
    if (r >= 0)
        r = directories_open(s, e);
    if (r >= 0 && s->options.write)
        r = sysroot_lock_take(s, e);
    if (r >= 0)
        r = sysroot_load(s, e);
    /* What was cut off there; one that cannot be written keeps nobody from anything, and stays a finding. */
    if (r >= 0 && s->options.write && boot_esp_sync(s, NULL) > 0)
        r = sysroot_load(s, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void sysroot_free(Sysroot *s)
{
    if (!s)
        return;
    closep(&s->lock);
    closep(&s->boot);
    closep(&s->ostree);
    closep(&s->root);
    report_done(&s->problems);
    arena_free(s->arena);
    free(s->path);
    free(s);
}

int sysroot_reload(Sysroot *s, Error *e)
{
    return sysroot_load(s, e);
}

const DeploymentList *sysroot_deployments(const Sysroot *s)
{
    return &s->list;
}

const Report *sysroot_problems(const Sysroot *s)
{
    return &s->problems;
}

const char *sysroot_failure(const Sysroot *s)
{
    return s->failure;
}

int sysroot_fd(const Sysroot *s)
{
    return s->root;
}

/* ---- found ---- */

static const Deployment *booted(const Sysroot *s)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (s->list.items[i]->booted)
            return s->list.items[i];
    return NULL;
}

/* Before (or, `after`, behind) the booted one, of the same stateroot. Without a booted one of that stateroot
 * the first counts as pending, the second as the way back. */
static const Deployment *beside(const Sysroot *s, const char *stateroot, bool after)
{
    const Deployment *first = NULL, *b = booted(s);
    const bool has_booted = b && strcmp(b->stateroot, stateroot) == 0;
    bool passed = false;

    for (size_t i = 0; i < s->list.n; i++) {
        const Deployment *d = s->list.items[i];
        if (strcmp(d->stateroot, stateroot) != 0 || d->staged)
            continue;
        if (d->booted) {
            if (!after)
                return NULL;
            passed = true;
            continue;
        }
        if (has_booted ? passed == after : !after || first)
            return d;
        first = d;
    }
    return NULL;
}

const Deployment *sysroot_find(const Sysroot *s, DeploymentRole role, const char *stateroot)
{
    const Deployment *b = booted(s), *first = s->list.n ? s->list.items[0] : NULL;

    if (!stateroot)
        stateroot = b ? b->stateroot : first ? first->stateroot : NULL;
    if (!stateroot)
        return NULL;
    switch (role) {
    case DEPLOYMENT_STAGED:
        return first && first->staged ? first : NULL;
    case DEPLOYMENT_BOOTED:
        return b && strcmp(b->stateroot, stateroot) == 0 ? b : NULL;
    case DEPLOYMENT_PENDING:
        return beside(s, stateroot, false);
    case DEPLOYMENT_ROLLBACK:
        return beside(s, stateroot, true);
    case DEPLOYMENT_MERGE:
        return b && strcmp(b->stateroot, stateroot) == 0 ? b : beside(s, stateroot, false);
    }
    return NULL;
}

static bool matches(const Deployment *d, const char *text)
{
    char name[100];
    size_t n = strlen(text);

    snprintf(name, sizeof(name), "%s.%u", d->checksum, d->serial);
    return (n >= 4 && strncmp(d->checksum, text, n) == 0) || strcmp(name, text) == 0 ||
           (d->version && strcmp(d->version, text) == 0);
}

int sysroot_select(const Sysroot *s, const char *text, const Deployment **ret, Error *e)
{
    static const struct {
        const char *name;
        DeploymentRole role;
    } roles[] = {{"staged", DEPLOYMENT_STAGED},
                 {"booted", DEPLOYMENT_BOOTED},
                 {"pending", DEPLOYMENT_PENDING},
                 {"rollback", DEPLOYMENT_ROLLBACK}};
    const Deployment *found = NULL;
    size_t digits = strspn(text, "0123456789");

    for (size_t i = 0; i < ELEMENTS(roles); i++) {
        if (strcmp(text, roles[i].name) != 0)
            continue;
        *ret = sysroot_find(s, roles[i].role, NULL);
        return *ret ? 0 : error_set(e, ENOENT, "there is no %s deployment", text);
    }
    if (digits > 0 && digits < 4 && text[digits] == '\0') {
        size_t index = strtoul(text, NULL, 10);
        if (index >= s->list.n)
            return error_set(e, ENOENT, "there is no deployment %s: there are %zu, counted from 0", text,
                             s->list.n);
        *ret = s->list.items[index];
        return 0;
    }
    for (size_t i = 0; i < s->list.n; i++) {
        if (!matches(s->list.items[i], text))
            continue;
        if (found)
            return error_set(e, EINVAL, "'%s' is several deployments; give its index", text);
        found = s->list.items[i];
    }
    if (!found)
        return error_set(e, ENOENT, "no deployment is '%s'", text);
    *ret = found;
    return 0;
}
