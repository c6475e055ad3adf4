/* Groups, then users, in the order of the config: make or change or delete; give the home directories that
 * the mount stage made to their owner; set the password; write the ssh keys.
 *
 * The tools are the authority on passwd, group and shadow files; this file only decides which one is called
 * with what. The keys are written with the file system ids of the user, so that a home the user controls
 * gives access to nothing that the user could not reach; directories 0700, the file 0600 and whole. */
#include "provision/users.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "system/authorized_keys.h"

#define KEYS_MESSAGE_ID "225067b87bbd4a0cb6ab151f82fa364b"

/* ---- commands ---- */

static void add(StringList *l, const char *option, const char *value)
{
    string_list_add(l, option);
    if (value)
        string_list_add(l, value);
}

static void add_if_set(StringList *l, const char *option, const char *value)
{
    if (value && *value)
        add(l, option, value);
}

static void add_if_true(StringList *l, const char *option, OptBool b)
{
    if (b == BOOL_TRUE)
        add(l, option, NULL);
}

static const char *joined(Arena *a, const IgnList *list, const char *between)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            buf_add_str(&b, between);
        buf_add_str(&b, IGN_STRING_AT(*list, i));
    }
    return arena_strdup(a, b.data ? b.data : "");
}

/* An empty hash must not mean "no password needed". */
static const char *password_or_locked(const char *hash)
{
    return hash && *hash ? hash : "*";
}

bool user_command(Arena *a, const char *root_path, const IgnUser *u, bool exists, StringList *l)
{
    if (u->should_exist == BOOL_FALSE) {
        if (!exists)
            return false;
        add(l, "userdel", "--remove");
        add(l, "--root", root_path);
        add(l, u->name, NULL);
        return true;
    }
    add(l, exists ? "usermod" : "useradd", "--root");
    add(l, root_path, NULL);
    if (exists) {
        if (u->home_dir && *u->home_dir) {
            add(l, "--home", u->home_dir);
            add(l, "--move-home", NULL);
        }
    } else {
        add_if_set(l, "--home-dir", u->home_dir);
        add(l, u->no_create_home == BOOL_TRUE ? "--no-create-home" : "--create-home", NULL);
        add_if_true(l, "--no-user-group", u->no_user_group);
        add_if_true(l, "--system", u->system);
        add_if_true(l, "--no-log-init", u->no_log_init);
    }
    if (u->password_hash || !exists)
        add(l, "--password", password_or_locked(u->password_hash));
    if (u->uid.set)
        add(l, "--uid", arena_printf(a, "%" PRIi64, u->uid.value));
    add_if_set(l, "--comment", u->gecos);
    add_if_set(l, "--gid", u->primary_group);
    if (u->groups.n)
        add(l, "--groups", joined(a, &u->groups, ","));
    add_if_set(l, "--shell", u->shell);
    add(l, u->name, NULL);
    return true;
}

bool group_command(Arena *a, const char *root_path, const IgnGroup *g, bool exists, StringList *l)
{
    if (g->should_exist == BOOL_FALSE) {
        if (!exists)
            return false;
        add(l, "groupdel", "--root");
        add(l, root_path, g->name);
        return true;
    }
    add(l, exists ? "groupmod" : "groupadd", "--root");
    add(l, root_path, NULL);
    if (g->gid.set)
        add(l, "--gid", arena_printf(a, "%" PRIi64, g->gid.value));
    add_if_set(l, "--password", g->password_hash);
    if (!exists)
        add_if_true(l, "--system", g->system);
    add(l, g->name, NULL);
    return true;
}

static int step(const UsersOptions *o, const char *what)
{
    return o->hooks ? o->hooks->step(o->hooks->context, what) : 0;
}

static int run(const UsersOptions *o, StringList *l, Error *e)
{
    int r = step(o, l->items[0]);
    if (r < 0)
        return r;
    string_list_add(l, NULL);
    _cleanup_buf_ Buf output = BUF_INIT;
    r = process_run(&(ProcessRun){.argv = l->items, .output = &output}, e);
    return r > 0 ? -EIO : r;
}

/* ---- one group, one user ---- */

static int failed(int r, const char *what, const char *name, const Node *at, Error *e)
{
    if (e && !e->code)
        error_errno(e, r, "interrupted");
    error_wrap(e, r, "%s \"%s\"", what, name);
    return at && at->source && at->line ? error_wrap(e, r, "%s:%u:%u", at->source->name, at->line, at->column)
                                        : r;
}

static int group_ensure(const StageContext *c, const UsersOptions *o, const IgnGroup *g, Error *e)
{
    UserEntry there;
    _cleanup_(string_list_done)
    StringList l = {0};
    int r = group_find(c->root, c->arena, g->name, &there, e);
    if (r >= 0 && group_command(c->arena, c->root_path, g, r > 0, &l))
        r = run(o, &l, e);
    return r < 0 ? failed(r, "group", g->name, g->node, e) : 0;
}

/* Home directories, and what lies in them, that were made as mount points. */
static int homes_give(const StageContext *c, const UserEntry *u, Error *e)
{
    size_t n = strlen(u->home);
    for (size_t i = 0; i < c->state->n_notated_directories; i++) {
        const char *dir = c->state->notated_directories[i];
        if (strncmp(dir, u->home, n) != 0 || (dir[n] && dir[n] != '/'))
            continue;
        _cleanup_close_ int fd = root_openat(c->root, dir, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
            return error_errno(e, fd, "%s", dir);
        if (fchown(fd, u->uid, u->gid) < 0 || fchmod(fd, 0700) < 0)
            return error_errno(e, -errno, "giving %s to %s", dir, u->name);
    }
    return 0;
}

static int password_set(const StageContext *c, const UsersOptions *o, const IgnUser *u, Error *e)
{
    if (!u->password_hash)
        return 0;
    _cleanup_(string_list_done)
    StringList l = {0};
    add(&l, "usermod", "--root");
    add(&l, c->root_path, "--password");
    add(&l, password_or_locked(u->password_hash), u->name);
    return run(o, &l, e);
}

/* ---- ssh keys ---- */

static int keys_write(const StageContext *c, const UsersOptions *o, const IgnUser *u, const UserEntry *there,
                      Error *e)
{
    if (!u->ssh_authorized_keys.n)
        return 0;
    const char *path = authorized_keys_path(c->arena, there->home, o->keys_fragment);
    const char *text = authorized_keys_text(c->arena, u->ssh_authorized_keys.items, u->ssh_authorized_keys.n);
    int r = step(o, "ssh keys");
    if (r >= 0)
        r = authorized_keys_write(c->root, there, path, text, e);
    if (r < 0)
        return r;
    const char *where = arena_printf(c->arena, "%s%s", c->root_path, path);
    const LogField fields[] = {{"MESSAGE_ID", KEYS_MESSAGE_ID},
                               {"IGNITION_USER_NAME", u->name},
                               {"IGNITION_PATH", where},
                               {NULL, NULL}};
    log_structured(LOG_LEVEL_INFO, fields, "wrote ssh authorized keys file for user: %s", u->name);
    return 0;
}

static int user_ensure(const StageContext *c, const UsersOptions *o, const IgnUser *u, Error *e)
{
    UserEntry there;
    _cleanup_(string_list_done)
    StringList l = {0};
    int r = user_find(c->root, c->arena, u->name, &there, e);
    if (r >= 0 && user_command(c->arena, c->root_path, u, r > 0, &l))
        r = run(o, &l, e);
    if (r < 0)
        return failed(r, "user", u->name, u->node, e);
    if (u->should_exist == BOOL_FALSE)
        return 0;
    r = user_find(c->root, c->arena, u->name, &there, e);
    if (r == 0 && (u->ssh_authorized_keys.n || u->no_create_home != BOOL_TRUE))
        r = error_set(e, ENOENT, "the tools did not make it");
    else if (r > 0 && u->no_create_home != BOOL_TRUE)
        r = homes_give(c, &there, e);
    if (r >= 0)
        r = password_set(c, o, u, e);
    if (r >= 0 && u->ssh_authorized_keys.n)
        r = keys_write(c, o, u, &there, e);
    if (r < 0)
        return failed(r, "user", u->name, u->node, e);
    if (u->no_create_home != BOOL_TRUE)
        string_list_add(o->relabel, there.home);
    return 0;
}

/* The databases and what the tools leave beside them. */
static int relabel_databases(const StageContext *c, const UsersOptions *o, Error *e)
{
    static const char *const prefixes[] = {"passwd", "group",  "shadow",   "gshadow",
                                           "subuid", "subgid", ".pwd.lock"};
    int fd = root_openat(c->root, "/etc", O_RDONLY | O_DIRECTORY, 0);
    if (fd == -ENOENT)
        return 0;
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return error_errno(e, fd < 0 ? fd : -errno, "reading /etc of the root");
    for (struct dirent *entry; (entry = readdir(d));)
        for (size_t i = 0; i < ELEMENTS(prefixes); i++)
            if (strncmp(entry->d_name, prefixes[i], strlen(prefixes[i])) == 0) {
                string_list_add(o->relabel, arena_printf(c->arena, "/etc/%s", entry->d_name));
                break;
            }
    return 0;
}

int users_apply(const StageContext *c, const UsersOptions *o, Error *e)
{
    const IgnPasswd *p = &c->config->passwd;
    IGN_EACH (IgnGroup, g, p->groups) {
        int r = group_ensure(c, o, g, e);
        if (r < 0)
            return r;
    }
    IGN_EACH (IgnUser, u, p->users) {
        int r = user_ensure(c, o, u, e);
        if (r < 0)
            return r;
    }
    return p->groups.n || p->users.n ? relabel_databases(c, o, e) : 0;
}
