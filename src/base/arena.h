#pragma once
/* Memory that lives and dies together: a parsed document, a config, a plan. Nothing in an arena is freed by
 * itself. Allocations are zeroed and aligned for any type of their size; running out of memory aborts (the
 * sizes that come from input are bounded by the readers that call this). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *a); /* NULL allowed */
DEFINE_CLEANUP(Arena *, arena_free);
#define _cleanup_arena_ _cleanup_(arena_freep)

void *arena_alloc(Arena *a, size_t size);
char *arena_memdup(Arena *a, const void *data, size_t size); /* with a final NUL that is not counted */
char *arena_strdup(Arena *a, const char *s);                 /* NULL gives NULL */
char *arena_printf(Arena *a, const char *format, ...) _printf_(2, 3);
size_t arena_used(const Arena *a); /* bytes handed out, for tests and limits */

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))
