/* A sector's number and what is there, as a superblock, and the same bytes as a whole device. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "system/raid_device.h"

static void check(const char *text, size_t size)
{
    if (!memchr(text, '\0', size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    uint8_t bytes[RAID_SUPERBLOCK_SIZE] = {0};
    RaidSuperblock s;
    RaidFacts f;
    uint64_t sector;
    Error e = ERROR_INIT;

    if (size < sizeof(sector))
        return 0;
    memcpy(&sector, data, sizeof(sector));
    data += sizeof(sector);
    size -= sizeof(sector);
    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    if (raid_superblock_parse(bytes, sector, &s)) {
        check(s.uuid, sizeof(s.uuid));
        check(s.name, sizeof(s.name));
    }
    _cleanup_close_ int fd = memfd_create("member", MFD_CLOEXEC);
    if (fd < 0 || file_write_fd(fd, data, size) < 0)
        abort();
    if (raid_member_read(a, fd, size, &f, &e) == 1 && (!f.member || !f.uuid || !f.level || !f.metadata))
        abort();
    /* claimed larger than it is */
    (void)raid_member_read(a, fd, size * 2 + 65536, &f, &e);
    return 0;
}
