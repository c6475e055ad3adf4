#pragma once
/* For which machine an image is, by the names that Go has for them. */
#include "base/error.h"

typedef struct Platform {
    const char *os, *architecture;
    const char *variant; /* "v8"; "": none */
} Platform;

/* By uname's word: "x86_64" is amd64. Static text; NULL architecture: a machine that has no such name. */
Platform platform_of_machine(const char *machine);
int platform_of_host(Platform *ret, Error *e);
/* How well an image for `have` runs on `want`: 0 not at all, else the higher the better. An image for a later
 * variant than the machine's does not run; of amd64 only those without one are sure to. */
unsigned platform_fits(const Platform *want, const Platform *have);
