#pragma once
/* The clock that nobody sets. */
#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment of this boot. */
static inline int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
