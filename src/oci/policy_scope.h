#pragma once
/* The names under which a policy may speak of an image, from the narrowest to the widest, as container
 * engines look them up for each transport:
 *
 *   docker                     the image with its digest, or with its tag; its repository; what that lies in;
 *                              the host; "*.domain"s
 *   oci, oci-archive           the absolute path without links, and the directories above
 *   docker-archive             none
 *   containers-storage         the image in its store "[driver@root]", its repository …, the store, "[root]"
 */
#include "oci/reference.h"

const char *policy_transport(ImageTransport t); /* as policies call it */
/* Ends with NULL. -errno: what the reference names cannot be told, so that no rule can be chosen. */
int policy_scope_names(Arena *a, const ImageReference *r, const char *const **ret, Error *e);
/* Those of a registry, which registries.d looks up too. */
const char *const *policy_scope_names_of(Arena *a, const ImageName *name);
/* Could anything ever have this name? NULL, or why not. "" is every transport's. */
const char *policy_scope_fault(const char *transport, const char *scope);
