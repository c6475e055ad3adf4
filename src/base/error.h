#pragma once
/* One failure, told once. Leaf code sets what went wrong, middle code wraps what it was doing around it, the
 * program prints it. An Error lives on the caller's stack; every function takes NULL for "I do not care".
 * Functions return 0 or > 0 for success and -errno for failure; the text never carries a secret. */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

#define ERROR_TEXT_MAX 2048

typedef struct Error {
    int code;                  /* positive errno, 0 while nothing failed */
    char text[ERROR_TEXT_MAX]; /* no final newline; overlong text is cut with "…" */
} Error;

#define ERROR_INIT ((Error){0})

/* Sets the text; returns -code. */
int error_set(Error *e, int code, const char *format, ...) _printf_(3, 4);
/* Sets "text: strerror(-r)"; returns r. `r` is a negative errno. */
int error_errno(Error *e, int r, const char *format, ...) _printf_(3, 4);
/* Puts "text: " before what is there; returns r unchanged. */
int error_wrap(Error *e, int r, const char *format, ...) _printf_(3, 4);
