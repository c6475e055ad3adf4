/* What is not as it was is found by deployment_verify.h. A link is made beside the file under a name that no
 * commit has, then renamed over it: linked once more to the same inode a rename does nothing, so a file that
 * already is its object's link is left alone. Whether the object is good is looked at before. */
#include "update/deployment_repair.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"

#define FRESH ".basalt-repair"

/* Where a commit has etc and not usr/etc, a deployment has it there all the same. */
static int object_find(int repo, const uint8_t commit[OSTREE_CHECKSUM], const char *path, RepoEntry *ret)
{
    int r = repo_find(repo, commit, path, ret, NULL);
    if (r == -ENOENT && strncmp(path, "usr/etc/", 8) == 0)
        r = repo_find(repo, commit, path + 4, ret, NULL);
    return r >= 0 && ret->directory ? -EISDIR : r;
}

static bool object_is_good(int repo, const char *place, const uint8_t wanted[OSTREE_CHECKSUM])
{
    uint8_t is[OSTREE_CHECKSUM];
    uint64_t bytes;
    return file_checksum(repo, place, is, &bytes) >= 0 && memcmp(is, wanted, OSTREE_CHECKSUM) == 0;
}

/* 1: mended; 0: cannot be. */
static int file_put(int repo, const uint8_t commit[OSTREE_CHECKSUM], int deployment, const char *path,
                    Error *e)
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];
    _cleanup_free_ char *last = NULL;
    RepoEntry entry;

    if (object_find(repo, commit, path, &entry) < 0)
        return 0;
    object_name(OBJECT_FILE, entry.checksum, name);
    object_place(name, place);
    if (!object_is_good(repo, place, entry.checksum))
        return 0;
    _cleanup_close_ int dir = root_open_parent(deployment, path, false, 0, &last);
    if (dir < 0)
        return 0;
    if (unlinkat(dir, FRESH, 0) < 0 && errno != ENOENT)
        return error_errno(e, -errno, "/%s of the deployment", path);
    if (linkat(repo, place, dir, FRESH, 0) < 0)
        return error_errno(e, -errno, "/%s of the deployment", path);
    int r = renameat(dir, FRESH, dir, last) < 0 ? -errno : 0;
    (void)unlinkat(dir, FRESH, 0); /* there still where it was a link to the same */
    if (r == -EISDIR || r == -ENOTEMPTY)
        return 0;
    return r < 0 ? error_errno(e, r, "/%s of the deployment", path) : 1;
}

int deployment_repair(int repo, Arena *a, const uint8_t commit[OSTREE_CHECKSUM], int deployment,
                      const CheckRun *run, DeploymentRepair *ret, Error *e)
{
    DeploymentResult found = {0};
    DeploymentRepair done = {0};
    int r = deployment_verify(repo, a, commit, deployment, run, &found, e);

    if (r < 0)
        return r;
    done.repaired = ARENA_ARRAY(a, const char *, found.n + 1);
    for (size_t i = 0; i < found.n; i++) {
        const DeploymentRow *row = found.rows + i;
        r = row->directory || row->change == DEPLOYMENT_ADDED
                ? 0
                : file_put(repo, commit, deployment, row->path, e);
        if (r < 0)
            return r;
        if (r > 0)
            done.repaired[done.n++] = row->path;
        else
            done.left++;
    }
    if (done.n > 0 && syncfs(deployment) < 0)
        return error_errno(e, -errno, "the deployment");
    *ret = done;
    return 0;
}
