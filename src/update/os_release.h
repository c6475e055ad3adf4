#pragma once
/* What a tree calls itself: usr/lib/os-release, else etc/os-release. os-release(5). */
#include "base/arena.h"

/* The value of a name, its quotes undone; NULL: not there, or not readable. */
const char *os_release_get(Arena *a, int tree, const char *name);
/* The same from a text. */
const char *os_release_parse(Arena *a, const char *text, const char *name);
