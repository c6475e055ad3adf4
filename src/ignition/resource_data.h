#pragma once
/* What a resource says of its own bytes (how they are compressed, which digest they have), and the bytes
 * themselves where its source holds them: a data: URL, or no source, which is an empty file. No file, no
 * network. */
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/compress.h"
#include "format/digest.h"
#include "ignition/config.h"

/* "sha512-<hex>" or "sha256-<hex>"; as many bytes are written as the digest has. */
int ign_hash_parse(const char *text, DigestKind *ret_kind, uint8_t ret_want[DIGEST_SIZE_MAX], Error *e);
/* NULL and "": none. */
int ign_compression_parse(const char *name, Compression *ret, Error *e);

/* The bytes are in the config. */
bool ign_resource_is_local(const IgnResource *r);
/* Appends them, inflated, at most `max`, held against the digest where one is declared (-EBADMSG). Only of
 * local ones. */
int ign_resource_data(const IgnResource *r, size_t max, Buf *ret, Error *e);
