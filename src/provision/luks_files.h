#pragma once
/* What the booted system needs to open the LUKS volumes of the config: /etc/crypttab, and the keys that the
 * disks stage made and left in the state. */
#include "provision/files_plan.h"
#include "provision/state.h"

/* Where a volume says its UUID: the second implementation in tests needs no device. */
typedef int (*LuksUuid)(Arena *a, const char *device, const char **ret, Error *e);
int luks_uuid(Arena *a, const char *device, const char **ret, Error *e);

int luks_files_plan(FilesPlan *p, const IgnStorage *storage, const State *state, LuksUuid uuid,
                    const FilesProbe *probe, Report *r, Error *e);
/* Once the keys are in the root: containers whose key was made by the disks stage are finished, which their
 * headers say from now on; before, a run that finds them makes them again. */
typedef int (*LuksFinish)(const IgnStorage *storage, Error *e);
int luks_files_finish(const IgnStorage *storage, Error *e);
