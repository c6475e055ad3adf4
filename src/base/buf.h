#pragma once
/* A growing run of bytes; `data` always ends in a NUL that `len` does not count (NULL while empty). Growth
 * aborts when memory runs out; a writer whose input is not bounded checks `len` against its own limit. */
#include <stddef.h>

#include "base/cleanup.h"

typedef struct Buf {
    char *data;
    size_t len, size;
} Buf;

#define BUF_INIT      ((Buf){0})
#define _cleanup_buf_ _cleanup_(buf_done)

void buf_done(Buf *b);
void buf_done_secret(Buf *b);           /* overwrites before freeing */
char *buf_take(Buf *b);                 /* the caller frees; never NULL */
char *buf_reserve(Buf *b, size_t more); /* room for `more` bytes after len; returns where they go */
void buf_add(Buf *b, const void *data, size_t n);
void buf_add_str(Buf *b, const char *s);
void buf_add_char(Buf *b, char c);
void buf_addf(Buf *b, const char *format, ...) _printf_(2, 3);
/* As a sink of those who hand out bytes by pieces, with a Buf as its context; never fails. */
int buf_collect(void *buf, const void *data, size_t n);
int buf_restart(void *buf); /* what was collected so far comes again */
