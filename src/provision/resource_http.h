#pragma once
/* GET for resource.c: what every request of the provisioner has in common, put in terms of net/http_client.h.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "ignition/config.h"
#include "net/http_client.h"
#include "provision/content.h"

typedef struct ResourceHttp {
    int64_t response_headers_ms, total_ms; /* total 0: for ever */
    const char *http_proxy, *https_proxy;  /* NULL: none */
    const char *const *no_proxy;           /* ends with NULL; NULL: empty */
    const char *authorities;               /* PEM, beside the system's; NULL: none */
    const atomic_bool *cancelled;          /* ends what is under way; NULL: nobody does */
} ResourceHttp;

int resource_http_get(const ResourceHttp *h, const IgnResource *r, Content *c, Error *e);

/* A request that is no resource of a config: of a metadata service, or of an object store that wants headers
 * of its own. The usual headers go with it unless it has them itself. BASALT_METADATA, for tests: the scheme
 * and the authority that all of these are sent to, with the real ones in `Host:`. */
typedef struct ResourceCall {
    HttpRequest request;              /* without the sink and what belongs to it */
    bool direct;                      /* of this machine alone: never by a proxy */
    int64_t deadline_ms;              /* of the monotonic clock: all tries end by then; 0: when `h` says */
    unsigned local_port, local_ports; /* see HttpOptions */
    unsigned attempts;                /* 0: no limit */
    int (*prepare)(void *context, Error *e);
    void (*header)(void *context, const char *line, size_t n);
    void *context; /* of these two */
} ResourceCall;

/* Appends the answer's body. The messages are http_get()'s, and each try is a line of the log as above. */
int resource_http_call(const ResourceHttp *h, const ResourceCall *call, Buf *ret, Error *e);
/* The same into the content of a resource. */
int resource_http_feed(const ResourceHttp *h, const ResourceCall *call, Content *c, Error *e);
