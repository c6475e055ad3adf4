/* Two sorted lists side by side, a name at a time: the packages of one name are matched by architecture, or,
 * where each side has one, without. Versions that are equal in Debian's order are no change, however they are
 * written. */
#include "update/package_diff.h"

#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "update/deb_version.h"
#include "update/repo.h"

static const char *const status_paths[] = {"usr/lib/sysimage/dpkg/status", "usr/share/dpkg/status",
                                           "var/lib/dpkg/status"};
static const char *const rpm_paths[] = {"usr/share/rpm", "usr/lib/sysimage/rpm", "var/lib/rpm",
                                        "usr/lib/sysimage/rpm-ostree-base-db"};

/* ---- lists ---- */

static void change_add(PackageDiff *d, const Package *from, const Package *to)
{
    const Package *p = to ? to : from;
    int order = from && to ? deb_version_compare(from->version, to->version) : 0;

    if (from && to && order == 0)
        return;
    d->changes[d->n++] = (PackageChange){
        .kind = !from       ? PACKAGE_ADDED
                : !to       ? PACKAGE_REMOVED
                : order < 0 ? PACKAGE_UPGRADED
                            : PACKAGE_DOWNGRADED,
        .name = p->name,
        .architecture = p->architecture,
        .from = from ? from->version : NULL,
        .to = to ? to->version : NULL,
    };
}

/* How many packages from here on have the same name. */
static size_t run_of(const PackageList *l, size_t at)
{
    size_t n = 0;

    while (at + n < l->n && strcmp(l->packages[at].name, l->packages[at + n].name) == 0)
        n++;
    return n;
}

static void name_compare(PackageDiff *d, const Package *from, size_t n_from, const Package *to, size_t n_to)
{
    size_t i = 0, k = 0;

    if (n_from == 1 && n_to == 1) {
        change_add(d, from, to);
        return;
    }
    while (i < n_from || k < n_to) {
        int order = i == n_from ? 1 : k == n_to ? -1 : strcmp(from[i].architecture, to[k].architecture);
        change_add(d, order <= 0 ? &from[i] : NULL, order >= 0 ? &to[k] : NULL);
        i += order <= 0;
        k += order >= 0;
    }
}

void package_lists_compare(Arena *a, const PackageList *from, const PackageList *to, PackageDiff *ret)
{
    size_t i = 0, k = 0;

    *ret = (PackageDiff){.changes = ARENA_ARRAY(a, PackageChange, from->n + to->n + 1), .known = true};
    while (i < from->n || k < to->n) {
        int order = i == from->n ? 1 : k == to->n ? -1 : strcmp(from->packages[i].name, to->packages[k].name);
        size_t n_from = order <= 0 ? run_of(from, i) : 0, n_to = order >= 0 ? run_of(to, k) : 0;
        name_compare(ret, &from->packages[i], n_from, &to->packages[k], n_to);
        i += n_from;
        k += n_to;
    }
}

/* ---- commits ---- */

static bool has_rpm(int repo, const uint8_t commit[OSTREE_CHECKSUM])
{
    RepoEntry found;

    for (size_t i = 0; i < ELEMENTS(rpm_paths); i++)
        if (repo_find(repo, commit, rpm_paths[i], &found, NULL) >= 0)
            return true;
    return false;
}

/* 1; 0: the commit has no dpkg. */
static int list_load(int repo, Arena *a, const uint8_t commit[OSTREE_CHECKSUM], PackageList *ret, Error *e)
{
    RepoEntry found;
    int r = -ENOENT;

    for (size_t i = 0; i < ELEMENTS(status_paths) && (r == -ENOENT || r == -ENOTDIR); i++) {
        _cleanup_buf_ Buf b = BUF_INIT;
        r = repo_find(repo, commit, status_paths[i], &found, e);
        if (r < 0 || found.directory)
            continue;
        _cleanup_close_ int fd = repo_open_file(repo, found.checksum);
        r = fd < 0 ? fd : file_read_fd(fd, PACKAGES_TEXT_MAX, &b);
        if (r < 0)
            return error_errno(e, r, "/%s of the commit", status_paths[i]);
        r = package_list_read(a, b.data ? b.data : "", b.len, ret, e);
        return r < 0 ? error_wrap(e, r, "/%s of the commit", status_paths[i]) : 1;
    }
    return r == -ENOENT || r == -ENOTDIR || r >= 0 ? 0 : r;
}

int package_diff(int repo, Arena *a, const uint8_t from[OSTREE_CHECKSUM], const uint8_t to[OSTREE_CHECKSUM],
                 PackageDiff *ret, Error *e)
{
    const uint8_t *commits[2] = {from, to};
    PackageList lists[2] = {{0}};
    bool known[2], rpm = false;

    for (size_t i = 0; i < 2; i++) {
        Error inner = ERROR_INIT;
        int r = list_load(repo, a, commits[i], &lists[i], &inner);
        if (r < 0)
            return error_set(e, -r, "%s", inner.text);
        known[i] = r > 0;
        rpm = rpm || has_rpm(repo, commits[i]);
    }
    package_lists_compare(a, &lists[0], &lists[1], ret);
    ret->known = known[0] == known[1];
    ret->unsupported = rpm ? "rpm" : NULL;
    if (!ret->known) /* all of one side would be new or gone */
        ret->n = 0;
    return 0;
}
