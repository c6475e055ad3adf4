#pragma once
/* What a source URL of spec 2.x may be: which schemes, and what each asks of the rest. */
#include "base/error.h"
#include "ignition/version.h"

/* "" for a URL without a scheme, NULL when it cannot be parsed at all. `buf` takes the scheme, in lower case. */
const char *url_scheme(const char *url, char *buf, size_t size);
/* NULL and "" are fine: an empty file. -EINVAL with Ignition's words. */
int url_check_v2(const char *url, IgnVersion version, Error *e);
