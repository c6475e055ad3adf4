/* One row a kind of name. A row is asked for each block device of sysfs whether it is the one; labels and
 * UUIDs mean reading the device, so those rows come into play only for names that ask for it. Names are
 * unescaped as udev escapes them (\x20). Not done: by-path, and by-id of ATA disks, which need what only udev
 * asks the hardware for. */
#include "system/device_names.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "system/device_wait.h"
#include "system/superblock.h"

enum { SYSFS_VALUE_MAX = 4096 };

/* A device of /sys/class/block that is being asked. */
typedef struct Candidate {
    Arena *a;
    int dir;          /* its directory in sysfs */
    const char *name; /* the kernel's */
} Candidate;

typedef struct NameRow {
    const char *prefix;
    bool (*is)(const Candidate *c, const char *wanted); /* wanted: what follows the prefix, unescaped */
} NameRow;

/* The text without its newline, or NULL. */
static const char *sysfs_value(const Candidate *c, const char *file)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (file_read_at(c->dir, file, SYSFS_VALUE_MAX, &b, NULL) < 0 || !b.len)
        return NULL;
    while (b.len > 0 && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == ' '))
        b.data[--b.len] = '\0';
    return arena_strdup(c->a, b.data + strspn(b.data, " "));
}

static bool value_is(const Candidate *c, const char *file, const char *wanted)
{
    const char *value = sysfs_value(c, file);
    return value && strcmp(value, wanted) == 0;
}

static int candidate_open(const Candidate *c)
{
    const char *number = sysfs_value(c, "dev"), *size = sysfs_value(c, "size"), *node;
    unsigned major, minor;
    if (!number || !size || strcmp(size, "0") == 0 || sscanf(number, "%u:%u", &major, &minor) != 2 ||
        device_node(c->a, major, minor, c->name, &node, NULL) < 0)
        return -ENOENT;
    return open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* ---- rows that read the device ---- */

static bool superblock_of(const Candidate *c, Superblock *ret)
{
    _cleanup_close_ int fd = candidate_open(c);
    return fd >= 0 && superblock_read(c->a, fd, ret, NULL) >= 0 && ret->usage;
}

static bool is_label(const Candidate *c, const char *wanted)
{
    Superblock s;
    return superblock_of(c, &s) && s.label && strcmp(s.label, wanted) == 0 &&
           (strcmp(s.usage, "filesystem") == 0 || strcmp(s.usage, "other") == 0);
}

static bool is_uuid(const Candidate *c, const char *wanted)
{
    Superblock s;
    return superblock_of(c, &s) && s.uuid && strcasecmp(s.uuid, wanted) == 0 && strcmp(s.usage, "raid") != 0;
}

static bool entry_of(const Candidate *c, PartitionEntry *ret)
{
    _cleanup_close_ int fd = sysfs_value(c, "partition") ? candidate_open(c) : -EBADF;
    return fd >= 0 && superblock_partition_entry(c->a, fd, ret, NULL) >= 0;
}

static bool is_partition_label(const Candidate *c, const char *wanted)
{
    PartitionEntry p;
    return entry_of(c, &p) && p.label && strcmp(p.label, wanted) == 0;
}

static bool is_partition_uuid(const Candidate *c, const char *wanted)
{
    PartitionEntry p;
    return entry_of(c, &p) && p.guid && strcasecmp(p.guid, wanted) == 0;
}

/* ---- rows that ask sysfs ---- */

static bool is_dm_name(const Candidate *c, const char *wanted)
{
    return value_is(c, "dm/name", wanted);
}

static bool is_dm_uuid(const Candidate *c, const char *wanted)
{
    return value_is(c, "dm/uuid", wanted);
}

/* Under mdadm without udev only its own map knows the names: "md127 1.2 uuid /dev/md/name". */
static bool is_md_name(const Candidate *c, const char *wanted)
{
    _cleanup_buf_ Buf map = BUF_INIT;
    char *rest, *line;
    if (file_read_at(AT_FDCWD, "/run/mdadm/map", SYSFS_VALUE_MAX * 16, &map, NULL) < 0 || !map.len)
        return false;
    for (line = strtok_r(map.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char device[64], path[256];
        if (sscanf(line, "%63s %*s %*s %255s", device, path) == 2 && strcmp(device, c->name) == 0 &&
            strncmp(path, "/dev/md/", 8) == 0 && strcmp(path + 8, wanted) == 0)
            return true;
    }
    return false;
}

/* The first of these that the whole disk has is its by-id name; partitions add "-part" and their number. */
static bool is_disk_id(const Candidate *c, const char *wanted)
{
    static const struct {
        const char *prefix, *file, *skip, *instead;
    } ids[] = {{"virtio-", "serial", "", ""},        {"nvme-", "wwid", "", ""},
               {"wwn-", "wwid", "naa.", "0x"},       {"wwn-", "device/wwid", "naa.", "0x"},
               {"dm-name-", "dm/name", "", ""},      {"dm-uuid-", "dm/uuid", "", ""},
               {"md-uuid-", "md/array_uuid", "", ""}};
    const char *number = sysfs_value(c, "partition");
    const char *part = number ? arena_printf(c->a, "-part%s", number) : "";

    for (size_t i = 0; i < ELEMENTS(ids); i++) {
        if (strncmp(wanted, ids[i].prefix, strlen(ids[i].prefix)) != 0)
            continue;
        const char *value = sysfs_value(c, number ? arena_printf(c->a, "../%s", ids[i].file) : ids[i].file);
        size_t skip = strlen(ids[i].skip);
        if (value && *value && strncmp(value, ids[i].skip, skip) == 0 &&
            strcmp(wanted,
                   arena_printf(c->a, "%s%s%s%s", ids[i].prefix, ids[i].instead, value + skip, part)) == 0)
            return true;
    }
    return false;
}

static const NameRow rows[] = {
    {"/dev/disk/by-label/", is_label},
    {"/dev/disk/by-uuid/", is_uuid},
    {"/dev/disk/by-partlabel/", is_partition_label},
    {"/dev/disk/by-partuuid/", is_partition_uuid},
    {"/dev/disk/by-id/dm-name-", is_dm_name},
    {"/dev/disk/by-id/dm-uuid-", is_dm_uuid},
    {"/dev/disk/by-id/", is_disk_id},
    {"/dev/mapper/", is_dm_name},
    {"/dev/md/", is_md_name},
};

/* ---- names ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "a\x20b" to "a b"; what is no such escape stays. */
static const char *unescaped(Arena *a, const char *s)
{
    char *to = arena_strdup(a, s), *out = to;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] == 'x' && hex_value(s[2]) >= 0 && hex_value(s[3]) >= 0) {
            *out++ = (char)(hex_value(s[2]) << 4 | hex_value(s[3]));
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
    return to;
}

/* "vg/lv" as device-mapper calls it: dashes doubled, one dash between. NULL: not of that form. */
static const char *volume_name(Arena *a, const char *s)
{
    const char *slash = strchr(s, '/');
    if (!slash || slash == s || !slash[1] || strchr(slash + 1, '/'))
        return NULL;
    char *to = arena_alloc(a, 2 * strlen(s) + 1), *out = to;
    for (; *s; s++) {
        *out++ = *s == '/' ? '-' : *s;
        if (*s == '-')
            *out++ = '-';
    }
    return to;
}

static const char *device_search(Arena *a, const NameRow *row, const char *wanted)
{
    _cleanup_closedir_ DIR *d = opendir("/sys/class/block");
    if (!d)
        return NULL;
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        _cleanup_close_ int dir = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const Candidate c = {a, dir, entry->d_name};
        if (dir >= 0 && row->is(&c, wanted))
            return arena_strdup(a, entry->d_name);
    }
    return NULL;
}

/* A name of the kernel itself: /dev/vda3, /dev/cciss/c0d0 (a '!' in sysfs). */
static const char *kernel_name(Arena *a, const char *name)
{
    char *sysfs = arena_strdup(a, name);
    for (char *p = sysfs; (p = strchr(p, '/'));)
        *p = '!';
    return access(arena_printf(a, "/sys/class/block/%s", sysfs), F_OK) == 0 ? sysfs : NULL;
}

const char *device_name_find(Arena *a, const char *path)
{
    static const NameRow volume = {"", is_dm_name};

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        size_t n = strlen(rows[i].prefix);
        if (strncmp(path, rows[i].prefix, n) == 0 && path[n])
            return device_search(a, &rows[i], unescaped(a, path + n));
    }
    if (strncmp(path, "/dev/", 5) != 0 || !path[5] || strstr(path, "/../"))
        return NULL;
    const char *name = kernel_name(a, path + 5), *dm = name ? NULL : volume_name(a, path + 5);
    return name || !dm ? name : device_search(a, &volume, dm);
}
