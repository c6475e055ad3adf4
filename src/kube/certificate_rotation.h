#pragma once
/* A node's certificate, asked for and renewed as a kubelet does it, in a kubelet's files: at first with the
 * credentials of a bootstrap kubeconfig, from then on with the certificate itself, somewhere in 70 to 90 %
 * of its life. Never waits; for one thread. In the directory:
 *   PREFIX-current.pem              a link to the pair in use: certificate, then key
 *   PREFIX-2026-01-02-03-04-05.pem  that pair, and the one before it
 *   PREFIX.key.tmp                  the key that a certificate is being asked for
 * Whenever it is killed, the link leads to a whole pair, and the next run goes on with the same key. */
#include "kube/kube.h"
#include "kube/kube_time.h"

typedef struct CertificateRotationOptions {
    Kube *bootstrap; /* NULL: without a certificate nothing can be done */
    Kube *own;       /* asks as the pair in use (kubeconfig with the files); NULL: bootstrap always does */
    const char *directory; /* exists; such as /var/lib/kubelet/pki */
    const char *prefix;    /* "kubelet-client", "kubelet-server" */
    const char *node;
    const char *const *dns, *const *ip; /* of a server; both NULL: a client's */
    const KubeTime *time;               /* NULL: the real one */
} CertificateRotationOptions;

typedef struct CertificateRotation CertificateRotation;
/* Clients and texts must outlive it. */
CertificateRotation *certificate_rotation_new(const CertificateRotationOptions *o);
void certificate_rotation_free(CertificateRotation *r);
DEFINE_CLEANUP(CertificateRotation *, certificate_rotation_free);

/* What is due now, at most one call. 1: a new pair is in use. < 0: a failure, which it waits out itself. */
int certificate_rotation_step(CertificateRotation *r, Error *e);
int certificate_rotation_timeout_ms(const CertificateRotation *r);
/* Seconds since 1970; 0: there is no certificate that is good. */
int64_t certificate_rotation_until(const CertificateRotation *r);
int64_t certificate_rotation_renews(const CertificateRotation *r); /* when it will ask for the next */
const char *
certificate_rotation_request(const CertificateRotation *r); /* its object's name; NULL: none waits */
/* Names have changed: the certificate is renewed now when it lacks one of them. As the options have them. */
void certificate_rotation_set_names(CertificateRotation *r, const char *const *dns, const char *const *ip);
