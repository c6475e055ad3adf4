/* `basalt-ignition inspect`: facts of devices as JSON, of this machine or of image files, for plans that are
 * made elsewhere. Without arguments every block device that has a size is looked at; what cannot be opened is
 * told and left out. Exit codes: 0, 1 a device that was named cannot be looked at, 2 wrong usage. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/command.h"
#include "base/log.h"
#include "provision/device_facts_json.h"
#include "provision/device_inspect.h"
#include "provision/image_facts.h"
#include "provision/program.h"

enum { LINKS_MAX = 4096 };

/* A link to a device that configs may name. */
typedef struct DeviceLink {
    const char *name;
    dev_t device;
} DeviceLink;
typedef struct DeviceLinks {
    DeviceLink items[LINKS_MAX];
    size_t n;
} DeviceLinks;

static const Option options[] = {{NULL}};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void links_read(Arena *a, const char *dir, DeviceLinks *l)
{
    _cleanup_closedir_ DIR *d = opendir(dir);

    for (struct dirent *f; d && l->n < LINKS_MAX && (f = readdir(d));) {
        const char *name = arena_printf(a, "%s/%s", dir, f->d_name);
        struct stat st;
        if (f->d_name[0] != '.' && stat(name, &st) == 0 && S_ISBLK(st.st_mode))
            l->items[l->n++] = (DeviceLink){name, st.st_rdev};
    }
}

static DeviceLinks *links_all(Arena *a)
{
    static const char *const others[] = {"/dev/mapper", "/dev/md", "/dev/virtio-ports"};
    DeviceLinks *l = ARENA_NEW(a, DeviceLinks);
    _cleanup_closedir_ DIR *d = opendir("/dev/disk");

    for (struct dirent *f; d && (f = readdir(d));)
        if (f->d_name[0] != '.')
            links_read(a, arena_printf(a, "/dev/disk/%s", f->d_name), l);
    for (size_t i = 0; i < ELEMENTS(others); i++)
        links_read(a, others[i], l);
    return l;
}

static const char *const *names_of(Arena *a, const DeviceLinks *l, const DeviceFacts *d)
{
    const char **names = ARENA_ARRAY(a, const char *, l->n + 1);
    struct stat st;
    size_t n = 0;

    if (!d->real || stat(d->real, &st) < 0)
        return NULL;
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].device == st.st_rdev && strcmp(l->items[i].name, d->path) != 0)
            names[n++] = l->items[i].name;
    qsort(names, n, sizeof(*names), by_text);
    return n > 0 ? names : NULL;
}

static int device_add(Arena *a, const DeviceLinks *links, const char *path, FactsList *list, Error *e)
{
    FactsDevice *more = ARENA_ARRAY(a, FactsDevice, list->n + 1);
    DeviceFacts d;
    int r = inspector_look(&device_inspector, a, path, LOOK_ALL, &d, e);

    if (r >= 0 && !d.exists)
        r = error_set(e, ENOENT, "%s: there is no such device", path);
    if (r < 0)
        return r;
    if (d.size == 0)
        return 0;
    if (list->n > 0)
        memcpy(more, list->devices, list->n * sizeof(*more));
    more[list->n++] = (FactsDevice){.facts = d, .names = names_of(a, links, &d)};
    list->devices = more;
    return 0;
}

/* A device, or an image file, or "/dev/vda=FILE": the file by the name that a config has for the disk. */
static int one(Arena *a, const DeviceLinks *links, const char *what, FactsList *list, Error *e)
{
    const char *equals = strncmp(what, "/dev/", 5) == 0 ? strchr(what, '=') : NULL;
    _cleanup_free_ char *real = NULL;
    struct stat st;

    if (equals)
        return image_facts_add(a, arena_memdup(a, what, (size_t)(equals - what)), equals + 1, list, e);
    if (stat(what, &st) < 0 || !S_ISREG(st.st_mode))
        return device_add(a, links, what, list, e);
    real = realpath(what, NULL);
    return image_facts_add(a, real ? real : what, what, list, e);
}

static int some(Arena *a, char *const *paths, size_t n, FactsList *list)
{
    const DeviceLinks *links = links_all(a);
    int code = 0;

    for (size_t i = 0; i < n; i++) {
        Error e = ERROR_INIT;
        if (one(a, links, paths[i], list, &e) < 0) {
            fprintf(stderr, "basalt-ignition inspect: %s\n", e.text);
            code = 1;
        }
    }
    return code;
}

static int all(Arena *a, FactsList *list)
{
    const char **paths = ARENA_ARRAY(a, const char *, FACTS_DEVICES_MAX);
    _cleanup_closedir_ DIR *d = opendir("/sys/class/block");
    size_t n = 0;

    for (struct dirent *f; d && n < FACTS_DEVICES_MAX && (f = readdir(d));) {
        if (f->d_name[0] == '.' || strncmp(f->d_name, "ram", 3) == 0)
            continue;
        char *path = arena_printf(a, "/dev/%s", f->d_name);
        for (char *p = path; *p; p++)
            *p = *p == '!' ? '/' : *p;
        paths[n++] = path;
    }
    qsort(paths, n, sizeof(*paths), by_text);
    (void)some(a, (char *const *)paths, n, list);
    return 0;
}

static int run(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf out = BUF_INIT;
    FactsList list = {0};

    log_open(LOG_TARGET_STDERR, "basalt-ignition", LOG_LEVEL_WARNING);
    int code = argc > 0 ? some(a, argv, (size_t)argc, &list) : all(a, &list);
    json_write(device_facts_to_node(a, &list), JSON_PRETTY2, &out);
    buf_add_char(&out, '\n');
    fwrite(out.data, 1, out.len, stdout);
    return code;
}

int program_inspect(int argc, char **argv)
{
    const Program program = {
        .name = "basalt-ignition inspect",
        .summary = "Writes what is known of block devices, or of image files, as JSON, for `basalt-ignition "
                   "plan --inspect`.",
        .version = PROGRAM_VERSION,
        .man = "basalt-ignition(8)",
        .options = options,
        .run = run,
        .arguments = "[DEVICE|FILE|DEVICE=FILE]...",
        .max_args = 4096,
    };

    return program_main(&program, argc, argv);
}
