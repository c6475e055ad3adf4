#pragma once
/* Where a machine's own config comes from: a row for each platform id. Two more providers have no id and are
 * asked first: the kernel command line and the system's user.ign (engine.c has the order).
 * Outside things that tests put elsewhere: IGNITION_KERNEL_CMDLINE_PATH (/proc/cmdline; Ignition's own name
 * for it) and BASALT_SYSFS (/sys). */
#include "base/buf.h"
#include "base/error.h"
#include "provision/fetcher.h"

enum { PLATFORM_CONFIG_MAX = 256 * 1024 * 1024 };

typedef struct Platform {
    const char *id;
    /* Appends the text of the config; -ENODATA: the platform has none, go on with an empty one. NULL: the id
     * is known, its provider is not there yet. */
    int (*fetch)(Fetcher *f, Buf *ret, Error *e);
    int (*remove)(Fetcher *f, Error *e); /* ignition-rmcfg; NULL: the platform cannot */
} Platform;

const Platform *platform_find(const char *id); /* NULL: no such platform */
void platform_names(Buf *out);                 /* "aliyun aws …" */
int platform_fetch(const Platform *p, Fetcher *f, Buf *ret, Error *e);

/* -ENOENT: no ignition.config.url= on the command line, not a failure. */
int cmdline_fetch(Fetcher *f, Buf *ret, Error *e);
