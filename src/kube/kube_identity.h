#pragma once
/* What a client shows of itself and whom it trusts, out of a KubeConfig. Files are looked at before each
 * request and read again when they are others: certificates and tokens of nodes are renewed every few hours.
 */
#include "base/buf.h"
#include "base/error.h"
#include "kube/kubeconfig.h"

typedef struct KubeIdentityPart {
    const KubeSecret *from;
    size_t max;
    Buf text; /* empty: there is none */
    struct {
        uint64_t device, inode, size;
        int64_t changed_sec, changed_ns;
    } stamp;
} KubeIdentityPart;

enum { IDENTITY_AUTHORITY, IDENTITY_CERTIFICATE, IDENTITY_KEY, IDENTITY_TOKEN, IDENTITY_PARTS };
typedef struct KubeIdentity {
    KubeIdentityPart parts[IDENTITY_PARTS];
} KubeIdentity;

void kube_identity_init(KubeIdentity *i, const KubeConfig *c); /* borrows it */
void kube_identity_done(KubeIdentity *i);
/* 1: something is new. A file that is gone or bad, and was read once, keeps its last good text. */
int kube_identity_refresh(KubeIdentity *i, Error *e);
