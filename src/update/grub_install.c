/* Order: the modules, early.cfg, grub-mkimage; then, when nothing can be missing any more, custom.cfg,
 * grubenv and grub.cfg. The caller syncs, and puts the image where the firmware finds it last of all. Files
 * of a system are opened in its root, whatever links it has; what they say is bounded: moddep.lst is a list
 * of names, of which only plain ones are taken. */
#include "update/grub_install.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "system/cmdline.h"
#include "system/grub_env.h"

enum {
    MODDEP_MAX = 256 << 10,
    MODULE_MAX = 8 << 20,
    IMAGE_MAX = 16 << 20,
    NEEDS_MAX = 128,
    CFG_MAX = 64 << 10
};

static const struct {
    const char *machine;
    GrubFirmware firmware;
    const char *format, *file; /* of grub-mkimage; in EFI/BOOT of the ESP */
} formats[] = {
    {"x86_64", GRUB_UEFI, "x86_64-efi", "BOOTX64.EFI"},
    {"x86_64", GRUB_BIOS, "i386-pc", NULL},
    {"aarch64", GRUB_UEFI, "arm64-efi", "BOOTAA64.EFI"},
};
static const char *const built_in[] = {
    "part_gpt",       "part_msdos", "fat",  "ext2",    "normal", "configfile", "search",   "search_label",
    "search_fs_uuid", "test",       "echo", "loadenv", "regexp", "serial",     "terminal", "minicmd"};

static size_t format_find(const char *machine, GrubFirmware firmware)
{
    size_t i = 0;
    while (i < ELEMENTS(formats) &&
           (formats[i].firmware != firmware || strcmp(formats[i].machine, machine) != 0))
        i++;
    return i;
}

const char *grub_efi_name(const char *machine)
{
    size_t i = format_find(machine, GRUB_UEFI);
    return i < ELEMENTS(formats) ? formats[i].file : NULL;
}

int grub_install_check(const char *machine, GrubFirmware firmware, Error *e)
{
    Buf version = BUF_INIT;
    const char *const argv[] = {"grub-mkimage", "--version", NULL};

    if (format_find(machine, firmware) == ELEMENTS(formats))
        return error_set(e, EOPNOTSUPP, "GRUB for the %s of a machine \"%s\" is not known here",
                         firmware == GRUB_BIOS ? "BIOS" : "UEFI", machine);
    int r = process_run(&(ProcessRun){.argv = argv, .output = &version}, NULL);
    buf_done(&version);
    return r == 0 ? 0
                  : error_set(
                        e, ENOENT,
                        "GRUB's image is made by grub-mkimage, which is not here (Debian's grub-common has "
                        "it)");
}

/* ---- modules ---- */

static bool is_plain(const char *name)
{
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name);
}

/* The modules behind "name:" of a line; NULL: it has none such. */
static const char *needs_line(Arena *a, const char *moddep, const char *name)
{
    const size_t n = strlen(name);
    for (const char *line = moddep; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ':')
            return arena_memdup(a, line + n + 1, strcspn(line + n + 1, "\n"));
    return NULL;
}

int grub_module_needs(Arena *a, const char *moddep, const char *name, const char ***ret, size_t *ret_n,
                      Error *e)
{
    const char **all = ARENA_ARRAY(a, const char *, NEEDS_MAX);
    size_t n = 0;

    all[n++] = name;
    for (size_t i = 0; i < n; i++) {
        char *words = (char *)needs_line(a, moddep, all[i]), *more;
        if (!words)
            return error_set(e, ENOENT, "moddep.lst has no module %s", all[i]);
        for (char *word = strtok_r(words, " \t", &more); word; word = strtok_r(NULL, " \t", &more)) {
            size_t k = 0;
            while (k < n && strcmp(all[k], word) != 0)
                k++;
            if (k < n)
                continue;
            if (!is_plain(word) || n == NEEDS_MAX)
                return error_set(e, EBADMSG, "moddep.lst cannot be believed: \"%.40s\"", word);
            all[n++] = word;
        }
    }
    *ret = all;
    *ret_n = n;
    return 0;
}

typedef struct Modules {
    int dir;
    const char *path;
} Modules;

static void modules_done(Modules *m)
{
    closep(&m->dir);
}

/* Those of the system, which a later version replaces together with it; else of this machine. */
static int modules_open(Arena *a, const GrubInstall *g, const char *format, Modules *ret, Error *e)
{
    const char *inside = arena_printf(a, "usr/lib/grub/%s", format);
    const char *path = arena_printf(a, "%s/%s", g->deployment_path, inside);
    int fd = root_openat(g->deployment, inside, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0 || faccessat(fd, "kernel.img", F_OK, 0) < 0) {
        closep(&fd);
        path = arena_printf(a, "/%s", inside);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0 || faccessat(fd, "kernel.img", F_OK, 0) < 0) {
        closep(&fd);
        return error_set(e, ENOENT,
                         "there is no GRUB of the kind %s in /%s, neither in the image nor on this machine",
                         format, inside);
    }
    *ret = (Modules){fd, path};
    return 0;
}

static int module_copy(int from, int to, const char *name, Error *e)
{
    _cleanup_buf_ Buf data = BUF_INIT;
    int r = file_read_at(from, name, MODULE_MAX, &data, e);
    if (r >= 0 && (r = file_write_at(to, name, data.data, data.len, FILE_WRITE())) < 0)
        error_errno(e, r, "boot/grub: %s", name);
    return r;
}

/* `linux` with what it needs: the command comes to be when a menu entry asks for it. */
static int modules_install(Arena *a, const GrubInstall *g, const char *format, const Modules *m, Error *e)
{
    _cleanup_buf_ Buf moddep = BUF_INIT;
    const char *where = arena_printf(a, "grub/%s", format), **names;
    size_t n;
    int r = dir_make_all_at(g->boot, where, 0755);
    _cleanup_close_ int to = r < 0 ? -EBADF : openat(g->boot, where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (to < 0)
        return error_errno(e, r < 0 ? r : -errno, "boot/%s", where);
    r = file_read_at(m->dir, "moddep.lst", MODDEP_MAX, &moddep, e);
    if (r >= 0)
        r = grub_module_needs(a, moddep.data ? moddep.data : "", "linux", &names, &n, e);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = module_copy(m->dir, to, arena_printf(a, "%s.mod", names[i]), e);
    return r < 0 ? error_wrap(e, r, "GRUB's modules in %s", m->path) : 0;
}

int grub_image_make(Arena *a, const GrubInstall *g, GrubFirmware firmware, Buf *ret, Error *e)
{
    const size_t i = format_find(g->machine, firmware);
    const char *format = i < ELEMENTS(formats) ? formats[i].format : NULL;
    _cleanup_(modules_done)
    Modules m = {.dir = -EBADF};
    int r = format ? modules_open(a, g, format, &m, e) : grub_install_check(g->machine, firmware, e);

    if (r < 0)
        return r;
    r = modules_install(a, g, format, &m, e);
    if (r < 0)
        return r;
    const char *how = g->boot_uuid ? arena_printf(a, "--fs-uuid %s", g->boot_uuid) : "--label root";
    const char *early = arena_printf(
        a, "search %s --set=root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n", how);
    r = file_write_at(g->boot, "grub/early.cfg", early, strlen(early), FILE_WRITE());
    if (r < 0)
        return error_errno(e, r, "boot/grub/early.cfg");
    const char *core = arena_printf(a, "grub/%s/core.img", format); /* where grub-install has it too */
    const char *first[] = {"grub-mkimage",
                           "-O",
                           format,
                           "-d",
                           m.path,
                           "-p",
                           "/boot/grub",
                           "-o",
                           arena_printf(a, "%s/%s", g->boot_path, core),
                           "-c",
                           arena_printf(a, "%s/grub/early.cfg", g->boot_path)};
    const char **argv = ARENA_ARRAY(a, const char *, ELEMENTS(first) + ELEMENTS(built_in) + 2);
    memcpy(argv, first, sizeof(first));
    memcpy(argv + ELEMENTS(first), built_in, sizeof(built_in));
    if (firmware == GRUB_BIOS)
        argv[ELEMENTS(first) + ELEMENTS(built_in)] = "biosdisk";
    r = process_run(&(ProcessRun){.argv = argv}, e);
    return r ? r > 0 ? -EIO : r : file_read_at(g->boot, core, IMAGE_MAX, ret, e);
}

/* ---- configuration ---- */

const char *grub_console_text(Arena *a, const char *options)
{
    const CmdlineWords words = cmdline_split(a, options, CMDLINE_QUOTED);
    unsigned unit = 0, speed = 9600; /* as the kernel has it */
    bool serial = false, screen = false;

    for (size_t i = 0; i < words.n; i++) {
        unsigned found_unit, found_speed = 9600;
        if (strncmp(words.words[i], "console=tty", 11) != 0)
            continue;
        if (sscanf(words.words[i], "console=ttyS%2u,%7u", &found_unit, &found_speed) < 1) {
            screen = screen || (words.words[i][11] >= '0' && words.words[i][11] <= '9');
            continue;
        }
        serial = true;
        unit = found_unit;
        speed = found_speed;
    }
    const char *both = screen ? " console" : "";
    return serial ? arena_printf(
                        a, "serial --unit=%u --speed=%u\nterminal_input serial%s\nterminal_output serial%s\n",
                        unit, speed, both, both)
                  : "";
}

static int grub_cfg_read(const GrubInstall *g, Buf *ret, Error *e)
{
    int r = root_read(g->deployment, "usr/share/basalt-os/grub.cfg", CFG_MAX, ret);
    if (r < 0)
        r = file_read_at(AT_FDCWD, "/usr/share/basalt-os/grub.cfg", CFG_MAX, ret, NULL);
    return r < 0 ? error_errno(e, r, "/usr/share/basalt-os/grub.cfg, of the image and of this machine") : 0;
}

int grub_config_install(Arena *a, const GrubInstall *g, Error *e)
{
    _cleanup_buf_ Buf cfg = BUF_INIT;
    char block[GRUB_ENV_SIZE];
    const char *console = grub_console_text(a, g->options);
    int r = grub_cfg_read(g, &cfg, e);

    if (r < 0)
        return r;
    grub_env_make(block);
    const struct {
        const char *path, *data;
        size_t n;
    } files[] = {{"grub/custom.cfg", console, strlen(console)},
                 {"grub/grubenv", block, sizeof(block)},
                 {"grub/grub.cfg", cfg.data ? cfg.data : "", cfg.len}};
    r = dir_make_all_at(g->boot, "grub", 0755);
    if (r < 0)
        return error_errno(e, r, "boot/grub");
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        if (i == 0 && files[i].n == 0)
            continue;
        r = file_write_at(g->boot, files[i].path, files[i].data, files[i].n, FILE_WRITE());
        if (r < 0)
            return error_errno(e, r, "boot/%s", files[i].path);
    }
    return 0;
}

/* ---- BIOS ---- */

/* Places in boot.img and in the first sector of an image: grub-core/boot/i386/pc/boot.S and diskboot.S of
 * GRUB, include/grub/i386/pc/boot.h. */
enum { KERNEL_SECTOR = 0x5C, DRIVE_CHECK = 0x66, LIST_START = 0x1F4, LIST_LENGTH = 0x1FC };

int grub_boot_code_read(const GrubInstall *g, char ret[GRUB_BOOT_SIZE], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf data = BUF_INIT;
    _cleanup_(modules_done)
    Modules m = {.dir = -EBADF};
    int r = modules_open(a, g, "i386-pc", &m, e);

    if (r < 0)
        return r;
    r = file_read_at(m.dir, "boot.img", GRUB_BOOT_SIZE, &data, e);
    if (r < 0)
        return r;
    if (data.len != GRUB_BOOT_SIZE)
        return error_set(e, EBADMSG, "%s/boot.img has %zu bytes", m.path, data.len);
    memcpy(ret, data.data, GRUB_BOOT_SIZE);
    return 0;
}

static void little_put(char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (char)(value >> (8 * i));
}

int grub_bios_place(char boot[GRUB_BOOT_SIZE], Buf *image, uint64_t sector, size_t room, Error *e)
{
    const size_t sectors = (image->len + 511) / 512;

    if (sectors < 2 || sectors * 512 > room || sectors > UINT16_MAX)
        return error_set(e, ENOSPC, "GRUB's image has %zu bytes: its partition has room for %zu", image->len,
                         room);
    memset(buf_reserve(image, sectors * 512 - image->len), 0, sectors * 512 - image->len);
    image->len = sectors * 512;
    little_put(boot + KERNEL_SECTOR, sector, 8);
    /* The drive is the one that the BIOS says, but for those that say nonsense: as grub-bios-setup has it. */
    memcpy(boot + DRIVE_CHECK, "\x90\x90", 2);
    little_put(image->data + LIST_START, sector + 1, 8);
    little_put(image->data + LIST_LENGTH, sectors - 1, 2);
    return 0;
}
