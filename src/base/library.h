#pragma once
/* A shared library that is loaded when it is first needed, and the functions that are wanted of it. */
#include <stddef.h>

#include "base/error.h"

typedef struct LibrarySymbol {
    const char *name;
    void *to; /* address of the function pointer */
} LibrarySymbol;

/* Fills every row or fails. The library stays loaded; `what` says in the message what needs it. */
int library_load(const char *soname, const char *what, const LibrarySymbol *rows, size_t n, Error *e);
