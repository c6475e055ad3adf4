#pragma once
/* The layers of objects among those that layer_import.h reads; for layer_import.c alone. */
#include "update/layer_import.h"

typedef struct LayerObjects LayerObjects;
LayerObjects *layer_objects_new(ObjectStore *store, bool has_commit);
void layer_objects_free(LayerObjects *l);
int layer_objects_entry(LayerObjects *l, const TarEntry *entry, Error *e);
int layer_objects_data(LayerObjects *l, const void *data, size_t n, Error *e);
int layer_objects_end(LayerObjects *l, Error *e);
int layer_objects_finish(LayerObjects *l, const char *diff_id, uint8_t ret[OSTREE_CHECKSUM], Error *e);
