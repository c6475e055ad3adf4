#pragma once
/* What becomes of a certificate signing request of a node: approved, denied, or left for a person. Decided
 * from the request, the node it is about, and what the cluster expects; asks nobody. Only what nobody could
 * ever mean to approve is denied; what is merely not known is left. Rules: cluster-machine-approver of
 * OpenShift; signers: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests. */
#include "format/node.h"
#include "net/certificate_request.h"

#define CSR_SIGNER_CLIENT  "kubernetes.io/kube-apiserver-client-kubelet"
#define CSR_SIGNER_SERVING "kubernetes.io/kubelet-serving"

typedef enum CsrSigner { CSR_FOREIGN, CSR_CLIENT, CSR_SERVING } CsrSigner;
typedef enum CsrState {
    CSR_PENDING,
    CSR_APPROVED,
    CSR_ISSUED,
    CSR_ENDED /* denied, or it has failed */
} CsrState;

/* What its object says. The texts are the object's and the arena's. */
typedef struct CsrFacts {
    const char *name, *username;
    CsrSigner signer;
    CsrState state;
    const Node *groups, *usages; /* may be NULL */
    int64_t created, decided;    /* seconds since 1970; 0: not said */
    CertificateRequest *request; /* NULL: it cannot be read, `error` says why */
    const char *error;
} CsrFacts;
void csr_facts_read(Arena *a, const Node *object, CsrFacts *ret);
void csr_facts_done(CsrFacts *f);
CsrSigner csr_signer(const Node *object);
CsrState csr_state(const Node *object);
bool csr_by_bootstrapper(const CsrFacts *f);
/* Whose node it is about; NULL: no node's. */
const char *csr_node_name(const CsrFacts *f);

typedef struct CsrNode {
    bool joined;           /* a kubelet has reported */
    const char *addresses; /* " a b c " */
} CsrNode;

typedef struct CsrSetting {
    const CsrNode *node;         /* NULL: there is no such node */
    bool other_key;              /* the same name was approved for another key, not long ago */
    const char *claimed;         /* a name it asks for that is another node's; NULL: none */
    const char *const *expected; /* names of nodes that are to join; ends with NULL; NULL: none are told */
    int64_t installed, window;   /* seconds: so long after that anybody may join; 0: not known, nobody */
} CsrSetting;

typedef enum CsrVerdict { CSR_LEAVE, CSR_APPROVE, CSR_DENY } CsrVerdict;
typedef struct CsrDecision {
    CsrVerdict verdict;
    const char *reason; /* a word, as conditions have them */
    char message[512];
} CsrDecision;
void csr_decide(const CsrFacts *f, const CsrSetting *s, CsrDecision *ret);

/* What is signed for an approved request, whoever approved it: 0 and all of the spec but the times, or
 * -EINVAL: it is none that this signer signs. */
int csr_certificate(const CsrFacts *f, CertificateSpec *ret, Error *e);
