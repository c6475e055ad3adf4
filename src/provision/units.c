/* Units into operations. Nothing here reads or changes the root: which of the units to be disabled were
 * enabled is asked by the stage, which then has the text of the preset file made.
 *
 * A unit that is masked gets no contents: the link to /dev/null takes their place anyway. Contents replace
 * what is there (a file, a link such as an older mask), never a directory. */
#include "provision/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_DIR "/etc/systemd/system"

static int add_text(FilesPlan *p, const char *path, const char *text, const Node *at, const FilesProbe *probe,
                    Report *r)
{
    FilesOp op = {.kind = FILES_FILE,
                  .replace = true,
                  .node = files_plan_file(p->arena, path, 0644, at),
                  .text = text,
                  .text_len = strlen(text)};
    return files_plan_add(p, &op, probe, r);
}

static int unit_plan(FilesPlan *p, const IgnUnit *u, const FilesProbe *probe, Report *r)
{
    Arena *a = p->arena;
    int result = 0;
    IGN_EACH (IgnDropin, d, u->dropins)
        if (d->contents && add_text(p, arena_printf(a, UNITS_DIR "/%s.d/%s", u->name, d->name), d->contents,
                                    d->node, probe, r) < 0)
            result = -EINVAL;
    const char *path = arena_printf(a, UNITS_DIR "/%s", u->name);
    if (u->mask == BOOL_TRUE) {
        FilesOp op = {
            .kind = FILES_SYMLINK, .overwrite = true, .node = files_plan_link(a, path, "/dev/null", u->node)};
        if (files_plan_add(p, &op, probe, r) < 0)
            result = -EINVAL;
        return result;
    }
    if (u->contents && *u->contents && add_text(p, path, u->contents, u->node, probe, r) < 0)
        result = -EINVAL;
    if (u->mask == BOOL_FALSE) {
        FilesOp op = {.kind = FILES_UNMASK, .node = files_plan_link(a, path, NULL, u->node)};
        if (files_plan_add(p, &op, probe, r) < 0)
            result = -EINVAL;
    }
    return result;
}

int units_plan(FilesPlan *p, const IgnSystemd *systemd, const FilesProbe *probe, Report *r)
{
    int result = 0;
    IGN_EACH (IgnUnit, u, systemd->units)
        if (unit_plan(p, u, probe, r) < 0)
            result = -EINVAL;
    return result;
}

/* ---- presets ---- */

static int preset_compare(const void *a, const void *b)
{
    const UnitPreset *x = a, *y = b;
    int c = strcmp(x->unit, y->unit);
    return c ? c : (int)x->enable - (int)y->enable;
}

static UnitPreset *preset_find(UnitPreset *presets, size_t n, const char *unit, bool enable)
{
    for (size_t i = 0; i < n; i++)
        if (presets[i].enable == enable && strcmp(presets[i].unit, unit) == 0)
            return &presets[i];
    return NULL;
}

static int preset_add(Arena *a, const IgnUnit *u, UnitPreset *presets, size_t *n, size_t most, Error *e)
{
    bool enable = u->enabled == BOOL_TRUE;
    const char *at = strchr(u->name, '@');
    if (!at) {
        presets[(*n)++] = (UnitPreset){.unit = u->name, .enable = enable};
        return 0;
    }
    const char *dot = strrchr(u->name, '.');
    if (!dot || dot < at)
        return error_set(e, EINVAL, "no systemd unit extension in \"%s\"", u->name);
    const char *unit = arena_printf(a, "%.*s%s", (int)(at + 1 - u->name), u->name, dot);
    UnitPreset *p = preset_find(presets, *n, unit, enable);
    if (!p) {
        p = &presets[(*n)++];
        *p = (UnitPreset){.unit = unit, .enable = enable, .instances = ARENA_ARRAY(a, const char *, most)};
    }
    p->instances[p->n_instances++] = arena_printf(a, "%.*s", (int)(dot - at - 1), at + 1);
    return 0;
}

int units_presets(Arena *a, const IgnSystemd *systemd, UnitPreset **ret, size_t *ret_n, Error *e)
{
    size_t n = 0, templates = 0;
    IGN_EACH (IgnUnit, u, systemd->units)
        templates += u->enabled != BOOL_UNSET && strchr(u->name, '@');
    UnitPreset *presets = ARENA_ARRAY(a, UnitPreset, systemd->units.n + 1);
    IGN_EACH (IgnUnit, u, systemd->units) {
        int r = u->enabled == BOOL_UNSET ? 0 : preset_add(a, u, presets, &n, templates, e);
        if (r < 0)
            return r;
    }
    qsort(presets, n, sizeof(*presets), preset_compare);
    *ret = presets;
    *ret_n = n;
    return 0;
}

const char *unit_preset_name(Arena *a, const UnitPreset *p, size_t instance)
{
    if (!p->n_instances)
        return p->unit;
    const char *at = strchr(p->unit, '@');
    return arena_printf(a, "%.*s%s%s", (int)(at + 1 - p->unit), p->unit, p->instances[instance], at + 1);
}

static bool line_in(const char *text, const char *line, size_t n)
{
    for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (strncmp(p, line, n) == 0 && (p[n] == '\n' || !p[n]))
            return true;
    return false;
}

static bool preset_line(Arena *a, const UnitPreset *p, const Map *disabled, Buf *line)
{
    buf_addf(line, "%s %s", p->enable ? "enable" : "disable", p->unit);
    bool any = false;
    for (size_t i = 0; i < p->n_instances || i == 0; i++) {
        if (!p->enable && !map_has(disabled, unit_preset_name(a, p, i)))
            continue;
        any = true;
        if (p->n_instances)
            buf_addf(line, " %s", p->instances[i]);
    }
    return any;
}

const char *units_preset_text(Arena *a, const UnitPreset *presets, size_t n, const Map *disabled,
                              const char *existing)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        _cleanup_buf_ Buf line = BUF_INIT;
        if (!preset_line(a, &presets[i], disabled, &line) || line_in(existing, line.data, line.len))
            continue;
        buf_add(&text, line.data, line.len);
        buf_add_char(&text, '\n');
    }
    return arena_strdup(a, text.data ? text.data : "");
}
