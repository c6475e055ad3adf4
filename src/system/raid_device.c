/* The layout is that of linux/raid/md_p.h, read byte by byte: a device is outside input. A superblock counts
 * only when its magic, version, checksum and the place that it says it stands at are right. mdadm looks in
 * the same places and takes the array that was made last: an older superblock in another place was forgotten
 * by whoever made the newer. Big-endian 0.90 is not read: such a member is for us without a superblock,
 * libblkid still sees that it is one. */
#include "system/raid_device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* Offsets in bytes. */
enum {
    V1_MAJOR = 4,
    V1_UUID = 16,
    V1_NAME = 32,
    V1_CTIME = 64,
    V1_LEVEL = 72,
    V1_DEVICES = 92,
    V1_SUPER_OFFSET = 144,
    V1_DEVICE_NUMBER = 160,
    V1_EVENTS = 200,
    V1_CHECKSUM = 216,
    V1_MAX_DEVICES = 220,
    V1_ROLES = 256,
};
enum { /* words of four bytes */
       V0_MAJOR = 1,
       V0_MINOR = 2,
       V0_UUID0 = 5,
       V0_CTIME = 6,
       V0_LEVEL = 7,
       V0_DEVICES = 10,
       V0_UUID1 = 13,
       V0_CHECKSUM = 38,
       V0_EVENTS_LOW = 39,
       V0_EVENTS_HIGH = 40,
       V0_THIS_DISK = 992,
};
enum { THIS_DISK_ROLE = 3, THIS_DISK_STATE = 4, STATE_IN_SYNC = 1 << 2 };
enum { ROLE_MAX = 0xff00, CTIME_BITS = 40, SECTOR = 512, NAME_SIZE = 32, MEMBERS_MAX = 512 };
#define MAGIC 0xa92b4efcu

static uint32_t word16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t word32(const uint8_t *p)
{
    return word16(p) | word16(p + 2) << 16;
}

static uint64_t word64(const uint8_t *p)
{
    return word32(p) | (uint64_t)word32(p + 4) << 32;
}

/* The sum of all words but the one that holds the sum, its carry added once. */
static uint32_t checksum(const uint8_t *bytes, size_t n, size_t own)
{
    uint64_t sum = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        sum += i == own ? 0 : word32(bytes + i);
    if (i + 2 == n)
        sum += word16(bytes + i);
    return (uint32_t)((sum & UINT32_MAX) + (sum >> 32));
}

/* ---- superblocks ---- */

static bool parse_v1(const uint8_t *b, uint64_t sector, RaidSuperblock *s)
{
    uint32_t max = word32(b + V1_MAX_DEVICES), number = word32(b + V1_DEVICE_NUMBER);
    if (max > (RAID_SUPERBLOCK_SIZE - V1_ROLES) / 2 || word64(b + V1_SUPER_OFFSET) != sector ||
        checksum(b, V1_ROLES + 2 * (size_t)max, V1_CHECKSUM) != word32(b + V1_CHECKSUM))
        return false;
    const uint8_t *u = b + V1_UUID;
    s->major_version = 1;
    s->minor_version = sector == 0 ? 1 : sector == 8 ? 2 : 0;
    snprintf(s->uuid, sizeof(s->uuid), "%02x%02x%02x%02x:%02x%02x%02x%02x:%02x%02x%02x%02x:%02x%02x%02x%02x",
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    memcpy(s->name, b + V1_NAME, NAME_SIZE);
    s->name[NAME_SIZE] = '\0';
    s->created = word64(b + V1_CTIME) & ((UINT64_C(1) << CTIME_BITS) - 1);
    s->level = (int)word32(b + V1_LEVEL);
    s->devices = word32(b + V1_DEVICES);
    s->events = word64(b + V1_EVENTS);
    uint32_t role = number < max ? word16(b + V1_ROLES + 2 * (size_t)number) : ROLE_MAX;
    s->role = role < ROLE_MAX ? (int)role : -1;
    return true;
}

static bool parse_v0(const uint8_t *b, RaidSuperblock *s)
{
    const uint8_t *disk = b + 4 * V0_THIS_DISK;
    if (word32(b + 4 * V0_MINOR) != 90 ||
        checksum(b, RAID_SUPERBLOCK_SIZE, 4 * V0_CHECKSUM) != word32(b + 4 * V0_CHECKSUM))
        return false;
    s->major_version = 0;
    s->minor_version = 90;
    snprintf(s->uuid, sizeof(s->uuid), "%08x:%08x:%08x:%08x", word32(b + 4 * V0_UUID0),
             word32(b + 4 * V0_UUID1), word32(b + 4 * (V0_UUID1 + 1)), word32(b + 4 * (V0_UUID1 + 2)));
    s->created = word32(b + 4 * V0_CTIME);
    s->level = (int)word32(b + 4 * V0_LEVEL);
    s->devices = word32(b + 4 * V0_DEVICES);
    s->events = word32(b + 4 * V0_EVENTS_LOW) | (uint64_t)word32(b + 4 * V0_EVENTS_HIGH) << 32;
    uint32_t role = word32(disk + 4 * THIS_DISK_ROLE);
    s->role = word32(disk + 4 * THIS_DISK_STATE) & STATE_IN_SYNC && role < ROLE_MAX ? (int)role : -1;
    return true;
}

bool raid_superblock_parse(const uint8_t bytes[RAID_SUPERBLOCK_SIZE], uint64_t sector, RaidSuperblock *ret)
{
    RaidSuperblock s = {.role = -1};
    if (word32(bytes) != MAGIC)
        return false;
    uint32_t major = word32(bytes + V1_MAJOR);
    if (major > 1 || !(major == 1 ? parse_v1(bytes, sector, &s) : parse_v0(bytes, &s)))
        return false;
    *ret = s;
    return true;
}

/* ---- members ---- */

static const struct {
    const char *name, *words[3];
    int number;
} levels[] = {
    {"linear", {"linear"}, -1},
    {"raid0", {"0", "raid0", "stripe"}, 0},
    {"raid1", {"1", "raid1", "mirror"}, 1},
    {"raid4", {"4", "raid4"}, 4},
    {"raid5", {"5", "raid5"}, 5},
    {"raid6", {"6", "raid6"}, 6},
    {"raid10", {"10", "raid10"}, 10},
};

const char *raid_level_name(const char *word)
{
    for (size_t i = 0; i < ELEMENTS(levels); i++)
        for (size_t n = 0; n < ELEMENTS(levels[i].words) && levels[i].words[n]; n++)
            if (strcmp(levels[i].words[n], word) == 0)
                return levels[i].name;
    return NULL;
}

static const char *level_text(Arena *a, int number)
{
    for (size_t i = 0; i < ELEMENTS(levels); i++)
        if (levels[i].number == number)
            return levels[i].name;
    return arena_printf(a, "level %d", number);
}

int raid_member_read(Arena *a, int fd, uint64_t size, RaidFacts *ret, Error *e)
{
    uint64_t sectors = size / SECTOR;
    RaidSuperblock best = {0}, s;
    bool found = false;

    if (sectors < 24) /* nothing so small is a member */
        return 0;
    const uint64_t places[] = {8, 0, (sectors - 16) & ~UINT64_C(7),
                               sectors >= 256 ? (sectors & ~UINT64_C(127)) - 128 : 0};
    for (size_t i = 0; i < ELEMENTS(places); i++) {
        uint8_t bytes[RAID_SUPERBLOCK_SIZE];
        ssize_t n = pread(fd, bytes, sizeof(bytes), (off_t)(places[i] * SECTOR));
        if (n < 0)
            return error_errno(e, -errno, "cannot read sector %" PRIu64, places[i]);
        if (n < (ssize_t)sizeof(bytes) || !raid_superblock_parse(bytes, places[i], &s))
            continue;
        if (!found || s.created > best.created)
            best = s;
        found = true;
    }
    if (!found)
        return 0;
    const char *colon = strchr(best.name, ':');
    *ret = (RaidFacts){
        .member = true,
        .uuid = arena_strdup(a, best.uuid),
        .name = best.name[0] ? arena_strdup(a, colon ? colon + 1 : best.name) : NULL,
        .level = level_text(a, best.level),
        .metadata = arena_printf(a, "%u.%u", best.major_version, best.minor_version),
        .devices = best.devices,
        .role = best.role,
        .events = best.events,
    };
    return 1;
}

/* ---- sysfs ---- */

/* Without the final newline; NULL: no such attribute. */
static const char *attribute(Arena *a, int dir, const char *path)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (file_read_at(dir, path, 4096, &b, NULL) < 0)
        return NULL;
    while (b.len > 0 && b.data[b.len - 1] == '\n')
        b.len--;
    return arena_memdup(a, b.data ? b.data : "", b.len);
}

static int by_text(const void *x, const void *y)
{
    const char *const *a = x, *const *b = y;
    return strcmp(*a, *b);
}

static const char *const *array_members(Arena *a, int md)
{
    const char **members = ARENA_ARRAY(a, const char *, MEMBERS_MAX + 1);
    size_t n = 0;
    int fd = openat(md, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; d && n < MEMBERS_MAX && (entry = readdir(d));) {
        if (strncmp(entry->d_name, "dev-", 4) != 0)
            continue;
        const char *number = attribute(a, md, arena_printf(a, "%s/block/dev", entry->d_name));
        if (number)
            members[n++] = number;
    }
    qsort(members, n, sizeof(*members), by_text);
    return members;
}

/* The array among the holders of the device. */
static int open_array(Arena *a, int sysfs, const char *device, const char **ret_name)
{
    int fd = openat(sysfs, arena_printf(a, "%s/holders", device), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        int md =
            openat(sysfs, arena_printf(a, "block/%s/md", entry->d_name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (md >= 0) {
            *ret_name = arena_strdup(a, entry->d_name);
            return md;
        }
    }
    return -ENOENT;
}

int raid_running_read(Arena *a, int sysfs, unsigned major, unsigned minor, RaidFacts *ret)
{
    const char *name = NULL;
    _cleanup_close_ int md = open_array(a, sysfs, arena_printf(a, "dev/block/%u:%u", major, minor), &name);
    if (md < 0)
        return 0;
    const char *state = attribute(a, md, "array_state");
    ret->array = name;
    ret->active = state && strcmp(state, "inactive") != 0 && strcmp(state, "clear") != 0;
    ret->members = array_members(a, md);
    return 1;
}
