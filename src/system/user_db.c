/* Both files are lines of fields between colons; a reader takes one line apart and puts its record into a
 * map. Refused lines: too few or too many fields, an empty name, one that starts with '+' or '-' (directives
 * for NSS, no names), ids that are no plain decimal number below 2^32 - 1 (that one means "leave as it is" to
 * chown). */
#include "system/user_db.h"

#include <string.h>

#include "base/file.h"

enum { FIELDS_MAX = 7 };

/* The number of fields, or 0 when there are more than FIELDS_MAX. */
static size_t split_fields(char *line, char *fields[static FIELDS_MAX])
{
    size_t n = 0;
    for (char *p = line; p;) {
        if (n == FIELDS_MAX)
            return 0;
        fields[n++] = p;
        p = strchr(p, ':');
        if (p)
            *p++ = '\0';
    }
    return n;
}

static bool parse_id(const char *text, uint32_t *ret)
{
    uint64_t v = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
        if (v >= UINT32_MAX)
            return false;
    }
    *ret = (uint32_t)v;
    return true;
}

static bool is_name(const char *name)
{
    return *name && *name != '+' && *name != '-' && *name != '#';
}

static void add_user(Arena *a, UserDb *db, char *fields[static FIELDS_MAX], size_t n)
{
    UserRecord u = {.name = fields[0]};
    if (n != 7 || !is_name(u.name) || !parse_id(fields[2], &u.uid) || !parse_id(fields[3], &u.gid))
        return;
    u.home = fields[5];
    u.shell = fields[6];
    UserRecord *kept = ARENA_NEW(a, UserRecord);
    *kept = u;
    map_put_new(&db->users, kept->name, kept, NULL);
}

static void add_group(Arena *a, UserDb *db, char *fields[static FIELDS_MAX], size_t n)
{
    GroupRecord g = {.name = fields[0]};
    if (n != 4 || !is_name(g.name) || !parse_id(fields[2], &g.gid))
        return;
    GroupRecord *kept = ARENA_NEW(a, GroupRecord);
    *kept = g;
    map_put_new(&db->groups, kept->name, kept, NULL);
}

typedef void (*AddRecord)(Arena *a, UserDb *db, char *fields[static FIELDS_MAX], size_t n);

static void add_lines(Arena *a, UserDb *db, const char *text, size_t size, AddRecord add)
{
    char *copy = arena_memdup(a, text, size);
    for (char *line = copy; line < copy + size;) {
        char *end = memchr(line, '\n', (size_t)(copy + size - line));
        if (!end)
            end = copy + size;
        *end = '\0';
        char *fields[FIELDS_MAX];
        size_t n = strlen(line) == (size_t)(end - line) ? split_fields(line, fields) : 0;
        if (n > 0)
            add(a, db, fields, n);
        line = end + 1;
    }
}

void user_db_add_passwd(Arena *a, UserDb *db, const char *text, size_t n)
{
    add_lines(a, db, text, n, add_user);
}

void user_db_add_group(Arena *a, UserDb *db, const char *text, size_t n)
{
    add_lines(a, db, text, n, add_group);
}

void user_db_done(UserDb *db)
{
    map_done(&db->users);
    map_done(&db->groups);
}

static const struct {
    const char *path;
    AddRecord add;
} files[] = {{"/etc/passwd", add_user}, {"/etc/group", add_group}};

int user_db_load(Arena *a, int root, UserDb *ret, Error *e)
{
    UserDb db = {.users = MAP_INIT, .groups = MAP_INIT};
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        int r = root_read(root, files[i].path, USER_DB_FILE_MAX, &text);
        if (r < 0 && r != -ENOENT) {
            user_db_done(&db);
            return error_errno(e, r, "cannot read %s", files[i].path);
        }
        if (text.len)
            add_lines(a, &db, text.data, text.len, files[i].add);
    }
    *ret = db;
    return 0;
}

const UserRecord *user_db_user(const UserDb *db, const char *name)
{
    return map_get(&db->users, name);
}

const GroupRecord *user_db_group(const UserDb *db, const char *name)
{
    return map_get(&db->groups, name);
}

static int load_everywhere(int root, Arena *a, UserDb *ret, Error *e)
{
    int r = user_db_load(a, root, ret, e);
    if (r < 0)
        return r;
    _cleanup_buf_ Buf passwd = BUF_INIT, group = BUF_INIT;
    r = root_read(root, "/usr/lib/passwd", USER_DB_FILE_MAX, &passwd);
    if (r >= 0 || r == -ENOENT)
        r = root_read(root, "/usr/lib/group", USER_DB_FILE_MAX, &group);
    if (r < 0 && r != -ENOENT)
        return error_errno(e, r, "the accounts in /usr/lib of the root");
    user_db_add_passwd(a, ret, passwd.data ? passwd.data : "", passwd.len);
    user_db_add_group(a, ret, group.data ? group.data : "", group.len);
    return 0;
}

int user_find(int root, Arena *a, const char *name, UserEntry *ret, Error *e)
{
    _cleanup_user_db_ UserDb db = {0};
    int r = load_everywhere(root, a, &db, e);
    if (r < 0)
        return r;
    const UserRecord *u = user_db_user(&db, name);
    if (u)
        *ret = (UserEntry){.name = u->name, .home = u->home, .uid = u->uid, .gid = u->gid};
    return u != NULL;
}

int group_find(int root, Arena *a, const char *name, UserEntry *ret, Error *e)
{
    _cleanup_user_db_ UserDb db = {0};
    int r = load_everywhere(root, a, &db, e);
    if (r < 0)
        return r;
    const GroupRecord *g = user_db_group(&db, name);
    if (g)
        *ret = (UserEntry){.name = g->name, .gid = g->gid};
    return g != NULL;
}
