/* Volume groups of the config: lvm is called for each step of the plan (lvm_plan.c). It is told not to keep
 * backups or to look for its daemons, none of which an initramfs has; without udev it makes the device nodes
 * itself. Locks are in /run. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "provision/lvm_plan.h"
#include "system/device_wait.h"
#include "system/superblock.h"

enum { LVM_SEC = 300 };
#define LVM_CONFIG                                                                                           \
    "devices{use_devicesfile=0} backup{backup=0 archive=0} activation{monitoring=0} "                        \
    "global{use_lvmpolld=0 use_lvmlockd=0 locking_dir=\"/run/lock/lvm\"}"
#define LVM_CONFIG_NO_UDEV " devices{obtain_device_list_from_udev=0} activation{udev_sync=0 udev_rules=0}"

static const IgnList *group_objects(const IgnStorage *s)
{
    return &s->volume_groups;
}

/* As device-mapper has it: a dash within a name is two. */
static void add_mapped(Buf *b, const char *name)
{
    for (; *name; name++) {
        buf_add_char(b, *name);
        if (*name == '-')
            buf_add_char(b, '-');
    }
}

static void group_describe(StorageItem *item)
{
    const IgnVolumeGroup *g = item->object;

    item->name = arena_printf(item->arena, "volume group %s", g->name);
    for (size_t i = 0; i < g->devices.n; i++)
        string_list_add(&item->needs, IGN_STRING_AT(g->devices, i));
    IGN_EACH (IgnVolume, v, g->volumes) {
        _cleanup_buf_ Buf mapped = BUF_INIT;
        if (v->should_exist == BOOL_FALSE)
            continue;
        add_mapped(&mapped, g->name);
        buf_add_char(&mapped, '-');
        add_mapped(&mapped, v->name);
        string_list_add(&item->gives, arena_printf(item->arena, "/dev/%s/%s", g->name, v->name));
        string_list_add(&item->gives, arena_printf(item->arena, "/dev/mapper/%s", mapped.data));
        string_list_add(&item->gives, arena_printf(item->arena, "/dev/disk/by-id/dm-name-%s", mapped.data));
    }
}

static int lvm_run(Arena *a, const LvmStep *step, Error *e)
{
    bool udev = access("/run/udev/control", F_OK) == 0;
    size_t n = 0;
    while (step->argv[n])
        n++;
    const char **argv = ARENA_ARRAY(a, const char *, n + 4);
    argv[0] = "lvm";
    argv[1] = step->argv[0];
    argv[2] = "--config";
    argv[3] = udev ? LVM_CONFIG : LVM_CONFIG LVM_CONFIG_NO_UDEV;
    memcpy(&argv[4], &step->argv[1], n * sizeof(*argv)); /* the NULL is in it */
    _cleanup_buf_ Buf said = BUF_INIT;
    const ProcessRun run = {
        .argv = argv,
        .env = (const char *const[]){"LVM_SUPPRESS_FD_WARNINGS=1", NULL},
        .output = &said,
        .timeout_sec = LVM_SEC,
    };
    int r = process_run(&run, e);
    return r > 0 ? -EIO : r;
}

static int devices_clear(const char *const *devices, Error *e)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && devices[i]; i++) {
        _cleanup_close_ int fd = open(devices[i], O_RDWR | O_CLOEXEC);
        r = fd < 0 ? error_errno(e, -errno, "opening %s", devices[i]) : superblock_wipe(fd, e);
    }
    return r < 0 ? r : device_settle(e);
}

static int group_apply(StorageContext *c, StorageItem *item, Error *e)
{
    const LvmPlan *p = item->plan;
    const char *real;
    int r = 0;

    for (size_t i = 0; i < p->n; i++) {
        r = storage_step(c, "%s", p->steps[i].what);
        if (r < 0)
            return error_errno(e, r, "%s", p->steps[i].what);
        log_info("%s", p->steps[i].what);
        r = p->steps[i].argv ? lvm_run(item->arena, &p->steps[i], e) : devices_clear(p->clear, e);
        if (r < 0)
            return error_wrap(e, r, "%s", p->steps[i].what);
    }
    r = device_settle(e);
    for (size_t i = 0; r >= 0 && p->devices[i]; i++)
        r = device_wait(item->arena, p->devices[i], c->wait_sec ? c->wait_sec : DEVICE_WAIT_SEC, &real, e);
    return r < 0 ? error_wrap(e, r, "%s", item->name) : 0;
}

const StorageKind storage_volume_group = {
    .name = "volume group",
    .section = "storage.volumeGroups",
    .objects = group_objects,
    .object_size = sizeof(IgnVolumeGroup),
    .look = LOOK_TABLE | LOOK_SUPERBLOCK | LOOK_HOLDERS | LOOK_LVM,
    .describe = group_describe,
    .plan = lvm_plan_make,
    .apply = group_apply,
};
