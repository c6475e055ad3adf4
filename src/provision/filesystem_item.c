/* A filesystem as an item of the disks stage. In order: all signatures that are on the device are overwritten
 * and that is waited for (it is opened for its own alone: nobody may have it mounted), the format's program
 * runs, what it wrote is waited for, and the mark of an unfinished one is taken away (filesystem_mark.h). A
 * power cut before the last step leaves nothing, or something marked, and the next run makes it again. The
 * program is given the device's node, not an alias: nothing renames the node of a device that is there, and
 * whatever made it appear is over; Ignition's aliases protect against links that udev takes away. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/process.h"
#include "provision/filesystem_plan.h"
#include "provision/storage.h"
#include "system/device_wait.h"
#include "system/superblock.h"

static const IgnList *filesystem_objects(const IgnStorage *s)
{
    return &s->filesystems;
}

static void filesystem_describe(StorageItem *item)
{
    const IgnFilesystem *f = item->object;

    item->name = arena_printf(item->arena, "filesystem on %s", f->device);
    if (!filesystem_wants_device(f))
        return;
    string_list_add(&item->needs, f->device);
    if (strcmp(f->format, "none") == 0)
        return;
    if (f->label && *f->label)
        string_list_add(&item->gives, arena_printf(item->arena, "/dev/disk/by-label/%s", f->label));
    if (f->uuid && *f->uuid) {
        const char *uuid = filesystem_uuid(item->arena, f->format, f->uuid);
        if (strcmp(f->format, "vfat") == 0 && strlen(uuid) == 8) {
            char *form = arena_printf(item->arena, "%.4s-%s", uuid, uuid + 4);
            for (char *p = form; *p; p++)
                *p = (char)(*p >= 'a' && *p <= 'f' ? *p - 'a' + 'A' : *p);
            uuid = form;
        }
        string_list_add(&item->gives, arena_printf(item->arena, "/dev/disk/by-uuid/%s", uuid));
    }
}

/* How it is declared, if it is made, and what is there. */
static void detail_text(const IgnFilesystem *f, const FilesystemPlan *p, Buf *out)
{
    if (p->action == FILESYSTEM_MAKE && f->label)
        buf_addf(out, "label '%s'", f->label);
    if (p->action == FILESYSTEM_MAKE && f->uuid)
        buf_addf(out, "%sUUID %s", out->len ? ", " : "", f->uuid);
    if (p->unfinished)
        buf_addf(out, "%swhat is there was cut in the making", out->len ? "; " : "");
    else if (p->found)
        buf_addf(out, "%sfound %s", out->len ? "; " : "", p->found);
}

static void filesystem_plan(const StorageContext *c _unused_, StorageItem *item)
{
    const IgnFilesystem *f = item->object;
    FilesystemPlan *p = ARENA_NEW(item->arena, FilesystemPlan);
    _cleanup_buf_ Buf detail = BUF_INIT;

    item->plan = p;
    if (item->needs.n == 0)
        return;
    filesystem_plan_make(item->arena, f, &item->facts[0], p);
    if (p->action == FILESYSTEM_REFUSE) {
        storage_refuse(item, p->field, "%s", p->refusal);
        return;
    }
    detail_text(f, p, &detail);
    const StorageVerb verbs[] = {
        [FILESYSTEM_KEEP] = STORAGE_KEEP,
        [FILESYSTEM_MAKE] = p->found ? STORAGE_RECREATE : STORAGE_CREATE,
        [FILESYSTEM_WIPE] = STORAGE_DELETE,
    };
    const char *object = p->action == FILESYSTEM_WIPE ? "signatures" : f->format;
    const char *kind = p->action == FILESYSTEM_WIPE || strcmp(f->format, "swap") == 0 ? "" : " filesystem";
    if (strcmp(object, "none") == 0)
        object = "no";
    storage_change_add(
        item, (StorageChange){.verb = verbs[p->action],
                              .noun = "filesystem",
                              .object = arena_printf(item->arena, "%s%s on %s", object, kind, f->device),
                              .detail = detail.data});
}

/* ---- making it real ---- */

/* A program that another thread starts meanwhile would have the device open too, until it is itself; then the
 * format's program could not open it. */
static void device_close(int *fd)
{
    if (*fd < 0)
        return;
    close(*fd);
    process_release();
}
#define _cleanup_device_ _cleanup_(device_close)

static int device_open(const char *device, Error *e)
{
    process_hold();
    int fd = open(device, O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        return fd;
    int code = errno;
    process_release();
    return code == EBUSY ? error_set(e, EBUSY, "%s is in use", device)
                         : error_errno(e, -code, "opening %s", device);
}

static int signatures_wipe(StorageContext *c, const char *device, Error *e)
{
    int r = storage_step(c, "wipe signatures of %s", device);
    if (r < 0)
        return error_errno(e, r, "interrupted");
    _cleanup_device_ int fd = device_open(device, e);
    if (fd < 0)
        return fd;
    r = superblock_wipe(fd, e);
    if (r > 0)
        log_info("wiped %d signature%s of %s", r, r == 1 ? "" : "s", device);
    return r < 0 ? error_wrap(e, r, "wiping signatures of %s", device) : 0;
}

static int program_run(const StorageItem *item, const FilesystemPlan *p, const char *device, Error *e)
{
    size_t n = 0;
    while (p->argv[n])
        n++;
    const char **argv = ARENA_ARRAY(item->arena, const char *, n + 2);
    memcpy(argv, p->argv, n * sizeof(*argv));
    argv[n] = device;

    _cleanup_buf_ Buf said = BUF_INIT;
    int r = process_run(&(ProcessRun){.argv = argv, .output = &said}, e);
    if (r == -EFBIG) /* it only talks a lot */
        return 0;
    return r > 0 ? -EIO : r;
}

static int device_sync(const char *device, Error *e)
{
    _cleanup_device_ int fd = device_open(device, e);
    if (fd < 0)
        return fd;
    return fsync(fd) < 0 ? error_errno(e, -errno, "writing %s", device) : 0;
}

static int mark_replace(StorageContext *c, const FilesystemPlan *p, const char *device, Error *e)
{
    int r = storage_step(c, "name the filesystem on %s", device);
    if (r < 0)
        return error_errno(e, r, "interrupted");
    _cleanup_device_ int fd = device_open(device, e);
    if (fd < 0)
        return fd;
    return p->mark->finish(fd, p->mark->in_uuid ? p->volume_id : p->label, e);
}

static int filesystem_apply(StorageContext *c, StorageItem *item, Error *e)
{
    const IgnFilesystem *f = item->object;
    const FilesystemPlan *p = item->plan;
    const char *device = item->facts[0].real;

    if (item->facts[0].superblock.ambivalent)
        log_warning("%s: several signatures that contradict each other were found on it", device);
    int r = item->facts[0].superblock.clean ? 0 : signatures_wipe(c, device, e);
    if (r < 0 || p->action == FILESYSTEM_WIPE)
        return r < 0 ? r : device_retrigger(device, e);
    log_info("creating %s%s on %s", f->format, strcmp(f->format, "swap") == 0 ? "" : " filesystem", device);
    r = storage_step(c, "make %s on %s", f->format, device);
    if (r < 0)
        return error_errno(e, r, "interrupted");
    r = program_run(item, p, device, e);
    if (r >= 0)
        r = device_sync(device, e);
    if (r >= 0 && p->mark)
        r = mark_replace(c, p, device, e);
    return r < 0 ? r : device_retrigger(device, e);
}

const StorageKind storage_filesystem = {
    .name = "filesystem",
    .section = "storage.filesystems",
    .objects = filesystem_objects,
    .object_size = sizeof(IgnFilesystem),
    .look = LOOK_SUPERBLOCK | LOOK_HOLDERS,
    .describe = filesystem_describe,
    .plan = filesystem_plan,
    .apply = filesystem_apply,
};
