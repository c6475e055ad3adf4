/* A filesystem is known by the mount that a directory is the top of, and by the signature on the device that
 * is mounted there. A plain directory has neither; its system then says nowhere what its root is. */
#include "update/install_root.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "system/mount_table.h"
#include "system/superblock.h"
#include "update/boot_esp.h"
#include "update/sysroot_cleanup.h"

static const char *const places[] = {"ostree",        "boot/loader", "boot/loader.0",
                                     "boot/loader.1", "boot/ostree", "boot/grub"};

static int filesystem_find(Arena *a, int dir, const char **ret_uuid, const char **ret_format, Error *e)
{
    MountTable table;
    Superblock s;
    uint64_t id;
    bool top;

    *ret_uuid = NULL;
    int r = mount_of_fd(dir, &id, &top);
    if (r < 0 || !top)
        return r < 0 ? error_errno(e, r, "finding out what is mounted") : 0;
    r = mount_table_read(a, &table, e);
    if (r < 0)
        return r;
    const MountEntry *m = mount_table_find(&table, id);
    if (!m || m->source[0] != '/' || strcmp(m->root, "/") != 0)
        return 0;
    _cleanup_close_ int fd = open(m->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    r = fd < 0 ? -errno : superblock_read(a, fd, &s, NULL);
    if (r < 0)
        return error_errno(e, r, "%s, which is mounted on %s", m->source, m->point);
    *ret_uuid = s.uuid;
    if (ret_format)
        *ret_format = m->type;
    return 0;
}

static bool is_there(int root, const char *path)
{
    _cleanup_close_ int fd = root_openat(root, path, O_PATH | O_NOFOLLOW, 0);
    return fd >= 0;
}

static bool is_running(int fd)
{
    struct stat here, top;
    return fstat(fd, &here) < 0 || stat("/", &top) < 0 ||
           (here.st_dev == top.st_dev && here.st_ino == top.st_ino);
}

int install_root_look(Arena *a, const char *path, const char *efi, InstallRoot *ret, Error *e)
{
    InstallRoot root = {.path = path, .fd = root_open(path, e), .in_way = ""};
    const char *esps[] = {"boot/efi", "efi"};
    int r = 0;

    if (root.fd < 0)
        return root.fd;
    _cleanup_close_ int top = root.fd;
    if (is_running(top))
        return error_set(e, EINVAL, "%s is the root of this machine: `switch` changes what it boots", path);
    r = filesystem_find(a, top, &root.root_uuid, NULL, e);
    _cleanup_close_ int boot = r < 0 ? -EBADF : root_openat(top, "boot", O_RDONLY | O_DIRECTORY, 0);
    if (r >= 0 && boot >= 0)
        r = filesystem_find(a, boot, &root.boot_uuid, &root.boot_format, e);
    if (r < 0)
        return error_wrap(e, r, "%s", path);
    for (size_t i = 0; r >= 0 && !root.esp && i < ELEMENTS(esps); i++) {
        _cleanup_close_ int esp = root_openat(top, esps[i], O_RDONLY | O_DIRECTORY, 0);
        root.esp = esp >= 0 ? esps[i] : NULL;
        r = esp >= 0 ? filesystem_find(a, esp, &root.esp_uuid, NULL, e) : 0;
    }
    if (r < 0)
        return error_wrap(e, r, "%s", path);
    for (size_t i = 0; i < ELEMENTS(places); i++)
        if (is_there(top, places[i]))
            root.in_way = arena_printf(a, "%s%s%s", root.in_way, *root.in_way ? ", " : "", places[i]);
    const char *loader = root.esp && efi ? arena_printf(a, "%s/EFI/BOOT/%s", root.esp, efi) : NULL;
    if (loader && is_there(top, loader))
        root.in_way = arena_printf(a, "%s%s%s", root.in_way, *root.in_way ? ", " : "", loader);
    root.fd = TAKE_FD(top);
    *ret = root;
    return 0;
}

/* Deployments cannot be removed as they are. */
static void deployments_release(int deploy)
{
    int own = openat(deploy, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = own < 0 ? NULL : fdopendir(own);

    for (struct dirent *f; d && (f = readdir(d));) {
        if (f->d_name[0] == '.')
            continue;
        _cleanup_close_ int fd = openat(deploy, f->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            (void)tree_set_immutable(fd, false);
    }
}

/* Entries that would lead nowhere; their kernels go with the next system's first change. */
static void esp_clear(const InstallRoot *root)
{
    const char *const place = "loader/entries";
    _cleanup_close_ int esp =
        root->esp ? root_openat(root->fd, root->esp, O_RDONLY | O_DIRECTORY, 0) : -EBADF;
    int fd = esp < 0 ? -EBADF : root_openat(esp, place, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    EspName name;

    for (struct dirent *f; d && (f = readdir(d));)
        if (esp_name_read(f->d_name, &name))
            (void)unlinkat(dirfd(d), f->d_name, 0);
}

int install_root_clear(const InstallRoot *root, Error *e)
{
    esp_clear(root);
    int fd = root_openat(root->fd, "ostree/deploy", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

    for (struct dirent *f; d && (f = readdir(d));) {
        char path[300];
        if (f->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/deploy", f->d_name);
        _cleanup_close_ int deploy = root_openat(fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (deploy >= 0)
            deployments_release(deploy);
    }
    for (size_t i = 0; i < ELEMENTS(places); i++) { /* what boots first */
        const char *place = places[(i + 1) % ELEMENTS(places)];
        int r = tree_remove_at(root->fd, place);
        if (r < 0)
            return error_errno(e, r, "removing %s/%s", root->path, place);
    }
    return 0;
}
