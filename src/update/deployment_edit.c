/* Lists made of what is there, and the swap. What is booted is never taken out (boot_swap() sees to that),
 * what is staged is given up by whatever changes the order: it was made for the order of before. */
#include "update/deployment_edit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "update/boot_swap.h"
#include "update/deployment_list.h"
#include "update/staged_record.h"
#include "update/sysroot_cleanup.h"
#include "update/sysroot_state.h"

static int begin(Sysroot *s, Error *e)
{
    int r = sysroot_need_write(s, e);
    return r < 0 ? r : sysroot_need_whole(s, e);
}

static int need_listed(const Sysroot *s, const Deployment *d, const Deployment **ret, Error *e)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (deployment_is_same(s->list.items[i], d)) {
            *ret = s->list.items[i];
            return 0;
        }
    return error_set(e, ENOENT, "%s is no deployment any more", d->path);
}

/* The swap, then what it made superfluous. */
static int apply(Sysroot *s, const DeploymentTree *t, const DeploymentList *wanted, bool drop_staged,
                 Error *e)
{
    bool had_staged = s->list.n > 0 && s->list.items[0]->staged;
    const bool fewer = wanted->n < s->list.n; /* an order or arguments that change leave no object behind */
    int r = had_staged && drop_staged ? staged_record_remove(s, e) : 0;

    if (r >= 0)
        r = boot_swap(s, wanted, false, e);
    const bool swapped = r > 0;
    int changed = swapped || (had_staged && drop_staged);
    if (r == 0 && changed)
        r = sysroot_load(s, e);
    if (r >= 0 && changed)
        r = sysroot_cleanup(s, swapped, NULL, e);
    if (r >= 0 && changed && fewer && t && t->prune)
        r = t->prune(t->context, e);
    return r < 0 ? r : changed;
}

int deployment_set_first(Sysroot *s, const DeploymentTree *t, const Deployment *d, Error *e)
{
    int r = begin(s, e);

    if (r >= 0)
        r = need_listed(s, d, &d, e);
    if (r < 0)
        return r;
    const DeploymentList wanted = deployment_list_first(s->arena, &s->list, d);
    return apply(s, t, &wanted, true, e);
}

const Deployment *deployment_rollback_target(const Sysroot *s)
{
    const Deployment *now = sysroot_find(s, DEPLOYMENT_BOOTED, NULL);
    return now && sysroot_find(s, DEPLOYMENT_PENDING, NULL) ? now
                                                            : sysroot_find(s, DEPLOYMENT_ROLLBACK, NULL);
}

int deployment_rollback(Sysroot *s, const DeploymentTree *t, Error *e)
{
    const Deployment *target = deployment_rollback_target(s);
    int r = begin(s, e);

    if (r < 0)
        return r;
    return target ? deployment_set_first(s, t, target, e)
                  : error_set(e, ENOENT, "there is no deployment to go back to");
}

int deployment_set_origin(Sysroot *s, const Deployment *d, const Origin *origin, Error *e)
{
    const char *path = arena_printf(s->arena, "%s.origin", d->path);
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = sysroot_need_write(s, e);

    if (r >= 0)
        r = need_listed(s, d, &d, e);
    if (r >= 0)
        r = sysroot_step(s, "the origin", e);
    if (r < 0)
        return r;
    origin_encode(origin, &text);
    r = root_write(s->root, path, text.data ? text.data : "", text.len, FILE_WRITE(.sync = true));
    if (r < 0)
        return error_errno(e, r, "%s", path);
    if (utimensat(s->ostree, "deploy", NULL, 0) < 0)
        return error_errno(e, -errno, "ostree/deploy");
    r = sysroot_load(s, e);
    return r < 0 ? r : 1;
}

int deployment_set_pinned(Sysroot *s, const Deployment *d, bool pinned, Error *e)
{
    if (d->staged)
        return error_set(e, EINVAL, "a staged deployment cannot be pinned: it has no boot entry yet");
    if (d->pinned == pinned)
        return 0;
    Origin origin = origin_copy(s->arena, &d->origin);
    if (origin_set(&origin, ORIGIN_TRANSIENT, "pinned", pinned ? "true" : NULL) < 0)
        return error_set(e, E2BIG, "%s.origin has too many lines", d->path);
    return deployment_set_origin(s, d, &origin, e);
}

int deployment_set_options(Sysroot *s, const Deployment *d, const char *options, Error *e)
{
    StagedRecord record;
    int r = begin(s, e);

    if (r >= 0)
        r = need_listed(s, d, &d, e);
    if (r < 0)
        return r;
    if (strpbrk(options, "\r\n"))
        return error_set(e, EINVAL, "kernel arguments with a line break");
    if (d->options && strcmp(d->options, options) == 0)
        return 0;
    if (d->staged) {
        r = staged_record_read(s, &record, e);
        if (r > 0) {
            record.target.options = arena_strdup(s->arena, options);
            r = staged_record_write(s, &record, e);
        }
        return r < 0 ? r : (r = sysroot_load(s, e)) < 0 ? r : 1;
    }
    DeploymentList wanted = deployment_list_without(s->arena, &s->list, NULL);
    Deployment changed = *d;
    changed.options = arena_strdup(s->arena, options);
    for (size_t i = 0; i < wanted.n; i++)
        if (deployment_is_same(wanted.items[i], d))
            wanted.items[i] = &changed;
    return apply(s, NULL, &wanted, false, e);
}

static int need_removable(const Deployment *d, Error *e)
{
    if (d->booted)
        return error_set(e, EBUSY, "the running system cannot be removed");
    if (d->pinned)
        return error_set(e, EBUSY, "deployment %.12s.%u is pinned", d->checksum, d->serial);
    return 0;
}

int deployment_remove(Sysroot *s, const DeploymentTree *t, const Deployment *d, Error *e)
{
    int r = begin(s, e);

    if (r >= 0)
        r = need_listed(s, d, &d, e);
    if (r >= 0)
        r = need_removable(d, e);
    if (r < 0)
        return r;
    if (!d->staged && s->list.n == 1)
        return error_set(e, EBUSY, "it is the only deployment");
    const DeploymentList wanted = deployment_list_without(s->arena, &s->list, d);
    return apply(s, t, &wanted, d->staged, e);
}

int deployment_cleanup(Sysroot *s, const DeploymentTree *t, unsigned what, Report *report, Error *e)
{
    const Deployment *booted = sysroot_find(s, DEPLOYMENT_BOOTED, NULL);
    const char *stateroot = s->list.n ? s->list.items[0]->stateroot : "";
    DeploymentList wanted = {.items = ARENA_ARRAY(s->arena, Deployment *, s->list.n + 1)};
    bool passed = false, kept_first = false;
    int r = begin(s, e);

    if (booted)
        stateroot = booted->stateroot;
    for (size_t i = 0; i < s->list.n; i++) {
        Deployment *d = s->list.items[i];
        /* Without a running one the default takes its part. */
        bool here = booted ? d->booted : !d->staged && !kept_first && strcmp(d->stateroot, stateroot) == 0;
        bool goes = here || d->pinned || strcmp(d->stateroot, stateroot) != 0 ? false
                    : passed                                                  ? (what & CLEANUP_ROLLBACK) != 0
                                                                              : (what & CLEANUP_PENDING) != 0;
        kept_first = kept_first || here;
        passed = passed || here;
        if (!goes)
            wanted.items[wanted.n++] = d;
    }
    if (r >= 0 && wanted.n < s->list.n)
        r = apply(s, NULL, &wanted, (what & CLEANUP_PENDING) != 0, e);
    int changed = r > 0;
    if (r >= 0)
        r = sysroot_cleanup(s, false, report, e);
    changed |= r > 0;
    if (r >= 0 && (what & CLEANUP_PRUNE) && t && t->prune)
        r = t->prune(t->context, e);
    return r < 0 ? r : changed;
}
