#pragma once
/* TOML into the same tree as JSON and YAML, as much of it as configuration files of container tools use:
 * tables, arrays of tables, dotted keys, strings in one line of both kinds, decimal integers, booleans,
 * arrays, inline tables. Refused by name and with a position: floats, dates, other notations of numbers,
 * strings over several lines. After a fault the reader stops with one finding; a key or table that stands
 * twice is one. The caller bounds the size. */
#include "base/arena.h"
#include "format/node.h"
#include "format/report.h"

enum { TOML_DEPTH_MAX = 32, TOML_KEYS_MAX = 1024 }; /* of a table */

/* The tree's root is an object; it borrows `source`. 0, or -EINVAL with findings in `r`. */
int toml_read(Arena *a, const Source *source, Node **ret, Report *r);
