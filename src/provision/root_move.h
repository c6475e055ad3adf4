#pragma once
/* The root (or /boot) of a machine moved to another device at its first boot, such as into an encrypted
 * container: its files are kept in memory while the disks stage replaces what holds them, and put into the
 * new filesystem after it. What has to move is decided from the config and the devices of now alone. */
#include "base/command.h"
#include "format/report.h"
#include "ignition/config.h"

#define ROOT_MOVE_STORE "/run/ignition-transposefs"

/* A filesystem that moves. */
typedef struct RootMove {
    const char *label; /* "root", "boot": also the name of its copy in the store */
    const char *from;  /* device that has it now */
    const IgnFilesystem *to;
} RootMove;
typedef struct RootMoves {
    RootMove items[2];
    size_t n;
} RootMoves;

/* The device that a name stands for now, NULL: none; the disk that a partition is of, NULL: it is none. */
typedef struct RootDevices {
    const char *(*resolve)(void *context, Arena *a, const char *path);
    const char *(*disk)(void *context, Arena *a, const char *device, int *ret_number);
    void *context;
} RootDevices;

/* What root= of the command line says as a device's name, and the label that it goes by. */
const char *root_move_name(Arena *a, const char *cmdline, const char **ret_label);
/* The filesystem that takes the root's place; NULL: none. */
const IgnFilesystem *root_move_filesystem(Arena *a, const IgnConfig *c, const char *cmdline);

/* Findings: a root that would be lost since nothing says where it goes; a container that nobody could open at
 * the next boot. `cmdline` is that of the running kernel. Pure. */
void root_move_plan(Arena *a, const IgnConfig *c, const char *cmdline, const RootDevices *d, RootMoves *ret,
                    Report *report);

/* The kernel arguments that find the root again: of each encrypted volume and array between the device and
 * its disks, then root= itself. `uuid_of` gives the UUID of a container, an array or a filesystem by its
 * device. */
typedef int (*RootUuid)(Arena *a, const char *kind, const char *device, const char **ret, Error *e);
int root_move_arguments(Arena *a, const IgnStorage *s, const IgnFilesystem *root, RootUuid uuid_of,
                        StringList *ret, Error *e);

/* The verbs. Each reads the config cache; save: nothing when nothing moves. */
int root_move_save(const char *config_cache, Error *e);
int root_move_restore(const char *config_cache, Error *e);
