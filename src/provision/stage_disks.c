/* The disks stage: what storage_run.h makes of the config. A config without disks, arrays, volumes and
 * filesystems ends here, before anything is looked at or loaded. All refusals are told, each with its place
 * in the config, and the first of them ends the stage. */
#include "provision/stage_disks.h"

#include <string.h>

#include "base/log.h"
#include "provision/config_text.h"
#include "provision/device_inspect.h"
#include "provision/luks_item.h"
#include "provision/storage_run.h"

static bool nothing_declared(const IgnStorage *s)
{
    size_t n = 0;
    for (const StorageKind *const *k = storage_kinds; *k; k++)
        n += (*k)->objects(s)->n;
    return n == 0;
}

int stage_disks_run_with(StageContext *c, const DisksStageOptions *o, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(c->arena);
    StorageContext storage = {
        .config = c->config,
        .fetcher = c->fetcher,
        .state = c->state,
        .inspector = o->inspector ? o->inspector : &device_inspector,
        .hooks = o->hooks,
        .alias_dir = "/run/ignition/dev_aliases",
        .wait_sec = o->wait_sec,
    };

    if (nothing_declared(&c->config->storage))
        return 0;
    storage_context_init(&storage);
    storage_luks_prepare(&storage, &report);
    int r = storage_run(&storage, &report, e);
    config_report_log(&report);
    return r;
}

int stage_disks_run(StageContext *c, Error *e)
{
    return stage_disks_run_with(c, &(DisksStageOptions){0}, e);
}
