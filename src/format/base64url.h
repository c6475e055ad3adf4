#pragma once
/* Base64 as JOSE has it (RFC 7515): '-' and '_', no padding. */
#include "base/buf.h"

void base64url_encode(const void *data, size_t n, Buf *out);
int base64url_decode(const char *text, size_t n, Buf *ret); /* appends; -EINVAL */
