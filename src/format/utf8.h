#pragma once
/* UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing past U+10FFFF. */
#include <stdbool.h>
#include <stddef.h>

/* The length of the sequence at p, 0 when it is none; p < end. */
size_t utf8_length(const char *p, const char *end);
bool utf8_is_valid(const char *s, size_t n);
