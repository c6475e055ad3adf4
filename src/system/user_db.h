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
