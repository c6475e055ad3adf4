#pragma once
/* A reboot for kernel arguments that is under way, written down beside the boot entries: the stage that runs
 * after it can tell whether it helped, instead of rebooting for ever. */
#include <stdbool.h>

#include "base/error.h"

#define KARGS_MARKER_NAME ".ignition-kargs"

typedef enum KargsMarker {
    KARGS_MARKER_NONE,
    KARGS_MARKER_BEGUN, /* killed in the edit, or the power went: nobody knows what this boot was started with
                         */
    KARGS_MARKER_EDITED,   /* by this boot: the reboot has not come yet */
    KARGS_MARKER_REBOOTED, /* edited by an earlier boot */
} KargsMarker;

typedef struct KargsMarkerPlace {
    int root;
    const char *dir;  /* in it, where the entries' filesystem begins: "/boot", "/" */
    const char *what; /* the change, as text: the marker of another one is none */
} KargsMarkerPlace;

int kargs_marker_read(const KargsMarkerPlace *p, KargsMarker *ret, Error *e);
/* Before the edit as begun, after it as edited. On disk when it returns. */
int kargs_marker_write(const KargsMarkerPlace *p, KargsMarker state, Error *e);
int kargs_marker_remove(const KargsMarkerPlace *p, Error *e);
