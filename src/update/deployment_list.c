/* The rules of libostree's ostree_sysroot_simple_write_deployment(), but for one: an old way back can be
 * kept. */
#include "update/deployment_list.h"

#include <string.h>

#include "update/sysroot_state.h"

static DeploymentList list_new(Arena *a, const DeploymentList *now)
{
    return (DeploymentList){.items = ARENA_ARRAY(a, Deployment *, now->n + 2)};
}

DeploymentList deployment_list_with(Sysroot *s, Deployment *fresh, const Deployment *merge,
                                    DeploymentRetain retain)
{
    const DeploymentList *now = &s->list;
    DeploymentList l = list_new(s->arena, now);
    bool has_booted = false, passed = false, kept_one = false;

    if (!merge)
        merge = sysroot_find(s, DEPLOYMENT_MERGE, fresh->stateroot);
    for (size_t i = 0; i < now->n; i++)
        has_booted =
            has_booted || (now->items[i]->booted && strcmp(now->items[i]->stateroot, fresh->stateroot) == 0);
    l.items[l.n++] = fresh;
    for (size_t i = 0; i < now->n; i++) {
        Deployment *d = now->items[i];
        bool is_merge = merge && deployment_is_same(d, merge);
        bool keep = d->booted || is_merge || d->pinned || strcmp(d->stateroot, fresh->stateroot) != 0 ||
                    retain == RETAIN_ALL;
        if (d->staged)
            continue;
        if (!keep && retain == RETAIN_ROLLBACK && passed && !kept_one)
            keep = kept_one = true;
        passed = passed || (has_booted ? d->booted : is_merge);
        if (keep)
            l.items[l.n++] = d;
    }
    return l;
}

DeploymentList deployment_list_without(Arena *a, const DeploymentList *now, const Deployment *d)
{
    DeploymentList l = list_new(a, now);

    for (size_t i = 0; i < now->n; i++)
        if (!d || !deployment_is_same(now->items[i], d))
            l.items[l.n++] = now->items[i];
    return l;
}

DeploymentList deployment_list_first(Arena *a, const DeploymentList *now, const Deployment *d)
{
    DeploymentList l = list_new(a, now);

    for (size_t i = 0; i < now->n; i++)
        if (deployment_is_same(now->items[i], d))
            l.items[l.n++] = now->items[i];
    for (size_t i = 0; i < now->n; i++)
        if (!now->items[i]->staged && !deployment_is_same(now->items[i], d))
            l.items[l.n++] = now->items[i];
    return l;
}
