/* Saved files are hard links where the file system lets them be: nothing is written in place, so the former
 * inode with all that belongs to it stays what it was; else copies. Each change goes by a temporary name in
 * the directory of the target, ".mcd-" and its number in the journal, so that undoing knows what may lie
 * there. Undoing starts with what was not there before, which makes room on a full disk, and ends with the
 * directories that were made. Paths of a user are opened, saved and written with the rights of that user.
 *
 *   {"journal": 1, "note": {…}, "records": [{"path": "/etc/x", "before": "file", "made": ["/etc"], "uid":
 * 1000, "gid": 1000}, {"path": "/etc/l", "before": "link", "target": "/dev/null"}, …]}
 */
#include "daemon/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/map.h"
#include "base/tree_copy.h"
#include "format/json.h"
#include "system/authorized_keys.h"

enum {
    JOURNAL_MAX = 16 << 20,
    SAVED_AS_USER_MAX = 1 << 20,
    LINK_MAX = 4096,
    LABEL_MAX = 4096,
    DIR_MODE = 0755,
    PRIVATE_MODE = 0700
};

static int step(const Transaction *t, const char *what, Error *e)
{
    int r = t->hooks ? t->hooks->step(t->hooks->context, what) : 0;
    return r < 0 ? error_errno(e, r, "interrupted") : 0;
}

/* ---- a path and whose rights it is reached with ---- */

typedef struct Place {
    int dir;
    char *name;
    char temp[32];
    UserAct act;
} Place;
#define PLACE_INIT ((Place){.dir = -EBADF})

static void place_done(Place *p)
{
    closep(&p->dir);
    free(p->name);
    user_act_end(&p->act);
}
#define _cleanup_place_ _cleanup_(place_done)

/* Until place_done() the thread has the rights of `as`. -ENOENT: its directory is not there. */
static int place_open(const Transaction *t, const char *path, size_t i, const UserEntry *as, Place *p,
                      Error *e)
{
    int r = as ? user_act_begin(as, &p->act, e) : 0;
    if (r < 0)
        return r;
    p->dir = root_open_parent(t->root, path, false, 0, &p->name);
    if (p->dir < 0)
        return p->dir;
    snprintf(p->temp, sizeof(p->temp), ".mcd-%zu", i);
    return 0;
}

static int undo_open(const Transaction *t)
{
    return root_openat(t->root, TRANSACTION_UNDO, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

/* ---- saving ---- */

/* Directories above `path` that are not there, topmost first. */
static int missing_parents(const Transaction *t, const char *path, Node *record, Error *e)
{
    char *copy = arena_strdup(t->arena, path);
    Node *made = NULL;
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        _cleanup_close_ int fd = root_openat(t->root, copy, O_PATH | O_DIRECTORY, 0);
        if (fd < 0 && fd != -ENOENT)
            return error_errno(e, fd, "%s, above %s", copy, path);
        if (fd < 0) {
            made = made ? made : node_set(t->arena, record, "made", node_new(t->arena, NODE_ARRAY));
            node_append(made, node_new_string(t->arena, copy));
        }
        *slash = '/';
    }
    return 0;
}

static int save_link(const Transaction *t, const Place *p, Node *record)
{
    char target[LINK_MAX];
    ssize_t n = readlinkat(p->dir, p->name, target, sizeof(target));
    if (n < 0 || (size_t)n == sizeof(target))
        return n < 0 ? -errno : -ENAMETOOLONG;
    node_set_string(t->arena, record, "before", "link");
    node_set(t->arena, record, "target", node_new_string_n(t->arena, target, (size_t)n));
    return 0;
}

static int times_set(int dir, const char *name, const struct stat *as)
{
    const struct timespec times[] = {as->st_atim, as->st_mtim};
    return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* What the user can read, copied with the rights of this process; it must be the user's, to be the same when
 * the user has made it again. */
static int save_as_user(Place *p, const UserEntry *as, int undo, const char *name, Error *e)
{
    _cleanup_buf_ Buf bytes = BUF_INIT;
    _cleanup_close_ int fd = openat(p->dir, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    user_act_end(&p->act);
    if (r < 0)
        return r;
    if (st.st_uid != as->uid)
        return error_set(e, EPERM, "it belongs to uid %u, not to %s", st.st_uid, as->name);
    r = file_read_fd(fd, SAVED_AS_USER_MAX, &bytes);
    if (r >= 0)
        r = file_write_at(undo, name, bytes.data ? bytes.data : "", bytes.len,
                          FILE_WRITE(.mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid));
    return r < 0 ? r : times_set(undo, name, &st);
}

static int save_file(const Place *p, int undo, const char *name)
{
    if (linkat(p->dir, p->name, undo, name, 0) == 0)
        return 0;
    if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
        return -errno;
    _cleanup_tree_copier_ TreeCopier *c = tree_copier_new();
    return tree_copy_one(c, p->dir, p->name, undo, name, true);
}

static int save(const Transaction *t, const RootChange *c, size_t i, int undo, Node *record, Error *e)
{
    _cleanup_place_ Place p = PLACE_INIT;
    struct stat st;
    char name[32];
    snprintf(name, sizeof(name), "%zu", i);
    int r = place_open(t, c->path, i, c->as, &p, e);
    if (r >= 0)
        r = fstatat(p.dir, p.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    if (r == -ENOENT) {
        node_set_string(t->arena, record, "before", "absent");
        return 0;
    }
    if (r < 0)
        return e && e->code ? r : error_errno(e, r, "looking at it");
    if (S_ISDIR(st.st_mode))
        return error_set(e, EISDIR, "a directory is in the way");
    if (S_ISLNK(st.st_mode)) {
        r = save_link(t, &p, record);
    } else if (S_ISREG(st.st_mode)) {
        node_set_string(t->arena, record, "before", "file");
        r = c->as ? save_as_user(&p, c->as, undo, name, e) : save_file(&p, undo, name);
    } else {
        return error_set(e, EEXIST, "something that is no file is in the way");
    }
    return r < 0 && !(e && e->code) ? error_errno(e, r, "saving what is there") : r;
}

/* ---- the journal ---- */

static int journal_write(const Transaction *t, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *n = node_new(t->arena, NODE_OBJECT);
    int r = step(t, "journal", e);
    if (r < 0)
        return r;
    node_set(t->arena, n, "journal", node_new_int(t->arena, 1));
    node_set(t->arena, n, "note", node_copy(t->arena, t->note));
    node_set(t->arena, n, "records", node_copy(t->arena, t->records));
    json_write(n, JSON_COMPACT, &text);
    r = root_write(t->root, TRANSACTION_JOURNAL, text.data, text.len, FILE_WRITE(.mode = 0600, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s", TRANSACTION_JOURNAL) : 0;
}

static int remove_undo(const Transaction *t)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(t->root, TRANSACTION_UNDO, false, 0, &name);
    int r = dir < 0 ? dir : tree_remove_at(dir, name);
    return r == -ENOENT ? 0 : r;
}

static int make_undo(const Transaction *t, Error *e)
{
    _cleanup_free_ char *name = NULL;
    int r = remove_undo(t);
    _cleanup_close_ int dir = root_open_parent(t->root, TRANSACTION_UNDO, true, DIR_MODE, &name);
    if (r >= 0)
        r = dir < 0 ? dir : mkdirat(dir, name, PRIVATE_MODE) < 0 ? -errno : undo_open(t);
    return r < 0 ? error_errno(e, r, "making %s", TRANSACTION_UNDO) : r;
}

static int save_all(Transaction *t, const RootChange *changes, size_t n, Error *e)
{
    int r = step(t, "save", e);
    if (r < 0)
        return r;
    _cleanup_close_ int undo = make_undo(t, e);
    r = undo;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        const RootChange *c = &changes[i];
        Node *record = node_append(t->records, node_new(t->arena, NODE_OBJECT));
        node_set_string(t->arena, record, "path", c->path);
        if (c->as) {
            node_set(t->arena, record, "uid", node_new_int(t->arena, c->as->uid));
            node_set(t->arena, record, "gid", node_new_int(t->arena, c->as->gid));
        }
        r = missing_parents(t, c->path, record, e);
        if (r >= 0)
            r = save(t, c, i, undo, record, e);
        if (r < 0)
            return error_wrap(e, r, "%s", c->path);
    }
    if (r >= 0 && syncfs(undo) < 0)
        r = error_errno(e, -errno, "%s", TRANSACTION_UNDO);
    return r < 0 ? r : 0;
}

int transaction_begin(Transaction *t, const RootChange *changes, size_t n, Error *e)
{
    _cleanup_map_ Map paths = MAP_INIT;
    for (size_t i = 0; i < n; i++)
        if (!map_put_new(&paths, changes[i].path, t, NULL))
            return error_set(e, EINVAL, "two changes of %s", changes[i].path);
    t->records = node_new(t->arena, NODE_ARRAY);
    int r = save_all(t, changes, n, e);
    if (r >= 0)
        r = journal_write(t, e);
    if (r < 0)
        (void)remove_undo(t);
    return r;
}

int transaction_note(Transaction *t, Error *e)
{
    return journal_write(t, e);
}

/* ---- making changes ---- */

static int make_parents(const Transaction *t, const RootChange *c, const Node *record, Error *e)
{
    const Node *made = node_get(record, "made");
    if (!made || c->kind == ROOT_REMOVE)
        return 0;
    int r = step(t, "parents", e);
    _cleanup_user_act_ UserAct act = {0};
    if (r >= 0 && c->as)
        r = user_act_begin(c->as, &act, e);
    NODE_EACH (n, made) {
        _cleanup_free_ char *name = NULL;
        if (r < 0)
            return r;
        _cleanup_close_ int dir = root_open_parent(t->root, n->string, false, 0, &name);
        if (dir < 0 || (mkdirat(dir, name, c->as ? PRIVATE_MODE : DIR_MODE) < 0 && errno != EEXIST))
            return error_errno(e, dir < 0 ? dir : -errno, "making %s", n->string);
        r = dir_sync(dir);
    }
    return r;
}

/* What is written in the place of a file is labelled as that was; what is new, as its directory has it. Best
 * effort: where labels count, a process that may write there may give them. */
static void label_keep(const Place *p, int fd)
{
    char label[LABEL_MAX];
    _cleanup_close_ int old = openat(p->dir, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = old < 0 ? -1 : fgetxattr(old, "security.selinux", label, sizeof(label));
    if (n > 0)
        (void)fsetxattr(fd, "security.selinux", label, (size_t)n, 0);
}

static int temp_write(const Place *p, const RootChange *c)
{
    _cleanup_close_ int fd =
        openat(p->dir, p->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : file_write_fd(fd, c->data, c->len);
    if (r >= 0 && !c->as && fchown(fd, c->uid, c->gid) < 0)
        r = -errno;
    if (r >= 0)
        label_keep(p, fd);
    if (r >= 0 && (fchmod(fd, c->mode) < 0 || fsync(fd) < 0))
        r = -errno;
    return r;
}

static int temp_sync(const Place *p)
{
    _cleanup_close_ int fd = openat(p->dir, p->temp, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fsync(fd) < 0 ? -errno : 0; /* a link cannot be opened: its directory is synced */
}

static int temp_copy(const Transaction *t, const Place *p, const char *from)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(t->root, from, false, 0, &name);
    _cleanup_tree_copier_ TreeCopier *c = tree_copier_new();
    int r = dir < 0 ? dir : tree_copy_one(c, dir, name, p->dir, p->temp, true);
    return r < 0 ? r : temp_sync(p);
}

/* The temporary name gets the place of the real one. */
static int temp_take_place(const Transaction *t, const Place *p, Error *e)
{
    int r = step(t, "rename", e);
    if (r < 0)
        return r;
    if (renameat(p->dir, p->temp, p->dir, p->name) < 0)
        return error_errno(e, -errno, "putting it in its place");
    r = dir_sync(p->dir);
    return r < 0 ? error_errno(e, r, "syncing its directory") : 0;
}

static int remove_now(const Transaction *t, const Place *p, Error *e)
{
    int r = step(t, "remove", e);
    if (r >= 0 && unlinkat(p->dir, p->name, 0) < 0 && errno != ENOENT)
        r = error_errno(e, -errno, "removing it");
    return r < 0 ? r : dir_sync(p->dir);
}

static int change(const Transaction *t, const RootChange *c, size_t i, const Node *record, Error *e)
{
    _cleanup_place_ Place p = PLACE_INIT;
    int r = make_parents(t, c, record, e);
    if (r >= 0) {
        r = place_open(t, c->path, i, c->as, &p, e);
        if (r == -ENOENT && c->kind == ROOT_REMOVE)
            return 0;
        if (r < 0)
            return e && e->code ? r : error_errno(e, r, "opening its directory");
    }
    if (r < 0 || c->kind == ROOT_REMOVE)
        return r < 0 ? r : remove_now(t, &p, e);
    r = step(t, "temporary file", e);
    if (r < 0)
        return r;
    (void)unlinkat(p.dir, p.temp, 0);
    r = c->kind == ROOT_WRITE                     ? temp_write(&p, c)
        : c->kind == ROOT_COPY                    ? temp_copy(t, &p, c->target)
        : symlinkat(c->target, p.dir, p.temp) < 0 ? -errno
                                                  : 0;
    if (r < 0)
        return error_errno(e, r, "writing");
    return temp_take_place(t, &p, e);
}

int transaction_run(Transaction *t, const RootChange *changes, size_t n, Error *e)
{
    const Node *record = t->records->first;
    for (size_t i = 0; i < n; i++, record = record->next) {
        int r = change(t, &changes[i], i, record, e);
        if (r < 0)
            return error_wrap(e, r, "%s", changes[i].path);
    }
    return 0;
}

int transaction_commit(Transaction *t, Error *e)
{
    _cleanup_free_ char *name = NULL;
    int r = step(t, "commit", e);
    if (r < 0)
        return r;
    _cleanup_close_ int dir = root_open_parent(t->root, TRANSACTION_JOURNAL, false, 0, &name);
    r = dir < 0 ? dir : unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : dir_sync(dir);
    if (r < 0)
        return error_errno(e, r, "removing %s", TRANSACTION_JOURNAL);
    r = step(t, "clean up", e);
    if (r >= 0)
        (void)remove_undo(t); /* else the next one does it */
    return 0;
}

/* ---- undoing ---- */

static const char *before(const Node *record)
{
    const char *b = node_string(node_get(record, "before"));
    return b ? b : "absent";
}

/* The account behind a record; NULL: root. */
static const UserEntry *record_user(const Node *record, UserEntry *to)
{
    int64_t uid, gid;
    if (node_int(node_get(record, "uid"), &uid) < 0 || node_int(node_get(record, "gid"), &gid) < 0)
        return NULL;
    *to = (UserEntry){.name = "the user", .uid = (uid_t)uid, .gid = (gid_t)gid};
    return to;
}

static int restore_as_user(const Place *p, const Buf *bytes, const struct stat *st)
{
    RootChange c = {.data = bytes->data ? bytes->data : "", .len = bytes->len, .mode = st->st_mode & 07777};
    c.as = &(UserEntry){.uid = st->st_uid};
    int r = temp_write(p, &c);
    return r < 0 ? r : times_set(p->dir, p->temp, st);
}

static bool is_same(int dir, const char *name, int other, const char *other_name)
{
    struct stat a, b;
    return fstatat(dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(other, other_name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* The saved file under the temporary name; 1: it stands in its place already. */
static int restore_temp(const Place *p, int undo, const char *saved)
{
    if (is_same(p->dir, p->name, undo, saved))
        return 1;
    if (linkat(undo, saved, p->dir, p->temp, 0) == 0)
        return 0;
    if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
        return -errno;
    _cleanup_tree_copier_ TreeCopier *c = tree_copier_new();
    int r = tree_copy_one(c, undo, saved, p->dir, p->temp, true);
    return r < 0 ? r : temp_sync(p);
}

static int restore(const Transaction *t, const Node *record, size_t i, int undo, Error *e)
{
    _cleanup_place_ Place p = PLACE_INIT;
    _cleanup_buf_ Buf bytes = BUF_INIT;
    UserEntry account;
    const UserEntry *as = record_user(record, &account);
    struct stat st = {0};
    char saved[32];
    snprintf(saved, sizeof(saved), "%zu", i);
    const char *was = before(record), *target = node_string(node_get(record, "target"));
    if (as && !strcmp(was, "file")) { /* with our rights, before those of the user are taken */
        _cleanup_close_ int fd = openat(undo, saved, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        int k = fd < 0 || fstat(fd, &st) < 0 ? -errno : file_read_fd(fd, SAVED_AS_USER_MAX, &bytes);
        if (k < 0)
            return error_errno(e, k, "reading what was saved");
    }
    int r = place_open(t, node_string(node_get(record, "path")), i, as, &p, e);
    if (r == -ENOENT && !strcmp(was, "absent"))
        return 0;
    if (r < 0)
        return e && e->code ? r : error_errno(e, r, "opening its directory");
    if (unlinkat(p.dir, p.temp, 0) < 0 && errno != ENOENT)
        return error_errno(e, -errno, "removing a temporary file");
    if (!strcmp(was, "absent"))
        return remove_now(t, &p, e);
    r = step(t, "temporary file", e);
    if (r >= 0)
        r = !strcmp(was, "link") ? symlinkat(target ? target : "", p.dir, p.temp) < 0 ? -errno : 0
            : as                 ? restore_as_user(&p, &bytes, &st)
                                 : restore_temp(&p, undo, saved);
    if (r < 0)
        return e && e->code ? r : error_errno(e, r, "restoring it");
    return r > 0 ? 0 : temp_take_place(t, &p, e);
}

static int remove_made(const Transaction *t, const Node *record, Error *e)
{
    const Node *made = node_get(record, "made");
    UserEntry account;
    const UserEntry *as = record_user(record, &account);
    _cleanup_user_act_ UserAct act = {0};
    int r = made ? step(t, "parents", e) : 0;
    if (r >= 0 && made && as)
        r = user_act_begin(as, &act, e);
    for (size_t i = made ? made->n : 0; r >= 0 && i > 0; i--) {
        const Node *n = made->first;
        _cleanup_free_ char *name = NULL;
        for (size_t k = 1; k < i; k++)
            n = n->next;
        _cleanup_close_ int dir = root_open_parent(t->root, n->string, false, 0, &name);
        if (dir >= 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
            errno != EEXIST)
            r = error_errno(e, -errno, "removing %s", n->string);
    }
    return r;
}

/* All that were, or all that were not, absent. A failure of one does not keep the others from it. */
static int restore_all(const Transaction *t, bool absent, int undo, Error *e)
{
    size_t i = 0;
    int failure = 0;
    NODE_EACH (record, t->records) {
        Error own = ERROR_INIT;
        int r = absent == !strcmp(before(record), "absent") ? restore(t, record, i, undo, &own) : 0;
        if (r < 0 && failure >= 0)
            failure = error_set(e, -r, "%s: %s", node_string(node_get(record, "path")), own.text);
        i++;
    }
    return failure;
}

int transaction_undo(Transaction *t, Error *e)
{
    Error own = ERROR_INIT;
    _cleanup_close_ int undo = undo_open(t);
    if (undo < 0)
        return error_errno(e, undo, "%s", TRANSACTION_UNDO);
    int r = restore_all(t, true, undo, &own), k = restore_all(t, false, undo, r < 0 ? NULL : &own);
    r = r < 0 ? r : k;
    NODE_EACH (record, t->records)
        if (r >= 0)
            r = remove_made(t, record, &own);
    return r < 0 ? error_set(e, -r, "going back: %s", own.text) : 0;
}

/* ---- after a start ---- */

static int journal_check(const Node *n, Error *e)
{
    int64_t version;
    const Node *records = node_get(n, "records"), *note = node_get(n, "note");
    bool good = node_int(node_get(n, "journal"), &version) >= 0 && version == 1 && records &&
                records->kind == NODE_ARRAY && note && note->kind == NODE_OBJECT;
    if (good)
        NODE_EACH (r, records) {
            const char *path = node_string(node_get(r, "path"));
            good = good && path && *path == '/';
        }
    return good ? 0 : error_set(e, EBADMSG, "%s is not a journal of this program", TRANSACTION_JOURNAL);
}

int transaction_load(Transaction *t, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    _cleanup_report_ Report report = REPORT_INIT(t->arena);
    Node *n;
    int r = root_read(t->root, TRANSACTION_JOURNAL, JOURNAL_MAX, &text);
    if (r == -ENOENT) {
        r = remove_undo(t);
        return r < 0 ? error_errno(e, r, "removing %s", TRANSACTION_UNDO) : 0;
    }
    if (r < 0)
        return error_errno(e, r, "%s", TRANSACTION_JOURNAL);
    Source *source = ARENA_NEW(t->arena, Source);
    *source = (Source){.name = TRANSACTION_JOURNAL,
                       .text = arena_memdup(t->arena, text.data ? text.data : "", text.len),
                       .len = text.len,
                       .secret = true};
    if (json_read(t->arena, source, SEVERITY_ERROR, &n, &report) < 0)
        return error_set(e, EBADMSG, "%s is not a journal of this program", TRANSACTION_JOURNAL);
    r = journal_check(n, e);
    if (r < 0)
        return r;
    t->note = node_get(n, "note");
    t->records = node_get(n, "records");
    return 1;
}
