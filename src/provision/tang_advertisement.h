#pragma once
/* What a Tang server says of its keys: a signed list (JWS) of them, in which a config trusts one signing key
 * by its thumbprint (RFC 7638). Who verifies the signatures is Clevis; here it is found out early, and said
 * clearly, whether the trusted key is among them at all. Pure. */
#include "base/command.h"
#include "format/node.h"

enum { TANG_ADVERTISEMENT_MAX = 1 << 20 };

/* The text as a tree, and the SHA-256 thumbprints of the keys in it that sign. -EINVAL: it is no
 * advertisement. */
int tang_advertisement_read(Arena *a, const char *text, size_t n, Node **ret, StringList *ret_thumbprints,
                            Error *e);
/* 1: one of the signing keys has this thumbprint, by SHA-256 or, as old configs have it, by SHA-1. */
int tang_advertisement_has(Arena *a, const Node *advertisement, const char *thumbprint, Error *e);
