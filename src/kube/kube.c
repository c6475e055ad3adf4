/* The calls of kube.h, through a client's table. */
#include "kube/kube.h"

int kube_call(Kube *k, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e)
{
    *ret = (KubeAnswer){.status.reason = "", .status.message = ""};
    return k->backend->call(k, q, a, ret, e);
}

int kube_watch(Kube *k, const KubeRequest *q, KubeWatch **ret, Error *e)
{
    return k->backend->watch(k, q, ret, e);
}

int kube_watch_next(KubeWatch *w, Arena *a, KubeEvent *ret, Error *e)
{
    return w->backend->next(w, a, ret, e);
}

void kube_unwatch(KubeWatch *w)
{
    if (w)
        w->backend->unwatch(w);
}

int kube_fd(const Kube *k)
{
    return k->backend->fd(k);
}

int kube_timeout_ms(Kube *k)
{
    return k->backend->timeout_ms(k);
}

void kube_free(Kube *k)
{
    if (k)
        k->backend->free(k);
}
