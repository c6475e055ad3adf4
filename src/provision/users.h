#pragma once
/* Users and groups of the root: looked up in its own files, made by its distribution's tools (useradd and its
 * kin on PATH, with --root), their ssh keys written with their own rights. */
#include "base/arena.h"
#include "base/command.h"
#include "base/error.h"
#include "ignition/config.h"
#include "provision/files_apply.h"
#include "provision/stage.h"
#include "system/user_db.h"

/* The command that makes it as declared; false: nothing to do. Strings live in the arena. */
bool user_command(Arena *a, const char *root_path, const IgnUser *u, bool exists, StringList *ret);
bool group_command(Arena *a, const char *root_path, const IgnGroup *g, bool exists, StringList *ret);

typedef struct UsersOptions {
    bool keys_fragment; /* ~/.ssh/authorized_keys.d/ignition, or ~/.ssh/authorized_keys */
    const FilesHooks *hooks;
    StringList *relabel; /* gets the paths that changed, in the arena */
} UsersOptions;
/* Groups first, then users, each with home, password and keys. */
int users_apply(const StageContext *c, const UsersOptions *o, Error *e);
