/* Rules of systemd units: names, syntax of their text, and enabled units that could never start. */
#include <string.h>

#include "base/map.h"
#include "ignition/unit_text.h"
#include "ignition/validate_rule.h"

/* From the last dot of the last path element on; "" when there is none. */
static const char *extension(const char *name)
{
    const char *slash = name ? strrchr(name, '/') : NULL;
    const char *dot = name ? strrchr(slash ? slash : name, '.') : NULL;
    return dot ? dot : "";
}

static const char *unit_name_message(const char *name)
{
    static const char *const extensions[] = {".service",   ".socket", ".device",   ".mount",
                                             ".automount", ".swap",   ".target",   ".path",
                                             ".timer",     ".slice",  ".snapshot", ".scope"};
    for (size_t i = 0; i < ELEMENTS(extensions); i++)
        if (strcmp(extension(name), extensions[i]) == 0)
            return NULL;
    return "invalid systemd unit extension";
}

/* Whether `text` is a unit's; *ret then has its options. */
static bool read_contents(const Checker *k, const char *text, UnitOption **ret)
{
    Error e = ERROR_INIT;
    if (unit_text_read(k->scratch, text, ret, &e) >= 0)
        return true;
    error_wrap(&e, -EINVAL, "invalid unit content");
    check_field(k, SEVERITY_ERROR, "contents", e.text);
    return false;
}

static void check_unit(const Checker *k, const void *object)
{
    const IgnUnit *u = object;
    UnitOption *options;
    check_field(k, SEVERITY_ERROR, "name", unit_name_message(u->name));
    if (!read_contents(k, u->contents, &options))
        return;
    if (u->enabled == BOOL_TRUE && !is_empty(u->contents) && !unit_text_has_section(options, "Install"))
        check_field(k, SEVERITY_WARNING, "contents",
                    arena_printf(k->scratch,
                                 "unit \"%s\" is enabled, but has no install section so enable does nothing",
                                 u->name ? u->name : ""));
}

static void check_dropin(const Checker *k, const void *object)
{
    const IgnDropin *d = object;
    UnitOption *options;
    read_contents(k, d->contents, &options);
    if (strcmp(extension(d->name), ".conf") != 0)
        check_field(k, SEVERITY_ERROR, "name", "invalid systemd drop-in extension");
}

/* "echo@foo.service" → "echo@.service"; NULL for what is no instance of a service. */
static const char *template_of(Arena *a, const char *name)
{
    const char *at = !is_empty(name) ? strchr(name + 1, '@') : NULL;
    size_t tail = at ? strlen(at + 1) : 0, suffix = strlen(".service");
    if (tail <= suffix || strcmp(at + 1 + tail - suffix, ".service") != 0)
        return NULL;
    return arena_printf(a, "%.*s@.service", (int)(at - name), name);
}

/* Text that can be read and has no [Install]. Broken text is told of as such. */
static bool lacks_install(Arena *scratch, const IgnUnit *template)
{
    UnitOption *options;
    return !is_empty(template->contents) &&
           unit_text_read(scratch, template->contents, &options, NULL) >= 0 &&
           !unit_text_has_section(options, "Install");
}

/* An instance is enabled through the text of its template, which is read once for all of them. */
static void check_systemd(const Checker *k, const void *object)
{
    const IgnSystemd *s = object;
    _cleanup_map_ Map units = MAP_INIT, verdicts = MAP_INIT;
    IGN_EACH (IgnUnit, u, s->units)
        map_put(&units, u->name ? u->name : "", u);
    for (size_t i = 0; i < s->units.n; i++) {
        const IgnUnit *u = IGN_AT(s->units, IgnUnit, i);
        const char *name = u->enabled == BOOL_TRUE ? template_of(k->scratch, u->name) : NULL;
        IgnUnit *template = name ? map_get(&units, name) : NULL;
        if (!template)
            continue;
        if (!map_has(&verdicts, name))
            map_put(&verdicts, name, lacks_install(k->scratch, template) ? template : NULL);
        if (map_get(&verdicts, name))
            check_entry(k, SEVERITY_WARNING, "units", &s->units, i, "contents",
                        arena_printf(k->scratch,
                                     "template unit \"%s\" for \"%s\" doesn't have Install section", name,
                                     u->name));
    }
}

const IgnRule ign_unit_rules[] = {
    {&ign_unit_type, check_unit, IGN_3_0, IGN_3_7_EXP},
    {&ign_dropin_type, check_dropin, IGN_3_0, IGN_3_7_EXP},
    {&ign_systemd_type, check_systemd, IGN_3_0, IGN_3_7_EXP},
    {},
};
