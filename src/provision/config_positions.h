#pragma once
/* Where the parts of the merged config were written: a file beside the config cache, so that a later stage
 * can name the user's file, line and column instead of the cache's. Only for messages: a cache without it is
 * as good. */
#include "base/error.h"
#include "format/node.h"

/* `tree` is what the cache is made of, with the positions of the texts it came from; `len` the size of the
 * cache. */
int config_positions_write(const char *cache, const Node *tree, size_t len, Error *e);
/* Gives the nodes of the tree that was read from the cache the positions of the file, if it is there and is
 * the one of this cache. */
void config_positions_read(Arena *a, const char *cache, size_t len, const Node *tree);
