#pragma once
/* Where the filesystems of a config go: what the stages mount and umount share. */
#include "base/arena.h"
#include "base/error.h"
#include "ignition/config.h"

/* Those that are mounted while the machine is provisioned: they have a path and a format that is a filesystem
 * (swap and none are not). The shallowest first, in one depth as in the config. *ret lives in the arena. */
size_t mount_points_list(Arena *a, const IgnStorage *s, const IgnFilesystem *const **ret);
/* "/sysroot" and "/var" are "/sysroot/var"; for messages and for system calls on paths without links. */
const char *mount_point_text(Arena *a, const char *root_path, const char *path);
/* May the path be mounted on? -ELOOP, -ENOTDIR with the reason when a component is a link or no directory.
 * *ret_missing is the topmost directory that would have to be made; NULL: none. */
int mount_point_check(Arena *a, int root, const char *path, const char **ret_missing, Error *e);
/* The failure of opening component `name` of `dir`, when it is no directory; `upto`: the path to it. */
int mount_point_refuse(const char *path, int dir, const char *name, const char *upto, Error *e);
/* Up to `tries` times, with a second between them. What is not mounted is done. -EBUSY says who keeps it so.
 */
int mount_point_umount(Arena *a, const char *path, unsigned tries, Error *e);
