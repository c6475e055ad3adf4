/* A hostile image under a filesystem item: whatever is on it, the look says something, the plan is made of
 * it, a wipe leaves nothing that is found, and the last step of making a filesystem stays inside the image.
 * The first byte says what is declared, the rest stands at the start of the image, and again at its end. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "provision/filesystem_plan.h"
#include "system/superblock.h"

enum { IMAGE_SIZE = 1 << 20, DATA_MAX = 80 << 10 };

static const char *const formats[] = {"ext4", "btrfs", "xfs", "vfat", "swap", "none", "virtiofs", "other"};

static void plan_check(Arena *a, uint8_t choice, const Superblock *s)
{
    const DeviceFacts d = {.path = "/dev/x", .real = "/dev/x", .exists = true, .superblock = *s};
    const IgnFilesystem f = {.device = "/dev/x",
                             .format = formats[choice & 7],
                             .label = choice & 8 ? s->label : NULL,
                             .uuid = choice & 16 ? s->uuid : NULL,
                             .wipe_filesystem = choice & 32 ? BOOL_TRUE : BOOL_UNSET};
    FilesystemPlan p;
    filesystem_plan_make(a, &f, &d, &p);
    if ((p.action == FILESYSTEM_REFUSE) != (p.refusal != NULL) ||
        (p.action == FILESYSTEM_MAKE) != (p.argv != NULL))
        if (p.action != FILESYSTEM_REFUSE)
            abort();
    if (p.action == FILESYSTEM_KEEP && s->type && !s->unfinished && filesystem_wants_device(&f) &&
        strcmp(s->type, f.format) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > DATA_MAX)
        return 0;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int fd = memfd_create("image", MFD_CLOEXEC);
    Superblock s;
    if (fd < 0 || ftruncate(fd, IMAGE_SIZE) < 0 || pwrite(fd, data + 1, size - 1, 0) < 0 ||
        pwrite(fd, data + 1, size - 1, IMAGE_SIZE - (off_t)(size - 1)) < 0)
        abort();
    if (superblock_read(a, fd, &s, NULL) >= 0)
        plan_check(a, data[0], &s);
    const FilesystemMark *m = filesystem_mark_find(data[0] & 64 ? "xfs" : "vfat");
    (void)m->finish(fd, m->in_uuid ? "a1b2c3d4" : "label", NULL);
    if (lseek(fd, 0, SEEK_END) != IMAGE_SIZE)
        abort();
    if (superblock_wipe(fd, NULL) >= 0 && (superblock_read(a, fd, &s, NULL) < 0 || s.type || s.ambivalent))
        abort();
    return 0;
}
