#pragma once
/* A configuration file as the text that a reader takes. */
#include "format/report.h"

/* Below a root; in messages it is called "/PATH". -ENOENT is no finding, what else is wrong with the file is
 * one, and returned. The text lives in the arena. */
int source_load(Arena *a, int root, const char *path, size_t max, const Source **ret, Report *r);
