#pragma once
/* One image in its registry, read only: the manifest and the blobs of a repository, from the first of its
 * places (mirrors, then itself; registries.h) that has them. What comes is verified here: a manifest against
 * the digest that was asked for and the one that the server claims, a blob against its descriptor, size and
 * digest. Tokens are asked for when a registry wants them, with the least that there is (pull), and kept
 * while they are good. Connections are kept. For one thread at a time; who loads layers at once opens one for
 * each thread.
 *
 * Never sent: credentials to a host that a redirect names (CVE-2020-15157); credentials or tokens in the
 * clear, the token server's included (CVE-2019-10214), unless registries.conf calls the place insecure.
 * `urls` of descriptors are not used. No message holds a secret. */
#include "net/http_apart.h"
#include "oci/auth_file.h"
#include "oci/manifest.h"
#include "oci/registries.h"

typedef struct RegistryOptions {
    int root;                      /* below which auth.json and certs.d are looked for; a directory */
    const Registries *registries;  /* NULL: none */
    const char *const *auth_files; /* NULL: the usual ones (auth_file.h) */
    const char *authorities;       /* PEM, trusted beside the system's and certs.d; NULL: none */
    const char *http_proxy, *https_proxy;
    const char *const *no_proxy; /* net/http_proxy.h */
    WorkerHost *http;            /* whose processes make the requests (http_apart.h); NULL: this one */
    unsigned attempts;           /* without a byte of progress; 0: 5 */
    int64_t stall_ms;            /* 0: 30 s */
    void (*retrying)(void *context, unsigned attempt, const char *url, const char *why); /* may be NULL */
    bool (*cancelled)(void *context);                                                    /* may be NULL */
    void *context;
} RegistryOptions;

/* For others who ask in the same way. */
int registry_session_new(const RegistryOptions *o, HttpSession **ret, Error *e);

typedef struct Registry Registry;
/* Asks nobody yet. The options are kept as they are, what they point to too. -EACCES: blocked. */
int registry_open(const RegistryOptions *o, const ImageName *name, Registry **ret, Error *e);
void registry_free(Registry *r);
DEFINE_CLEANUP(Registry *, registry_free);

/* The manifest or index of the digest, or of the name when that is NULL. -ENOENT: no place has it. */
int registry_manifest(Registry *r, Arena *a, const ContentDigest *digest, Manifest *ret, Error *e);
/* The one of another tag of the same repository. */
int registry_manifest_tagged(Registry *r, Arena *a, const char *tag, Manifest *ret, Error *e);
/* The index of what refers to a manifest (signatures, deltas, …; distribution-spec 1.1): by the API where the
 * registry has it, else by the tag that is made of the digest. Nobody vouches for what is in it. -ENOENT:
 * there is none. */
int registry_referrers(Registry *r, Arena *a, const ContentDigest *subject, Manifest *ret, Error *e);
/* As registry_manifest(), and through an index to the image for a machine; *ret_index is what the name led
 * to. */
int registry_image(Registry *r, Arena *a, const Platform *want, Manifest *ret_index, Manifest *ret, Error *e);
/* What the name stands for just now, for next to nothing: the server's word, which nothing has verified. */
int registry_resolve(Registry *r, ContentDigest *ret, Error *e);

/* Bytes come as they do from the network and are good only when 0 is returned. One that breaks off goes on,
 * at another place if need be: the sink sees every byte once. */
typedef struct BlobSink {
    int (*take)(void *context, const void *data, size_t n); /* < 0 ends the work with that code */
    void *context;
} BlobSink;
int registry_blob(Registry *r, const Descriptor *d, const BlobSink *to, Error *e);
/* Into memory, for configs and the like; -EFBIG when the descriptor says more than `max`. */
int registry_blob_read(Registry *r, const Descriptor *d, size_t max, Buf *ret, Error *e);
/* The same by whichever function fetches the blob. After a failure *ret is as before. */
typedef int (*BlobFetch)(void *from, const Descriptor *d, const BlobSink *to, Error *e);
int blob_read(BlobFetch fetch, void *from, const Descriptor *d, size_t max, Buf *ret, Error *e);
bool registry_has_blob(Registry *r, const Descriptor *d); /* at the place that is in use */
/* Where it came from, for messages and for records: the place in use, the first before anything was asked. */
const ImagePlace *registry_place(const Registry *r);
