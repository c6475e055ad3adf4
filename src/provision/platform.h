#pragma once
/* Where a machine's own config comes from: a row for each platform id. Two more providers have no id and are
 * asked first: the kernel command line and the system's user.ign (engine.c has the order).
 * Outside things that tests put elsewhere: IGNITION_KERNEL_CMDLINE_PATH (/proc/cmdline; Ignition's own name
 * for it), BASALT_SYSFS (/sys), BASALT_DEV (/dev; a directory in place of a device is a mounted filesystem),
 * BASALT_RUN (/run), BASALT_METADATA (resource_http.h), BASALT_GUESTINFO (guest_info.h). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "provision/fetcher.h"
#include "provision/state.h"

enum { PLATFORM_CONFIG_MAX = 256 * 1024 * 1024 };

/* A metadata service over HTTP. */
typedef struct Metadata {
    const char *url;       /* of the user data; NULL: the platform has no such service */
    HttpHeader headers[3]; /* beside the usual ones */
    const char *token_url; /* PUT here first; NULL: nothing of the sort */
    HttpHeader token_headers[3];
    const char *token_to; /* the header that the token is sent back in */
    bool token_optional;  /* 404 there: an older service, asked without */
    bool required;        /* 404 is a failure, not "no config" */
    bool base64;
    int retry[4];  /* statuses below 500 that pass; ends with 0 */
    bool low_port; /* the service answers clients on ports below 1024 only */
} Metadata;

/* Filesystems with a label of their own. The first that is there counts, and in it the first path that has
 * something; one without any means no config. */
typedef struct Drive {
    const char *label, *paths[2];
} Drive;

typedef struct Platform Platform;

/* One acquisition. */
typedef struct PlatformFetch {
    const Platform *platform;
    Fetcher *fetcher;
    Arena *arena;
    int64_t deadline_ms; /* of the monotonic clock; 0: none */
    State *state;        /* gets the files that the files stage has to write */
} PlatformFetch;

struct Platform {
    const char *id;
    /* Appends the text of the config; -ENODATA: the platform has none, go on with an empty one. -ENETDOWN:
     * not without the network. */
    int (*fetch)(const PlatformFetch *p, Buf *ret, Error *e);
    Metadata metadata;
    Drive drives[2];
    bool skip_cloud_config; /* files that start with "#cloud-config" are for somebody else */
    int drive_wait_ms;      /* then there is no config; 0: until the deadline, and that is a failure */
    int (*remove)(Fetcher *f, Error *e); /* ignition-rmcfg; NULL: the platform cannot */
    /* Tells the platform how a stage ended, `failure` NULL: well. NULL: it does not want to know. */
    int (*report)(Fetcher *f, const char *stage, const char *failure, Error *e);
};

const Platform *platform_find(const char *id); /* NULL: no such platform */
void platform_names(Buf *out);                 /* "aliyun aws …" */
/* With the fetcher's total timeout as the limit of all of it. User data that is packed is unpacked. */
int platform_fetch(const Platform *p, Fetcher *f, State *state, Buf *ret, Error *e);

/* -ENOENT: no ignition.config.url= on the command line, not a failure. */
int cmdline_fetch(Fetcher *f, Buf *ret, Error *e);
/* Is a word that starts like this on it? */
bool cmdline_has(const char *start);

/* ---- for the providers ---- */
int metadata_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int drive_fetch(const PlatformFetch *p, Buf *ret, Error *e);
/* Drives and the metadata service at the same time; the first answer counts. */
int race_fetch(const PlatformFetch *p, Buf *ret, Error *e);
/* The first of the platform's drives that is there now: 0 with its config, -ENODATA when it has none, -ENOENT
 * when none is there. */
int drive_try(const PlatformFetch *p, Buf *ret, Error *e);
int azure_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int azurestack_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int qemu_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int bluefield_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int zvm_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int applehv_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int hyperv_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int vmware_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int vmware_remove(Fetcher *f, Error *e);
int virtualbox_fetch(const PlatformFetch *p, Buf *ret, Error *e);
int virtualbox_remove(Fetcher *f, Error *e);
int packet_report(Fetcher *f, const char *stage, const char *failure, Error *e);

/* $VARIABLE/rest, or default/rest. */
const char *platform_path(Arena *a, const char *variable, const char *fallback, const char *rest);
/* Unless `present` exists, as the module's driver makes it; NULL: in any case. */
int platform_modprobe(const PlatformFetch *p, const char *module, const char *present, Error *e);
/* A program, to its end or to the deadline: as process_run(), without positive results. */
int platform_run(const PlatformFetch *p, const char *const *argv, Buf *output, Error *e);
/* A second, or until the deadline or until nobody waits any more: then false. */
bool platform_pause(const PlatformFetch *p);
