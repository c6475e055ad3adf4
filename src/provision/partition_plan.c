/* Steps, in this order:
 *   1. the table to start from: what is there, or a blank one (none there, or wipeTable)
 *   2. the declared partitions, those with number 0 last; each gets its number: its own, that of a partition
 * with its label that is as declared, or the next free one
 *   3. places, as if every declared partition were deleted and made again in that order: so start and size 0
 *      mean the same on the second run as on the first
 *   4. the matrix: create, keep, resize, delete, make anew, or refuse
 *   5. who is in the way: holders of a partition that changes, of the disk
 * A wipeTable whose result would be what is there already changes nothing: the second run after a power cut
 * finds partitions in use and leaves them alone. Refused: damaged tables and tables of another kind unless
 * wipeTable, partitions that overlap, leave the disk, or do not match and may not be wiped, and anything in
 * use that would change. */
#include "provision/partition_plan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format/node.h"
#include "provision/partition_space.h"
#include "system/block_device.h"
#include "system/kernel_partitions.h"

#define TYPE_LINUX "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
#define TYPE_NONE  "00000000-0000-0000-0000-000000000000"

enum { LABEL_MAX = 36, ALIGNMENT_BYTES = 1 << 20, MIB = 1 << 20, ALIGNMENT_LEAST = 8 };
#define ADVANCED_FORMAT_SECTORS UINT64_C(596046508) /* from here on sgdisk aligns to 8 sectors at least */

typedef enum Decision { KEEP, CREATE, RESIZE, RECREATE, DELETE, NOTHING } Decision;

typedef struct OptSectors {
    bool set; /* 0 included */
    uint64_t value;
} OptSectors;

typedef struct Want {
    const IgnPartition *declared;
    size_t index;    /* in the config */
    unsigned number; /* 0: not known yet */
    bool exist, wipe, resize;
    bool adopted, adoptable;  /* number 0: took the number of a partition with its label */
    const Partition *present; /* of the table, or NULL */
    OptSectors declared_start, declared_size;
    uint64_t start, size;  /* as placed */
    const char *misplaced; /* why it has no place */
    Decision decision;
} Want;

typedef struct Planner {
    StorageItem *item;
    const IgnDisk *disk;
    const DeviceFacts *facts;
    const PartitionPlanOptions *options;
    PartitionTable base; /* what the plan starts from */
    Want *wants;         /* in the order of work */
    size_t n;
    PartitionPlan *plan;
} Planner;

/* ---- telling ---- */

static void refuse(Planner *p, const Want *w, const char *field, const char *format, ...) _printf_(4, 5);
static void refuse(Planner *p, const Want *w, const char *field, const char *format, ...)
{
    const Node *object = w->declared->node, *at = object && field ? node_get(object, field) : NULL;
    PathStep *path = PATH_INDEX(PATH_KEY(PATH_KEY(NULL, p->item->json_path + 2), "partitions"), w->index);
    _cleanup_free_ char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    report_add(&p->item->report, SEVERITY_ERROR, field ? PATH_KEY(path, field) : path, at ? at : object, "%s",
               text);
}

static const char *quoted(Arena *a, const char *label)
{
    return label && *label ? arena_printf(a, " ('%s')", label) : "";
}

static const char *partition_name(Arena *a, const Partition *p)
{
    return arena_printf(a, "partition %u%s", p->number, quoted(a, p->label));
}

/* "204800 sectors (100 MiB)" */
static const char *sectors_text(const Planner *p, uint64_t sectors)
{
    unsigned ss = p->facts->sector_size;
    double mib = (double)sectors * ss / MIB;
    bool whole = sectors % (MIB / ss) == 0;
    return arena_printf(p->item->arena, whole ? "%llu sectors (%.0f MiB)" : "%llu sectors (%.2f MiB)",
                        (unsigned long long)sectors, mib);
}

static const char *partition_detail(const Planner *p, const Partition *x)
{
    Arena *a = p->item->arena;
    return arena_printf(a, "start %llu, size %s%s%s%s, type %s%s%s", (unsigned long long)x->start,
                        sectors_text(p, x->size), x->label && *x->label ? ", label '" : "",
                        x->label ? x->label : "", x->label && *x->label ? "'" : "", x->type_guid,
                        x->guid ? ", guid " : "", x->guid ? x->guid : "");
}

static void change(const Planner *p, StorageVerb verb, unsigned number, const char *detail)
{
    storage_change_add(p->item, (StorageChange){.verb = verb,
                                                .noun = "partition",
                                                .partition = number,
                                                .object = arena_printf(p->item->arena, "partition %u of %s",
                                                                       number, p->facts->path),
                                                .detail = detail});
}

/* ---- 1. the table to start from ---- */

static const Partition *table_find(const PartitionTable *t, unsigned number)
{
    for (size_t i = 0; number && i < t->n; i++)
        if (t->partitions[i].number == number)
            return &t->partitions[i];
    return NULL;
}

static void choose_base(Planner *p)
{
    TableGeometry g = {p->facts->size, p->facts->sector_size};
    bool wipe = opt_bool(p->disk->wipe_table, false);

    if (!wipe && (p->facts->table.kind == TABLE_GPT || p->facts->table.kind == TABLE_OTHER))
        p->base = p->facts->table;
    else
        partition_table_blank(&g, &p->base);
}

/* Is a table of the wrong kind in the way? */
static bool base_refused(Planner *p)
{
    const PartitionTable *t = &p->facts->table;

    if (opt_bool(p->disk->wipe_table, false) || p->n == 0)
        return false;
    if (t->kind == TABLE_DAMAGED) {
        storage_refuse(
            p->item, NULL,
            "%s has a GPT that is damaged, and so is its backup%s%s; repair it, or set wipeTable to "
            "replace it (all partitions on it are lost)",
            p->facts->path, t->repaired ? ": " : "", t->repaired ? t->repaired : "");
        return true;
    }
    return false;
}

/* ---- 2. the declared partitions ---- */

static bool valid_label(Planner *p, const Want *w, const char *label)
{
    size_t units = 0;

    for (const unsigned char *s = (const unsigned char *)(label ? label : ""); *s; s++) {
        if (*s >= 0xF0) {
            refuse(p, w, "label", "the label '%s' has a character beyond U+FFFF, which cannot be written",
                   label);
            return false;
        }
        units += (*s & 0xC0) != 0x80;
    }
    if (units > LABEL_MAX)
        refuse(p, w, "label", "the label '%s' has %zu characters; a GPT has room for %d", label, units,
               LABEL_MAX);
    return units <= LABEL_MAX;
}

static bool to_sectors(Planner *p, const Want *w, const char *field, const OptInt *mib, OptSectors *ret)
{
    ret->set = mib->set;
    if (mib->value < 0) {
        refuse(p, w, field, "%lld MiB is less than nothing", (long long)mib->value);
        return false;
    }
    if (__builtin_mul_overflow((uint64_t)mib->value, (uint64_t)(MIB / p->facts->sector_size), &ret->value))
        ret->value = UINT64_MAX / 2; /* no disk has that much: the place will be refused */
    return true;
}

static bool read_want(Planner *p, Want *w)
{
    const IgnPartition *d = w->declared;
    bool valid = valid_label(p, w, d->label);

    if (d->number.value < 0 || d->number.value > (int64_t)p->base.max_partitions) {
        refuse(p, w, "number", "partition number %lld: the table has room for 1 to %u",
               (long long)d->number.value, p->base.max_partitions);
        valid = false;
    }
    if (d->type_guid && strcasecmp(d->type_guid, TYPE_NONE) == 0) {
        refuse(p, w, "typeGuid", "this type means that there is no partition");
        valid = false;
    }
    w->number = valid ? (unsigned)d->number.value : 0;
    w->exist = opt_bool(d->should_exist, true);
    w->wipe = opt_bool(d->wipe_partition_entry, false);
    w->resize = opt_bool(d->resize, false);
    valid &= to_sectors(p, w, "startMiB", &d->start_mib, &w->declared_start);
    valid &= to_sectors(p, w, "sizeMiB", &d->size_mib, &w->declared_size);
    w->adoptable = d->number.value == 0 && d->label && *d->label;
    return valid;
}

static bool read_wants(Planner *p)
{
    const IgnList *list = &p->disk->partitions;
    bool valid = true;

    p->wants = ARENA_ARRAY(p->item->arena, Want, list->n ? list->n : 1);
    for (int zero = 0; zero < 2; zero++)
        for (size_t i = 0; i < list->n; i++) {
            const IgnPartition *d = IGN_AT(*list, IgnPartition, i);
            if ((d->number.value == 0) == zero)
                p->wants[p->n++] = (Want){.declared = d, .index = i};
        }
    for (size_t i = 0; i < p->n; i++)
        valid &= read_want(p, &p->wants[i]);
    return valid;
}

static bool number_wanted(const Planner *p, unsigned number)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->wants[i].number == number)
            return true;
    return false;
}

static const Partition *find_by_label(const Planner *p, const char *label)
{
    for (size_t i = 0; i < p->base.n; i++)
        if (strcmp(p->base.partitions[i].label, label) == 0 &&
            !number_wanted(p, p->base.partitions[i].number))
            return &p->base.partitions[i];
    return NULL;
}

/* Numbers of those that said 0. */
static bool number_wants(Planner *p)
{
    unsigned free_number = 1;
    bool valid = true;

    for (size_t i = 0; i < p->n; i++) {
        Want *w = &p->wants[i];
        if (w->declared->number.value == 0)
            w->number = 0;
        w->adopted = false;
    }
    for (size_t i = 0; i < p->n; i++) {
        Want *w = &p->wants[i];
        const Partition *same = w->number == 0 && w->adoptable ? find_by_label(p, w->declared->label) : NULL;
        if (!same)
            continue;
        w->number = same->number;
        w->adopted = true;
    }
    for (size_t i = 0; i < p->n; i++) {
        Want *w = &p->wants[i];
        if (w->number != 0)
            continue;
        while (table_find(&p->base, free_number) || number_wanted(p, free_number))
            free_number++;
        if (free_number > p->base.max_partitions) {
            refuse(p, w, NULL, "all %u partition numbers of %s are taken", p->base.max_partitions,
                   p->facts->path);
            valid = false;
            continue;
        }
        w->number = free_number++;
    }
    for (size_t i = 0; i < p->n; i++)
        p->wants[i].present = table_find(&p->base, p->wants[i].number);
    return valid;
}

/* ---- 3. places ---- */

/* 1 MiB, or what the partitions that are there allow. */
static uint64_t alignment_of(const Planner *p)
{
    uint64_t least = ALIGNMENT_BYTES / p->facts->sector_size,
             sectors = p->facts->size / p->facts->sector_size;

    for (size_t i = 0; i < p->base.n; i++)
        while (p->base.partitions[i].start % least != 0)
            least /= 2;
    return least < ALIGNMENT_LEAST && sectors >= ADVANCED_FORMAT_SECTORS ? ALIGNMENT_LEAST : least;
}

static Space free_space(const Planner *p)
{
    Space s = {.arena = p->item->arena,
               .first = p->base.first_usable,
               .last = p->base.last_usable,
               .alignment = alignment_of(p)};
    for (size_t i = 0; i < p->base.n; i++) {
        const Partition *x = &p->base.partitions[i];
        if (!number_wanted(p, x->number))
            space_take(&s, x->start, x->size, partition_name(s.arena, x));
    }
    return s;
}

static bool is_set(const char *s)
{
    return s && *s;
}

static uint64_t place_of(const OptSectors *declared, uint64_t otherwise)
{
    return declared->set ? declared->value : otherwise;
}

static bool names_match(const IgnPartition *d, const Partition *x)
{
    return (!is_set(d->guid) || strcasecmp(d->guid, x->guid) == 0) &&
           (!is_set(d->type_guid) || strcasecmp(d->type_guid, x->type_guid) == 0) &&
           (!d->label || strcmp(d->label, x->label) == 0);
}

/* Where it may be wiped: is it in all that is declared as it should be? Then it stays where it is. A start or
 * a size of 0 is an answer only once everything has been placed. */
static bool stays(const Want *w)
{
    const Partition *x = w->present;
    bool anew = (w->declared_start.set && w->declared_start.value == 0) ||
                (w->declared_size.set && w->declared_size.value == 0);
    return !anew && place_of(&w->declared_start, x->start) == x->start &&
           place_of(&w->declared_size, x->size) == x->size && names_match(w->declared, x);
}

static void place_wants(Planner *p)
{
    Space space = free_space(p);

    for (size_t i = 0; i < p->n; i++) {
        Want *w = &p->wants[i];
        const Partition *as_is = w->present && (!w->wipe || stays(w)) ? w->present : NULL;
        w->misplaced = NULL;
        if (!w->exist)
            continue;
        w->misplaced = space_place(&space, place_of(&w->declared_start, as_is ? as_is->start : 0),
                                   place_of(&w->declared_size, as_is ? as_is->size : 0), &w->start, &w->size);
        if (!w->misplaced)
            space_take(&space, w->start, w->size,
                       arena_printf(space.arena, "partition %u%s of the config", w->number,
                                    quoted(space.arena, w->declared->label)));
    }
}

/* ---- 4. the matrix ---- */

/* What of it is not as declared, its size aside; "" when nothing. */
static const char *mismatch(Planner *p, const Want *w)
{
    const IgnPartition *d = w->declared;
    const Partition *x = w->present;
    Arena *a = p->item->arena;
    const char *text = "";

    if (w->start != x->start)
        text = arena_printf(a, "%s, start %llu instead of %llu", text, (unsigned long long)x->start,
                            (unsigned long long)w->start);
    if (is_set(d->guid) && strcasecmp(d->guid, x->guid) != 0)
        text = arena_printf(a, "%s, guid %s instead of %s", text, x->guid, d->guid);
    if (is_set(d->type_guid) && strcasecmp(d->type_guid, x->type_guid) != 0)
        text = arena_printf(a, "%s, type %s instead of %s", text, x->type_guid, d->type_guid);
    if (d->label && strcmp(d->label, x->label) != 0)
        text = arena_printf(a, "%s, label '%s' instead of '%s'", text, x->label, d->label);
    return text;
}

static const char *mismatch_text(Planner *p, const Want *w, const char *but_size)
{
    Arena *a = p->item->arena;
    const char *text = but_size;
    if (w->size != w->present->size)
        text = arena_printf(a, "%s, size %llu instead of %llu sectors", text,
                            (unsigned long long)w->present->size, (unsigned long long)w->size);
    return text[0] ? text + 2 : text;
}

/* True: decided. False: it is not as declared, and nothing allows to change that. */
static bool decide(Planner *p, Want *w)
{
    if (!w->exist) {
        w->decision = w->present ? DELETE : NOTHING;
        return !w->present || w->wipe;
    }
    if (!w->present) {
        w->decision = CREATE;
        return true;
    }
    if (w->misplaced) {
        w->decision = RECREATE;
        return w->wipe;
    }
    bool same = !*mismatch(p, w), size = w->size == w->present->size;
    w->decision = same && size ? KEEP : w->wipe ? RECREATE : RESIZE;
    return (same && size) || w->wipe || (same && w->resize);
}

static void tell_refusal(Planner *p, Want *w)
{
    const char *path = p->facts->path, *name = w->present ? partition_name(p->item->arena, w->present) : NULL;

    if (w->misplaced) {
        refuse(p, w, NULL, "partition %u%s of %s has no place: %s", w->number,
               quoted(p->item->arena, w->declared->label), path, w->misplaced);
    } else if (!w->exist) {
        refuse(p, w, "shouldExist",
               "%s of %s is there and should not be; set wipePartitionEntry to delete it", name, path);
    } else {
        const char *but_size = mismatch(p, w);
        refuse(
            p, w, NULL,
            "%s of %s is not as declared: %s; set wipePartitionEntry to replace it (what is in it is lost)%s",
            name, path, mismatch_text(p, w, but_size),
            *but_size == 0 ? ", or resize to change its size alone"
            : w->resize    ? "; resize changes nothing but the size"
                           : "");
    }
}

/* An adopted partition that is not as declared is somebody else's: the entry gets a number of its own. */
static bool drop_misfits(Planner *p)
{
    bool dropped = false;

    for (size_t i = 0; i < p->n; i++) {
        Want *w = &p->wants[i];
        if (!w->adopted || (!w->misplaced && decide(p, w) && w->decision != RECREATE))
            continue;
        w->adoptable = false;
        dropped = true;
    }
    return dropped;
}

static bool decide_all(Planner *p)
{
    bool fine = true;

    do {
        if (!number_wants(p))
            return false;
        place_wants(p);
    } while (drop_misfits(p));
    for (size_t i = 0; i < p->n; i++) {
        Want *w = &p->wants[i];
        bool decided = decide(p, w);
        if (decided && !w->misplaced)
            continue;
        tell_refusal(p, w);
        fine = false;
    }
    return fine;
}

/* ---- the table afterwards ---- */

/* Not random: for tests that compare. */
static const char *seeded_guid(const Planner *p, unsigned number)
{
    uint64_t x[2], z = p->options->seed * UINT64_C(0x9E3779B97F4A7C15) + number;

    for (size_t i = 0; i < 2; i++) {
        z += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t y = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        y = (y ^ (y >> 27)) * UINT64_C(0x94D049BB133111EB);
        x[i] = y ^ (y >> 31);
    }
    return arena_printf(p->item->arena, "%08X-%04X-4%03X-%04X-%012llX", (unsigned)(x[0] >> 32),
                        (unsigned)(x[0] >> 16) & 0xFFFF, (unsigned)x[0] & 0xFFF,
                        0x8000 | ((unsigned)(x[1] >> 48) & 0x3FFF),
                        (unsigned long long)(x[1] & UINT64_C(0xFFFFFFFFFFFF)));
}

static const char *capitals(Arena *a, const char *s)
{
    char *t = arena_strdup(a, s);
    for (char *c = t; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return t;
}

static Partition new_partition(const Planner *p, const Want *w)
{
    const IgnPartition *d = w->declared;
    Arena *a = p->item->arena;
    return (Partition){
        .number = w->number,
        .start = w->start,
        .size = w->size,
        .label = d->label ? d->label : "",
        .guid = is_set(d->guid)    ? capitals(a, d->guid)
                : p->options->seed ? seeded_guid(p, w->number)
                                   : NULL,
        .type_guid = is_set(d->type_guid) ? capitals(a, d->type_guid) : TYPE_LINUX,
    };
}

/* Would the wiped and rebuilt table be the one that is there? */
static bool wipe_is_done(const Planner *p)
{
    const PartitionTable *t = &p->facts->table;
    size_t n = 0;

    if (t->repaired)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        const Want *w = &p->wants[i];
        if (!w->exist)
            continue;
        const Partition new = new_partition(p, w), *x = table_find(t, w->number);
        if (!x || x->start != new.start || x->size != new.size || strcmp(x->label, new.label) != 0 ||
            strcmp(x->type_guid, new.type_guid) != 0 || x->attributes != 0 ||
            (is_set(w->declared->guid) && strcmp(x->guid, new.guid) != 0))
            return false;
        n++;
    }
    return n == t->n && t->kind == (n ? TABLE_GPT : TABLE_NONE);
}

static void add_step(TableStep *steps, size_t *n, TableAction action, const Partition *x)
{
    steps[(*n)++] = (TableStep){action, *x};
}

/* Deletions, then sizes, then what is new. */
static void list_steps(Planner *p)
{
    TableStep *steps = ARENA_ARRAY(p->item->arena, TableStep, 2 * p->n + 1);
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        if (p->wants[i].decision == DELETE || p->wants[i].decision == RECREATE)
            add_step(steps, &n, TABLE_DELETE, p->wants[i].present);
    for (size_t i = 0; i < p->n; i++) {
        Partition resized = {.number = p->wants[i].number, .size = p->wants[i].size};
        if (p->wants[i].decision == RESIZE)
            add_step(steps, &n, TABLE_RESIZE, &resized);
    }
    for (size_t i = 0; i < p->n; i++) {
        Partition new = new_partition(p, &p->wants[i]);
        if (p->wants[i].decision == CREATE || p->wants[i].decision == RECREATE)
            add_step(steps, &n, TABLE_CREATE, &new);
    }
    p->plan->edit.steps = steps;
    p->plan->edit.n = n;
}

/* ---- what is told ---- */

static const char *table_text(const Planner *p)
{
    const PartitionTable *t = &p->facts->table;
    const char *text;

    switch (t->kind) {
    case TABLE_NONE:
        return "GPT";
    case TABLE_DAMAGED:
        return "the damaged one goes";
    default:
        text = arena_printf(p->item->arena, "the %s table that is there goes",
                            t->kind == TABLE_GPT ? "GPT" : t->name);
        for (size_t i = 0; i < t->n; i++)
            text = arena_printf(p->item->arena, "%s%s%s", text, i == 0 ? ", with " : ", ",
                                partition_name(p->item->arena, &t->partitions[i]));
        return text;
    }
}

static void tell_table(Planner *p)
{
    const PartitionTable *t = &p->facts->table;
    const char *object = arena_printf(p->item->arena, "partition table of %s", p->facts->path);
    PartitionPlan *plan = p->plan;

    if (plan->erase)
        storage_change_add(p->item, (StorageChange){.verb = STORAGE_DELETE,
                                                    .noun = "partition table",
                                                    .object = object,
                                                    .detail = table_text(p)});
    else if (plan->edit.new_table)
        storage_change_add(p->item,
                           (StorageChange){.verb = t->kind == TABLE_NONE ? STORAGE_CREATE : STORAGE_RECREATE,
                                           .noun = "partition table",
                                           .object = object,
                                           .detail = table_text(p)});
    else if (plan->write && t->repaired)
        storage_change_add(p->item, (StorageChange){.verb = STORAGE_CHANGE,
                                                    .noun = "partition table",
                                                    .object = object,
                                                    .detail = t->repaired});
}

static void tell_want(Planner *p, const Want *w)
{
    static const StorageVerb verbs[] = {
        [KEEP] = STORAGE_KEEP,         [CREATE] = STORAGE_CREATE, [RESIZE] = STORAGE_CHANGE,
        [RECREATE] = STORAGE_RECREATE, [DELETE] = STORAGE_DELETE,
    };
    Partition new = new_partition(p, w);
    const char *detail = NULL;

    if (w->decision == NOTHING)
        return;
    if (w->decision == CREATE || w->decision == RECREATE)
        detail = partition_detail(p, &new);
    else if (w->decision == RESIZE)
        detail = arena_printf(p->item->arena, "start %llu, size %s, was %s", (unsigned long long)w->start,
                              sectors_text(p, w->size), sectors_text(p, w->present->size));
    else if (w->present)
        detail = partition_detail(p, w->present);
    change(p, verbs[w->decision], w->number, detail);
}

/* ---- 5. who is in the way ---- */

static void check_partitions(Planner *p)
{
    const DeviceFacts *f = p->facts;

    for (size_t i = 0; i < p->n; i++) {
        const Want *w = &p->wants[i];
        const DeviceHolder *h = device_holder_of(f, w->number);
        if (h && w->decision != KEEP && w->decision != NOTHING)
            refuse(p, w, NULL, "partition %u of %s is in use and cannot be changed: %s", w->number, f->path,
                   device_holder_text(p->item->arena, h));
    }
}

static void check_holders(Planner *p)
{
    const DeviceFacts *f = p->facts;
    const DeviceHolder *whole = device_holder_of(f, 0);
    Arena *a = p->item->arena;

    if (p->plan->write && whole)
        storage_refuse(p->item, NULL, "%s is in use: %s; it cannot be partitioned", f->path,
                       device_holder_text(a, whole));
    if (p->plan->write && f->read_only)
        storage_refuse(p->item, NULL, "%s is read-only; it cannot be partitioned", f->path);
    if (p->plan->write && f->is_partition)
        storage_refuse(p->item, NULL, "%s is a partition itself; it cannot be partitioned", f->path);
    if (p->plan->erase || p->plan->edit.new_table) {
        for (size_t i = 0; i < f->n_holders; i++)
            if (f->holders[i].partition)
                storage_refuse(p->item, "wipeTable",
                               "the partition table of %s cannot be replaced: partition %u is in use: %s",
                               f->path, f->holders[i].partition, device_holder_text(a, &f->holders[i]));
        return;
    }
    check_partitions(p);
}

/* ---- all of it ---- */

/* A device that is not there yet: its size is not known, so neither are places. */
static void tell_unknown(Planner *p)
{
    Arena *a = p->item->arena;

    for (size_t i = 0; i < p->disk->partitions.n; i++) {
        const IgnPartition *d = IGN_AT(p->disk->partitions, IgnPartition, i);
        const char *label = is_set(d->label) ? arena_printf(a, ", label '%s'", d->label) : "";
        const char *start = d->start_mib.value > 0
                                ? arena_printf(a, "at %lld MiB", (long long)d->start_mib.value)
                                : "in the largest gap";
        const char *size = d->size_mib.value > 0 ? arena_printf(a, "%lld MiB", (long long)d->size_mib.value)
                                                 : "all that is left";
        if (!opt_bool(d->should_exist, true))
            continue;
        storage_change_add(
            p->item, (StorageChange){.verb = STORAGE_CREATE,
                                     .noun = "partition",
                                     .object = d->number.value > 0
                                                   ? arena_printf(a, "partition %lld of %s",
                                                                  (long long)d->number.value, p->facts->path)
                                                   : arena_printf(a, "a partition of %s", p->facts->path),
                                     .detail = arena_printf(a, "%s, size %s%s", start, size, label)});
    }
}

static bool anything_to_write(const Planner *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->wants[i].decision != KEEP && p->wants[i].decision != NOTHING)
            return true;
    return false;
}

static bool any_wanted(const Planner *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->wants[i].exist)
            return true;
    return false;
}

static void finish_plan(Planner *p)
{
    const PartitionTable *t = &p->facts->table;
    PartitionPlan *plan = p->plan;
    bool wipe = opt_bool(p->disk->wipe_table, false);

    if (wipe && wipe_is_done(p)) {
        for (size_t i = 0; i < p->n; i++)
            p->wants[i].decision = p->wants[i].exist ? KEEP : NOTHING;
        for (size_t i = 0; i < p->n; i++)
            p->wants[i].present = table_find(t, p->wants[i].number);
        wipe = false;
    }
    list_steps(p);
    plan->erase = wipe && !any_wanted(p);
    plan->edit.new_table = !plan->erase && (wipe || (t->kind != TABLE_GPT && plan->edit.n > 0));
    plan->edit.wipe = wipe;
    if (plan->edit.new_table && p->options->seed)
        plan->edit.disk_guid = seeded_guid(p, 0);
    plan->write = plan->erase || plan->edit.new_table || anything_to_write(p) ||
                  (t->kind == TABLE_GPT && t->repaired && p->n > 0);
}

/* The kernel of a machine without a parser of tables learns of them from us. */
static void check_kernel(Planner *p)
{
    const DeviceFacts *f = p->facts;
    bool mapped = strncmp(f->real ? f->real : "", "/dev/dm-", 8) == 0;

    p->plan->kernel = p->plan->write || (f->kernel_known && !mapped && f->table.kind == TABLE_GPT &&
                                         p->n > 0 && !kernel_partitions_agree(f, &f->table));
    if (p->plan->kernel && !p->plan->write)
        storage_change_add(
            p->item, (StorageChange){.verb = STORAGE_CHANGE,
                                     .object = arena_printf(p->item->arena, "partitions of %s", f->path),
                                     .detail = "the kernel learns of them"});
}

PartitionPlan *partition_plan_make(StorageItem *item, const PartitionPlanOptions *o)
{
    static const PartitionPlanOptions none;
    Planner p = {.item = item,
                 .disk = item->object,
                 .facts = item->facts,
                 .options = o ? o : &none,
                 .plan = ARENA_NEW(item->arena, PartitionPlan)};

    if (!p.facts->exists || p.facts->size == 0) {
        tell_unknown(&p);
        return p.plan;
    }
    choose_base(&p);
    if (!read_wants(&p) || base_refused(&p))
        return p.plan;
    if (!decide_all(&p)) {
        check_partitions(&p); /* all that is in the way is told at once */
        return p.plan;
    }
    finish_plan(&p);
    if (p.base.kind == TABLE_OTHER && p.plan->write) {
        storage_refuse(
            item, NULL,
            "%s has a partition table of another kind (%s), which cannot be changed; set wipeTable to "
            "replace it (all partitions on it are lost)",
            p.facts->path, p.base.name);
        return p.plan;
    }
    if (p.plan->write && p.base.last_usable == 0) {
        storage_refuse(item, NULL, "%s is too small for a partition table", p.facts->path);
        return p.plan;
    }
    check_holders(&p);
    tell_table(&p);
    for (size_t i = 0; i < p.n; i++)
        tell_want(&p, &p.wants[i]);
    check_kernel(&p);
    return p.plan;
}
