/* Directories that are missing are made by the user, too, and are private. */
#include "system/authorized_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>

#include "base/buf.h"
#include "base/file.h"

const char *authorized_keys_path(Arena *a, const char *home, bool fragment)
{
    if (*home != '/')
        home = "/";
    return arena_printf(a, "%s/.ssh/%s", strcmp(home, "/") == 0 ? "" : home,
                        fragment ? "authorized_keys.d/ignition" : "authorized_keys");
}

int authorized_keys_fragment(bool *ret, Error *e)
{
    const char *value = getenv("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT");
    bool off = value && (!strcmp(value, "false") || !strcmp(value, "0"));
    if (value && *value && !off && strcmp(value, "true") != 0 && strcmp(value, "1") != 0)
        return error_set(e, EINVAL, "IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT=%s is not a boolean", value);
    *ret = !off;
    return 0;
}

const char *authorized_keys_text(Arena *a, const char *const *keys, size_t n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(&b, '\n');
        buf_add_str(&b, keys[i]);
    }
    if (!b.len || b.data[b.len - 1] != '\n')
        buf_add_char(&b, '\n');
    return arena_memdup(a, b.data, b.len);
}

int user_act_begin(const UserEntry *user, UserAct *ret, Error *e)
{
    UserAct was = {.acting = true};
    was.gid = setfsgid(user->gid);
    was.uid = setfsuid(user->uid);
    *ret = was;
    if ((uid_t)setfsuid(-1) == user->uid && (gid_t)setfsgid(-1) == user->gid)
        return 0;
    user_act_end(ret);
    return error_set(e, EPERM, "acting as uid %u gid %u", user->uid, user->gid);
}

void user_act_end(UserAct *a)
{
    if (!a->acting)
        return;
    (void)setfsuid(a->uid);
    (void)setfsgid(a->gid);
    a->acting = false;
}

/* Opens the directory by its path in the root; missing components are made by whoever the thread acts as. */
static int directory_make_private(int root, const char *path)
{
    _cleanup_free_ char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    int fd = root_openat(root, "/", O_PATH | O_DIRECTORY, 0);
    for (char *p = copy; fd >= 0;) {
        p += strspn(p, "/");
        if (!*p)
            break;
        p += strcspn(p, "/");
        char kept = *p;
        *p = '\0';
        int next = root_openat(root, copy, O_PATH | O_DIRECTORY, 0);
        if (next == -ENOENT) {
            const char *name = strrchr(copy, '/') + 1;
            next = mkdirat(fd, name, 0700) < 0 ? -errno : root_openat(root, copy, O_PATH | O_DIRECTORY, 0);
        }
        close(fd);
        fd = next;
        *p = kept;
    }
    return fd;
}

static int write_as(int root, const char *path, const char *text, Error *e)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *dir_path = strndup(path, slash - path);
    if (!dir_path)
        return -ENOMEM;
    _cleanup_close_ int made = directory_make_private(root, dir_path);
    if (made < 0)
        return error_errno(e, made, "making %s", dir_path);
    _cleanup_close_ int dir = openat(made, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = dir < 0
                ? -errno
                : file_write_at(dir, slash + 1, text, strlen(text), FILE_WRITE(.mode = 0600, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s", path) : 0;
}

int authorized_keys_write(int root, const UserEntry *user, const char *path, const char *text, Error *e)
{
    _cleanup_user_act_ UserAct act = {0};
    int r = user_act_begin(user, &act, e);
    return r < 0 ? r : write_as(root, path, text, e);
}
