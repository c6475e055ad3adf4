/* Kernel arguments: the boot entries below /boot of the root are edited, then the machine reboots into them;
 * the stage of the next boot finds nothing left to do. Where arguments are asked for and there is no entry to
 * put them into, the stage fails: a machine that boots without them is not the one that was specified. */
#include "base/log.h"
#include "provision/reboot.h"
#include "provision/stage.h"
#include "system/boot_entry.h"

int stage_kargs_run(StageContext *c, Error *e)
{
    const IgnKernelArguments *k = &c->config->kernel_arguments;
    const CmdlineEdit edit = {
        .should_exist = k->should_exist.items,
        .n_should_exist = k->should_exist.n,
        .should_not_exist = k->should_not_exist.items,
        .n_should_not_exist = k->should_not_exist.n,
    };
    BootEntryList entries;
    int r;

    if (edit.n_should_exist + edit.n_should_not_exist == 0)
        return 0;
    r = stage_root(c, e);
    if (r >= 0)
        r = boot_entry_list(c->arena, c->root, &entries, e);
    if (r >= 0 && entries.n == 0)
        r = error_set(e, ENOENT, "no boot entries in /boot/loader/entries of the root");
    if (r >= 0)
        r = boot_entry_edit(c->root, &edit, e);
    if (r < 0)
        return error_wrap(e, r, "updating kernel arguments");
    if (r == 0) {
        log_info("the boot entries have the kernel arguments already");
        return 0;
    }
    log_info("changed the kernel arguments of the boot entries, rebooting");
    return reboot_request(e);
}
