/* Puts the facts of a device together from the files of system/ that know a part each: one row a part. Only
 * what is asked for is looked at, in the order of the rows; a row sees what the rows before it found. */
#include "provision/device_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "system/device_wait.h"
#include "system/superblock.h"

typedef struct Look {
    Arena *a;
    int fd;
    DeviceFacts *facts;
} Look;

static int look_superblock(const Look *l, Error *e)
{
    return superblock_read(l->a, l->fd, &l->facts->superblock, e);
}

static const struct {
    unsigned what;
    int (*look)(const Look *l, Error *e);
} rows[] = {
    {LOOK_SUPERBLOCK, look_superblock},
};

/* Number, size, sectors: always. */
static int look_always(const Look *l, Error *e)
{
    DeviceFacts *d = l->facts;
    unsigned physical = 0;
    int sector = 0, read_only = 0, alignment = 0;
    struct stat st;

    if (fstat(l->fd, &st) < 0)
        return error_errno(e, -errno, "looking at it");
    if (ioctl(l->fd, BLKGETSIZE64, &d->size) < 0 || ioctl(l->fd, BLKSSZGET, &sector) < 0)
        return error_errno(e, -errno, "asking for its size");
    (void)ioctl(l->fd, BLKPBSZGET, &physical);
    (void)ioctl(l->fd, BLKROGET, &read_only);
    (void)ioctl(l->fd, BLKALIGNOFF, &alignment);
    d->major = major(st.st_rdev);
    d->minor = minor(st.st_rdev);
    d->sector_size = (unsigned)sector;
    d->physical_sector_size = physical ? physical : d->sector_size;
    d->read_only = read_only != 0;
    d->alignment_offset = alignment > 0 ? (uint64_t)alignment : 0;
    return 0;
}

static int device_look(void *context _unused_, Arena *a, const char *path, unsigned what, DeviceFacts *ret,
                       Error *e)
{
    DeviceFacts d = {.path = arena_strdup(a, path)};

    int r = device_resolve(a, path, &d.real, e);
    if (r == -ENOENT) {
        if (e)
            *e = ERROR_INIT;
        *ret = d;
        return 0;
    }
    if (r < 0)
        return r;
    _cleanup_close_ int fd = open(d.real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(e, -errno, "opening %s", d.real);
    const Look look = {a, fd, &d};
    d.exists = true;
    r = look_always(&look, e);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(rows); i++)
        if (what & rows[i].what)
            r = rows[i].look(&look, e);
    if (r < 0)
        return error_wrap(e, r, "%s", path);
    *ret = d;
    return 0;
}

const Inspector device_inspector = {device_look, NULL};
