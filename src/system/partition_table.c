/* Reading: the copy of the table's sectors is judged (table_image.c), what cannot be believed is hidden, and
 * libfdisk lists what is left. Writing: the same, then the edit in libfdisk, which writes into the copy, then
 * what it changed goes to the disk. So libfdisk neither opens nor touches a device.
 * A new table has the limits that sgdisk gives one (first usable sector directly behind the entries): what
 * "the largest gap" is depends on them. */
#include "system/partition_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/file.h"
#include "system/fdisk.h"

enum { ENTRIES = 128, LISTED_MAX = GPT_ENTRIES_MAX };

typedef struct Session {
    Fdisk f;
    struct fdisk_context *context;
    TableImage *image;
} Session;

/* What libfdisk has to say is said by its return codes; questions get no answer. */
static int no_dialog(struct fdisk_context *context, struct fdisk_ask *ask, void *data)
{
    (void)context;
    (void)ask;
    (void)data;
    return -EINVAL;
}

static void session_done(Session *s)
{
    if (s->context) {
        (void)s->f.deassign(s->context, 1);
        s->f.unref_context(s->context);
    }
    s->context = NULL;
}

static int session_open(Session *s, TableImage *image, Error *e)
{
    unsigned ss = image->geometry.sector_size;
    int r = fdisk_load(&s->f, e);

    if (r < 0)
        return r;
    s->image = image;
    struct fdisk_context *context = s->f.new_context();
    if (!context)
        abort();
    s->f.set_ask(context, no_dialog, NULL);
    s->f.disable_dialogs(context, 1);
    s->f.enable_listonly(context, 1); /* no look for what else is on the disk */
    s->f.save_user_sector_size(context, ss, ss);
    r = s->f.assign_by_fd(context, image->fd, "table", 0);
    if (r < 0) {
        s->f.unref_context(context);
        return error_errno(e, r, "libfdisk cannot read the partition table");
    }
    s->context = context;
    return 0;
}

/* ---- what kind of table? ---- */

void partition_table_blank(const TableGeometry *g, PartitionTable *ret)
{
    uint64_t sectors = g->sector_size ? g->size / g->sector_size : 0;
    uint64_t entries =
        g->sector_size ? ((uint64_t)ENTRIES * GPT_ENTRY_SIZE + g->sector_size - 1) / g->sector_size : 0;

    *ret = (PartitionTable){.kind = TABLE_NONE, .max_partitions = ENTRIES};
    if (sectors > 2 * entries + 3) {
        ret->first_usable = 2 + entries;
        ret->last_usable = sectors - 2 - entries;
    }
}

/* Prepares the copy for libfdisk: hides what is not to be believed. Returns the kind; `repaired` is what a
 * write would mend. */
static int judge(TableImage *t, TableKind *ret_kind, const char **ret_repaired)
{
    bool primary = t->primary.state == HEADER_SOUND, backup = t->backup.state == HEADER_SOUND;
    const char *repaired = NULL;
    int r = 0;

    *ret_repaired = NULL;
    if (t->mbr == MBR_OTHER) {
        *ret_kind = TABLE_OTHER;
        return 0;
    }
    if (t->mbr == MBR_NONE && !primary && (!backup || t->primary.state == HEADER_NONE)) {
        *ret_kind = t->primary.state == HEADER_NONE ? TABLE_NONE : TABLE_DAMAGED;
        return 0;
    }
    if (!primary && !backup) {
        *ret_kind = TABLE_DAMAGED;
        return 0;
    }
    if (t->mbr == MBR_NONE) {
        repaired = "the protective MBR was missing";
        r = table_image_protect(t);
    }
    if (!primary) {
        repaired = "the table was damaged and is taken from its backup";
        r = r < 0 ? r : table_image_hide(t, &t->primary);
    } else if (!backup) {
        repaired = "the backup of the table was damaged or missing";
        r = r < 0 ? r : table_image_hide(t, &t->backup);
    } else if (t->primary.n_entries != t->backup.n_entries ||
               t->primary.entries_crc != t->backup.entries_crc) {
        repaired = "the backup of the table was that of another one";
        r = r < 0 ? r : table_image_hide(t, &t->backup);
    }
    *ret_kind = TABLE_GPT;
    *ret_repaired = repaired;
    return r;
}

/* ---- listing ---- */

static char *capitals(Arena *a, const char *s)
{
    char *t = arena_strdup(a, s ? s : "");
    for (char *p = t; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return t;
}

static int list_partition(Arena *a, Session *s, size_t i, bool gpt, Partition *ret)
{
    const Fdisk *f = &s->f;
    struct fdisk_partition *p = NULL;

    if (f->get_partition(s->context, i, &p) != 0 || !p)
        return -EIO;
    struct fdisk_parttype *type = f->type(p);
    const char *type_text = type ? f->type_string(type) : NULL;
    *ret = (Partition){
        .number = (unsigned)i + 1,
        .start = f->start(p),
        .size = f->size(p),
        .label = arena_strdup(a, f->name(p) ? f->name(p) : ""),
        .guid = capitals(a, f->uuid(p)),
        .type_guid = gpt || !type ? capitals(a, type_text) : arena_printf(a, "0X%02X", f->type_code(type)),
    };
    if (gpt)
        (void)f->get_attributes(s->context, i, &ret->attributes);
    f->unref_partition(p);
    return 0;
}

static uint64_t item_number(Session *s, int id)
{
    struct fdisk_labelitem *item = s->f.new_item();
    uint64_t v = 0;

    if (item && s->f.get_item(s->context, id, item) == 0)
        (void)s->f.item_number(item, &v);
    s->f.unref_item(item);
    return v;
}

static const char *disk_guid(Arena *a, Session *s)
{
    struct fdisk_labelitem *item = s->f.new_item();
    const char *text = NULL;

    if (item && s->f.get_item(s->context, GPT_LABELITEM_ID, item) == 0)
        (void)s->f.item_string(item, &text);
    text = capitals(a, text);
    s->f.unref_item(item);
    return text;
}

static void list_table(Arena *a, Session *s, PartitionTable *t)
{
    const Fdisk *f = &s->f;
    bool gpt = t->kind == TABLE_GPT;
    size_t max = f->npartitions(s->context), n = 0;

    if (max > LISTED_MAX)
        max = LISTED_MAX;
    for (size_t i = 0; i < max; i++)
        n += f->is_used(s->context, i) != 0;
    t->partitions = ARENA_ARRAY(a, Partition, n ? n : 1);
    for (size_t i = 0; i < max && t->n < n; i++)
        if (f->is_used(s->context, i) && list_partition(a, s, i, gpt, &t->partitions[t->n]) == 0)
            t->n++;
    t->max_partitions = (unsigned)max;
    t->name = arena_strdup(a, f->label_name(f->get_label(s->context, NULL)));
    if (!gpt)
        return;
    t->guid = disk_guid(a, s);
    t->first_usable = item_number(s, GPT_LABELITEM_FIRSTLBA);
    t->last_usable = item_number(s, GPT_LABELITEM_LASTLBA);
}

int partition_table_read(Arena *a, int disk, const TableGeometry *g, PartitionTable *ret, Error *e)
{
    _cleanup_table_image_ TableImage image = TABLE_IMAGE_INIT;
    _cleanup_(session_done)
    Session s = {0};
    PartitionTable t = {0};
    int r;

    if (g->sector_size && g->size / g->sector_size < 8) { /* not room for anything */
        *ret = t;
        return 0;
    }
    r = table_image_load(&image, disk, g, false, e);
    if (r < 0)
        return r;
    partition_table_blank(g, &t);
    r = judge(&image, &t.kind, &t.repaired);
    if (r < 0)
        return error_errno(e, r, "cannot make a copy of the partition table");
    if (t.kind == TABLE_DAMAGED) {
        t.name = "gpt";
        t.repaired = image.primary.why;
    }
    if (t.kind != TABLE_GPT && t.kind != TABLE_OTHER) {
        *ret = t;
        return 0;
    }
    r = session_open(&s, &image, e);
    if (r < 0)
        return r;
    if (t.kind == TABLE_GPT &&
        (!s.f.has_label(s.context) || !s.f.is_labeltype(s.context, FDISK_DISKLABEL_GPT)))
        t = (PartitionTable){.kind = TABLE_DAMAGED, .name = "gpt"};
    else if (!s.f.has_label(s.context))
        t.name = "dos";
    else
        list_table(a, &s, &t);
    *ret = t;
    return 0;
}

/* ---- writing ---- */

/* Version 4 as RFC 4122 has it; those that libfdisk makes have the marks in the wrong place. */
static int random_guid(char to[static 37])
{
    uint8_t b[16];

    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        return -EIO;
    b[6] = (b[6] & 0x0F) | 0x40;
    b[8] = (b[8] & 0x3F) | 0x80;
    snprintf(to, 37, "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1], b[2],
             b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return 0;
}

static int new_table(Session *s, const TableEdit *edit)
{
    const Fdisk *f = &s->f;
    PartitionTable blank;
    char first[32], guid[37];
    struct fdisk_script *script = f->new_script(s->context);
    int r = script ? 0 : -ENOMEM;

    partition_table_blank(&s->image->geometry, &blank);
    snprintf(first, sizeof(first), "%llu", (unsigned long long)blank.first_usable);
    if (r == 0)
        r = f->script_header(script, "first-lba", first);
    if (r == 0)
        r = f->set_script(s->context, script);
    if (r == 0)
        r = f->create_label(s->context, "gpt");
    (void)f->set_script(s->context, NULL);
    f->unref_script(script);
    if (r == 0)
        r = random_guid(guid);
    if (r == 0)
        r = f->set_id(s->context, edit->disk_guid ? edit->disk_guid : guid);
    if (r == 0)
        r = f->enable_wipe(s->context, 1);
    return r;
}

static int create_partition(Session *s, const Partition *p)
{
    const Fdisk *f = &s->f;
    struct fdisk_partition *new = f->new_partition();
    struct fdisk_parttype *type = f->new_type(0, p->type_guid);
    char guid[37];
    int r = new &&type ? 0 : -ENOMEM;

    if (r == 0)
        r = f->set_partno(new, p->number - 1);
    if (r == 0)
        r = f->set_start(new, p->start);
    if (r == 0)
        r = f->set_size(new, p->size);
    if (r == 0)
        r = f->size_explicit(new, 1);
    if (r == 0)
        r = f->set_type(new, type);
    if (r == 0 && p->label && *p->label)
        r = f->set_name(new, p->label);
    if (r == 0)
        r = random_guid(guid);
    if (r == 0)
        r = f->set_uuid(new, p->guid ? p->guid : guid);
    if (r == 0)
        r = f->add_partition(s->context, new, NULL);
    if (r == 0 && p->attributes)
        r = f->set_attributes(s->context, p->number - 1, p->attributes);
    f->unref_type(type);
    f->unref_partition(new);
    return r;
}

static int resize_partition(Session *s, const Partition *p)
{
    struct fdisk_partition *size = s->f.new_partition();
    int r = size ? 0 : -ENOMEM;

    if (r == 0)
        r = s->f.set_size(size, p->size);
    if (r == 0)
        r = s->f.size_explicit(size, 1);
    if (r == 0)
        r = s->f.set_partition(s->context, p->number - 1, size);
    s->f.unref_partition(size);
    return r;
}

static int apply_step(Session *s, const TableStep *step, Error *e)
{
    static const char *const verbs[] = {
        [TABLE_DELETE] = "deleting", [TABLE_RESIZE] = "resizing", [TABLE_CREATE] = "creating"};
    const Partition *p = &step->partition;
    int r = step->action == TABLE_DELETE   ? s->f.delete_partition(s->context, p->number - 1)
            : step->action == TABLE_RESIZE ? resize_partition(s, p)
                                           : create_partition(s, p);
    return r < 0 ? error_errno(e, r, "%s partition %u", verbs[step->action], p->number) : 0;
}

int partition_table_write(int disk, const TableGeometry *g, const TableEdit *edit, const TableHooks *hooks,
                          Error *e)
{
    _cleanup_table_image_ TableImage image = TABLE_IMAGE_INIT;
    _cleanup_(session_done)
    Session s = {0};
    const char *repaired;
    TableKind kind;
    int r = table_image_load(&image, disk, g, edit->new_table, e);

    if (r < 0)
        return r;
    r = edit->new_table && edit->wipe ? table_image_clear(&image) : judge(&image, &kind, &repaired);
    if (r < 0)
        return error_errno(e, r, "cannot make a copy of the partition table");
    r = session_open(&s, &image, e);
    if (r < 0)
        return r;
    if (edit->new_table)
        r = new_table(&s, edit);
    else if (!s.f.has_label(s.context) || !s.f.is_labeltype(s.context, FDISK_DISKLABEL_GPT))
        return error_set(e, EMEDIUMTYPE, "there is no GPT any more");
    if (r < 0)
        return error_errno(e, r, "libfdisk cannot make a partition table");
    for (size_t i = 0; i < edit->n; i++)
        if ((r = apply_step(&s, &edit->steps[i], e)) < 0)
            return r;
    r = s.f.write(s.context);
    if (r >= 0 && edit->new_table && edit->boot_code)
        r = file_write_part(image.fd, edit->boot_code, PARTITION_BOOT_CODE, 0);
    if (r < 0)
        return error_errno(e, r, "libfdisk cannot make the partition table");
    return table_image_store(&image, disk, hooks, e);
}

int partition_table_erase(int disk, const TableGeometry *g, const TableHooks *hooks, Error *e)
{
    _cleanup_table_image_ TableImage image = TABLE_IMAGE_INIT;
    int r = table_image_load(&image, disk, g, false, e);

    if (r < 0)
        return r;
    r = table_image_clear(&image);
    if (r < 0)
        return error_errno(e, r, "cannot make a copy of the partition table");
    return table_image_store(&image, disk, hooks, e);
}
