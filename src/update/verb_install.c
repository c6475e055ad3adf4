/* `basalt-os install`: a system onto a disk, or into filesystems that are mounted below a directory. What can
 * be refused is refused before anything is written: options, what is in the way, programs that are missing,
 * an image that is not there or not allowed. Then the same for both: sysroot, import, deployment, the boot
 * loader's files, what the system must know of its filesystems; last what the firmware starts. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "update/events.h"
#include "update/grub_install.h"
#include "update/install_disk.h"
#include "update/install_root.h"
#include "update/program.h"
#include "update/progress.h"
#include "update/systemd_boot_install.h"

#define STATEROOT "basalt"
enum { FSTAB_MAX = 1 << 20 };

static struct {
    const char *image, *follow, *disk, *root, *filesystem, *boot, *loader, *size;
    StringList kargs;
    unsigned jobs;
    bool wipe, replace, dry_run;
} opt = {.filesystem = "ext4", .loader = "grub"};

const Option install_options[] = {
    {"image", 0, OPTION_STRING, &opt.image, "IMAGE", "what is installed", NULL},
    {"disk", 0, OPTION_STRING, &opt.disk, "DEVICE", "onto this disk, or into this image file", NULL},
    {"root", 0, OPTION_STRING, &opt.root, "DIR", "into what is mounted here", NULL},
    {"follow", 0, OPTION_STRING, &opt.follow, "IMAGE", "what upgrades ask for (the same)", NULL},
    {"karg", 0, OPTION_LIST, &opt.kargs, "KEY[=VALUE]", "add a kernel argument", NULL},
    {"filesystem", 0, OPTION_CHOICE, &opt.filesystem, "TYPE", "of the root: ext4, xfs (ext4)", "ext4 xfs"},
    {"boot", 0, OPTION_CHOICE, &opt.boot, "HOW", "uefi, bios, both (uefi)", "uefi bios both"},
    {"loader", 0, OPTION_CHOICE, &opt.loader, "NAME", "grub, systemd-boot (grub)", "grub systemd-boot"},
    {"size", 0, OPTION_STRING, &opt.size, "SIZE", "make an image file: 8G", NULL},
    {"wipe", 0, OPTION_FLAG, &opt.wipe, NULL, "give up all that is on the disk", NULL},
    {"replace", 0, OPTION_FLAG, &opt.replace, NULL, "remove the system that is below DIR", NULL},
    {"dry-run", 'n', OPTION_FLAG, &opt.dry_run, NULL, "only show what would be done", NULL},
    {"jobs", 'j', OPTION_UINT, &opt.jobs, "N", "layers at once (3)", NULL},
    {0},
};

typedef struct Install {
    Arena *arena;
    const char *verb;
    ImageReference image, follow;
    struct utsname machine;
    unsigned boot;
    bool systemd_boot;
    const char *esp, *esp_uuid;                      /* below `top`; NULL: none that is mounted */
    const char *top;                                 /* where the system's root is */
    const char *root_uuid, *boot_uuid, *boot_format; /* boot_uuid NULL: boot/ is part of the root */
    ImportResult result;
    const char *version;
    Buf loaders[GRUB_FIRMWARES];
    char boot_code[GRUB_BOOT_SIZE];
} Install;

static void install_done(Install *i)
{
    for (size_t k = 0; k < GRUB_FIRMWARES; k++)
        buf_done(&i->loaders[k]);
    arena_free(i->arena);
}

static void warn(const Install *i, const char *text)
{
    if (events_wanted())
        events_send_text("warning", text);
    else
        fprintf(stderr, "basalt-os %s: warning: %s\n", i->verb, text);
}

static int step(void *context, const char *what)
{
    const Install *i = context;
    if (cancel_asked(NULL))
        return -ECANCELED;
    if (!options.quiet)
        fprintf(stderr, "basalt-os %s: %s\n", i->verb, what);
    return 0;
}

/* A program that was interrupted together with us has failed for that. */
static int failed(const Install *i, Error *e)
{
    if (e->code != ECANCELED && cancel_asked(NULL))
        error_set(e, ECANCELED, "cancelled");
    return verb_failed(i->verb, e);
}

/* ---- the command line ---- */

static int usage(const char *verb, const char *text)
{
    fprintf(stderr, "basalt-os %s: %s\n", verb, text);
    return EXIT_USAGE;
}

/* "8G", "1536M": bytes; 0: it is none. */
static uint64_t size_read(const char *text)
{
    uint64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9' && n < UINT32_MAX; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    const int shift = *p == 'M' ? 20 : *p == 'G' ? 30 : *p == 'T' ? 40 : 0;
    return shift && p[1] == 0 && n < (uint64_t)1 << (62 - shift) ? n << shift : 0;
}

static int arguments_read(Install *i)
{
    Error e = ERROR_INIT;
    if (!opt.image)
        return usage(i->verb, "--image says what is installed");
    if (!opt.disk == !opt.root)
        return usage(i->verb, "--disk or --root says where");
    if (strcmp(options.sysroot, "/") != 0)
        return usage(i->verb, "--sysroot is for systems that are there; --root says where a new one is made");
    if (opt.root && (opt.size || opt.wipe))
        return usage(i->verb, "--size and --wipe are for disks");
    if (opt.root && opt.boot && strcmp(opt.boot, "uefi") != 0)
        return usage(i->verb, "a boot loader for BIOS lies outside of file systems: --disk puts it there");
    i->systemd_boot = strcmp(opt.loader, "systemd-boot") == 0;
    if (i->systemd_boot && opt.boot && strcmp(opt.boot, "uefi") != 0)
        return usage(i->verb, "systemd-boot is for UEFI alone");
    if (opt.disk && opt.replace)
        return usage(i->verb, "--replace is for --root; --wipe gives up what is on a disk");
    if (opt.size && size_read(opt.size) == 0)
        return usage(i->verb, "--size is a number with M, G or T behind it");
    int r = image_reference_read(i->arena, opt.image, &i->image, &e);
    if (r >= 0)
        r = image_reference_read(i->arena, opt.follow ? opt.follow : opt.image, &i->follow, &e);
    if (r < 0)
        return usage(i->verb, e.text);
    if (i->follow.scheme == SCHEME_PLAIN)
        i->follow.scheme = SCHEME_UNVERIFIED;
    i->boot = !opt.boot || strcmp(opt.boot, "uefi") == 0 ? BOOT_BY_UEFI
              : strcmp(opt.boot, "bios") == 0            ? BOOT_BY_BIOS
                                                         : BOOT_BY_UEFI | BOOT_BY_BIOS;
    return 0;
}

static int loaders_check(const Install *i, Error *e)
{
    if (i->systemd_boot)
        return 0;
    int r = i->boot & BOOT_BY_UEFI ? grub_install_check(i->machine.machine, GRUB_UEFI, e) : 0;
    if (r >= 0 && (i->boot & BOOT_BY_BIOS))
        r = grub_install_check(i->machine.machine, GRUB_BIOS, e);
    return r;
}

/* ---- a system below i->top ---- */

static StringList kargs_make(const Install *i)
{
    const char **items = ARENA_ARRAY(i->arena, const char *, opt.kargs.n + 2);
    StringList all = {.items = items};
    bool root = !i->root_uuid;
    for (size_t k = 0; k < opt.kargs.n; k++) {
        root = root || strncmp(opt.kargs.items[k], "root=", 5) == 0;
        items[all.n++] = opt.kargs.items[k];
    }
    if (!root) {
        items[all.n++] = arena_printf(i->arena, "root=UUID=%s", i->root_uuid);
        items[all.n++] = "rw";
    }
    return all;
}

/* boot/ on a filesystem of its own has to be there for the next update; so has the ESP where that has the
 * kernels. */
static int fstab_write(const Install *i, int deployment, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (!i->boot_uuid && !(i->systemd_boot && i->esp_uuid))
        return 0;
    int r = root_read(deployment, "etc/fstab", FSTAB_MAX, &text);
    if (r < 0 && r != -ENOENT)
        return error_errno(e, r, "/etc/fstab of the image");
    if (text.len && text.data[text.len - 1] != '\n')
        buf_add_char(&text, '\n');
    if (i->boot_uuid)
        buf_addf(&text, "UUID=%s /boot %s defaults 0 2\n", i->boot_uuid, i->boot_format);
    if (i->systemd_boot && i->esp_uuid)
        buf_addf(&text, "UUID=%s /%s vfat umask=0077 0 2\n", i->esp_uuid, i->esp);
    r = root_write(deployment, "etc/fstab", text.data, text.len, FILE_WRITE());
    return r < 0 ? error_errno(e, r, "/etc/fstab") : 0;
}

static int loaders_make(Install *i, const GrubInstall *g, Error *e)
{
    int r = 0;
    if (i->boot & BOOT_BY_UEFI)
        r = grub_image_make(i->arena, g, GRUB_UEFI, &i->loaders[GRUB_UEFI], e);
    if (r >= 0 && (i->boot & BOOT_BY_BIOS))
        r = grub_image_make(i->arena, g, GRUB_BIOS, &i->loaders[GRUB_BIOS], e);
    if (r >= 0 && (i->boot & BOOT_BY_BIOS))
        r = grub_boot_code_read(g, i->boot_code, e);
    return r < 0 ? r : grub_config_install(i->arena, g, e);
}

static int esp_open(const Install *i, Error *e)
{
    int fd = i->esp
                 ? open(arena_printf(i->arena, "%s/%s", i->top, i->esp), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                 : -EBADF;
    return fd < 0 ? error_errno(e, i->esp ? -errno : -ENOENT, "the ESP") : fd;
}

static int esp_prepare(const Install *i, Error *e)
{
    _cleanup_close_ int esp = esp_open(i, e);
    return esp < 0 ? esp : systemd_boot_prepare(esp, e);
}

static int loader_place(const Install *i, int tree, Error *e)
{
    _cleanup_close_ int esp = esp_open(i, e);
    return esp < 0 ? esp
                   : systemd_boot_place(esp, tree, i->machine.machine, grub_efi_name(i->machine.machine), e);
}

static int system_describe(Install *i, Session *s, const Deployment *d, Error *e)
{
    _cleanup_close_ int tree = root_openat(sysroot_fd(s->sysroot), d->path, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_close_ int boot = root_openat(sysroot_fd(s->sysroot), "boot", O_RDONLY | O_DIRECTORY, 0);
    if (tree < 0 || boot < 0)
        return error_errno(e, tree < 0 ? tree : boot, "%s", tree < 0 ? d->path : "boot");
    i->version = arena_strdup(i->arena, d->version);
    const GrubInstall g = {.boot = boot,
                           .boot_path = arena_printf(i->arena, "%s/boot", i->top),
                           .deployment = tree,
                           .deployment_path = arena_printf(i->arena, "%s/%s", i->top, d->path),
                           .boot_uuid = i->boot_uuid ? i->boot_uuid : i->root_uuid,
                           .options = d->options,
                           .machine = i->machine.machine};
    int r = fstab_write(i, tree, e);
    if (r >= 0)
        r = step(i, "the boot loader is made") < 0 ? error_set(e, ECANCELED, "cancelled") : 0;
    if (r >= 0)
        r = i->systemd_boot ? loader_place(i, tree, e) : loaders_make(i, &g, e);
    if (r >= 0 && (syncfs(tree) < 0 || syncfs(boot) < 0))
        r = error_errno(e, -errno, "writing the system");
    return r;
}

static int system_make(Install *i, Error *e)
{
    _cleanup_session_ Session s = SESSION_INIT;
    options.sysroot = i->top;
    int r = sysroot_init(i->top, options.stateroot ? options.stateroot : STATEROOT, e);
    if (r >= 0 && i->systemd_boot)
        r = esp_prepare(i, e);
    if (r >= 0)
        r = session_open(&s, true, e);
    if (r >= 0)
        r = session_install(&s, &(SessionInstall){&i->image, &i->follow, kargs_make(i), opt.jobs}, &i->result,
                            e);
    if (r < 0)
        return r;
    verb_findings(i->verb, &s.report);
    return system_describe(i, &s, session_newest(&s), e);
}

/* In an empty system that is thrown away: whether there is such an image, and whether it may be used. */
static int image_check(Install *i, uint64_t room, Error *e)
{
    _cleanup_session_ Session s = SESSION_INIT;
    ImportCheck c;
    options.sysroot = i->top;
    int r = sysroot_init(i->top, STATEROOT, e);
    if (r >= 0)
        r = session_open(&s, false, e);
    if (r >= 0)
        r = session_install_check(&s, &i->image, &c, e);
    if (r >= 0 && c.missing_bytes > room)
        return error_set(e, ENOSPC, "the image has %" PRIu64 " MiB of layers, the disk has %" PRIu64 " MiB",
                         c.missing_bytes >> 20, room >> 20);
    return r;
}

/* ---- telling ---- */

static int tell(const Install *i, const char *where, const InstallPlan *plan)
{
    char commit[OSTREE_CHECKSUM_TEXT], bytes[16];
    if (!options.json) {
        bytes_text(i->result.written.bytes, bytes);
        verb_say("%s has %s%s%s: %s in %llu objects.", where, image_reference_plain(i->arena, &i->image),
                 i->version ? ", version " : "", i->version ? i->version : "", bytes,
                 (unsigned long long)i->result.written.objects);
        return EXIT_DONE;
    }
    Node *n = node_new(i->arena, NODE_OBJECT), *boot;
    hex_encode(i->result.commit, OSTREE_CHECKSUM, commit);
    node_set_string(i->arena, n, opt.disk ? "disk" : "root", where);
    node_set_string(i->arena, n, "image", image_reference_plain(i->arena, &i->image));
    node_set_string(i->arena, n, "digest", i->result.manifest.text);
    node_set_string(i->arena, n, "version", i->version);
    node_set_string(i->arena, n, "commit", commit);
    node_set(i->arena, n, "bytes-written", node_new_int(i->arena, (int64_t)i->result.written.bytes));
    boot = node_set(i->arena, n, "boot", node_new(i->arena, NODE_ARRAY));
    if (i->boot & BOOT_BY_UEFI)
        node_append(boot, node_new_string(i->arena, "uefi"));
    if (i->boot & BOOT_BY_BIOS)
        node_append(boot, node_new_string(i->arena, "bios"));
    if (plan)
        node_set(i->arena, n, "partitions", install_plan_node(i->arena, plan));
    return verb_json(n);
}

static int tell_plan(const Install *i, const char *where, const InstallPlan *plan)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (options.json) {
        Node *n = node_new(i->arena, NODE_OBJECT);
        node_set_string(i->arena, n, opt.disk ? "disk" : "root", where);
        node_set_string(i->arena, n, "image", image_reference_plain(i->arena, &i->image));
        if (plan)
            node_set(i->arena, n, "partitions", install_plan_node(i->arena, plan));
        return verb_json(n);
    }
    if (plan)
        install_plan_text(plan, &text);
    verb_say("%s would get %s%s%s", where, image_reference_plain(i->arena, &i->image), plan ? ":\n" : ".",
             text.data ? text.data : "");
    return EXIT_DONE;
}

/* ---- to a disk ---- */

static int plan_make(const Install *i, const InstallDisk *d, InstallPlan *ret, Error *e)
{
    uint8_t random[INSTALL_RANDOM];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return error_errno(e, -errno, "random numbers");
    const InstallRequest q = {.geometry = {d->size, d->facts.sector_size},
                              .boot = i->boot,
                              .filesystem = opt.filesystem,
                              .machine = i->machine.machine,
                              .random = random};
    return install_plan_make(i->arena, &q, ret, e);
}

static int loaders_place(Install *i, InstallDisk *d, const InstallPlan *plan, Error *e)
{
    int r = i->systemd_boot ? install_disk_esp_fill(d, e) : 0;
    if (r >= 0 && !i->systemd_boot && (i->boot & BOOT_BY_UEFI))
        r = install_disk_esp_write(d, "EFI/BOOT", grub_efi_name(i->machine.machine), &i->loaders[GRUB_UEFI],
                                   e);
    if (r < 0 || !(i->boot & BOOT_BY_BIOS))
        return r;
    const InstallRow *row = install_plan_find(plan, INSTALL_BIOS);
    return grub_bios_place(i->boot_code, &i->loaders[GRUB_BIOS], row->offset / 512, row->size, e);
}

static int disk_make(Install *i, InstallDisk *d, const InstallPlan *plan, Error *e)
{
    const InstallRow *root = install_plan_find(plan, INSTALL_ROOT),
                     *boot = install_plan_find(plan, INSTALL_BOOT);
    const char *warning = NULL;
    i->root_uuid = root->uuid;
    i->boot_uuid = boot->uuid;
    i->boot_format = boot->format;
    int r = loaders_check(i, e);
    if (r >= 0)
        r = install_disk_begin(d, e);
    i->top = INSTALL_TOP;
    if (r >= 0)
        r = image_check(i, root->size, e);
    if (r >= 0)
        r = install_disk_mount(d, plan, e);
    if (r >= 0 && i->systemd_boot) {
        i->esp = "boot/efi";
        i->esp_uuid = install_plan_find(plan, INSTALL_ESP)->uuid;
        r = install_disk_esp_stage(d, e);
    }
    if (r >= 0)
        r = system_make(i, e);
    if (r >= 0)
        r = loaders_place(i, d, plan, e);
    if (r >= 0)
        r = install_disk_finish(d, i->boot_code, i->boot & BOOT_BY_BIOS ? &i->loaders[GRUB_BIOS] : NULL,
                                &warning, e);
    if (r >= 0 && warning)
        warn(i, arena_printf(i->arena, "the system is on the disk, but this kernel does not see it yet: %s",
                             warning));
    return r;
}

static int to_disk(Install *i)
{
    _cleanup_install_disk_ InstallDisk d = INSTALL_DISK_INIT;
    InstallPlan plan;
    Error e = ERROR_INIT;
    d.arena = i->arena;
    d.step = step;
    d.context = i;
    int r = install_disk_look(&d, opt.disk, opt.size ? size_read(opt.size) : 0, opt.wipe, &e);
    if (r >= 0)
        r = plan_make(i, &d, &plan, &e);
    if (r >= 0 && opt.dry_run)
        return tell_plan(i, opt.disk, &plan);
    if (r >= 0)
        r = disk_make(i, &d, &plan, &e);
    return r < 0 ? failed(i, &e) : tell(i, opt.disk, &plan);
}

/* ---- into a root ---- */

/* Last of all: until then the firmware does not find it. */
static int esp_write(const Install *i, const InstallRoot *root, Error *e)
{
    const Buf *image = &i->loaders[GRUB_UEFI];
    const char *path = arena_printf(i->arena, "%s/EFI/BOOT/%s", root->esp, grub_efi_name(i->machine.machine));
    int r = root_write(root->fd, path, image->data, image->len, FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "%s/%s", root->path, path) : 0;
}

static int root_make(Install *i, const InstallRoot *root, Error *e)
{
    i->top = root->path;
    i->esp = root->esp;
    i->esp_uuid = root->esp_uuid;
    i->root_uuid = root->root_uuid;
    i->boot_uuid = root->boot_uuid;
    i->boot_format = root->boot_format;
    int r = loaders_check(i, e);
    if (r >= 0)
        r = step(i, *root->in_way ? "the system that is there is removed" : "the system is made") < 0
                ? error_set(e, ECANCELED, "cancelled")
                : 0;
    if (r >= 0 && *root->in_way)
        r = install_root_clear(root, e);
    if (r < 0)
        return r;
    r = system_make(i, e);
    if (r >= 0 && root->esp && !i->systemd_boot && (i->boot & BOOT_BY_UEFI))
        r = esp_write(i, root, e);
    if (r < 0) /* nothing of half a system, not even its room */
        (void)install_root_clear(root, NULL);
    return r;
}

static int to_root(Install *i)
{
    _cleanup_install_root_ InstallRoot root = INSTALL_ROOT_INIT;
    Error e = ERROR_INIT;
    int r = install_root_look(i->arena, opt.root, grub_efi_name(i->machine.machine), &root, &e);
    if (r >= 0 && *root.in_way && !opt.replace)
        r = error_set(&e, EEXIST, "%s has %s already: --replace removes that system, with its /var", opt.root,
                      root.in_way);
    if (r >= 0 && !root.esp && (opt.boot || i->systemd_boot))
        r = error_set(&e, ENOENT, "there is no ESP: mount it on %s/boot/efi or %s/efi", opt.root, opt.root);
    if (r >= 0 && !root.esp)
        i->boot = 0;
    if (r >= 0 && opt.dry_run)
        return tell_plan(i, opt.root, NULL);
    if (r >= 0)
        r = root_make(i, &root, &e);
    if (r < 0)
        return failed(i, &e);
    if (!root.esp)
        warn(i, arena_printf(
                    i->arena,
                    "no ESP is mounted below %s: the boot loader has its configuration, but nothing starts "
                    "it",
                    opt.root));
    if (!root.root_uuid)
        warn(i, arena_printf(i->arena,
                             "%s is no mounted file system: the kernel is told of no root but by --karg",
                             opt.root));
    return tell(i, opt.root, NULL);
}

int verb_install(int argc _unused_, char **argv)
{
    _cleanup_(install_done)
    Install i = {.arena = arena_new(), .verb = argv[0]};
    int code = arguments_read(&i);
    if (code)
        return code;
    if (uname(&i.machine) < 0)
        return EXIT_FAILED;
    cancel_catch();
    return opt.disk ? to_disk(&i) : to_root(&i);
}
