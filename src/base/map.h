#pragma once
/* From text to a pointer: open addressing, keys are borrowed and must outlive the map. Iteration order is not
 * defined; who needs an order keeps an array beside it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

typedef struct MapSlot {
    const char *key;
    size_t key_len;
    uint32_t hash;
    void *value;
} MapSlot;

typedef struct Map {
    MapSlot *slots;
    size_t n, size; /* size is 0 or a power of two */
} Map;

#define MAP_INIT      ((Map){0})
#define _cleanup_map_ _cleanup_(map_done)

void map_done(Map *m);
void *map_get(const Map *m, const char *key);
bool map_has(const Map *m, const char *key);
/* 1 when the key was new, 0 when its value was replaced. */
int map_put(Map *m, const char *key, void *value);
/* 1 when put, 0 when the key was there already; its value stays, *ret_old (if wanted) says which. */
int map_put_new(Map *m, const char *key, void *value, void **ret_old);
