#pragma once
/* What may stand as `source` of something in a config. */
#include "base/error.h"
#include "ignition/version.h"

/* -EINVAL with the words of a validation report: "invalid url scheme", "unable to parse url", … */
int source_url_check(const char *url, IgnVersion version, Error *e);
