#pragma once
/* The versions of the Ignition spec that are read, in order. */
#include <stdint.h>

#include "base/error.h"

typedef enum IgnVersion {
    IGN_NONE, /* no usable version */
    IGN_2_0,
    IGN_2_1,
    IGN_2_2,
    IGN_2_3,
    IGN_2_4,
    IGN_3_0,
    IGN_3_1,
    IGN_3_2,
    IGN_3_3,
    IGN_3_4,
    IGN_3_5,
    IGN_3_6,
    IGN_3_7_EXP,          /* 3.7.0-experimental: taken, never written */
    IGN_NEWEST = IGN_3_6, /* what everything is lifted to */
} IgnVersion;

const char *ign_version_text(IgnVersion v); /* "3.4.0" */
/* -EINVAL: not a version number ("invalid config version (couldn't parse)"); -EOPNOTSUPP: a version that is
 * not taken ("unsupported config version"); the Error says what it got and what is accepted. */
int ign_version_parse(const char *text, IgnVersion *ret, Error *e);
