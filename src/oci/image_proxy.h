#pragma once
/* Speaking with `skopeo experimental-image-proxy`: requests and replies are JSON in packets of a socket pair,
 * what is large comes by pipes. Skopeo gets that socket and nothing else, a clean environment, and ends with
 * the conversation. Its replies are bounded and checked as all that comes from elsewhere. For one thread at a
 * time. */
#include "format/node.h"
#include "oci/registry.h"

enum { PROXY_REPLY_MAX = 32 << 10 };

typedef struct ImageProxy ImageProxy;
/* -ENOPKG: there is no skopeo; -ENOTSUP: one that speaks in another way. */
int image_proxy_start(ImageProxy **ret, Error *e);
void image_proxy_free(ImageProxy *p);
DEFINE_CLEANUP(ImageProxy *, image_proxy_free);

typedef struct ProxyReply {
    const Node *value; /* NULL: none */
    uint64_t pipe;     /* 0: none; then `fd` is -EBADF */
    int fd;            /* the caller's to close, by image_proxy_finish() */
} ProxyReply;

/* `arguments` is a JSON array. -EREMOTEIO: skopeo says that it does not work, and e why. */
int image_proxy_call(ImageProxy *p, Arena *a, const char *method, const char *arguments, ProxyReply *ret,
                     Error *e);
/* What comes by the pipe of a reply, to its end; then skopeo is asked whether it was all of it. NULL: it is
 * not wanted, and no failure is told. */
int image_proxy_finish(ImageProxy *p, ProxyReply *reply, const BlobSink *to, Error *e);

/* One packet, for image_proxy_call(): 0, -EREMOTEIO, -EBADMSG. */
int proxy_reply_read(Arena *a, const void *data, size_t n, ProxyReply *ret, Error *e);
