#pragma once
/* One place of an image: how it is spoken to. For registry.c alone. */
#include "net/http_client.h"
#include "oci/auth_challenge.h"
#include "oci/certs.h"
#include "oci/registry.h"

typedef struct Place {
    const ImagePlace *is;
    const char *host; /* of its API */
    bool ready, plain;
    RegistryCerts certs;
    Credentials credentials;
    bool has_credentials;
    Buf authorization;  /* the value of the header; empty: none. Secret */
    int64_t good_until; /* milliseconds of the monotonic clock; 0: as long as it is taken */
} Place;

/* A request to a place, as registry.c has it. */
typedef struct PlaceCall {
    const char *path;   /* behind the repository: "manifests/…" */
    const char *method; /* NULL: GET */
    const char *accept; /* NULL: none */
    bool immutable;
    uint64_t start, max; /* as HttpRequest */
    int (*sink)(void *context, const void *data, size_t n);
    int (*restart)(void *context);
    void *context;
} PlaceCall;

typedef struct PlaceAnswer {
    long status;
    uint64_t length;
    char content_type[128];
    char digest[160]; /* Docker-Content-Digest */
} PlaceAnswer;

typedef struct PlaceWays {
    Arena *arena;
    HttpSession *session;
    const RegistryOptions *options;
} PlaceWays;

/* 0, -ENOENT for 404, -EACCES for what is denied, else as http_get(). Asks for tokens when it has to. */
int place_call(const PlaceWays *w, Place *p, const PlaceCall *call, PlaceAnswer *ret, Error *e);
void place_done(Place *p);

/* registry_token.c: fills p->authorization by the token server that the challenge names. */
int place_fetch_token(const PlaceWays *w, Place *p, const AuthChallenge *challenge, Error *e);
/* What every request to the place has in common. */
HttpOptions place_http_options(const PlaceWays *w, const Place *p);
