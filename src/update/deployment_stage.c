/* Staging does all that takes long: the checkout, and the kernel's way into /boot where there is room for it
 * now. Finalizing merges /etc and swaps. The record goes after the swap: cut off before, finalizing can be
 * done again (merging twice does no harm); cut off behind, the record names a deployment that has its entry,
 * which counts as done. A power cut takes the record with it, it lies in /run, and the staged tree is a
 * leftover then. */
#include "update/deployment_stage.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "update/boot_swap.h"
#include "update/deployment_list.h"
#include "update/deployment_tree.h"
#include "update/kernel_files.h"
#include "update/staged_record.h"
#include "update/sysroot_cleanup.h"
#include "update/sysroot_state.h"

#define STAMP "ostree/finalize-failure.stamp"

/* What can be done now need not be done at shutdown. */
static int kernel_install_early(Sysroot *s, const Deployment *d, Error *e)
{
    const char *directory = arena_printf(s->arena, "ostree/%s-%s", d->stateroot, d->boot_checksum);
    KernelFiles kernel;
    _cleanup_close_ int tree = deployment_open(s, d, e);
    int r = tree < 0 ? tree : kernel_files_find(s->arena, tree, &kernel, e);

    if (r >= 0)
        r = sysroot_step(s, "a kernel", e);
    return r < 0 ? r : kernel_files_install(tree, s->boot, directory, &kernel, e);
}

int deployment_stage(Sysroot *s, const DeploymentTree *t, const DeploymentMake *m, Report *report, Error *e)
{
    const Deployment *merge = NULL;
    Deployment *d = NULL;
    int r = deployment_tree_make(s, t, m, &d, &merge, report, e);

    if (r < 0)
        return r;
    const DeploymentList wanted = deployment_list_with(s, d, merge, m->retain);
    StagedRecord record = {.target = *d};
    if (merge) {
        record.merge_stateroot = merge->stateroot;
        record.merge_checksum = merge->checksum;
        record.merge_boot_checksum = merge->boot_checksum;
        record.merge_serial = merge->serial;
    }
    record.target.finalization_locked = m->locked;
    r = deployment_room_make(s, &wanted, d, report, e);
    if (r >= 0)
        r = kernel_install_early(s, d, e);
    if (r >= 0)
        r = boot_sync(s, e);
    if (r >= 0)
        r = sysroot_step(s, "the staged record", e);
    if (r >= 0)
        r = staged_record_write(s, &record, e);
    if (r < 0) {
        (void)sysroot_remove_tree(s, d, NULL);
        return error_wrap(e, r, "staging %s", d->path);
    }
    r = sysroot_load(s, e);
    if (r >= 0)
        r = sysroot_cleanup(s, true, report, e);
    return r < 0 ? r : 1;
}

/* ---- at shutdown ---- */

static const Deployment *merge_find(const Sysroot *s, const StagedRecord *record)
{
    for (size_t i = 0; i < s->list.n; i++) {
        const Deployment *d = s->list.items[i];
        if (!d->staged && strcmp(d->stateroot, record->merge_stateroot) == 0 &&
            strcmp(d->checksum, record->merge_checksum) == 0 && d->serial == record->merge_serial)
            return d;
    }
    return NULL;
}

static int finalize(Sysroot *s, const DeploymentTree *t, const StagedRecord *record, Report *report, Error *e)
{
    const Deployment *merge = record->merge_checksum ? merge_find(s, record) : NULL;
    Deployment *d = s->list.items[0];

    if (record->merge_checksum && !merge)
        return error_set(e, ENOENT, "the deployment %s.%u, whose /etc is to be merged, is not there any more",
                         record->merge_checksum, record->merge_serial);
    if (!d->options)
        d->options = merge ? merge->options : "";
    d->entry_rest = merge ? merge->entry_rest : NULL;
    const DeploymentList wanted = deployment_list_with(s, d, merge, RETAIN_NEEDED);
    int r = deployment_tree_finish(s, t, d, merge, report, e);
    if (r >= 0)
        r = deployment_room_make(s, &wanted, d, report, e);
    if (r < 0)
        return r;
    Deployment fresh = *d;
    fresh.staged = false;
    wanted.items[0] = &fresh;
    r = boot_swap(s, &wanted, false, e);
    if (r >= 0)
        r = sysroot_step(s, "the end of the staged record", e);
    if (r >= 0)
        r = staged_record_remove(s, e);
    if (r >= 0)
        r = sysroot_load(s, e);
    return r < 0 ? r : sysroot_write_refs(s, e);
}

/* The next boot tells of it: whoever shut down is not there any more to read a message. */
static void stamp_write(Sysroot *s, const Error *why)
{
    int r = s->boot < 0 ? -ENOENT : dir_make_all_at(s->boot, "ostree", 0755);

    if (r >= 0)
        (void)file_write_at(s->boot, STAMP, why->text, strlen(why->text), FILE_WRITE(.sync = true));
}

int deployment_finalize(Sysroot *s, const DeploymentTree *t, Report *report, Error *e)
{
    Error why = ERROR_INIT;
    StagedRecord record;
    int r = sysroot_need_write(s, e);

    if (r >= 0)
        r = staged_record_read(s, &record, e);
    if (r <= 0)
        return r;
    if (s->list.n == 0 || !s->list.items[0]->staged) {
        r = staged_record_remove(s, e); /* done before, or its tree is gone */
        return r < 0 ? r : 0;
    }
    if (record.target.finalization_locked)
        return 0;
    r = sysroot_need_whole(s, &why);
    if (r >= 0)
        r = finalize(s, t, &record, report, &why);
    if (r < 0) {
        stamp_write(s, &why);
        return error_set(e, -r, "finalizing the staged deployment: %s", why.text);
    }
    if (unlinkat(s->boot, STAMP, 0) < 0 && errno != ENOENT)
        return error_errno(e, -errno, "boot/" STAMP);
    return 1;
}

int deployment_set_locked(Sysroot *s, bool locked, Error *e)
{
    StagedRecord record;
    int r = sysroot_need_write(s, e);

    if (r >= 0)
        r = staged_record_read(s, &record, e);
    if (r < 0)
        return r;
    if (r == 0 || !sysroot_find(s, DEPLOYMENT_STAGED, NULL))
        return error_set(e, ENOENT, "no deployment is staged");
    if (record.target.finalization_locked == locked)
        return 0;
    record.target.finalization_locked = locked;
    r = staged_record_write(s, &record, e);
    if (r >= 0)
        r = sysroot_load(s, e);
    return r < 0 ? r : 1;
}
