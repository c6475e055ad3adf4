/* The stages by name, and the one that has nothing of its own to do: `fetch` is over once the config is
 * in the cache. */
#include "provision/stage.h"

#include <string.h>

#include "base/file.h"
#include "base/log.h"

const Stage stages[] = {
    {.name = "fetch-offline", .run = stage_fetch_offline_run},
    {.name = "fetch", .run = stage_fetch_run},
    {.name = "kargs", .run = stage_kargs_run},
    {.name = "disks", .run = stage_disks_run},
    {.name = "mount", .run = stage_mount_run},
    {.name = "files", .run = stage_files_run, .needs_root = true},
    {.name = "umount", .run = stage_umount_run},
    {.name = NULL},
};

const Stage *stage_find(const char *name)
{
    for (const Stage *s = stages; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

int stage_root(const StageContext *c, Error *e)
{
    if (c->root >= 0)
        return c->root;
    return *c->root_path ? root_open(c->root_path, e) /* fails again, with the reason */
                         : error_set(e, EINVAL, "stage %s needs a root", c->stage);
}

int stage_fetch_run(StageContext *c _unused_, Error *e _unused_)
{
    log_info("fetch complete");
    return 0;
}
