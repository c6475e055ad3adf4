#pragma once
/* What an older version cannot say, and how 2.x says the rest; for translate.c. */
#include "ignition/translate.h"

/* A finding for each field of `newest` that `to` does not have, unless its value says what happens in `to`
 * anyway. */
void lower_check(const IgnConfig *newest, IgnVersion to, Report *r);
/* `c` is a copy of a newest config that lower_check() passed, its version set to 2.2, 2.3 or 2.4; becomes
 * one. */
void lower_v2(Arena *a, IgnConfig *c, Report *r);

/* The errors of `from`, which tells of a config made from `origin` (may be NULL), as errors about the place
 * where that was written; without such a place with the path they have. */
void report_adopt_errors(Report *r, const Report *from, const Node *origin, const PathStep *path);
/* Says in each message by the rules of which version it is one. */
void report_name_version(Report *r, IgnVersion version);
