#pragma once
/* Whether pods that run can be hurt by a change of containers-registries.conf(5). */
#include <stdbool.h>
#include <stddef.h>

typedef struct RegistriesText {
    const char *data; /* NULL: there is no such file */
    size_t len;
} RegistriesText;

/* True where there are only more places for images that are named by their digests: mirrors beside those of
 * before, registries that only add such. Everything else may change what a tag stands for, or take a place
 * away that somebody pulls from. */
bool registries_change_is_harmless(RegistriesText from, RegistriesText to);
