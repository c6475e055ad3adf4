#pragma once
/* From text to a config in the version it was written in, and on to the newest: what every program calls.
 * Pure: no file, no network. All findings of a run go into the report, in the order of the text after
 * report_sort(). Errors are Ignition's words where Ignition has words. */
#include "format/report.h"
#include "ignition/config.h"

typedef enum IgnParse {
    IGN_PARSE_STRICT = 0,
    IGN_PARSE_DUPLICATE_KEYS_OK = 1 << 0, /* a JSON key that stands twice is a warning, not an error */
} IgnParse;

/* Reads JSON. 0: a config that may be used (warnings possible); -EINVAL: findings with errors; -ENODATA: an
 * empty text ("not a config (empty)"). *ret is in its own version, validated by the rules of that version. */
int ign_config_parse(Arena *a, const Source *source, IgnParse flags, IgnConfig **ret, Report *r);
/* The same from a tree that was already read, such as spec.config of a MachineConfig; `path` is where the
 * tree stands in its document (NULL: the root), so that findings carry the whole path. */
int ign_config_from_node(Arena *a, const Node *node, const PathStep *path, IgnConfig **ret, Report *r);
/* ign_config_parse() and ign_config_lift(). */
int ign_config_parse_newest(Arena *a, const Source *source, IgnParse flags, IgnConfig **ret, Report *r);

/* The fields of its version, in schema order, unset ones left out. */
Node *ign_config_to_node(Arena *a, const IgnConfig *c);
/* The form that the tools of spec 2.x print: objects that they hold by value are there even when empty
 * ("networkd":{}, "timeouts":{}, "verification":{} …). For 2.x configs. */
Node *ign_config_to_node_v2_full(Arena *a, const IgnConfig *c);
