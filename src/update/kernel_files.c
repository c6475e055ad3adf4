/* The parts are a table of names; the last of them that stands in a row counts only when the first is not
 * there. The checksum goes over kernel, initramfs, device tree or all files of dtb/ (by name, depth first),
 * in this order and without any separation: that is libostree's, and names the directory in /boot. Nothing is
 * followed out of the deployment: links are no kernels. */
#include "update/kernel_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "format/digest.h"

#define MODULES "usr/lib/modules"

enum { DEPTH_MAX = 16, NAMES_MAX = 4096, PIECE = 256 << 10 };

/* ---- names of a directory, in order ---- */

typedef struct Names {
    char **items;
    size_t n;
} Names;

static void names_done(Names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(int dir, Names *ret)
{
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = own < 0 ? NULL : fdopendir(own);
    _cleanup_(names_done)
    Names l = {.items = calloc(NAMES_MAX, sizeof(*l.items))};

    if (!l.items)
        abort();
    if (!d)
        return -errno;
    for (struct dirent *f; (errno = 0, f = readdir(d));) {
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
            continue;
        if (l.n >= NAMES_MAX)
            return -E2BIG;
        l.items[l.n] = strdup(f->d_name);
        if (!l.items[l.n++])
            abort();
    }
    if (errno)
        return -errno;
    qsort(l.items, l.n, sizeof(*l.items), by_name);
    *ret = l;
    l = (Names){0};
    return 0;
}

/* ---- found ---- */

static bool is_regular(int dir, const char *name, uint64_t *ret_size)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return false;
    *ret_size = (uint64_t)st.st_size;
    return true;
}

static int modules_open(int deployment, const char *version)
{
    char path[400];

    if (snprintf(path, sizeof(path), MODULES "/%s", version) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    int fd = root_openat(deployment, path, O_RDONLY | O_DIRECTORY, 0);
    return fd;
}

/* The sizes of all files below, for dtb/. */
static int sizes_add(int dir, unsigned depth, uint64_t *sum)
{
    _cleanup_(names_done)
    Names l = {0};
    int r = depth > DEPTH_MAX ? -ELOOP : names_read(dir, &l);

    for (size_t i = 0; r >= 0 && i < l.n; i++) {
        uint64_t size;
        _cleanup_close_ int sub = openat(dir, l.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub >= 0)
            r = sizes_add(sub, depth + 1, sum);
        else if (is_regular(dir, l.items[i], &size))
            *sum += size;
    }
    return r;
}

static void parts_find(Arena *a, int dir, KernelFiles *k)
{
    static const struct {
        KernelPart part;
        const char *from, *to; /* the version stands for %s */
    } rows[] = {{KERNEL_IMAGE, "vmlinuz", "vmlinuz-%s"},
                {KERNEL_INITRAMFS, "initramfs.img", "initramfs-%s.img"},
                {KERNEL_INITRAMFS, "initramfs", "initramfs-%s.img"},
                {KERNEL_DEVICETREE, "devicetree", "devicetree-%s"},
                {KERNEL_HMAC, ".vmlinuz.hmac", ".vmlinuz-%s.hmac"}};

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        KernelFile *f = &k->parts[rows[i].part];
        const char *mark = strstr(rows[i].to, "%s");
        if (!f->to && is_regular(dir, rows[i].from, &f->size)) {
            f->from = rows[i].from;
            f->to = arena_printf(a, "%.*s%s%s", (int)(mark - rows[i].to), rows[i].to, k->version, mark + 2);
        }
    }
    _cleanup_close_ int dtbs = openat(dir, "dtb", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dtbs >= 0 && !k->parts[KERNEL_DEVICETREE].to) {
        k->parts[KERNEL_DTBS] = (KernelFile){.from = "dtb", .to = "dtb"};
        (void)sizes_add(dtbs, 0, &k->parts[KERNEL_DTBS].size);
    }
}

int kernel_files_find(Arena *a, int deployment, KernelFiles *ret, Error *e)
{
    _cleanup_close_ int modules = root_openat(deployment, MODULES, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_(names_done)
    Names versions = {0};
    KernelFiles k = {0};
    uint64_t size;
    int r = modules < 0 ? modules : names_read(modules, &versions);

    for (size_t i = 0; r >= 0 && i < versions.n; i++) {
        _cleanup_close_ int dir =
            openat(modules, versions.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir >= 0 && is_regular(dir, "vmlinuz", &size) && strpbrk(versions.items[i], " \t\n%\\") == NULL &&
            (!k.version || strverscmp(k.version, versions.items[i]) < 0))
            k.version = arena_strdup(a, versions.items[i]);
    }
    if (r < 0 && r != -ENOENT)
        return error_errno(e, r, MODULES);
    if (!k.version)
        return error_set(e, ENOENT, "the tree has no kernel: no " MODULES "/VERSION/vmlinuz");
    _cleanup_close_ int dir = modules_open(deployment, k.version);
    if (dir < 0)
        return error_errno(e, dir, MODULES "/%s", k.version);
    parts_find(a, dir, &k);
    *ret = k;
    return 0;
}

/* ---- checksum ---- */

static int file_add(Digest *d, int dir, const char *name)
{
    _cleanup_free_ char *piece = malloc(PIECE);
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (!piece)
        abort();
    if (fd < 0)
        return -errno;
    for (;;) {
        ssize_t n = read(fd, piece, PIECE);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return 0;
        if (n > 0)
            digest_update(d, piece, (size_t)n);
    }
}

static int directory_add(Digest *d, int dir, unsigned depth)
{
    _cleanup_(names_done)
    Names l = {0};
    int r = depth > DEPTH_MAX ? -ELOOP : names_read(dir, &l);

    for (size_t i = 0; r >= 0 && i < l.n; i++) {
        _cleanup_close_ int sub = openat(dir, l.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = sub >= 0 ? directory_add(d, sub, depth + 1) : file_add(d, dir, l.items[i]);
    }
    return r;
}

int kernel_files_checksum(int deployment, const KernelFiles *k, char ret[65], Error *e)
{
    static const KernelPart order[] = {KERNEL_IMAGE, KERNEL_INITRAMFS, KERNEL_DEVICETREE, KERNEL_DTBS};
    _cleanup_(digest_freep)
    Digest *d = NULL;
    uint8_t out[DIGEST_SIZE_MAX];
    _cleanup_close_ int dir = modules_open(deployment, k->version);

    if (dir < 0)
        return error_errno(e, dir, MODULES "/%s", k->version);
    int r = digest_new(DIGEST_SHA256, &d, e);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(order); i++) {
        const KernelFile *f = &k->parts[order[i]];
        if (!f->to)
            continue;
        _cleanup_close_ int sub =
            order[i] == KERNEL_DTBS ? openat(dir, f->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        r = order[i] == KERNEL_DTBS ? directory_add(d, sub, 0) : file_add(d, dir, f->from);
        if (r < 0)
            return error_errno(e, r, MODULES "/%s/%s", k->version, f->from);
    }
    if (r < 0)
        return r;
    (void)digest_finish(d, out);
    hex_encode(out, 32, ret);
    return 0;
}

/* ---- installed ---- */

static bool is_installed(int boot, const char *directory, const KernelFile *f, bool is_tree)
{
    char path[600];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", directory, f->to);
    if (fstatat(boot, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return is_tree ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode) && (uint64_t)st.st_size == f->size;
}

int kernel_files_missing(int deployment, int boot, const char *directory, const KernelFiles *k, uint64_t *ret,
                         Error *e)
{
    struct stat a, b;

    *ret = 0;
    if (fstat(deployment, &a) < 0 || fstat(boot, &b) < 0)
        return error_errno(e, -errno, "boot");
    for (size_t i = 0; a.st_dev != b.st_dev && i < KERNEL_PARTS; i++)
        if (k->parts[i].to && !is_installed(boot, directory, &k->parts[i], i == KERNEL_DTBS))
            *ret += k->parts[i].size;
    return 0;
}

static int copy_bytes(int from, int to)
{
    _cleanup_free_ char *piece = malloc(PIECE);

    if (!piece)
        abort();
    for (;;) {
        ssize_t n = read(from, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        int r = file_write_fd(to, piece, (size_t)n);
        if (r < 0)
            return r;
    }
}

/* Over what has the name, if it is not whole. */
static int file_install(int from, const char *name, int to, const char *to_name)
{
    _cleanup_temp_file_ TempFile t = TEMP_FILE_INIT;
    struct stat st;

    if (linkat(from, name, to, to_name, 0) == 0)
        return 0;
    if (errno != EXDEV && errno != EMLINK && errno != EEXIST && errno != EPERM)
        return -errno;
    _cleanup_close_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0)
        return -errno;
    int r = temp_file_open(&t, to);
    if (r >= 0)
        r = copy_bytes(in, t.fd);
    if (r >= 0)
        r = temp_file_commit(
            &t, to_name,
            FILE_WRITE(.mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid, .sync = true));
    return r;
}

static int tree_install(int from, int to, unsigned depth)
{
    _cleanup_(names_done)
    Names l = {0};
    int r = depth > DEPTH_MAX ? -ELOOP : names_read(from, &l);

    for (size_t i = 0; r >= 0 && i < l.n; i++) {
        _cleanup_close_ int sub = openat(from, l.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0) {
            r = file_install(from, l.items[i], to, l.items[i]);
            continue;
        }
        if (mkdirat(to, l.items[i], 0755) < 0 && errno != EEXIST)
            return -errno;
        _cleanup_close_ int sub_to = openat(to, l.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = sub_to < 0 ? -errno : tree_install(sub, sub_to, depth + 1);
    }
    return r;
}

/* Into a directory of another name first: one that has the right name is whole. */
static int dtbs_install(int from, int to)
{
    int r = tree_remove_at(to, "dtb.new");

    if (r >= 0 && mkdirat(to, "dtb.new", 0755) < 0)
        r = -errno;
    _cleanup_close_ int out = r < 0 ? -EBADF : openat(to, "dtb.new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int in = openat(from, "dtb", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r >= 0)
        r = out < 0 || in < 0 ? -errno : tree_install(in, out, 0);
    if (r >= 0 && renameat(to, "dtb.new", to, "dtb") < 0)
        r = -errno;
    return r;
}

int kernel_files_install(int deployment, int boot, const char *directory, const KernelFiles *k, Error *e)
{
    _cleanup_close_ int from = modules_open(deployment, k->version);
    int r = from < 0 ? from : dir_make_all_at(boot, directory, 0755);
    _cleanup_close_ int to =
        r < 0 ? -EBADF : openat(boot, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (r >= 0 && to < 0)
        r = -errno;
    for (size_t i = 0; r >= 0 && i < KERNEL_PARTS; i++) {
        const KernelFile *f = &k->parts[i];
        if (!f->to || is_installed(boot, directory, f, i == KERNEL_DTBS))
            continue;
        r = i == KERNEL_DTBS ? dtbs_install(from, to) : file_install(from, f->from, to, f->to);
        if (r < 0)
            return error_errno(e, r, "writing %s to boot/%s", f->to, directory);
    }
    return r < 0 ? error_errno(e, r, "boot/%s", directory) : 0;
}

/* 1: they have the same bytes. */
static int is_same(int dir, const char *name, int other_dir, const char *other)
{
    _cleanup_close_ int a = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int b = openat(other_dir, other, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char one[16 << 10], two[16 << 10];
    struct stat st, st_b;

    if (a < 0 || b < 0 || fstat(a, &st) < 0 || fstat(b, &st_b) < 0)
        return -errno;
    if (st.st_dev == st_b.st_dev && st.st_ino == st_b.st_ino)
        return 1;
    if (st.st_size != st_b.st_size)
        return 0;
    for (uint64_t at = 0, size = (uint64_t)st.st_size; at < size; at += sizeof(one)) {
        const size_t n = size - at < sizeof(one) ? (size_t)(size - at) : sizeof(one);
        int r = file_read_part(a, one, n, at);
        if (r >= 0)
            r = file_read_part(b, two, n, at);
        if (r < 0 || memcmp(one, two, n) != 0)
            return r < 0 ? r : 0;
    }
    return 1;
}

int kernel_files_repair(int deployment, int boot, const char *directory, const KernelFiles *k, Error *e)
{
    static const char fresh[] = ".basalt-repair";
    _cleanup_close_ int from = modules_open(deployment, k->version);
    _cleanup_close_ int to = openat(boot, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int changed = 0;

    if (from < 0 || to < 0)
        return error_errno(e, from < 0 ? from : -errno, "boot/%s", directory);
    for (size_t i = 0; i < KERNEL_PARTS; i++) {
        const KernelFile *f = &k->parts[i];
        int r = f->to && i != KERNEL_DTBS ? is_same(from, f->from, to, f->to) : 1;
        if (r == 1 || r == -ENOENT)
            continue;
        (void)unlinkat(to, fresh, 0);
        r = r < 0 ? r : file_install(from, f->from, to, fresh);
        if (r >= 0 && renameat(to, fresh, to, f->to) < 0)
            r = -errno;
        if (r < 0)
            return error_errno(e, r, "boot/%s/%s", directory, f->to);
        changed = 1;
    }
    return changed && syncfs(to) < 0 ? error_errno(e, -errno, "boot/%s", directory) : changed;
}
