#pragma once
/* Clocks that stand still until a test moves them, and chance that is none. */
#include "kube/kube_time.h"

typedef struct TestTime {
    int64_t ms, wall_us;
    uint32_t chance;
    KubeTime time;
} TestTime;

static inline int64_t test_time_ms(void *context)
{
    return ((TestTime *)context)->ms;
}

static inline int64_t test_time_wall(void *context)
{
    return ((TestTime *)context)->wall_us + ((TestTime *)context)->ms * 1000;
}

static inline uint32_t test_time_chance(void *context)
{
    return ((TestTime *)context)->chance;
}

/* It must not move afterwards. */
static inline void test_time_init(TestTime *t)
{
    *t = (TestTime){.ms = 1000000, .wall_us = INT64_C(1767225600000000) - INT64_C(1000000000)};
    t->time = (KubeTime){test_time_ms, test_time_wall, test_time_chance, t};
}
