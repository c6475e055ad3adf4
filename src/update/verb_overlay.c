/* `basalt-os overlay`: a writable /usr until the next boot, to try something out. What is written goes to
 * memory or disk of its own (run/ is a tmpfs on a machine), never into the deployment; the next boot knows
 * nothing of it. Of a system below a directory it is the usr of the deployment that boots next. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "base/file.h"
#include "update/program.h"

static struct {
    bool read_only;
} opt;

const Option overlay_options[] = {
    {"read-only", 0, OPTION_FLAG, &opt.read_only, NULL, "give back the /usr of the deployment", NULL},
    {0},
};

static bool is_overlay(const char *path)
{
    struct statfs st;
    return statfs(path, &st) == 0 && (unsigned long)st.f_type == OVERLAYFS_SUPER_MAGIC;
}

/* The file whose being there makes `status` and `ostree admin status` say so. */
static char *flag_path(Arena *a, const Deployment *d)
{
    return arena_printf(a, "run/ostree/deployment-state/%s.%u/unlocked-development", d->checksum, d->serial);
}

static int set_flag(const Session *s, const Deployment *d, Error *e)
{
    const char *path = flag_path(s->arena, d);
    const int root = sysroot_fd(s->sysroot);
    char *directory = arena_strdup(s->arena, path);
    *strrchr(directory, '/') = '\0';
    int r = dir_make_all_at(root, directory, 0755);
    if (r >= 0)
        r = file_write_at(root, path, "", 0, FILE_WRITE());
    return r < 0 ? error_errno(e, r, "%s", path) : 0;
}

static int mount_overlay(Session *s, const Deployment *d, const char *usr, Error *e)
{
    const int root = sysroot_fd(s->sysroot);
    const char *below = arena_printf(s->arena, "run/basalt-os/usr-%s.%u", d->checksum, d->serial);
    const char *root_path = s->live ? "" : options.sysroot;
    struct stat st;
    int r = dir_make_all_at(root, below, 0700);
    if (r >= 0)
        r = dir_make_all_at(root, arena_printf(s->arena, "%s/upper", below), 0755);
    if (r >= 0)
        r = dir_make_all_at(root, arena_printf(s->arena, "%s/work", below), 0700);
    if (r >= 0 && stat(usr, &st) == 0)
        r = fchmodat(root, arena_printf(s->arena, "%s/upper", below), st.st_mode & 07777, 0) < 0 ? -errno : 0;
    if (r < 0)
        return error_errno(e, r, "%s/%s", root_path, below);
    const char *how = arena_printf(s->arena, "lowerdir=%s,upperdir=%s/%s/upper,workdir=%s/%s/work", usr,
                                   root_path, below, root_path, below);
    if (mount("overlay", usr, "overlay", MS_NODEV, how) < 0)
        return error_errno(e, -errno, "an overlay on %s", usr);
    return set_flag(s, d, e);
}

static int unmount_overlay(Session *s, const Deployment *d, const char *usr, Error *e)
{
    if (umount2(usr, UMOUNT_NOFOLLOW) < 0)
        return error_errno(e, -errno, "the overlay on %s", usr);
    const char *below = arena_printf(s->arena, "run/basalt-os/usr-%s.%u", d->checksum, d->serial);
    (void)unlinkat(sysroot_fd(s->sysroot), flag_path(s->arena, d), 0);
    int r = tree_remove_at(sysroot_fd(s->sysroot), below);
    return r < 0 ? error_errno(e, r, "%s", below) : 0;
}

int verb_overlay(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    if (session_open(&s, false, &e) < 0)
        return verb_failed(argv[0], &e);
    const Deployment *d = s.live ? sysroot_find(s.sysroot, DEPLOYMENT_BOOTED, NULL) : session_newest(&s);
    if (!d) {
        error_set(&e, ENOENT,
                  s.live ? "this system was not booted from a deployment" : "nothing is deployed in %s",
                  options.sysroot);
        return verb_failed(argv[0], &e);
    }
    const char *usr = s.live ? "/usr" : arena_printf(s.arena, "%s/%s/usr", options.sysroot, d->path);
    if (is_overlay(usr) == !opt.read_only) {
        verb_say(opt.read_only ? "%s is read-only." : "%s is writable already, until the next boot.", usr);
        return EXIT_DONE;
    }
    if ((opt.read_only ? unmount_overlay : mount_overlay)(&s, d, usr, &e) < 0)
        return verb_failed(argv[0], &e);
    verb_say(opt.read_only ? "%s is read-only again; what was written to it is gone."
                           : "%s is writable until the next boot; what is written to it is gone then.",
             usr);
    return EXIT_DONE;
}
