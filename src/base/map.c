/* FNV-1a with linear probing, at most three quarters full. Keys come from configs whose authors could at
 * worst slow down their own machine, so the hash is not keyed. Nothing is ever removed. */
#include "base/map.h"

#include <string.h>

static uint32_t hash_bytes(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

void map_done(Map *m)
{
    free(m->slots);
    *m = MAP_INIT;
}

static MapSlot *find(const Map *m, const char *key, size_t len, uint32_t hash)
{
    for (size_t i = hash & (m->size - 1);; i = (i + 1) & (m->size - 1)) {
        MapSlot *s = &m->slots[i];
        if (!s->key || (s->hash == hash && s->key_len == len && !memcmp(s->key, key, len)))
            return s;
    }
}

static void grow(Map *m)
{
    Map bigger = {.size = m->size ? m->size * 2 : 16};
    bigger.slots = calloc(bigger.size, sizeof(MapSlot));
    if (!bigger.slots)
        abort();
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].key)
            *find(&bigger, m->slots[i].key, m->slots[i].key_len, m->slots[i].hash) = m->slots[i];
    bigger.n = m->n;
    free(m->slots);
    *m = bigger;
}

static const MapSlot *lookup(const Map *m, const char *key)
{
    if (!m->n)
        return NULL;
    size_t len = strlen(key);
    const MapSlot *s = find(m, key, len, hash_bytes(key, len));
    return s->key ? s : NULL;
}

void *map_get(const Map *m, const char *key)
{
    const MapSlot *s = lookup(m, key);
    return s ? s->value : NULL;
}

bool map_has(const Map *m, const char *key)
{
    return lookup(m, key) != NULL;
}

static int put(Map *m, const char *key, void *value, bool replace, void **ret_old)
{
    if (m->n + 1 > m->size - m->size / 4)
        grow(m);
    size_t len = strlen(key);
    uint32_t hash = hash_bytes(key, len);
    MapSlot *s = find(m, key, len, hash);
    if (s->key) {
        if (ret_old)
            *ret_old = s->value;
        if (replace)
            s->value = value;
        return 0;
    }
    *s = (MapSlot){.key = key, .key_len = len, .hash = hash, .value = value};
    m->n++;
    return 1;
}

int map_put(Map *m, const char *key, void *value)
{
    return put(m, key, value, true, NULL);
}

int map_put_new(Map *m, const char *key, void *value, void **ret_old)
{
    return put(m, key, value, false, ret_old);
}
