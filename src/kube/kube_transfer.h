#pragma once
/* For the files of the client over HTTP only: what calls and watches share. */
#include "kube/kube_http.h"
#include "kube/kube_identity.h"
#include "net/http_curl.h"

typedef struct HttpWatch HttpWatch;

typedef struct HttpKube {
    Kube base; /* first */
    const KubeConfig *config;
    KubeHttpOptions options;
    KubeIdentity identity;
    Curl curl;
    CurlMulti multi;
    CURL *easy; /* of calls; keeps their connection */
    CURLM *watching;
    HttpWatch *watches;
    int epoll;
    int64_t due; /* when libcurl wants to be asked; -1: it does not */
} HttpKube;

/* One request that is going out, set on a handle. */
typedef struct KubeTransfer {
    HttpKube *kube;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    bool once;                 /* it must not be sent a second time */
    unsigned sent;             /* how often it was about to be */
    int failed;                /* why its answer was not taken: -errno */
    char why[CURL_ERROR_SIZE]; /* libcurl's words */
} KubeTransfer;

/* Looks for new credentials, and sets all but the method, the times and who takes the answer. */
int kube_transfer_begin(KubeTransfer *t, const char *path, const char *content_type, Error *e);
void kube_transfer_end(KubeTransfer *t); /* the handle stays */
/* What went wrong on the way. */
int kube_transfer_error(const KubeTransfer *t, CURLcode code, Error *e);

/* The calls of watches, in kube_http_watch.c. */
int kube_http_watch(Kube *k, const KubeRequest *q, KubeWatch **ret, Error *e);
int kube_http_next(KubeWatch *w, Arena *a, KubeEvent *ret, Error *e);
void kube_http_unwatch(KubeWatch *w);
int kube_http_fd(const Kube *k);
int kube_http_timeout_ms(Kube *k);
int kube_http_watching_begin(HttpKube *h, Error *e);
void kube_http_watching_end(HttpKube *h);
