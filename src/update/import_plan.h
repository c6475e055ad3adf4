#pragma once
/* What an image is made of and what of it is there already; for image_import.c and its import_*.c alone. */
#include "update/image_import.h"

#define IMPORT_KEY_DIGEST  "ostree.manifest-digest" /* of the metadata of an image's commit */
#define IMPORT_KEY_VERSION "ostree.importer.version"

typedef struct ImportLayer {
    const Descriptor *blob;
    const ContentDigest *diff_id;
    LayerKind kind;
    const char *ref;
    bool have;      /* commit is it */
    size_t same_as; /* an earlier layer of the same digest, or its own number */
    uint8_t commit[OSTREE_CHECKSUM];
} ImportLayer;

typedef struct ImportPlan {
    Manifest index, manifest;
    ImageConfig config;
    const char *config_text;
    ImportLayer *layers;
    size_t n_layers, missing; /* missing: to be fetched */
    bool has_like;
    uint8_t like[OSTREE_CHECKSUM]; /* a directory whose files probably come again */
    uint64_t missing_bytes;
    WorkerHost *workers; /* who reads what is fetched; NULL: this process */
    bool has_tree;       /* the image's, without its layers; what it encapsulates is in layers[0].commit */
    uint8_t tree[OSTREE_CHECKSUM], meta[OSTREE_CHECKSUM];
} ImportPlan;

/* Asks the source for manifest and config, then the repository for the layers. -EBADMSG also where a layer
 * that is there is another than the config says. */
int import_plan_make(ImageSource *source, const Platform *platform, const ObjectStore *s, Arena *a,
                     ImportPlan *ret, Error *e);

/* -ENOSPC with the numbers where the layers that are missing cannot have room. */
int import_space_check(int repo, const ImportPlan *plan, Error *e);

/* Fetches what is missing, in threads; then every layer has its commit. The store may have got objects when
 * this fails. */
int import_fetch(const ImportOptions *o, const ImageReference *reference, ObjectStore *s, ImportPlan *plan,
                 ImportResult *result, Error *e);

/* A delta that could be fetched instead, which nobody has looked into yet. 1: *ret; 0: none. */
typedef struct ImportDelta {
    const Descriptor *manifest;
    ContentDigest from;
    uint64_t size;
    uint8_t tree[OSTREE_CHECKSUM], meta[OSTREE_CHECKSUM]; /* of the image that it starts from */
} ImportDelta;
int import_delta_find(const ImportOptions *o, ImageSource *source, const ObjectStore *s,
                      const ImportPlan *plan, Arena *a, ImportDelta *ret, Error *e);
/* 1: the store has the whole tree (plan->has_tree); 0: the layers are wanted, and the store may be another
 * one than before. */
int import_delta(const ImportOptions *o, const ImageReference *reference, ImageSource *source,
                 ObjectStore **s, ImportPlan *plan, ImportResult *result, Error *e);
