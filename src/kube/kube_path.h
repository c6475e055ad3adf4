#pragma once
/* What a request is called in HTTP: its method, its path with the query, and the type of its body. */
#include "base/buf.h"
#include "kube/kube.h"

const char *kube_method(KubeVerb verb);
const char *kube_content_type(const KubeRequest *q);

/* "/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME?QUERY", appended. `manager` stands where the request
 * names no field manager. -EINVAL: a name is missing, is there but must not be, or cannot stand in a path. */
int kube_path(const KubeRequest *q, const char *manager, Buf *ret, Error *e);
/* Of a watch that the server is to end after `seconds` (0: whenever it likes). */
int kube_watch_path(const KubeRequest *q, unsigned seconds, Buf *ret, Error *e);

/* "GET machineconfigpools 'worker'", for messages. */
const char *kube_request_text(const KubeRequest *q, char *out, size_t size);
