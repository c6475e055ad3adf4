#pragma once
/* Users and groups of a root, read from its own /etc/passwd and /etc/group: never by NSS, which would ask the
 * running system. Lines that are malformed are skipped, the first of several equal names counts. A file that
 * is not there is empty; one larger than 16 MiB is refused. */
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/map.h"

#define USER_DB_FILE_MAX ((size_t)16 << 20)

typedef struct UserRecord {
    const char *name, *home, *shell;
    uid_t uid;
    gid_t gid;
} UserRecord;

typedef struct GroupRecord {
    const char *name;
    gid_t gid;
} GroupRecord;

typedef struct UserDb {
    Map users, groups; /* name to record; the records live in the arena */
} UserDb;

#define _cleanup_user_db_ _cleanup_(user_db_done)
void user_db_done(UserDb *db);

int user_db_load(Arena *a, int root, UserDb *ret, Error *e);
void user_db_add_passwd(Arena *a, UserDb *db, const char *text, size_t n);
void user_db_add_group(Arena *a, UserDb *db, const char *text, size_t n);
const UserRecord *user_db_user(const UserDb *db, const char *name);   /* NULL: none */
const GroupRecord *user_db_group(const UserDb *db, const char *name); /* NULL: none */

/* One account or group of a root, wherever the root has them: /etc first, then /usr/lib, where image-based
 * systems keep those of the image. Read anew each time: tools change them in between. */
typedef struct UserEntry {
    const char *name, *home; /* home: users only; in the arena */
    uid_t uid;
    gid_t gid;
} UserEntry;
/* 1 found, 0 no such user. */
int user_find(int root, Arena *a, const char *name, UserEntry *ret, Error *e);
int group_find(int root, Arena *a, const char *name, UserEntry *ret, Error *e);
