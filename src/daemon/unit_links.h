#pragma once
/* Enablement of units as what it is on the disk: links in /etc/systemd/system, which the [Install] section of
 * a unit asks for. Made by ourselves and not by systemctl, so that they are part of the same change as files,
 * can be taken back with it, and can be told from what stands there. systemd.unit(5). */
#include "base/arena.h"
#include "base/command.h"
#include "base/error.h"

#define UNIT_LINKS_DIR "/etc/systemd/system"
enum { UNIT_TEXT_MAX = 1 << 20, UNIT_LINKS_MAX = 256 };

typedef struct UnitLink {
    const char *path, *target; /* target: of a link that is there, its text */
} UnitLink;

typedef struct UnitLinks {
    UnitLink *items;
    size_t n;
} UnitLinks;

/* The file behind a unit's name, of an instance its template's: "/usr/lib/systemd/system/x@.service" with its
 * text. 0: there is none. What is masked has none. */
int unit_file_find(Arena *a, int root, const char *unit, const char **ret_path, const char **ret_text,
                   Error *e);
/* The template of an instance, else the name itself. */
const char *unit_file_name(Arena *a, const char *unit);

/* What `text` (the file `file`) asks for when `unit` is enabled. `also` (may be NULL) gets other units that
 * it wants enabled, in the arena. */
int unit_links_wanted(Arena *a, const char *unit, const char *file, const char *text, UnitLinks *ret,
                      StringList *also, Error *e);
/* The links below `dir` that enable it. */
int unit_links_present(Arena *a, int root, const char *dir, const char *unit, UnitLinks *ret, Error *e);
