#pragma once
/* An asset: something that `basalt create` makes out of other assets. Its value is a set of files; whether
 * they are written to the directory, and found again there after someone has edited them, is a matter of the
 * row. The table is a graph without cycles: `basalt graph` prints it, asset_store.h walks it. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

typedef struct AssetFile {
    const char *path; /* below the asset directory */
    const char *data; /* NUL-terminated beyond len */
    size_t len;
} AssetFile;

typedef struct AssetValue {
    AssetFile *files; /* by path */
    size_t n;
} AssetValue;

typedef struct AssetStore AssetStore;
typedef struct Asset Asset;

enum { ASSET_PARENTS_MAX = 64 };

struct Asset {
    const char *name;           /* as messages and the state file have it */
    const char *const *parents; /* names; NULL-terminated, or NULL */
    int (*generate)(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e);
    const char *const *patterns; /* glob(7) below the directory; NULL: never on disk */
    mode_t mode;                 /* of its files on disk */
    bool input;                  /* says what is wanted and does not age: survives --reuse-state=never */
    /* From when to when the value is good; NULL: it does not expire. */
    int (*validity)(AssetStore *s, const AssetValue *v, time_t *ret_from, time_t *ret_until, Error *e);
    const void *what; /* a row of the generator's own table */
};

typedef struct AssetTarget {
    const char *name; /* "manifests": the verb below `create` */
    const char *const *assets;
} AssetTarget;

size_t asset_count(void);
const Asset *asset_at(size_t i);
const Asset *asset_find(const char *name);
extern const AssetTarget asset_targets[]; /* ends with a NULL name */
void asset_graph_write(Buf *out);         /* dot */

AssetFile *asset_value_add(Arena *a, AssetValue *v, const char *path, const void *data, size_t n);
const AssetFile *asset_value_file(const AssetValue *v, const char *path); /* NULL: none of that path */
bool asset_value_equal(const AssetValue *a, const AssetValue *b);
