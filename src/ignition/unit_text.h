#pragma once
/* The text of a systemd unit, read as Ignition's checker reads it: what it refuses, this refuses, with its
 * words. */
#include "base/arena.h"
#include "base/error.h"

typedef struct UnitOption {
    const char *section, *name, *value;
    struct UnitOption *next;
} UnitOption;

/* All options in the order of the text; NULL text is an empty one. Strings live in the arena. -EINVAL with a
 * text such as "unable to find end of section"; *ret is then untouched. */
int unit_text_read(Arena *a, const char *text, UnitOption **ret, Error *e);
/* The last value, or NULL. */
const char *unit_text_get(const UnitOption *options, const char *section, const char *name);
bool unit_text_has_section(const UnitOption *options, const char *section);
