/* `firstboot-complete-machineconfig`: what the provisioner cannot do, at the end of the first boot and before
 * the node joins: the operating system and the kernel arguments of the pool. The server puts the
 * MachineConfig beside the Ignition config. When nothing is missing there is no second boot. The file gets
 * another name when its work is done, so that an interrupted run is begun anew. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/config_file.h"
#include "daemon/program.h"

#define ENCAPSULATED      "/etc/ignition-machine-config-encapsulated.json"
#define ENCAPSULATED_DONE "ignition-machine-config-encapsulated.json.bak"

enum { REBOOT_WAIT_SEC = 600 };

static bool skip_reboot;
const Option first_boot_options[] = {
    {"skip-reboot", 0, OPTION_FLAG, &skip_reboot, NULL, "whoever asked will start the machine anew", NULL},
    {0},
};

/* The config as the provisioner has left it: all but what is missing of the system. */
static int provisioned(MachineHere *h, const MachineConfig *to, MachineConfig *ret, Error *e)
{
    OsState os;
    const char *missing;
    *ret = *to;
    ret->name = "the first boot";
    ret->kernel_type = NULL;
    ret->n_extensions = 0;
    int r = h->m.os->state(h->m.os->context, h->arena, &os, e);
    if (r >= 0 && to->os_image_url && !os_state_is(&os, to->os_image_url))
        ret->os_image_url = os.image ? os.image : "";
    if (r >= 0)
        r = node_booted_with(&h->m, h->arena, to->kernel_arguments, to->n_kernel_arguments, &missing, e);
    if (r >= 0 && missing)
        ret->n_kernel_arguments = 0;
    return r;
}

static int done(MachineHere *h, Error *e)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(h->m.root, ENCAPSULATED, false, 0, &name);
    int r = dir < 0 ? dir : renameat(dir, name, dir, ENCAPSULATED_DONE) < 0 ? -errno : dir_sync(dir);
    return r < 0 ? error_errno(e, r, ENCAPSULATED) : 0;
}

/* 1: the machine is to be started anew. */
static int complete(MachineHere *h, Report *report, Error *e)
{
    Arena *a = h->arena;
    Node *document;
    MachineConfig *to, from;
    MachineConfigDiff *d;
    OsState os;
    Error own = ERROR_INIT;
    int r = config_file_json(a, h->m.root, ENCAPSULATED, &document, &own);
    if (r == -ENOENT)
        return 0;
    if (r >= 0)
        r = config_from_node(a, document, &to, &own);
    if (r < 0)
        return error_set(e, -r, "%s", own.text);
    r = provisioned(h, to, &from, e);
    if (r < 0)
        return r;
    (void)machine_config_diff(a, &from, to, &d, report);
    (void)node_apply_check(d, report);
    if (report->errors)
        return error_set(e, EOPNOTSUPP, "the config of this machine's pool cannot be completed");
    r = h->m.os->state(h->m.os->context, a, &os, e);
    if (r >= 0 && os.staged && (d->os_image.changed || d->kernel_arguments)) /* of a run that was cut off */
        r = h->m.os->discard(h->m.os->context, e);
    if (r >= 0)
        r = node_apply_os(&h->m, a, d, e);
    int staged = r;
    if (r >= 0)
        r = done(h, e);
    return r < 0 ? r : staged;
}

int verb_first_boot(int argc _unused_, char **argv _unused_)
{
    static const DisruptionAction reboot = {DISRUPTION_REBOOT, NULL};
    _cleanup_machine_ MachineHere h = MACHINE_HERE_INIT;
    Error e = ERROR_INIT;
    if (machine_open(&h, true, &e) < 0)
        return program_failed(&e);
    _cleanup_report_ Report report = REPORT_INIT(h.arena);
    int r = complete(&h, &report, &e);
    program_report(&report);
    if (r > 0 && !skip_reboot) {
        r = h.m.services->act(h.m.services->context, &reboot, &e);
        if (r >= 0 && !strcmp(options.root, "/")) /* who waits for us is not to start meanwhile */
            nanosleep(&(struct timespec){.tv_sec = REBOOT_WAIT_SEC}, NULL);
    }
    return r < 0 ? program_failed(&e) : EXIT_DONE;
}
