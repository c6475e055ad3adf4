/* One line is "36 35 98:0 /sub /mnt rw,noatime shared:1 - ext3 /dev/root rw": fixed fields, then optional
 * ones up to a lone dash. Whose filesystem a mount is tells its device number, except where the filesystem
 * has numbers of its own (btrfs: major 0); there it is the source, looked up. */
#include "system/mount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"

enum { MOUNTINFO_MAX = 64 << 20, FIXED_FIELDS = 6 };

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

static char *unescaped(Arena *a, const char *s, size_t n)
{
    char *out = arena_memdup(a, s, n), *to = out;

    for (const char *p = out; *p; p++) {
        if (*p == '\\' && is_octal(p[1]) && is_octal(p[2]) && is_octal(p[3])) {
            *to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            p += 3;
        } else
            *to++ = *p;
    }
    *to = '\0';
    return out;
}

/* The next field of a line that ends at `end`; NULL: there is none. */
static char *field(Arena *a, const char **p, const char *end)
{
    const char *start = *p;

    while (start < end && *start == ' ')
        start++;
    const char *stop = start;
    while (stop < end && *stop != ' ')
        stop++;
    *p = stop;
    return stop > start ? unescaped(a, start, (size_t)(stop - start)) : NULL;
}

static bool parse_line(Arena *a, const char *line, const char *end, MountEntry *ret)
{
    char *fixed[FIXED_FIELDS];
    unsigned major, minor;
    unsigned long long id, parent;

    for (size_t i = 0; i < FIXED_FIELDS; i++)
        if (!(fixed[i] = field(a, &line, end)))
            return false;
    char *f = field(a, &line, end);
    while (f && strcmp(f, "-") != 0)
        f = field(a, &line, end);
    char *type = f ? field(a, &line, end) : NULL, *source = type ? field(a, &line, end) : NULL;
    if (!type || sscanf(fixed[0], "%llu", &id) != 1 || sscanf(fixed[1], "%llu", &parent) != 1 ||
        sscanf(fixed[2], "%u:%u", &major, &minor) != 2)
        return false;
    *ret = (MountEntry){
        .id = id,
        .parent = parent,
        .device = makedev(major, minor),
        .root = fixed[3],
        .point = fixed[4],
        .type = type,
        .source = source ? source : "",
    };
    return true;
}

int mount_table_parse(Arena *a, const char *text, MountTable *ret, Error *e)
{
    size_t lines = 1;

    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    MountTable t = {.entries = ARENA_ARRAY(a, MountEntry, lines)};
    for (const char *line = text; *line;) {
        const char *end = strchrnul(line, '\n');
        if (end > line && !parse_line(a, line, end, &t.entries[t.n++]))
            return error_set(e, EBADMSG, "line %zu of the table of mounts cannot be read", t.n);
        line = *end ? end + 1 : end;
    }
    *ret = t;
    return 0;
}

int mount_table_read(Arena *a, MountTable *ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, e);

    return r < 0 ? r : mount_table_parse(a, text.data ? text.data : "", ret, e);
}

const MountEntry *mount_table_find(const MountTable *t, uint64_t id)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->entries[i].id == id)
            return &t->entries[i];
    return NULL;
}

bool mount_entry_is_of(const MountEntry *m, dev_t device)
{
    struct stat st;

    if (m->device == device)
        return true;
    return major(m->device) == 0 && m->source[0] == '/' && stat(m->source, &st) == 0 && S_ISBLK(st.st_mode) &&
           st.st_rdev == device;
}

int mount_of_fd(int fd, uint64_t *ret_id, bool *ret_top)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0)
        return -errno;
    if (!(st.stx_mask & STATX_MNT_ID) || !(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
        return -EOPNOTSUPP; /* Linux before 5.8 */
    *ret_id = st.stx_mnt_id;
    *ret_top = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
    return 0;
}
