/* The tree first, as long as it takes; then the list, the swap, and what the swap made superfluous. Until the
 * swap the new directory is a leftover like any other. */
#include "update/deployment_make.h"

#include "update/boot_swap.h"
#include "update/deployment_list.h"
#include "update/deployment_tree.h"
#include "update/staged_record.h"
#include "update/sysroot_cleanup.h"
#include "update/sysroot_state.h"

/* Behind the swap it is in force, whatever failed then: only the disk knows. */
static int give_up(Sysroot *s, const Deployment *d, int r)
{
    if (sysroot_load(s, NULL) < 0)
        return r;
    for (size_t i = 0; i < s->list.n; i++)
        if (deployment_is_same(s->list.items[i], d))
            return r;
    (void)sysroot_remove_tree(s, d, NULL);
    return r;
}

int deployment_make(Sysroot *s, const DeploymentTree *t, const DeploymentMake *m, Report *report, Error *e)
{
    const Deployment *merge = NULL;
    Deployment *d = NULL;
    int r = deployment_tree_make(s, t, m, &d, &merge, report, e);

    if (r < 0)
        return r;
    const DeploymentList wanted = deployment_list_with(s, d, merge, m->retain);
    r = deployment_tree_finish(s, t, d, merge, report, e);
    if (r >= 0)
        r = deployment_room_make(s, &wanted, d, report, e);
    if (r >= 0)
        r = staged_record_remove(s, e);
    if (r >= 0)
        r = boot_swap(s, &wanted, false, e);
    if (r < 0)
        return give_up(s, d, r);
    r = sysroot_cleanup(s, true, report, e);
    if (r >= 0 && t->prune)
        r = t->prune(t->context, e);
    return r < 0 ? error_wrap(e, r, "the new deployment is the default one, but") : 1;
}
