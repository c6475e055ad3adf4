#pragma once
/* An OVF environment document (DMTF DSP0243): XML in which a deployer's properties stand as
 * <Environment><PropertySection><Property key="…" value="…"/>. Of XML just what such a document needs: no
 * document type, no entities but the five of XML and numbers. Names are taken without their namespace prefix.
 */
#include "base/buf.h"
#include "base/error.h"

enum { OVF_DEPTH_MAX = 64 };

/* 1 with the value of the last property of that key appended, 0 when there is none, -EBADMSG: no such
 * document. */
int ovf_property_get(const char *text, size_t n, const char *key, Buf *ret, Error *e);
/* The same document without the properties of these keys (ends with NULL): 1 when one was taken out; else 0,
 * and *ret gets nothing. */
int ovf_properties_remove(const char *text, size_t n, const char *const *keys, Buf *ret, Error *e);
