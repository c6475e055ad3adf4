#pragma once
/* Texts that a program writes are files under its templates/, built into it as a table (tools/embed.py). What
 * stands between double braces in them is replaced:
 *   {{name}}            the value as it is
 *   {{base64:name}}     its base64
 *   {{dataurl:name}}    a data: URL of it, as Ignition takes it
 *   {{json:name}}       a JSON (and YAML) string
 *   {{indentN:name}}    its lines, all but the first moved right by N blanks: for YAML's literal blocks
 *   {{shell:name}}      one word of a shell command; {{unit:name}} one of a systemd unit
 *   {{?name}}…{{/}}     only when the value is there and not empty; {{!name}}…{{/}} only when it is not
 * Sections do not nest. A name that was never set is an error in any other place. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"

typedef struct TemplateFile {
    const char *name; /* "manifests/cluster-config.yaml" */
    const char *text;
    size_t len;
} TemplateFile;

typedef struct TemplateValues {
    Arena *arena;
    const TemplateFile *files; /* ends with a NULL name */
    Map map;
} TemplateValues;

void template_done(TemplateValues *v);
/* A NULL value is an empty one. Both are borrowed. */
void template_set(TemplateValues *v, const char *name, const char *value);
const char *template_value(const TemplateValues *v, const char *name); /* "" when not set */
int template_render(const TemplateValues *v, const char *file, Buf *out, Error *e);
/* The same, kept in the arena. NULL only on failure. */
const char *template_text(const TemplateValues *v, const char *file, Error *e);
