#pragma once
/* Text made of random characters: passwords, the tails of names. */
#include <stddef.h>

#include "base/error.h"

/* n characters of the alphabet, each equally likely; no final NUL. */
int random_text(const char *alphabet, char *out, size_t n, Error *e);
