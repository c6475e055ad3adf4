/* The ways to reboot, tried in order: a clean stop of what runs by systemd, then the kernel's own reboot
 * where no systemd answers. Whoever asked waits for the end of the machine: nothing may go on by the old
 * arguments. */
#include "provision/reboot.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

enum { REBOOT_WAIT_SEC = 120 };

static const char *const by_systemd[] = {"systemctl", "reboot", "--force", NULL};
static const char *const by_kernel[] = {"systemctl", "reboot", "--force", "--force", NULL};
static const char *const *const ways[] = {by_systemd, by_kernel};

static int marker_make(const char *path, Error *e)
{
    int r = file_write_at(AT_FDCWD, path, "", 0, FILE_WRITE(.mode = 0644));
    return r < 0 ? error_errno(e, r, "making the reboot marker '%s'", path) : 0;
}

int reboot_request(Error *e)
{
    const char *marker = getenv("BASALT_REBOOT_MARKER");
    int r = -ENOENT;

    if (marker && *marker)
        return marker_make(marker, e);
    sync();
    for (size_t i = 0; i < ELEMENTS(ways) && r != 0; i++)
        r = process_run(&(ProcessRun){.argv = ways[i]}, e);
    if (r != 0)
        return error_wrap(e, r < 0 ? r : -EIO, "rebooting");
    log_info("waiting for the reboot");
    nanosleep(&(struct timespec){.tv_sec = REBOOT_WAIT_SEC}, NULL);
    return error_set(e, ETIME, "the reboot was requested, but it did not come");
}
