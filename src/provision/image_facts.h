#pragma once
/* An image file as if it were a disk: what `plan --disk` looks at. Needs no rights but to read the file. */
#include "provision/facts_list.h"

/* Adds the disk by the name that a config has for it, and each of its partitions, with what is on them.
 * 4096-byte sectors are told by where the table is. -ENOENT: there is no such file. */
int image_facts_add(Arena *a, const char *name, const char *file, FactsList *list, Error *e);
