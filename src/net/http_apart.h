#pragma once
/* The client of http_client.h in a process without rights: it has the network, a root with nothing but the
 * names and the authorities that the system knows, read only, and no other user's rights than nobody's. TLS,
 * HTTP, redirects and whatever libcurl does with them are its business; here its frames are taken as a
 * stranger's words. What it cannot be kept from is to lie: who asks holds answers against digests, as ever.
 */
#include "base/worker_host.h"
#include "net/http_client.h"

int http_host_new(uid_t uid, gid_t gid, WorkerHost **ret, Error *e);
/* A session whose requests such a process makes, its own; -EOPNOTSUPP for requests with prepare(). The host
 * outlives it. */
HttpSession *http_session_new_apart(WorkerHost *host);

int http_worker_run(WorkerEnd *w, Error *e);
int http_worker_confine(WorkerEnd *w, Error *e);

/* For http_client.c, and for tests that put other code in the worker's place. */
typedef struct HttpApart HttpApart;
HttpApart *http_apart_new(WorkerHost *host);
void http_apart_free(HttpApart *a);
DEFINE_CLEANUP(HttpApart *, http_apart_free);
void http_apart_set(HttpApart *a, const WorkerTask *task);
int http_apart_get(HttpApart *a, const HttpOptions *options, const HttpRequest *request, HttpResponse *ret,
                   Error *e);
