/* The machine that a verb works on: its root, its boot, who updates its system, who runs its services. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "daemon/program.h"
#include "system/authorized_keys.h"
#include "system/os_client.h"

#define LOCK    "/run/machine-config-daemon.lock"
#define SYSTEMD "/run/systemd/system" /* sd_booted(3) */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Files of others, their owners and modes; acting as the user whose keys are written. */
static const int needed[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                             CAP_FSETID, CAP_SETUID,       CAP_SETGID};

static int nothing_runs(void *context _unused_, const DisruptionAction *action, Error *e _unused_)
{
    log_info("no systemd runs here: %s%s%s is left out", disruption_kind_name(action->kind),
             action->service ? " " : "", action->service ? action->service : "");
    return 0;
}

static const NodeServices no_services = {nothing_runs, NULL};

/* A machine whose process 1 is no systemd: it can be told to start anew, as the keyboard does it. */
static int ask_init(void *context, const DisruptionAction *action, Error *e)
{
    if (action->kind != DISRUPTION_REBOOT)
        return nothing_runs(context, action, e);
    return kill(1, SIGINT) < 0 ? error_errno(e, -errno, "asking process 1 for a reboot") : 0;
}

static const NodeServices other_init = {ask_init, NULL};

static const NodeServices *services_of(bool here)
{
    if (!here)
        return &no_services;
    return access(SYSTEMD, F_OK) == 0 ? &node_services_systemd : &other_init;
}

static int read_boot_id(MachineHere *h, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = root_read(h->m.root, BOOT_ID, 128, &text);
    if (r == -ENOENT)
        r = file_read_at(AT_FDCWD, BOOT_ID, 128, &text, NULL);
    if (r < 0)
        return error_errno(e, r, BOOT_ID);
    text.data[strcspn(text.data, "\n")] = '\0';
    h->m.boot_id = arena_strdup(h->arena, text.data);
    return 0;
}

static int lock(MachineHere *h, Error *e)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(h->m.root, LOCK, true, 0755, &name);
    h->lock = dir < 0 ? dir : openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (h->lock < 0)
        return error_errno(e, dir < 0 ? dir : -errno, LOCK);
    int r = file_lock_try(h->lock);
    return r == -EAGAIN ? error_set(e, EBUSY, "another machine-config-daemon changes this machine")
           : r < 0      ? error_errno(e, r, LOCK)
                        : 0;
}

static int rights(Error *e)
{
    uint64_t keep = 0;
    for (size_t i = 0; i < ELEMENTS(needed); i++)
        keep |= UINT64_C(1) << needed[i];
    return sandbox_keep(keep, e);
}

int machine_open(MachineHere *h, bool changes, Error *e)
{
    const bool here = !strcmp(options.root, "/");
    *h = (MachineHere){.m = {.root = -EBADF}, .arena = arena_new(), .lock = -EBADF};
    umask(022);
    log_open(options.journal ? LOG_TARGET_JOURNAL : LOG_TARGET_STDERR, "machine-config-daemon",
             options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    h->m.root = root_open(options.root, e);
    if (h->m.root < 0)
        return h->m.root;
    h->os = node_os_basalt(options.os_socket ? options.os_socket
                           : here            ? OS_SOCKET
                                             : arena_printf(h->arena, "%s" OS_SOCKET, options.root));
    h->m.os = &h->os;
    h->m.services = services_of(here);
    int r = authorized_keys_fragment(&h->m.keys_fragment, e);
    if (r >= 0)
        r = read_boot_id(h, e);
    if (r >= 0 && changes)
        r = lock(h, e);
    return r >= 0 && changes ? rights(e) : r;
}

void machine_close(MachineHere *h)
{
    closep(&h->lock);
    closep(&h->m.root);
    arena_free(h->arena);
}
