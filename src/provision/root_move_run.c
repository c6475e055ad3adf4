/* save: what moves is looked at (is there room for it in memory?), a tmpfs is mounted where every process
 * sees it, and the files go there, with a note of the device that they are for. restore: the new filesystem
 * is mounted and filled, the boot entries find it from then on, and the tmpfs goes. Between the two the only
 * copy is in memory: a power cut then loses the root, and the machine has to be installed again. A
 * half-filled root has a file that says so, and is refused at the next boot by name rather than booted. */
#include "provision/root_move.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/tree_copy.h"
#include "ignition/parse.h"
#include "provision/config_text.h"
#include "provision/fetcher.h"
#include "provision/luks_files.h"
#include "provision/root_encrypt.h"
#include "system/boot_entry.h"
#include "system/superblock.h"

#define STORE      ROOT_MOVE_STORE
#define MOUNTED    "/run/ignition-transposefs-mounted"
#define UNFINISHED ".ignition-root-move-unfinished"

enum { CONFIG_MAX = 64 << 20, RESERVE_MIB = 64, PATIENCE_SEC = 90 };

/* ---- devices ---- */

static const char *device_now(void *context _unused_, Arena *a, const char *path)
{
    char real[PATH_MAX];
    return realpath(path, real) ? arena_strdup(a, real) : NULL;
}

/* In sysfs a partition lies in its disk. */
static const char *disk_now(void *context _unused_, Arena *a, const char *device, int *ret_number)
{
    _cleanup_buf_ Buf number = BUF_INIT;
    const char *name = strrchr(device, '/');
    char real[PATH_MAX];
    if (!name ||
        file_read_at(AT_FDCWD, arena_printf(a, "/sys/class/block%s/partition", name), 64, &number, NULL) < 0)
        return NULL;
    if (!number.len || !realpath(arena_printf(a, "/sys/class/block%s/..", name), real))
        return NULL;
    *ret_number = (int)strtol(number.data, NULL, 10);
    return arena_printf(a, "/dev%s", strrchr(real, '/'));
}
static const RootDevices devices = {.resolve = device_now, .disk = disk_now};

/* Of a filesystem: the name of a link that udev made of it. */
static int uuid_by_link(Arena *a, const char *device, const char **ret, Error *e)
{
    _cleanup_closedir_ DIR *d = opendir("/dev/disk/by-uuid");
    const char *real = device_now(NULL, a, device);
    for (struct dirent *entry; d && real && (entry = readdir(d));) {
        const char *other = device_now(NULL, a, arena_printf(a, "/dev/disk/by-uuid/%s", entry->d_name));
        if (entry->d_name[0] != '.' && other && strcmp(other, real) == 0) {
            *ret = arena_strdup(a, entry->d_name);
            return 0;
        }
    }
    return error_set(e, ENODATA, "%s has no link in /dev/disk/by-uuid", device);
}

static int uuid_of_array(Arena *a, const char *device, const char **ret, Error *e)
{
    const char *argv[] = {"mdadm", "--detail", "--export", device, NULL};
    _cleanup_buf_ Buf output = BUF_INIT;
    int r = process_run(&(ProcessRun){.argv = argv, .output = &output}, e);
    if (r)
        return error_wrap(e, r > 0 ? -EIO : r, "the UUID of %s", device);
    const char *line = output.data ? strstr(output.data, "MD_UUID=") : NULL;
    if (!line)
        return error_set(e, ENODATA, "mdadm tells no UUID of %s", device);
    line += strlen("MD_UUID=");
    *ret = arena_memdup(a, line, strcspn(line, "\n"));
    return 0;
}

static int uuid_of(Arena *a, const char *kind, const char *device, const char **ret, Error *e)
{
    return strcmp(kind, "luks") == 0   ? luks_uuid(a, device, ret, e)
           : strcmp(kind, "raid") == 0 ? uuid_of_array(a, device, ret, e)
                                       : uuid_by_link(a, device, ret, e);
}

/* ---- mounts ---- */

static int mount_any(const char *device, const char *format, unsigned long flags, Error *e)
{
    static const char *const formats[] = {"xfs", "ext4", "btrfs", "vfat", NULL};
    int code = ENODEV;
    if (mkdir(MOUNTED, 0700) < 0 && errno != EEXIST)
        return error_errno(e, -errno, MOUNTED);
    for (const char *const *f = formats; *f; f++) {
        if (format && strcmp(format, *f) != 0)
            continue;
        if (mount(device, MOUNTED, *f, flags, NULL) == 0)
            return 0;
        code = errno == EINVAL || errno == ENODEV ? code : errno;
    }
    return error_errno(e, -code, "mounting %s", device);
}

static uint64_t available_mib(void)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (file_read_at(AT_FDCWD, "/proc/meminfo", 64 << 10, &b, NULL) < 0 || !b.data)
        return 0;
    const char *line = strstr(b.data, "MemAvailable:");
    return line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) >> 10 : 0;
}

static int used_mib(const RootMove *m, uint64_t *ret, Error *e)
{
    struct statvfs s;
    int r = mount_any(m->from, NULL, MS_RDONLY | MS_NOATIME, e);
    if (r < 0)
        return r;
    if (access(MOUNTED "/" UNFINISHED, F_OK) == 0)
        r = error_set(
            e, EUCLEAN,
            "the filesystem '%s' on %s was being moved when the machine was interrupted, and is not whole: "
            "the machine has to be installed again",
            m->label, m->from);
    else if (statvfs(MOUNTED, &s) < 0)
        r = error_errno(e, -errno, "%s", m->from);
    else
        *ret = (s.f_blocks - s.f_bfree) * s.f_frsize >> 20;
    (void)umount2(MOUNTED, MNT_DETACH);
    return r;
}

/* Something else than what mkfs leaves. */
static bool has_files(const char *path)
{
    _cleanup_closedir_ DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0)
            return true;
    return false;
}

/* A filesystem that is kept has room for a root only while it is empty: this is asked while the root is still
 * where it was. One whose container or array is not there yet cannot be looked at. */
static int targets_check(Arena *a, const RootMoves *moves, Error *e)
{
    for (size_t i = 0; i < moves->n; i++) {
        const IgnFilesystem *to = moves->items[i].to;
        const char *device = to->wipe_filesystem == BOOL_TRUE ? NULL : device_now(NULL, a, to->device);
        if (!device || mount_any(device, to->format, MS_RDONLY | MS_NOATIME, NULL) < 0)
            continue;
        bool taken = has_files(MOUNTED);
        (void)umount2(MOUNTED, MNT_DETACH);
        if (taken)
            return error_set(
                e, ENOTEMPTY,
                "the filesystem '%s' is to move to %s, which has files: set wipeFilesystem there if they "
                "are not needed",
                moves->items[i].label, to->device);
    }
    return 0;
}

static int room_check(const RootMoves *moves, uint64_t *ret_mib, Error *e)
{
    uint64_t need = RESERVE_MIB, room = available_mib();
    for (size_t i = 0; i < moves->n; i++) {
        uint64_t used = 0;
        int r = used_mib(&moves->items[i], &used, e);
        if (r < 0)
            return r;
        need += used + used / 16;
    }
    if (need > room)
        return error_set(e, ENOMEM,
                         "the root is moved by way of memory: %llu MiB are needed for its files and %llu MiB "
                         "are free; give the "
                         "machine at least %llu MiB more for its first boot",
                         (unsigned long long)need, (unsigned long long)room,
                         (unsigned long long)(need - room));
    *ret_mib = need;
    return 0;
}

/* ---- /etc/clevis.json ---- */

static bool is_encrypted(Arena *a, const char *device)
{
    _cleanup_buf_ Buf id = BUF_INIT;
    const char *path = arena_printf(a, "/sys/class/block%s/dm/uuid", strrchr(device, '/'));
    return file_read_at(AT_FDCWD, path, 4096, &id, NULL) >= 0 && id.len && strncmp(id.data, "CRYPT-", 6) == 0;
}

static int root_look(void *context _unused_, Arena *a, const char *name, RootNow *ret, Error *e)
{
    Superblock s;
    const char *device = device_now(NULL, a, name);
    _cleanup_close_ int fd = device ? open(device, O_RDONLY | O_CLOEXEC) : -EBADF;
    if (fd < 0)
        return device ? error_errno(e, -errno, "%s", device) : 0;
    int r = superblock_read(a, fd, &s, e);
    *ret = (RootNow){device, s.type ? s.type : "", s.label, s.uuid, is_encrypted(a, device)};
    return r < 0 ? r : 1;
}

/* The stages that follow find it in the cache. */
static int encrypt(Arena *a, const char *cache, const char *cmdline, IgnConfig **config, Error *e)
{
    _cleanup_(fetcher_freep)
    Fetcher *fetcher = NULL;
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int r = fetcher_new(&fetcher, e);
    if (r >= 0)
        r = fetcher_configure(fetcher, &(*config)->ignition, e);
    if (r >= 0)
        r = root_encrypt(a, &(RootEncrypt){fetcher, cmdline, root_look, NULL}, *config, config, e);
    if (r <= 0)
        return r;
    log_info("/etc/clevis.json: the root moves into an encrypted volume");
    json_write(ign_config_to_node(a, *config), JSON_COMPACT, &text);
    r = file_write_at(AT_FDCWD, cache, text.data, text.len, FILE_WRITE(.mode = 0640, .sync = true));
    return r < 0 ? error_errno(e, r, "%s", cache) : 0;
}

/* ---- verbs ---- */

static int plan(Arena *a, const char *config_cache, RootMoves *ret, IgnConfig **ret_config, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    _cleanup_buf_ Buf cmdline = BUF_INIT;
    _cleanup_report_ Report report = REPORT_INIT(a);
    int r = file_read_at(AT_FDCWD, config_cache, CONFIG_MAX, &text, e);
    if (r >= 0)
        r = config_text_read(a, config_cache, &text, ret_config, e);
    if (r >= 0)
        r = file_read_at(AT_FDCWD, "/proc/cmdline", 64 << 10, &cmdline, e);
    if (r < 0)
        return r;
    const char *line = arena_memdup(a, cmdline.data ? cmdline.data : "", cmdline.len);
    r = encrypt(a, config_cache, line, ret_config, e);
    if (r < 0)
        return r;
    root_move_plan(a, *ret_config, line, &devices, ret, &report);
    config_report_log(&report);
    return report.errors ? error_set(e, EINVAL, "the root cannot be moved as the config says") : 0;
}

static int copy(const char *from, const char *to, TreeCopy how, Error *e)
{
    TreeCopyCounts n;
    _cleanup_close_ int in = root_open(from, e), out = in < 0 ? -EBADF : root_open(to, e);
    if (in < 0 || out < 0)
        return in < 0 ? in : out;
    int r = tree_copy(in, out, how, &n, e);
    if (r < 0)
        return r;
    log_info("copied %llu files, %llu MiB", (unsigned long long)n.files, (unsigned long long)(n.bytes >> 20));
    return 0;
}

static int save_one(const RootMove *m, Error *e)
{
    char store[64];
    snprintf(store, sizeof(store), STORE "/%s", m->label);
    log_info("moving the filesystem '%s' from %s into memory, to go to %s; the machine must not lose power "
             "until it is there",
             m->label, m->from, m->to->device);
    if (mkdir(store, 0700) < 0)
        return error_errno(e, -errno, "%s", store);
    int r = mount_any(m->from, NULL, MS_RDONLY | MS_NOATIME, e);
    if (r >= 0)
        r = copy(MOUNTED, store, TREE_COPY_SAVE, e);
    (void)umount2(MOUNTED, MNT_DETACH);
    snprintf(store, sizeof(store), STORE "/%s.for", m->label);
    if (r >= 0)
        r = file_write_at(AT_FDCWD, store, m->to->device, strlen(m->to->device), FILE_WRITE());
    return r < 0 ? error_wrap(e, r, "saving the filesystem '%s'", m->label) : 0;
}

static int store_mount(uint64_t mib, Error *e)
{
    char options[64];
    snprintf(options, sizeof(options), "mode=0700,size=%llum,nr_inodes=0", (unsigned long long)mib);
    if (mkdir(STORE, 0700) < 0 && errno != EEXIST)
        return error_errno(e, -errno, STORE);
    return mount("tmpfs", STORE, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ? error_errno(e, -errno, STORE)
                                                                             : 0;
}

static void store_remove(void)
{
    (void)umount2(STORE, MNT_DETACH);
    (void)rmdir(STORE);
}

int root_move_save(const char *config_cache, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    IgnConfig *config;
    RootMoves moves;
    uint64_t mib = 0;
    int r = plan(a, config_cache, &moves, &config, e);
    if (r < 0 || !moves.n)
        return r;
    if (access(STORE, F_OK) == 0)
        store_remove(); /* of a run that failed before anything was changed */
    r = targets_check(a, &moves, e);
    if (r >= 0)
        r = room_check(&moves, &mib, e);
    if (r >= 0)
        r = store_mount(mib, e);
    for (size_t i = 0; r >= 0 && i < moves.n; i++)
        r = save_one(&moves.items[i], e);
    return r;
}

static int fill(const RootMove *m, const char *store, Error *e)
{
    if (has_files(MOUNTED))
        return error_set(e, ENOTEMPTY, "%s is not empty", m->to->device);
    _cleanup_close_ int root = root_open(MOUNTED, e);
    if (root < 0)
        return root;
    int r = file_write_at(root, UNFINISHED, "", 0, FILE_WRITE(.sync = true));
    if (r >= 0)
        r = copy(store, MOUNTED, TREE_COPY_RESTORE, e);
    else
        error_errno(e, r, UNFINISHED);
    if (r >= 0 && syncfs(root) < 0)
        r = error_errno(e, -errno, "writing %s", m->to->device);
    struct stat st;
    if (r >= 0 && (unlinkat(root, UNFINISHED, 0) < 0 || stat(store, &st) < 0 ||
                   futimens(root, (struct timespec[]){st.st_atim, st.st_mtim}) < 0))
        r = error_errno(e, -errno, UNFINISHED);
    return r < 0 ? r : dir_sync(root);
}

static int restore_one(const RootMove *m, Error *e)
{
    char store[64];
    snprintf(store, sizeof(store), STORE "/%s", m->label);
    log_info("putting the filesystem '%s' onto %s", m->label, m->to->device);
    int r = mount_any(m->to->device, m->to->format, 0, e);
    if (r >= 0)
        r = fill(m, store, e);
    (void)umount2(MOUNTED, MNT_DETACH);
    return r < 0 ? error_wrap(e, r, "restoring the filesystem '%s'", m->label) : 0;
}

/* All words of the entries that say where the root is now. */
static void old_arguments(Arena *a, const BootEntryList *entries, StringList *ret)
{
    static const char *const names[] = {"root=", "rd.luks.name=", "rd.luks.uuid=", "rd.md.uuid="};
    for (size_t i = 0; i < entries->n; i++) {
        CmdlineWords words = cmdline_split(a, entries->entries[i].options, CMDLINE_QUOTED);
        for (size_t k = 0; k < words.n; k++)
            for (size_t j = 0; j < ELEMENTS(names); j++)
                if (strncmp(words.words[k], names[j], strlen(names[j])) == 0)
                    string_list_add(ret, words.words[k]);
    }
}

static int entries_edit(const IgnStorage *s, const IgnFilesystem *to, int root, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(string_list_done)
    StringList add = {0}, drop = {0};
    BootEntryList entries;
    int r = boot_entry_list(a, root, &entries, e);
    if (r >= 0 && entries.n == 0) {
        log_warning("there are no boot entries to tell where the root is now");
        return 0;
    }
    if (r >= 0)
        r = root_move_arguments(a, s, to, uuid_of, &add, e);
    if (r < 0)
        return r;
    old_arguments(a, &entries, &drop);
    const CmdlineEdit edit = {add.items, add.n, drop.items, drop.n};
    r = boot_entry_edit(root, &edit, e);
    return r < 0 ? error_wrap(e, r, "the boot entries") : 0;
}

/* With /boot where it belongs, if it is a filesystem of its own. */
static int entries_follow(const IgnConfig *c, const RootMove *m, Error *e)
{
    int r = mount_any(m->to->device, m->to->format, 0, e);
    if (r < 0)
        return r;
    if (access("/dev/disk/by-label/boot", F_OK) == 0) {
        static const char *const formats[] = {"xfs", "ext4", "vfat"};
        r = -ENODEV;
        for (size_t i = 0; r < 0 && i < ELEMENTS(formats); i++)
            r = mount("/dev/disk/by-label/boot", MOUNTED "/boot", formats[i], 0, NULL) < 0 ? -errno : 0;
        if (r < 0)
            error_errno(e, r, "mounting /dev/disk/by-label/boot");
    }
    if (r >= 0) {
        _cleanup_close_ int root = root_open(MOUNTED, e);
        r = root < 0 ? root : entries_edit(&c->storage, m->to, root, e);
    }
    (void)umount2(MOUNTED "/boot", MNT_DETACH);
    (void)umount2(MOUNTED, MNT_DETACH);
    return r;
}

/* What is in the store is what has to go back; the devices of before are no longer there to be asked. */
static int saved_moves(Arena *a, const IgnConfig *c, RootMoves *ret, Error *e)
{
    static const char *const labels[] = {"root", "boot"};
    *ret = (RootMoves){0};
    for (size_t i = 0; i < ELEMENTS(labels); i++) {
        RootMove m = {.label = labels[i]};
        _cleanup_buf_ Buf device = BUF_INIT;
        int r = file_read_at(AT_FDCWD, arena_printf(a, STORE "/%s.for", m.label), PATH_MAX, &device, NULL);
        if (r == -ENOENT)
            continue;
        if (r < 0 || !device.len)
            return error_errno(e, r < 0 ? r : -ENODATA, "%s", STORE);
        IGN_EACH (const IgnFilesystem, f, c->storage.filesystems)
            if (strcmp(f->device, device.data) == 0)
                m.to = f;
        if (!m.to)
            return error_set(e, ENOENT, "the config no longer has a filesystem on %s for what was saved",
                             device.data);
        ret->items[ret->n++] = m;
    }
    return 0;
}

int root_move_restore(const char *config_cache, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    IgnConfig *config;
    RootMoves moves = {0};
    if (access(STORE, F_OK) < 0)
        return 0;
    int r = file_read_at(AT_FDCWD, config_cache, CONFIG_MAX, &text, e);
    if (r >= 0)
        r = config_text_read(a, config_cache, &text, &config, e);
    if (r >= 0)
        r = saved_moves(a, config, &moves, e);
    for (size_t i = moves.n; r >= 0 && i > 0; i--) /* /boot before the root, whose entries are in it */
        r = restore_one(&moves.items[i - 1], e);
    if (r >= 0 && moves.n && strcmp(moves.items[0].label, "root") == 0)
        r = entries_follow(config, &moves.items[0], e);
    if (r >= 0)
        store_remove(); /* what could not be put back stays, for a person */
    return r;
}
