/* Depth first, through directory descriptors, never by a path but for links to what was copied already.
 * Attributes are set in the order in which the later ones do not undo the earlier: owner, extended
 * attributes, mode, times, flags; of a directory after what is in it. */
#include "base/tree_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"

#define SAVED_USER  "trusted.ignition.user."
#define SAVED_FLAGS "trusted.ignition.flags"
#define USER        "user."

enum { BUFFER_SIZE = 256 << 10, DEPTH_MAX = 200, NAMES_MAX = 64 << 10, VALUE_MAX = 64 << 10 };
/* Those that say something of the contents' use; extents, inline data and the like are the file system's own.
 */
enum {
    FLAGS_KEPT = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_SYNC_FL | FS_DIRSYNC_FL
};

struct TreeCopier {
    TreeCopy how;
    bool no_clone; /* this file system shares no extents, or not with that one */
    bool no_times, no_flags;
    char *buffer, *names, *value;
    uint64_t bytes;
};

/* A name in an open directory. */
typedef struct Place {
    int dirfd;
    const char *name;
} Place;

typedef struct Copy {
    TreeCopier node;
    int root; /* of the copy */
    dev_t device;
    Arena *arena;
    Map links; /* "inode number" to the path of its copy */
    Buf path;
    TreeCopyCounts counts;
    unsigned depth;
} Copy;

static int fail(const Copy *c, int r, Error *e)
{
    return error_errno(e, r, "%s", c->path.len ? c->path.data : "/");
}

/* ---- attributes ---- */

/* Beside those that the file system gave the file itself. */
static int flags_set(int fd, unsigned flags)
{
    unsigned now = 0;
    if (!flags)
        return 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &now) < 0)
        return -errno;
    flags |= now & ~(unsigned)FLAGS_KEPT;
    return flags != now && ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

/* By what it is called where it goes; NULL: it stays behind. */
static const char *attribute_name(const TreeCopier *c, const char *name,
                                  char renamed[static XATTR_NAME_MAX + 32])
{
    const char *rest = NULL, *prefix = "";
    if (c->how == TREE_COPY_SAVE && strncmp(name, USER, strlen(USER)) == 0) {
        prefix = SAVED_USER;
        rest = name + strlen(USER);
    } else if (c->how == TREE_COPY_RESTORE && strncmp(name, SAVED_USER, strlen(SAVED_USER)) == 0) {
        prefix = USER;
        rest = name + strlen(SAVED_USER);
    } else if (c->how == TREE_COPY_RESTORE && strcmp(name, SAVED_FLAGS) == 0)
        return NULL;
    if (!rest)
        return name;
    snprintf(renamed, XATTR_NAME_MAX + 32, "%s%s", prefix, rest);
    return renamed;
}

/* Paths below /proc/self/fd: of an open file they are links, which are to be followed; of a name in an open
 * directory the last part is not. */
typedef struct Ends {
    const char *from, *to;
    bool follow;
} Ends;

static int attributes_copy(TreeCopier *c, const Ends *at)
{
    char renamed[XATTR_NAME_MAX + 32];
    ssize_t n = (at->follow ? listxattr : llistxattr)(at->from, c->names, NAMES_MAX);
    if (n < 0)
        return errno == ENOTSUP ? 0 : -errno;
    for (const char *name = c->names; name < c->names + n; name += strlen(name) + 1) {
        const char *as = attribute_name(c, name, renamed);
        if (!as)
            continue;
        ssize_t size = (at->follow ? getxattr : lgetxattr)(at->from, name, c->value, VALUE_MAX);
        if (size < 0 || (at->follow ? setxattr : lsetxattr)(at->to, as, c->value, (size_t)size, 0) < 0)
            return -errno;
    }
    return 0;
}

static int flags_copy(const TreeCopier *c, int from, int to)
{
    unsigned flags = 0;
    if (c->how == TREE_COPY_RESTORE)
        return fgetxattr(from, SAVED_FLAGS, &flags, sizeof(flags)) == sizeof(flags) ? flags_set(to, flags)
                                                                                    : 0;
    if (ioctl(from, FS_IOC_GETFLAGS, &flags) < 0)
        return 0; /* this file system has none */
    flags &= FLAGS_KEPT;
    if (c->how == TREE_COPY_PLAIN)
        return flags_set(to, flags);
    return flags && fsetxattr(to, SAVED_FLAGS, &flags, sizeof(flags), 0) < 0 ? -errno : 0;
}

/* Of a file or directory that is open on both sides. */
static int open_attributes_copy(TreeCopier *c, int from, int to, const struct stat *st)
{
    char in[64], out[64];
    snprintf(in, sizeof(in), "/proc/self/fd/%d", from);
    snprintf(out, sizeof(out), "/proc/self/fd/%d", to);
    if (fchown(to, st->st_uid, st->st_gid) < 0)
        return -errno;
    int r = attributes_copy(c, &(Ends){in, out, true});
    if (r < 0)
        return r;
    if (fchmod(to, st->st_mode & 07777) < 0)
        return -errno;
    if (!c->no_times && futimens(to, (struct timespec[]){st->st_atim, st->st_mtim}) < 0)
        return -errno;
    return c->no_flags ? 0 : flags_copy(c, from, to);
}

/* ---- contents ---- */

static int extent_copy(TreeCopier *c, int from, int to, off_t at, off_t end)
{
    while (at < end) {
        size_t n = end - at < BUFFER_SIZE ? (size_t)(end - at) : BUFFER_SIZE;
        ssize_t got = pread(from, c->buffer, n, at);
        if (got <= 0)
            return got < 0 ? -errno : -EIO; /* shorter than it said: it is being changed */
        for (ssize_t done = 0; done < got;) {
            ssize_t put = pwrite(to, c->buffer + done, (size_t)(got - done), at + done);
            if (put < 0)
                return -errno;
            done += put;
        }
        at += got;
        c->bytes += (uint64_t)got;
    }
    return 0;
}

/* Its size is set where it ends in a hole: else it has it. */
static int data_copy(TreeCopier *c, int from, int to, off_t size)
{
    int r = 0;
    off_t end = 0;
    for (off_t at = 0; r >= 0 && at < size; at = end) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        off_t hole = data < 0 ? data : lseek(from, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        r = extent_copy(c, from, to, data, hole);
        end = hole;
    }
    return r >= 0 && end < size && ftruncate(to, size) < 0 ? -errno : r;
}

/* 1: the file system shares the extents of one file with the other. */
static int data_clone(TreeCopier *c, int from, int to, off_t size)
{
    if (c->no_clone || size == 0)
        return 0;
    if (ioctl(to, FICLONE, from) < 0) {
        c->no_clone = true;
        return 0;
    }
    c->bytes += (uint64_t)size;
    return 1;
}

static int file_copy(TreeCopier *c, Place from, Place to, const struct stat *st)
{
    _cleanup_close_ int in = openat(from.dirfd, from.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
    if (in < 0)
        return -errno;
    _cleanup_close_ int out = openat(to.dirfd, to.name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return -errno;
    /* What the directory has for new files is not what the file had. */
    if (fremovexattr(out, "system.posix_acl_access") < 0 && errno != ENODATA && errno != EOPNOTSUPP)
        return -errno;
    int r = data_clone(c, in, out, st->st_size);
    if (r == 0)
        r = data_copy(c, in, out, st->st_size);
    return r < 0 ? r : open_attributes_copy(c, in, out, st);
}

static int link_copy(Place from, Place to)
{
    char target[PATH_MAX + 1];
    ssize_t n = readlinkat(from.dirfd, from.name, target, PATH_MAX);
    if (n < 0 || n >= PATH_MAX)
        return n < 0 ? -errno : -ENAMETOOLONG;
    target[n] = '\0';
    return symlinkat(target, to.dirfd, to.name) < 0 ? -errno : 0;
}

/* Links, device nodes, pipes, sockets. */
static int other_copy(TreeCopier *c, Place from, Place to, const struct stat *st)
{
    char a[NAME_MAX + 64], b[NAME_MAX + 64];
    int r = S_ISLNK(st->st_mode)                                                         ? link_copy(from, to)
            : mknodat(to.dirfd, to.name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0 ? -errno
                                                                                         : 0;
    if (r < 0)
        return r;
    if (fchownat(to.dirfd, to.name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    snprintf(a, sizeof(a), "/proc/self/fd/%d/%s", from.dirfd, from.name);
    snprintf(b, sizeof(b), "/proc/self/fd/%d/%s", to.dirfd, to.name);
    r = attributes_copy(c, &(Ends){a, b, false});
    if (r < 0)
        return r;
    if (!S_ISLNK(st->st_mode) && fchmodat(to.dirfd, to.name, st->st_mode & 07777, 0) < 0)
        return -errno;
    if (!c->no_times &&
        utimensat(to.dirfd, to.name, (struct timespec[]){st->st_atim, st->st_mtim}, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return 0;
}

/* 1: it is a further name of something that was copied. */
static int link_again(Copy *c, int to, const char *name, const struct stat *st)
{
    if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
        return 0;
    const char *key = arena_printf(c->arena, "%llu", (unsigned long long)st->st_ino);
    const char *first = map_get(&c->links, key);
    if (first)
        return linkat(c->root, first, to, name, 0) < 0 ? -errno : 1;
    map_put(&c->links, key, arena_strdup(c->arena, c->path.data));
    return 0;
}

static int directory_copy(Copy *c, int from, int to, Error *e);

static int subdirectory_copy(Copy *c, int from, int to, const char *name, const struct stat *st, Error *e)
{
    if (mkdirat(to, name, 0700) < 0 && errno != EEXIST) /* lost+found of a new file system */
        return fail(c, -errno, e);
    _cleanup_close_ int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
    _cleanup_close_ int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || out < 0)
        return fail(c, -errno, e);
    int r = directory_copy(c, in, out, e);
    if (r < 0)
        return r;
    r = open_attributes_copy(&c->node, in, out, st);
    return r < 0 ? fail(c, r, e) : 0;
}

static int entry_copy(Copy *c, int from, int to, const char *name, Error *e)
{
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail(c, -errno, e);
    if (st.st_dev != c->device)
        return error_set(e, EXDEV, "%s: another file system or subvolume", c->path.data);
    c->counts.files++;
    if (S_ISDIR(st.st_mode))
        return subdirectory_copy(c, from, to, name, &st, e);
    int r = link_again(c, to, name, &st);
    if (r == 0)
        r = (S_ISREG(st.st_mode) ? file_copy : other_copy)(&c->node, (Place){from, name}, (Place){to, name},
                                                           &st);
    return r < 0 ? fail(c, r, e) : 0;
}

static int directory_copy(Copy *c, int from, int to, Error *e)
{
    _cleanup_close_ int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
    if (again < 0)
        return fail(c, -errno, e);
    _cleanup_closedir_ DIR *d = fdopendir(again);
    if (!d)
        return fail(c, -errno, e);
    TAKE_FD(again);
    if (c->depth++ >= DEPTH_MAX)
        return fail(c, -ENAMETOOLONG, e);
    size_t length = c->path.len;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        buf_addf(&c->path, "%s%s", length ? "/" : "", entry->d_name);
        int r = entry_copy(c, from, to, entry->d_name, e);
        if (r < 0)
            return r;
        c->path.len = length;
        c->path.data[length] = '\0';
    }
    c->depth--;
    return errno ? fail(c, -errno, e) : 0;
}

static void node_init(TreeCopier *c, TreeCopy how)
{
    *c = (TreeCopier){
        .how = how, .buffer = malloc(BUFFER_SIZE), .names = malloc(NAMES_MAX), .value = malloc(VALUE_MAX)};
    if (!c->buffer || !c->names || !c->value)
        abort();
}

static void node_done(TreeCopier *c)
{
    free(c->buffer);
    free(c->names);
    free(c->value);
}

static void copy_done(Copy *c)
{
    map_done(&c->links);
    buf_done(&c->path);
    arena_free(c->arena);
    node_done(&c->node);
}

int tree_copy(int from, int to, TreeCopy how, TreeCopyCounts *ret, Error *e)
{
    struct stat st;
    if (fstat(from, &st) < 0)
        return error_errno(e, -errno, "copying a tree");
    _cleanup_(copy_done)
    Copy c = {.root = to, .device = st.st_dev, .arena = arena_new()};
    node_init(&c.node, how);
    int r = directory_copy(&c, from, to, e);
    if (r < 0)
        return r;
    r = open_attributes_copy(&c.node, from, to, &st);
    if (r < 0)
        return fail(&c, r, e);
    c.counts.bytes = c.node.bytes;
    *ret = c.counts;
    return 0;
}

/* ---- one name ---- */

TreeCopier *tree_copier_new(void)
{
    TreeCopier *c = malloc(sizeof(*c));

    if (!c)
        abort();
    node_init(c, TREE_COPY_PLAIN);
    c->no_flags = true;
    return c;
}

void tree_copier_free(TreeCopier *c)
{
    if (!c)
        return;
    node_done(c);
    free(c);
}

int tree_copy_one(TreeCopier *c, int from, const char *name, int to, const char *as, bool dated)
{
    struct stat st;

    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return -EINVAL;
    c->no_times = !dated;
    return (S_ISREG(st.st_mode) ? file_copy : other_copy)(c, (Place){from, name}, (Place){to, as}, &st);
}
