#pragma once
/* What opens an encrypted volume without a person, as one line that can be compared and shown: what a config
 * asks Clevis for, and what a token of a volume's header says that it was bound with, give the same line when
 * they mean the same: "sss(1: tang(http://tang.example), tpm2(sha256 ecc))". Order plays no part; keys,
 * thumbprints and what secrets a URL may hold are not in it. Pure; texts come from disks and may be anything.
 */
#include "base/arena.h"
#include "format/node.h"

/* As given to `clevis encrypt PIN CONFIG`. A pin that is not known is its name alone. */
const char *clevis_policy_of_config(Arena *a, const char *pin, const Node *config);
/* From a token's member `jwe`: compact text, or the object that Clevis keeps in LUKS headers. NULL: it is
 * none. */
const char *clevis_policy_of_jwe(Arena *a, const Node *jwe);

/* Between the compact form "protected.key.iv.ciphertext.tag" and that object. NULL: not of this form. */
Node *clevis_jwe_unfold(Arena *a, const char *compact, size_t n);
const char *clevis_jwe_fold(Arena *a, const Node *jwe);
