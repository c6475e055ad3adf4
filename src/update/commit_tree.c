/* Trees are hard links into the repository; /etc is a copy, so that nobody edits an object through it. */
#include "update/commit_tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "update/etc_merge.h"
#include "update/image_prune.h"
#include "update/repo.h"
#include "update/tree_checkout.h"

static int name_of(const char *checksum, uint8_t out[OSTREE_CHECKSUM], Error *e)
{
    if (strlen(checksum) != 2 * OSTREE_CHECKSUM || !hex_decode(checksum, 2 * OSTREE_CHECKSUM, out))
        return error_set(e, EINVAL, "\"%s\" is no checksum of a commit", checksum);
    return 0;
}

static int checkout(void *context, const char *checksum, int to, Error *e)
{
    uint8_t commit[OSTREE_CHECKSUM];
    int r = name_of(checksum, commit, e);
    return r < 0 ? r : tree_checkout_deployment(*(int *)context, commit, to, &(CheckoutOptions){0}, e);
}

static int open_below(int dirfd, const char *path, Error *e)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? error_errno(e, -errno, "%s of a deployment", path) : fd;
}

static int merge_etc(void *context _unused_, int from, int to, Report *r, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int old = open_below(from, "usr/etc", e),
                        etc = old < 0 ? old : open_below(from, "etc", e),
                        new = etc < 0 ? etc : open_below(to, "usr/etc", e),
                        to_etc = new < 0 ? new : open_below(to, "etc", e);
    EtcMerge plan;
    if (to_etc < 0)
        return to_etc;
    int n = etc_merge_plan(a, old, etc, new, &plan, e);
    if (n < 0)
        return error_wrap(e, n, "merging /etc");
    for (size_t i = 0; i < plan.n; i++)
        if (plan.changes[i].conflict)
            report_add(r, SEVERITY_WARNING, NULL, NULL,
                       "/etc/%s was changed here and in the new version; yours stays", plan.changes[i].path);
    return etc_merge_apply(&plan, etc, to_etc, NULL, NULL, e);
}

enum { BLOCK = 4096 };

/* Directories take a block and an inode each; of usr/etc, which is copied, files do too. */
static int measure_tree(int repo, const uint8_t tree[OSTREE_CHECKSUM], unsigned depth, bool copied,
                        uint64_t *blocks, uint64_t *inodes, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t;
    if (depth > REPO_DEPTH_MAX)
        return error_set(e, ELOOP, "the tree is too deep");
    int r = repo_read_tree(repo, a, tree, &t, e);
    for (size_t i = 0; r >= 0 && copied && i < t.n_files; i++) {
        char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];
        struct stat st;
        object_name(OBJECT_FILE, t.files[i].checksum, name);
        object_place(name, place);
        if (fstatat(repo, place, &st, AT_SYMLINK_NOFOLLOW) == 0)
            *blocks += ((uint64_t)st.st_size + BLOCK - 1) / BLOCK;
        ++*inodes;
    }
    for (size_t i = 0; r >= 0 && i < t.n_directories; i++) {
        ++*blocks, ++*inodes;
        r = measure_tree(repo, t.directories[i].tree, depth + 1, copied, blocks, inodes, e);
    }
    return r;
}

static int measure(void *context, const char *checksum, uint64_t *ret_bytes, uint64_t *ret_files, Error *e)
{
    const int repo = *(int *)context;
    uint8_t commit[OSTREE_CHECKSUM];
    RepoEntry root, etc;
    uint64_t blocks = 1, inodes = 1;
    int r = name_of(checksum, commit, e);
    if (r >= 0)
        r = repo_find(repo, commit, "", &root, e);
    if (r >= 0)
        r = measure_tree(repo, root.checksum, 0, false, &blocks, &inodes, e);
    if (r < 0)
        return r;
    if (repo_find(repo, commit, "usr/etc", &etc, NULL) >= 0 && etc.directory)
        r = measure_tree(repo, etc.checksum, 0, true, &blocks, &inodes, e);
    *ret_bytes = blocks * BLOCK;
    *ret_files = inodes;
    return r;
}

static int prune(void *context, Error *e)
{
    PruneCounts counts;
    return image_prune(*(int *)context, &counts, e);
}

DeploymentTree commit_tree_of(int *repo)
{
    return (DeploymentTree){
        .context = repo, .checkout = checkout, .merge_etc = merge_etc, .prune = prune, .measure = measure};
}
