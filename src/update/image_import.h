#pragma once
/* A container image becomes a commit of an OSTree repository in one pass: each layer that is not there yet
 * goes from its source through inflater, digests and tar reader into objects (layer_import.h); nothing of it
 * touches the disk under a name of its own choosing. A layer is a commit of its own, named by its digest, and
 * is not fetched twice, nor when only its compression changed. The image is one more commit, as ostree-ext
 * makes it (crates/ostree-ext/src/container/store.rs): metadata ostree.manifest-digest, ostree.manifest,
 * ostree.container.image-config, ostree.importer.version; its parent is the encapsulated commit where the
 * image holds one. Where a delta from an image that is here is less than the missing layers, it is fetched
 * instead (import_delta.c): the commit is the same one, those layers do not exist. All of it appears at the
 * end: whatever fails, the repository has the refs and objects that it had. */
#include "oci/image_config.h"
#include "oci/image_source.h"
#include "oci/policy_check.h"
#include "update/layer_import.h"

enum { IMPORT_JOBS = 3, IMPORT_JOBS_MAX = 16, IMPORT_KERNEL_MAX = 256 };

typedef enum ImportState { IMPORT_WAITING, IMPORT_KEPT, IMPORT_FETCHING, IMPORT_DONE } ImportState;
typedef struct ImportProgress {
    size_t layer; /* whose state or bytes changed */
    const Descriptor *descriptor;
    ImportState state;
    uint64_t layer_done;          /* bytes of it, compressed */
    uint64_t done, total;         /* of all that is fetched */
    size_t layers, kept, fetched; /* fetched: whole */
    bool delta;                   /* it is one that is fetched, as if it were the only layer */
} ImportProgress;

typedef struct ImportOptions {
    int dirfd; /* where `repository` begins; it must be there and of the mode "bare" */
    const char *repository;
    const RegistryOptions *registry; /* its cancelled() is not used; NULL: no registry is asked */
    const Platform *platform;        /* NULL: this machine's */
    /* Held against the manifest before anything else is fetched; the verdict, when there is one asked for,
     * lives in `arena`. NULL: the caller knows what it does. */
    const PolicyOptions *policy;
    Arena *arena;
    bool bootable; /* what is no operating system is -ENOEXEC: by its labels before a layer is fetched */
    unsigned jobs; /* layers at once; 0: IMPORT_JOBS */
    const uint8_t *like; /* a commit whose large files probably come again; NULL: one is looked for */
    uint64_t layer_max;  /* what a layer may unpack to; 0: layer_unpack.h */
    bool in_process;     /* layers and deltas are read by this process: for tests under sanitizers */
    uid_t uid;           /* else in processes of this user (layer_worker.h); 0: nobody */
    gid_t gid;
    bool no_delta;      /* fetch layers even where a delta (delta.h) would be less */
    bool check_refuses; /* image_import_check() too: what the policy or `bootable` does not allow */
    /* For repair: these count as not there (object_store_suspect()), layers that have them as not fetched;
     * and nothing but the image of this digest will do (-ESTALE), where that is known. NULL. */
    const ChecksumSet *suspects;
    const ContentDigest *only;
    /* What the processes cannot be kept from; why a delta was not used after all. Each once; NULL allowed. */
    void (*warn)(void *context, const char *text);
    void (*progress)(void *context, const ImportProgress *p); /* of any thread, one at a time; NULL allowed */
    bool (*cancelled)(void *context);                         /* of any thread; NULL allowed. -ECANCELED */
    void *context;
    ObjectStoreStep step; /* as object_store_open(), and before each ref; NULL allowed */
    void *step_context;
} ImportOptions;

typedef struct ImportResult {
    uint8_t commit[OSTREE_CHECKSUM]; /* the image */
    bool has_base;
    uint8_t base[OSTREE_CHECKSUM]; /* the commit that it encapsulates */
    ContentDigest manifest;        /* the one for the platform */
    size_t layers, kept, fetched;
    uint64_t fetched_bytes; /* compressed */
    bool delta;             /* they are of a delta: no layer was fetched */
    ContentDigest delta_from;
    uint64_t delta_instead; /* bytes of the layers that it stands for */
    ObjectCounts written;
    LayerDropped dropped;           /* of the layers that were fetched */
    PolicyVerdict verdict;          /* of an image that is new here */
    char kernel[IMPORT_KERNEL_MAX]; /* of usr/lib/modules, the only one with a vmlinuz; "": none or several */
    bool label;                     /* containers.bootc or ostree.bootable is among the labels */
    bool bootable;                  /* both; what to do with an image that is not is the caller's business */
} ImportResult;

/* 1: the image is new here, or the ref of its name was moved; 0: it is what the ref had, and only its
 * manifest was asked for. -EBADMSG: a digest is wrong, or a layer is none; -ENOSPC with the numbers; -EBUSY:
 * another program is changing the repository. */
int image_import(const ImportOptions *o, const ImageReference *reference, ImportResult *ret, Error *e);

/* What there is now, without a layer: for `upgrade --check`. Asks the repository without a lock, changes
 * nothing. */
typedef struct ImportCheck {
    Manifest index, manifest; /* the same when the name leads to an image */
    ImageConfig config;
    const char *config_text; /* as it came */
    bool changed;            /* against the commit that the ref of its name has; true too without one */
    size_t layers, missing;  /* missing: to be fetched */
    uint64_t missing_bytes;  /* compressed */
    uint64_t delta_bytes;    /* of a delta that would do instead; 0: there is none */
} ImportCheck;
int image_import_check(const ImportOptions *o, const ImageReference *reference, Arena *a, ImportCheck *ret,
                       Error *e);

/* The ref of an image, by the name that it was imported by. NULL: longer than refs are. */
char *image_import_ref(Arena *a, const ImageReference *reference);

/* What the commit of an image says of itself. -ENOENT: it is no image's. */
typedef struct ImportRecord {
    ContentDigest digest, index; /* of the manifest, and of what the name led to */
    Manifest manifest;
    ImageConfig config;
    const char *config_text;
    bool has_base;
    uint8_t base[OSTREE_CHECKSUM];
    uint64_t timestamp;
} ImportRecord;
int image_import_record(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Arena *a,
                        ImportRecord *ret, Error *e);
