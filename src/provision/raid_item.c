/* Arrays of the config: mdadm is called once for each that is not there (raid_plan.c says when), with the
 * arguments that Ignition gives it, so that names and superblocks are the same. Creation does not wait for a
 * resync. With udev the names of an array are udev's links; without, mdadm makes them itself and is told so.
 */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "provision/raid_plan.h"
#include "system/device_wait.h"

enum { MDADM_SEC = 300, HOST_NAME_FITS = 32 - 4 }; /* "any:" and the name are stored in 32 bytes */

static const IgnList *raid_objects(const IgnStorage *s)
{
    return &s->raid;
}

static void raid_describe(StorageItem *item)
{
    const IgnRaid *raid = item->object;
    const char *device = raid_plan_device(item->arena, raid->name);
    const char *name = raid_plan_name(item->arena, raid);

    item->name = arena_printf(item->arena, "array %s", raid->name);
    for (size_t i = 0; i < raid->devices.n; i++)
        string_list_add(&item->needs, IGN_STRING_AT(raid->devices, i));
    string_list_add(&item->gives, device);
    string_list_add(&item->gives, arena_printf(item->arena, "/dev/disk/by-id/md-name-%s%s",
                                               strlen(name) < HOST_NAME_FITS ? "any:" : "", name));
    for (size_t i = 0; i < raid->options.n; i++)
        if (strncmp(IGN_STRING_AT(raid->options, i), "--uuid=", 7) == 0)
            string_list_add(&item->gives, arena_printf(item->arena, "/dev/disk/by-id/md-uuid-%s",
                                                       IGN_STRING_AT(raid->options, i) + 7));
}

static int mdadm_run(const char *const *argv, Error *e)
{
    static const char *const no_udev[] = {"MDADM_NO_UDEV=1", NULL};
    bool udev = access("/run/udev/control", F_OK) == 0;
    _cleanup_buf_ Buf said = BUF_INIT;
    const ProcessRun run = {
        .argv = argv, .env = udev ? NULL : no_udev, .output = &said, .timeout_sec = MDADM_SEC};
    int r = process_run(&run, e);
    return r > 0 ? -EIO : r;
}

static int arrays_stop(StorageContext *c, const char *const *arrays, Error *e)
{
    for (size_t i = 0; arrays && arrays[i]; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        const char *argv[] = {"mdadm", "--stop", arena_printf(a, "/dev/%s", arrays[i]), NULL};
        int r = storage_step(c, "stop array %s", arrays[i]);
        if (r < 0)
            return error_errno(e, r, "stopping array %s", arrays[i]);
        log_info("stopping array %s, which udev has put together", arrays[i]);
        r = mdadm_run(argv, e);
        if (r < 0)
            return error_wrap(e, r, "stopping array %s", arrays[i]);
    }
    return 0;
}

static int raid_apply(StorageContext *c, StorageItem *item, Error *e)
{
    const RaidPlan *p = item->plan;
    const IgnRaid *raid = item->object;
    const char *verb = p->action == RAID_CREATE ? "creating" : "starting", *real;

    if (p->action == RAID_KEEP)
        return 0;
    int r = arrays_stop(c, p->stop, e);
    if (r < 0)
        return r;
    r = storage_step(c, "%s array %s", verb, raid->name);
    if (r < 0)
        return error_errno(e, r, "%s array %s", verb, raid->name);
    log_info("%s array %s: %s", verb, raid->name, item->changes.items[item->changes.n - 1].detail);
    r = mdadm_run(p->argv, e);
    if (r >= 0)
        r = device_settle(e);
    if (r >= 0)
        r = device_wait(item->arena, p->device, c->wait_sec ? c->wait_sec : DEVICE_WAIT_SEC, &real, e);
    return r < 0 ? error_wrap(e, r, "%s array %s", verb, raid->name) : 0;
}

const StorageKind storage_raid = {
    .name = "raid",
    .section = "storage.raid",
    .objects = raid_objects,
    .object_size = sizeof(IgnRaid),
    .look = LOOK_TABLE | LOOK_SUPERBLOCK | LOOK_HOLDERS | LOOK_RAID,
    .describe = raid_describe,
    .plan = raid_plan_make,
    .apply = raid_apply,
};
