#pragma once
/* The certificates for a registry, by containers-certs.d(5): the first directory HOST[:PORT] there is in
 * root/.config/containers/certs.d, etc/containers/certs.d and etc/docker/certs.d, below a root, with the port
 * just as the image's name has it or has it not ("docker.io" for Docker's registry). Every *.crt is an
 * authority that is trusted beside the system's; NAME.cert with NAME.key is what the client shows, the first
 * by name. */
#include "base/arena.h"
#include "base/error.h"

enum { CERTS_FILE_MAX = 1 << 20 };

typedef struct RegistryCerts {
    const char *authorities;       /* PEM; NULL: none */
    const char *certificate, *key; /* PEM; NULL: none */
    const char *certificate_path;  /* for messages */
} RegistryCerts;

/* 1 when there is a directory, 0 none; -EINVAL: a certificate without its key, or a key without one. */
int registry_certs_load(Arena *a, int root, const char *registry, RegistryCerts *ret, Error *e);
