#pragma once
/* Whoever approves and signs requests, in the API in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/data_url.h"
#include "kube_fake.h"
#include "net/certificate_request.h"

typedef struct CsrSigner {
    KeyPair *key;
    Certificate *ca;
    int64_t now, life;
    const char *answer; /* NULL: a certificate; a condition; "wait"; "other": of another key */
    unsigned issued;
} CsrSigner;

static inline void csr_signer_init(CsrSigner *s, int64_t now, int64_t life)
{
    *s = (CsrSigner){.now = now, .life = life};
    CertificateSpec spec = {.common_name = "signer",
                            .use = CERTIFICATE_CA,
                            .not_before = now - 100,
                            .not_after = now + 1000000000};
    if (key_pair_new(KEY_P256, &s->key, NULL) < 0 ||
        certificate_issue(&spec, s->key, NULL, s->key, &s->ca, NULL) < 0)
        abort();
}

static inline void csr_signer_done(CsrSigner *s)
{
    certificate_free(s->ca);
    key_pair_free(s->key);
}

static inline void csr_signer_issue(CsrSigner *s, const Node *object, Buf *out)
{
    const Node *text = node_get_path(object, "spec.request");
    _cleanup_buf_ Buf pem = BUF_INIT, issued = BUF_INIT;
    _cleanup_(certificate_request_freep)
    CertificateRequest *q = NULL;
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    if (base64_decode(text->string, text->len, &pem) < 0 ||
        certificate_request_read(pem.data, pem.len, &q, NULL) < 0)
        abort();
    CertificateSpec spec = {.common_name = q->names.common_name,
                            .organization = "system:nodes",
                            .use = CERTIFICATE_CLIENT,
                            .dns = q->names.dns,
                            .ip = q->names.ip,
                            .not_before = s->now,
                            .not_after = s->now + s->life};
    bool other = s->answer && strcmp(s->answer, "other") == 0;
    if (certificate_issue(&spec, other ? s->key : q->key, s->ca, s->key, &c, NULL) < 0)
        abort();
    certificate_write(c, &issued);
    base64_encode(issued.data, issued.len, out);
    s->issued++;
}

/* For kube_fake_before(). */
static inline void csr_signer_answer(void *context, Kube *k, const KubeRequest *q)
{
    CsrSigner *s = context;
    if (q->verb != KUBE_GET || strcmp(q->kind->plural, "certificatesigningrequests") != 0)
        return;
    const Node *object = kube_fake_get(k, &kube_certificate_signing_request, NULL, q->name);
    if (!object || node_get(object, "status") || (s->answer && strcmp(s->answer, "wait") == 0))
        return;
    _cleanup_buf_ Buf text = BUF_INIT, spec = BUF_INIT;
    json_write(node_get(object, "spec"), JSON_COMPACT, &spec);
    buf_addf(&text, "{\"metadata\":{\"name\":\"%s\"},\"spec\":%s,\"status\":", q->name, spec.data);
    if (s->answer && strcmp(s->answer, "other") != 0)
        buf_addf(&text, "{\"conditions\":[{\"type\":\"%s\",\"status\":\"True\"}]}}", s->answer);
    else {
        buf_add_str(&text, "{\"certificate\":\"");
        csr_signer_issue(s, object, &text);
        buf_add_str(&text, "\"}}");
    }
    kube_fake_put(k, &kube_certificate_signing_request, text.data);
}
