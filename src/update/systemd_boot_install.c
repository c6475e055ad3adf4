/* First EFI/systemd, loader/entries and the mark that the entries are of type 1; when all is written, and
 * synced by whoever wrote it, the program. */
#include "update/systemd_boot_install.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"

#define DIRECTORY "usr/lib/systemd/boot/efi"
enum { PROGRAM_MAX = 8 << 20 };

static const struct {
    const char *machine, *file;
} programs[] = {{"x86_64", "systemd-bootx64.efi"}, {"aarch64", "systemd-bootaa64.efi"}};

int systemd_boot_prepare(int esp, Error *e)
{
    static const char *const directories[] = {"EFI/systemd", "EFI/BOOT", "loader/entries"};
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTS(directories); i++)
        r = dir_make_all_at(esp, directories[i], 0755);
    if (r >= 0)
        r = root_write(esp, "loader/entries.srel", "type1\n", 6, FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "the ESP") : 0;
}

static int program_read(Arena *a, int deployment, const char *file, Buf *ret)
{
    const char *const names[] = {arena_printf(a, "/" DIRECTORY "/%s.signed", file),
                                 arena_printf(a, "/" DIRECTORY "/%s", file)};
    int r = -ENOENT;

    for (size_t i = 0; r < 0 && i < ELEMENTS(names); i++)
        r = root_read(deployment, names[i], PROGRAM_MAX, ret);
    for (size_t i = 0; r < 0 && i < ELEMENTS(names); i++)
        r = file_read_at(AT_FDCWD, names[i], PROGRAM_MAX, ret, NULL);
    return r;
}

int systemd_boot_place(int esp, int deployment, const char *machine, const char *removable, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf data = BUF_INIT;
    const char *file = NULL;

    for (size_t i = 0; i < ELEMENTS(programs); i++)
        if (strcmp(programs[i].machine, machine) == 0)
            file = programs[i].file;
    if (!file)
        return error_set(e, EOPNOTSUPP, "systemd-boot for a machine \"%s\" is not known here", machine);
    if (program_read(a, deployment, file, &data) < 0)
        return error_set(e, ENOENT,
                         "there is no %s in /" DIRECTORY
                         ", neither in the image nor on this machine (Debian's systemd-boot-efi has it)",
                         file);
    const char *const places[] = {arena_printf(a, "EFI/systemd/%s", file),
                                  arena_printf(a, "EFI/BOOT/%s", removable)};
    int r = syncfs(esp) < 0 ? -errno : 0;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(places); i++)
        r = root_write(esp, places[i], data.data, data.len, FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "the ESP") : 0;
}
