#pragma once
/* /etc/clevis.json among the files of a config asks for an encrypted root: so did the clusters of
 * OpenShift 4.3 to 4.6 on their first day, before a config had storage.luks. What it says becomes what a
 * config of today would. */
#include "base/error.h"
#include "ignition/config.h"
#include "provision/resource.h"

#define ROOT_ENCRYPT_PATH "/etc/clevis.json"

/* The root as it is now. */
typedef struct RootNow {
    const char *device;
    const char *format, *label, *uuid; /* label, uuid: NULL: it has none */
    bool encrypted;
} RootNow;

typedef struct RootEncrypt {
    Fetcher *fetcher;
    const char *cmdline;
    /* 1: it is there under this name, 0: it is not. */
    int (*look)(void *context, Arena *a, const char *name, RootNow *ret, Error *e);
    void *context;
} RootEncrypt;

/* 1 with the config that says it by storage.luks and storage.filesystems; 0: nothing of the kind is asked, or
 * it is done or declared already. -ENXIO: there is no root; other failures name the file. */
int root_encrypt(Arena *a, const RootEncrypt *o, const IgnConfig *config, IgnConfig **ret, Error *e);
/* For the stage that decides whether a network is needed; only of contents that need none themselves. */
bool root_encrypt_needs_network(const IgnConfig *config);

/* The two of them for tests: the file's text as a config of its own. */
int root_encrypt_config(Arena *a, const char *text, size_t len, const RootNow *now, IgnConfig **ret,
                        Error *e);
