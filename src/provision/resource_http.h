#pragma once
/* GET for resource.c: what every request of the provisioner has in common, put in terms of net/http_client.h.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"
#include "ignition/config.h"
#include "provision/content.h"

typedef struct ResourceHttp {
    int64_t response_headers_ms, total_ms; /* total 0: for ever */
    const char *http_proxy, *https_proxy;  /* NULL: none */
    const char *const *no_proxy;           /* ends with NULL; NULL: empty */
    const char *authorities;               /* PEM, beside the system's; NULL: none */
    const atomic_bool *cancelled;          /* ends what is under way; NULL: nobody does */
} ResourceHttp;

int resource_http_get(const ResourceHttp *h, const IgnResource *r, Content *c, Error *e);
