/* libmount knows which option is whose, so that it means here what it means in mount(8) and in fstab; it is
 * loaded only where there are options. As it does for its own mounts, options that name SELinux contexts are
 * dropped where the kernel has no SELinux: a filesystem would refuse them. */
#include "system/mount_options.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/file.h"
#include "base/library.h"

#define PROPAGATION ((unsigned long)(MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))

static int (*split_optstr)(const char *, char **, char **, char **, int, int);
static int (*get_flags)(const char *, unsigned long *, const struct libmnt_optmap *);
static const struct libmnt_optmap *(*builtin_map)(int);
static int (*remove_option)(char **, const char *);

static const LibrarySymbol symbols[] = {
    {"mnt_split_optstr", &split_optstr},
    {"mnt_optstr_get_flags", &get_flags},
    {"mnt_get_builtin_optmap", &builtin_map},
    {"mnt_optstr_remove_option", &remove_option},
};

static bool kernel_has_selinux(void)
{
    _cleanup_buf_ Buf text = BUF_INIT;

    return file_read_at(AT_FDCWD, "/proc/filesystems", 1 << 20, &text, NULL) >= 0 && text.data &&
           strstr(text.data, "selinuxfs") != NULL;
}

static void contexts_drop(char **data)
{
    static const char *const names[] = {"context", "fscontext", "defcontext", "rootcontext", "seclabel"};

    for (size_t i = 0; i < ELEMENTS(names); i++)
        while (*data && remove_option(data, names[i]) == 0)
            ;
}

int mount_options_read(Arena *a, const char *const *options, size_t n, MountOptions *ret, Error *e)
{
    _cleanup_free_ char *vfs = NULL, *data = NULL;
    _cleanup_buf_ Buf text = BUF_INIT;
    MountOptions o = {.text = ""};

    for (size_t i = 0; i < n; i++)
        if (*options[i])
            buf_addf(&text, "%s%s", text.len > 0 ? "," : "", options[i]);
    if (text.len > 0) {
        int r = library_load("libmount.so.1", "mount options", symbols, ELEMENTS(symbols), e);
        if (r < 0)
            return r;
        o.text = arena_strdup(a, text.data);
        r = split_optstr(text.data, NULL, &vfs, &data, 0, 0);
        if (r == 0 && vfs)
            r = get_flags(vfs, &o.flags, builtin_map(MNT_LINUX_MAP));
        if (r != 0)
            return error_set(e, EINVAL, "the mount options '%s' cannot be read", text.data);
        if (data && !kernel_has_selinux())
            contexts_drop(&data);
        if (data && *data)
            o.data = arena_strdup(a, data);
    }
    if (o.flags & PROPAGATION) {
        o.propagation = o.flags & (PROPAGATION | MS_REC);
        o.flags &= ~(PROPAGATION | MS_REC);
    }
    *ret = o;
    return 0;
}
