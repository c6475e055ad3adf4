#pragma once
/* The directories that the mount stage makes, written down in the root before each is made and kept until the
 * files stage is done: the stage that follows a power cut knows its own directories by it, so that homes
 * among them still go to their users and all still get their labels. */
#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"

#define MOUNT_JOURNAL_PATH "/etc/.ignition-mount.journal" /* 0600; one path a line */

typedef struct MountJournal {
    Buf text;
} MountJournal;
void mount_journal_done(MountJournal *j);
#define _cleanup_mount_journal_ _cleanup_(mount_journal_done)

/* Of another root, or for the first time. No journal: an empty one. */
int mount_journal_load(MountJournal *j, int root, Error *e);
bool mount_journal_has(const MountJournal *j, const char *path);
/* On disk when it returns. A path with a newline in it is left out. */
int mount_journal_add(MountJournal *j, int root, const char *path, Error *e);
int mount_journal_remove(int root, Error *e);
