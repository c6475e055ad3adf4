#pragma once
/* Whom the HTTP client trusts, and in what words it says that it does not. */
#include "base/buf.h"
#include "net/http_curl.h"

/* The PEM to trust when `authorities` are named beside the system's: libcurl takes it for its CA file, so
 * that only the directory of the system's stays in use. Where that has no hashed names, the file is put in
 * too. */
void http_trust_bundle(const char *authorities, const char *file, const char *directory, Buf *ret);

/* OpenSSL's verdict on a chain (none: the chain is good, the name is not) in words for whoever wrote the
 * config. `seen` is what the server showed, NULL or empty when that is not known; `url` is what was asked
 * for. */
void http_trust_explain(long verdict, const struct curl_certinfo *seen, const char *url, Error *e);
