#pragma once
/* The formats of strings that schemas may name. */
#include <stdbool.h>
#include <stddef.h>

typedef bool (*FormatCheck)(const char *s);
/* NULL: a format that is not known, which means nothing. Dashes do not count: "date-time" is "datetime". */
FormatCheck format_check_get(const char *format);
