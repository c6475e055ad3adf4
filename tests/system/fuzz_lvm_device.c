/* Any bytes as a device, and as the text of a group. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "system/lvm_device.h"

static void check(const LvmFacts *f)
{
    if (!f->group || !f->group_uuid)
        abort();
    for (size_t i = 0; i < f->n_volumes; i++)
        if (!f->volumes[i].name || !f->volumes[i].tags)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    LvmFacts f = {0}, g = {0};
    Error e = ERROR_INIT;
    _cleanup_close_ int fd = memfd_create("device", MFD_CLOEXEC);
    if (fd < 0 || file_write_fd(fd, data, size) < 0)
        abort();
    int r = lvm_device_read(a, fd, size, &f, &e);
    if (r == 1 && !f.pv_uuid)
        abort();
    if (r == 1 && f.group)
        check(&f);
    (void)lvm_device_read(a, fd, size + 4096, &f, &e); /* claimed larger than it is */
    char *text = arena_memdup(a, data, size);
    if (lvm_metadata_parse(a, text, size, &g) == 0)
        check(&g);
    return 0;
}
