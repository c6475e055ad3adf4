#pragma once
/* What is to be done for one filesystem of the config, from what is on its device. Pure. */
#include "ignition/config.h"
#include "system/device_facts.h"
#include "system/filesystem_mark.h"

typedef enum FilesystemAction {
    FILESYSTEM_KEEP, /* is as declared, or nothing is declared */
    FILESYSTEM_MAKE,
    FILESYSTEM_WIPE, /* `format: none`: signatures go, nothing comes */
    FILESYSTEM_REFUSE,
} FilesystemAction;

typedef struct FilesystemPlan {
    FilesystemAction action;
    const char *found;           /* "ext4, label 'root', UUID …"; NULL: nothing */
    bool unfinished;             /* what is there was cut in the making */
    const char *refusal, *field; /* REFUSE: why, and the field of the config that it is about */
    const FilesystemMark *mark;  /* how the one in the making is told from a finished one; NULL: no need */
    const char *const *argv;     /* MAKE: the program but for the device, which comes last; ends with NULL */
    const char *label, *volume_id; /* what takes the place of the mark; NULL: none */
} FilesystemPlan;

/* Strings live in the arena. */
void filesystem_plan_make(Arena *a, const IgnFilesystem *f, const DeviceFacts *d, FilesystemPlan *ret);
/* The item does something to a device: it has a format, and one that lives on a block device. */
bool filesystem_wants_device(const IgnFilesystem *f);
/* UUIDs that mean the same are the same text in this form: lower case, of vfat without its dash. */
const char *filesystem_uuid(Arena *a, const char *format, const char *uuid);
