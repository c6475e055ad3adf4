#pragma once
/* The file of a user's ssh keys, written with the rights of that user: a home is its user's, who may have put
 * links there, and gets through them nothing that was not the user's before. */
#include "base/arena.h"
#include "base/error.h"
#include "system/user_db.h"

/* HOME/.ssh/authorized_keys.d/ignition, where sshd reads such fragments, else HOME/.ssh/authorized_keys. */
const char *authorized_keys_path(Arena *a, const char *home, bool fragment);
/* Which one, by the environment (IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT). -EINVAL: a value that is no
 * boolean. */
int authorized_keys_fragment(bool *ret, Error *e);
const char *authorized_keys_text(Arena *a, const char *const *keys, size_t n);
/* The file whole, 0600, its directories 0700, all of it on the disk. */
int authorized_keys_write(int root, const UserEntry *user, const char *path, const char *text, Error *e);

/* This thread's rights to files are those of another user until user_act_end(). -EPERM: it may not. For a
 * process without that right which is the user already it does nothing. */
typedef struct UserAct {
    bool acting;
    uid_t uid;
    gid_t gid;
} UserAct;
int user_act_begin(const UserEntry *user, UserAct *ret, Error *e);
void user_act_end(UserAct *a);
#define _cleanup_user_act_ _cleanup_(user_act_end)
