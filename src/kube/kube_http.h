#pragma once
/* The API over the network, by libcurl, which is loaded here: HTTP/1.1, one connection for calls and one for
 * each watch, all kept. Certificates and tokens are read again when their files change. Nothing is taken from
 * the environment; no message holds a token or what an object has. A GET and a LIST are tried again while no
 * answer came; a write only when none of it can have arrived. */
#include "kube/kube.h"
#include "kube/kubeconfig.h"

enum { KUBE_TIMEOUT_MS = 30000 };

typedef struct KubeHttpOptions {
    const char *agent;   /* the program's name: its User-Agent, and its field manager */
    unsigned timeout_ms; /* of a call with all its tries; 0: KUBE_TIMEOUT_MS */
} KubeHttpOptions;

/* `config` and the options' texts must outlive the client. Connects to nobody yet. */
int kube_http_new(const KubeConfig *config, const KubeHttpOptions *options, Kube **ret, Error *e);
