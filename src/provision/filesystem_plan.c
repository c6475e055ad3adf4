/* The rules for reuse are Ignition's. Without wipeFilesystem a filesystem of the declared format stays when
 * the label and the UUID are the declared ones too, as far as they are declared; any other one that is there
 * is refused; where nothing is, one is made. `none` is a format that nothing has. With wipeFilesystem it is
 * made anew each time. Of several contradicting signatures the one counts that a tolerant look finds. Beyond
 * Ignition: what a power cut left unfinished (filesystem_mark.h) counts as nothing, and a device that is in
 * use, or read-only, is refused with who holds it before anything is touched. */
#include "provision/filesystem_plan.h"

#include <ctype.h>
#include <string.h>

#include "system/block_device.h"

typedef struct FormatRow {
    const char *name, *program, *force;
    const char *uuid_option, *uuid_prefix, *label_option;
} FormatRow;

static const FormatRow formats[] = {
    {"ext4", "mkfs.ext4", "-F", "-U", "", "-L"},    {"btrfs", "mkfs.btrfs", "--force", "-U", "", "-L"},
    {"xfs", "mkfs.xfs", "-f", "-m", "uuid=", "-L"}, {"swap", "mkswap", "-f", "-U", "", "-L"},
    {"vfat", "mkfs.fat", NULL, "-i", "", "-n"}, /* it never asks */
    {"none", NULL, NULL, NULL, NULL, NULL},
};

static const FormatRow *format_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

bool filesystem_wants_device(const IgnFilesystem *f)
{
    return f->format && *f->format && strcmp(f->format, "virtiofs") != 0;
}

const char *filesystem_uuid(Arena *a, const char *format, const char *uuid)
{
    char *s = arena_strdup(a, uuid);
    for (char *p = s; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (strcmp(format, "vfat") == 0 && strlen(s) >= 5 && s[4] == '-')
        memmove(s + 4, s + 5, strlen(s + 5) + 1);
    return s;
}

static const char *what_is(Arena *a, const char *type, const char *label, const char *uuid)
{
    return arena_printf(a, "%s%s%s%s%s%s", type, label && *label ? ", label '" : "", label ? label : "",
                        label && *label ? "'" : "", uuid && *uuid ? ", UUID " : "", uuid ? uuid : "");
}

/* ---- is it the declared one? ---- */

/* The field that the one on the device differs in; NULL: none. */
static const char *difference(Arena *a, const IgnFilesystem *f, const Superblock *s)
{
    const char *type = s->type ? s->type : "", *label = s->label ? s->label : "",
               *uuid = s->uuid ? s->uuid : "";

    if (strcmp(type, strcmp(f->format, "none") == 0 ? "" : f->format) != 0)
        return "format";
    if (f->label && strcmp(f->label, label) != 0)
        return "label";
    if (f->uuid && strcmp(filesystem_uuid(a, f->format, f->uuid), filesystem_uuid(a, f->format, uuid)) != 0)
        return "uuid";
    return NULL;
}

static void refuse(FilesystemPlan *p, const char *field, const char *why)
{
    p->action = FILESYSTEM_REFUSE;
    p->field = field;
    p->refusal = why;
}

/* ---- how it is made ---- */

static bool options_have(const IgnList *options, const char *option)
{
    for (size_t i = 0; i < options->n; i++)
        if (strncmp(IGN_STRING_AT(*options, i), option, strlen(option)) == 0)
            return true;
    return false;
}

static bool volume_id_valid(const char *id)
{
    return *id && strlen(id) <= 8 && strspn(id, "0123456789abcdef") == strlen(id);
}

/* The user's options come first, as Ignition has them. */
static void plan_program(Arena *a, const IgnFilesystem *f, const FormatRow *row, FilesystemPlan *p)
{
    const char **argv = ARENA_ARRAY(a, const char *, f->options.n + 9), *uuid = f->uuid, *label = f->label;
    size_t n = 0;

    p->mark = filesystem_mark_find(f->format);
    if (p->mark && options_have(&f->options, p->mark->option))
        p->mark = NULL; /* a program that takes the option once only, or a choice that is the user's */
    argv[n++] = row->program;
    for (size_t i = 0; i < f->options.n; i++)
        argv[n++] = IGN_STRING_AT(f->options, i);
    if (row->force)
        argv[n++] = row->force;
    if (p->mark) {
        argv[n++] = p->mark->option;
        argv[n++] = p->mark->value;
        p->volume_id = p->mark->in_uuid && uuid ? filesystem_uuid(a, f->format, uuid) : NULL;
        p->label = p->mark->in_uuid ? NULL : label;
        *(p->mark->in_uuid ? &uuid : &label) = NULL;
    }
    if (uuid) {
        argv[n++] = row->uuid_option;
        argv[n++] = arena_printf(a, "%s%s", row->uuid_prefix, filesystem_uuid(a, f->format, uuid));
    }
    if (label) {
        argv[n++] = row->label_option;
        argv[n++] = label;
    }
    p->argv = argv;
}

/* What can be known to go wrong when something has to be done to the device. */
static void check_change(Arena *a, const IgnFilesystem *f, const DeviceFacts *d, FilesystemPlan *p)
{
    const DeviceHolder *holder = device_holder_of(d, 0);

    if (holder)
        refuse(p, "device",
               arena_printf(a, "%s is in use: %s; it cannot be given a filesystem", f->device,
                            device_holder_text(a, holder)));
    else if (d->read_only)
        refuse(p, "device", arena_printf(a, "%s is read-only", f->device));
    else if (strcmp(f->format, "vfat") == 0 && f->uuid &&
             !volume_id_valid(filesystem_uuid(a, f->format, f->uuid)))
        refuse(p, "uuid", "a vfat filesystem has a volume ID of eight hexadecimal digits, such as A1B2-C3D4");
}

void filesystem_plan_make(Arena *a, const IgnFilesystem *f, const DeviceFacts *d, FilesystemPlan *ret)
{
    FilesystemPlan p = {.action = FILESYSTEM_KEEP};
    const FormatRow *row = filesystem_wants_device(f) ? format_find(f->format) : NULL;
    const Superblock *s = &d->superblock;

    *ret = p;
    if (!row) {
        if (filesystem_wants_device(f))
            refuse(ret, "format", arena_printf(a, "unsupported filesystem format '%s'", f->format));
        return;
    }
    if (d->exists && s->type) {
        p.found = what_is(a, s->type, s->label, s->uuid);
        p.unfinished = s->unfinished;
    }
    const bool wipe = opt_bool(f->wipe_filesystem, false), something = p.found && !p.unfinished;
    const char *differs = something || !row->program ? difference(a, f, s) : "format";
    if (!wipe && !p.unfinished && !differs) {
        *ret = p;
        return;
    }
    if (!wipe && something) {
        refuse(
            &p, differs,
            arena_printf(a,
                         "%s holds something else (%s) than declared (%s); \"wipeFilesystem\": true lets it "
                         "be replaced",
                         f->device, p.found, what_is(a, f->format, f->label, f->uuid)));
    } else if (row->program) {
        p.action = FILESYSTEM_MAKE;
        plan_program(a, f, row, &p);
    } else {
        p.action = !d->exists || s->clean ? FILESYSTEM_KEEP : FILESYSTEM_WIPE;
    }
    if (p.action == FILESYSTEM_MAKE || p.action == FILESYSTEM_WIPE)
        check_change(a, f, d, &p);
    *ret = p;
}
