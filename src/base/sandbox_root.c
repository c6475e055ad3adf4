/* A file system in memory takes the place of /proc, in a namespace of our own, and copies of the mounts that
 * lead to the files are put into it; then it becomes the root and the old one goes. The copies are taken
 * first, while all names still lead where they should. A link is followed: its target stands in its place. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/sandbox.h"

enum { FILES_MAX = 32 };

#define PLACE "/proc" /* there wherever anything runs */

static int copy_mount(const char *path, int *ret, Error *e)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                                MOUNT_ATTR_NOEXEC};
    *ret = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (*ret < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(e, -errno, "a root with %s", path);
    if (mount_setattr(*ret, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) < 0)
        return error_errno(e, -errno, "a root with %s, read only", path);
    return 0;
}

/* `path` without its slash, in the new root. */
static int put_mount(int root, const char *path, int tree, Error *e)
{
    _cleanup_free_ char *parent = strdup(path);
    struct stat st;
    int r = 0;

    if (!parent)
        abort();
    char *slash = strrchr(parent, '/');
    if (slash) {
        *slash = '\0';
        r = dir_make_all_at(root, parent, 0755);
    }
    if (r >= 0 && fstat(tree, &st) < 0)
        r = -errno;
    if (r >= 0 && S_ISDIR(st.st_mode))
        r = dir_make_all_at(root, path, 0755);
    else if (r >= 0)
        r = file_write_at(root, path, "", 0, FILE_WRITE());
    if (r >= 0 && move_mount(tree, "", root, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        r = -errno;
    return r < 0 ? error_errno(e, r, "a root with /%s", path) : 0;
}

static int root_make(Error *e)
{
    if (mount("tmpfs", PLACE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,nr_inodes=200,mode=755") <
        0)
        return error_errno(e, -errno, "a root of its own");
    int root = open(PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? error_errno(e, -errno, "a root of its own") : root;
}

static int root_take(int root, Error *e)
{
    if (mount(NULL, PLACE, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) <
            0 ||
        fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0)
        return error_errno(e, -errno, "entering a root of its own");
    return 0;
}

int sandbox_enter_root(const char *const *files, Error *e)
{
    int trees[FILES_MAX], r = 0;
    size_t n = 0;
    _cleanup_close_ int root = -EBADF;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_errno(e, -errno, "mounts of its own");
    for (; r >= 0 && files[n] && n < FILES_MAX; n++)
        r = copy_mount(files[n], &trees[n], e);
    if (r >= 0)
        r = root = root_make(e);
    for (size_t i = 0; i < n; i++) {
        if (r >= 0 && trees[i] >= 0)
            r = put_mount(root, files[i] + 1, trees[i], e);
        closep(&trees[i]);
    }
    return r < 0 ? r : root_take(root, e);
}
