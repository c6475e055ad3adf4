#pragma once
/* Whom a registry is told that we are: auth.json as containers-auth.json(5) has it and Docker's config.json.
 * The entry for the longest part of "host/project/image" counts, after those the host by whatever way Docker
 * has written it. Credential helpers are not run: a program that root starts because a file in a home
 * directory names it has no place in an updater; where a helper has the credentials the failure says so. No
 * message holds a secret. */
#include "base/arena.h"
#include "oci/image_name.h"

enum { AUTH_FILE_MAX = 1 << 20 };

typedef struct Credentials {
    const char *user, *password; /* NULL: none */
    const char *identity_token;  /* an OAuth refresh token; NULL: none. With it user may be "<token>" */
} Credentials;

/* 1 found, 0 there is nothing for this image; -ENOTSUP: a helper has it; -EINVAL: the text is wrong. */
int auth_text_find(Arena *a, const char *file, const void *text, size_t n, const ImageName *name,
                   Credentials *ret, Error *e);
/* The first of the files below a root that has something; files that are not there say nothing. `files` ends
 * with NULL; NULL: those of auth_files. */
int auth_find(Arena *a, int root, const char *const *files, const ImageName *name, Credentials *ret,
              Error *e);
extern const char *const auth_files[];
