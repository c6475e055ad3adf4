#pragma once
/* A container image becomes a commit of an OSTree repository in one pass: each layer that is not there yet
 * goes from the network through digests, inflater and tar reader into objects (layer_import.h); nothing of it
 * touches the disk under a name of its own choosing. Layers are commits of their own, named by their digest,
 * and are never fetched twice, nor when only their compression changed. The image is one more commit, as
 * ostree-ext makes it (crates/ostree-ext/src/container/store.rs): metadata ostree.manifest-digest,
 * ostree.manifest, ostree.container.image-config, ostree.importer.version; its parent is the encapsulated
 * commit where the image holds one. All of it appears at the end: whatever fails, the repository has the refs
 * and objects that it had. */
#include "oci/image_config.h"
#include "oci/image_source.h"
#include "update/layer_import.h"
#include "update/object_store.h"

enum { IMPORT_JOBS = 3, IMPORT_JOBS_MAX = 16, IMPORT_KERNEL_MAX = 256 };

typedef enum ImportLayerState { IMPORT_WAITING, IMPORT_KEPT, IMPORT_FETCHING, IMPORT_DONE } ImportLayerState;
typedef struct ImportProgress {
    size_t layer; /* whose state or bytes changed */
    const Descriptor *descriptor;
    ImportLayerState state;
    uint64_t layer_done;         /* bytes of it, compressed */
    uint64_t done, total;        /* of all that is fetched */
    size_t layers, kept, ready;  /* ready: fetched ones that are whole */
} ImportProgress;

typedef struct ImportOptions {
    int dirfd; /* where `repository` begins; the repository must be there and be of the mode "bare" */
    const char *repository;
    const RegistryOptions *registry; /* its cancelled() and context are not used */
    const Platform *platform;        /* NULL: this machine's */
    unsigned jobs;                   /* layers at once; 0: IMPORT_JOBS */
    void (*progress)(void *context, const ImportProgress *p); /* one call at a time, of any thread; or NULL */
    bool (*cancelled)(void *context);                         /* of any thread; the end is -ECANCELED; or NULL */
    void *context;
    ObjectStoreStep step; /* as object_store_open(), also before each ref; NULL allowed */
    void *step_context;
} ImportOptions;

typedef struct ImportResult {
    char commit[OSTREE_CHECKSUM_TEXT]; /* the image */
    char base[OSTREE_CHECKSUM_TEXT];   /* the commit that it encapsulates, or "" */
    ContentDigest manifest;            /* the one for the platform */
    size_t layers, kept, fetched;
    uint64_t fetched_bytes; /* compressed */
    ObjectCounts written;
    LayerDropped dropped;           /* of the layers that were fetched */
    char kernel[IMPORT_KERNEL_MAX]; /* of usr/lib/modules, the only one with a vmlinuz; "": none or several */
    bool label;    /* containers.bootc or ostree.bootable is among the labels */
    bool bootable; /* both: is it an operating system? The caller decides what to do with one that is not */
} ImportResult;

/* 1: the image is new here, or its ref was moved; 0: it is what the ref had, which only the manifest was
 * asked for. -EBADMSG: a digest is wrong or a layer is none; -ENOSPC: with the numbers; -EBUSY: the
 * repository is being written. */
int image_import(const ImportOptions *o, const ImageReference *reference, ImportResult *ret, Error *e);

/* What is there now, without a layer: for `upgrade --check`. */
typedef struct ImportCheck {
    Manifest index, manifest; /* the same when the name leads to an image */
    ImageConfig config;
    const char *config_text;  /* as it came */
    bool changed;             /* against what the image's ref has; true too when there is none */
    size_t layers, missing;   /* missing: to be fetched */
    uint64_t missing_bytes;   /* compressed */
} ImportCheck;
/* Asks the repository without a lock and changes nothing. */
int image_import_check(const ImportOptions *o, const ImageReference *reference, Arena *a, ImportCheck *ret,
                       Error *e);

/* The ref that an image of the reference has, in the arena. */
char *image_import_ref(Arena *a, const ImageReference *reference);

/* What a commit that was imported says of itself: -ENOENT when it is no image's. */
typedef struct ImportRecord {
    ContentDigest manifest_digest;
    Manifest manifest;
    ImageConfig config;
    const char *config_text; /* NULL, and config empty: not recorded */
} ImportRecord;
int image_import_record(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Arena *a,
                        ImportRecord *ret, Error *e);
