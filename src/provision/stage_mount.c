/* Mounts the filesystems of the config that have a path, the shallowest first, so that the files stage writes
 * onto them. For each in turn:
 *   1. wait for its device;
 *   2. walk to the mount point from the root's descriptor, one component at a time, making what is missing
 * (0755, noted in the state: home directories are given to their users later; journal: mount_journal.h);
 *   3. if that filesystem is mounted there already (a run that follows an interrupted one), it is done;
 *   4. label what was made, mount, label the top of a fresh filesystem.
 * Refused: a link, or anything but a directory, in a mount point (after the boot it might lead elsewhere than
 * now); a mount point that has another filesystem on it. When one fails, what this run mounted is taken off
 * again; directories stay. The place is held open while it is mounted on, so that no link put there meanwhile
 * is followed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/mount_journal.h"
#include "provision/mount_points.h"
#include "provision/relabel.h"
#include "provision/stage.h"
#include "system/device_wait.h"
#include "system/mount_options.h"
#include "system/mount_table.h"

typedef struct MountRun {
    StageContext *c;
    int root;             /* its own: after a mount on "/" it is another one */
    MountJournal journal; /* of that root */
    StringList done;      /* what this run mounted, as text with the root */
} MountRun;

/* One mount point on the way to its mount. */
typedef struct MountPlace {
    const IgnFilesystem *fs;
    const char *text; /* root and path */
    int fd;           /* O_PATH */
    const char *made; /* the topmost directory that the stage made, now or before a power cut; NULL: none */
} MountPlace;

static bool is_root(const MountPlace *p)
{
    return strcmp(p->fs->path, "/") == 0;
}

/* The root as its path leads to it now. */
static int root_take(MountRun *run, Error *e)
{
    closep(&run->root);
    run->root = root_open(run->c->root_path, e);
    return run->root < 0 ? run->root : mount_journal_load(&run->journal, run->root, e);
}

/* ---- the mount point ---- */

/* Owner and mode as they are meant, whatever the umask and a set-group-id parent say. On disk when it
 * returns. */
static int directory_make(int dir, const char *name)
{
    if (mkdirat(dir, name, 0755) < 0)
        return errno == EEXIST ? 0 : -errno;
    _cleanup_close_ int made = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int parent = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (made < 0 || parent < 0)
        return -errno;
    if ((geteuid() == 0 && fchown(made, 0, 0) < 0) || fchmod(made, 0755) < 0 || fsync(made) < 0 ||
        fsync(parent) < 0)
        return -errno;
    return 0;
}

static void directory_note(MountRun *run, MountPlace *p, int fd, const char *path)
{
    const State *s = run->c->state;

    uint64_t id;
    bool top = false;

    /* What another filesystem lies on by now got its label when that one was mounted. */
    if (mount_of_fd(fd, &id, &top) >= 0 && top)
        p->made = NULL;
    else if (!p->made)
        p->made = arena_strdup(run->c->arena, path);
    for (size_t i = 0; i < s->n_notated_directories; i++)
        if (strcmp(s->notated_directories[i], path) == 0)
            return;
    state_add_directory(run->c->state, path);
}

static int component_open(MountRun *run, MountPlace *p, const char *name, const char *upto, Error *e)
{
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(p->fd, name, flags);

    if (fd < 0 && errno == ENOENT) {
        int r = mount_journal_add(&run->journal, run->root, upto, e);
        if (r < 0)
            return r;
        r = directory_make(p->fd, name);
        if (r < 0)
            return error_errno(e, r, "making the directory '%s' for the mount point '%s'", upto, p->fs->path);
        fd = openat(p->fd, name, flags);
    }
    if (fd >= 0 && mount_journal_has(&run->journal, upto))
        directory_note(run, p, fd, upto);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return mount_point_refuse(p->fs->path, p->fd, name, upto, e);
    return fd < 0 ? error_errno(e, -errno, "mount point '%s': opening '%s'", p->fs->path, upto) : fd;
}

static int place_open(MountRun *run, MountPlace *p, Error *e)
{
    _cleanup_buf_ Buf upto = BUF_INIT;

    p->fd = openat(run->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->fd < 0)
        return error_errno(e, -errno, "opening the root");
    for (const char *s = p->fs->path + strspn(p->fs->path, "/"); *s;) {
        size_t n = strcspn(s, "/"), at = upto.len + 1;
        buf_add_char(&upto, '/');
        buf_add(&upto, s, n);
        int fd = component_open(run, p, upto.data + at, upto.data, e);
        if (fd < 0)
            return fd;
        close(p->fd);
        p->fd = fd;
        s += n + strspn(s + n, "/");
    }
    return 0;
}

/* 1: the filesystem of the device is mounted there, 0: nothing is. */
static int already_mounted(const MountRun *run, const MountPlace *p, const char *device, Error *e)
{
    MountTable table;
    struct stat st;
    uint64_t id;
    bool top;
    int r = mount_of_fd(p->fd, &id, &top);

    if (r < 0)
        return error_errno(e, r, "looking at the mount point '%s'", p->fs->path);
    if (!top)
        return 0;
    r = mount_table_read(run->c->arena, &table, e);
    if (r < 0)
        return r;
    const MountEntry *m = mount_table_find(&table, id);
    if (stat(device, &st) < 0)
        return error_errno(e, -errno, "%s", device);
    if (m && mount_entry_is_of(m, st.st_rdev))
        return 1;
    if (is_root(p)) /* it lies on something, nearly always */
        return 0;
    return error_set(e, EBUSY, "mount point '%s' has another filesystem on it: %s%s%s", p->fs->path,
                     m ? m->type : "one", m ? " of " : " that cannot be seen", m ? m->source : "");
}

/* ---- labels ---- */

static int relabel(const MountRun *run, const char *path, Error *e)
{
    _cleanup_(string_list_done)
    StringList paths = {0};

    string_list_add(&paths, path);
    return relabel_paths(run->root, run->c->root_path, &paths, e);
}

/* Nothing in it but what mkfs puts there. */
static int is_fresh(const MountRun *run, const MountPlace *p)
{
    int fd = root_openat(run->root, p->fs->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        int r = fd < 0 ? fd : -errno;
        closep(&fd);
        return r;
    }
    for (struct dirent *f; (errno = 0, f = readdir(d));)
        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0 &&
            strcmp(f->d_name, "lost+found") != 0)
            return 0;
    return errno ? -errno : 1;
}

static int relabel_fresh(const MountRun *run, const MountPlace *p, Error *e)
{
    int r = is_fresh(run, p);

    if (r < 0)
        return error_errno(e, r, "looking into the filesystem on '%s'", p->fs->path);
    return r > 0 ? relabel(run, p->fs->path, e) : 0;
}

/* ---- mounting ---- */

static int mount_fs(MountRun *run, const MountPlace *p, const char *device, Error *e)
{
    const IgnFilesystem *fs = p->fs;
    char at[64];
    MountOptions o;
    int r = mount_options_read(run->c->arena, fs->mount_options.items, fs->mount_options.n, &o, e);

    if (r < 0)
        return r;
    log_info("mounting %s on %s with type %s%s%s", fs->device, p->text, fs->format,
             *o.text ? " and options " : "", o.text);
    snprintf(at, sizeof(at), "/proc/self/fd/%d", p->fd);
    if (mount(device, at, fs->format, o.flags, o.data) < 0)
        return error_errno(e, -errno, "mounting %s on %s as %s%s%s", fs->device, p->text, fs->format,
                           *o.text ? " with options " : "", o.text);
    string_list_add(&run->done, p->text);
    if (is_root(p)) {
        r = root_take(run, e);
        if (r < 0)
            return r;
    }
    if (o.propagation && mount(NULL, p->text, NULL, o.propagation, NULL) < 0)
        return error_errno(e, -errno, "changing the propagation of %s", p->text);
    return 0;
}

static int filesystem_mount(MountRun *run, MountPlace *p, Error *e)
{
    const char *device;
    int r = device_wait(run->c->arena, p->fs->device, DEVICE_WAIT_SEC, &device, e);

    if (r >= 0)
        r = place_open(run, p, e);
    if (r >= 0)
        r = already_mounted(run, p, device, e);
    if (r > 0) {
        log_info("%s is mounted on %s already", p->fs->device, p->text);
        return relabel_fresh(run, p, e);
    }
    if (r >= 0 && p->made)
        r = relabel(run, p->made, e);
    if (r >= 0)
        r = mount_fs(run, p, device, e);
    if (r >= 0 && is_root(p))
        run->c->state->root_covered = true;
    return r < 0 ? r : relabel_fresh(run, p, e);
}

static void undo(MountRun *run)
{
    closep(&run->root); /* it may lie in one of them */
    run->root = -EBADF;
    for (size_t i = run->done.n; i-- > 0;) {
        Error e = ERROR_INIT;
        if (mount_point_umount(run->c->arena, run->done.items[i], 1, &e) < 0)
            log_warning("%s", e.text);
    }
}

int stage_mount_run(StageContext *c, Error *e)
{
    const IgnFilesystem *const *list;
    size_t n = mount_points_list(c->arena, &c->config->storage, &list);
    MountRun run = {.c = c, .root = -EBADF};
    int r = n > 0 ? stage_root(c, e) : 0;

    if (n == 0 || r < 0)
        return r;
    r = root_take(&run, e);
    for (size_t i = 0; i < n && r >= 0; i++) {
        MountPlace p = {
            .fs = list[i], .text = mount_point_text(c->arena, c->root_path, list[i]->path), .fd = -EBADF};
        r = filesystem_mount(&run, &p, e);
        if (r < 0)
            error_wrap(e, r, "storage.filesystems, %s", p.fs->device);
        closep(&p.fd);
    }
    if (r < 0)
        undo(&run);
    closep(&run.root);
    mount_journal_done(&run.journal);
    string_list_done(&run.done);
    return r < 0 ? r : 0;
}
