/* One table for both directions: a row a field, nested types by rows of their own. After reading, what a plan
 * relies on is checked once more over the whole list, so that planners need not fear a document. */
#include "provision/device_facts_json.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"

typedef enum FactKind {
    FACT_STRING,
    FACT_UINT, /* unsigned */
    FACT_INT,
    FACT_U64,
    FACT_HEX, /* uint64_t as text */
    FACT_BOOL,
    FACT_CHOICE,  /* an enum by the words of `words` */
    FACT_OBJECT,  /* embedded, `type` */
    FACT_OBJECTS, /* pointer to an array of `type`, its length at `count` */
    FACT_STRINGS, /* array that ends with NULL */
} FactKind;

typedef struct FactType FactType;
typedef struct FactField {
    const char *name;
    FactKind kind;
    size_t offset, count;
    const FactType *type;
    const char *const *words; /* end with NULL */
} FactField;
struct FactType {
    size_t size;
    const FactField *fields; /* end with a NULL name */
};

enum { LIST_MAX = 65536 };
#define SECTOR_SIZE_MAX 65536U

static const char *const holder_words[] = {"mount", "swap", "lvm", "dm", "md", "other", NULL};
static const char *const table_words[] = {"none", "gpt", "damaged", "other", NULL};

#define FIELD(t, json, k, f)                                                                                 \
    {                                                                                                        \
        .name = (json), .kind = (k), .offset = offsetof(t, f)                                                \
    }
#define CHOICE(t, json, f, w)                                                                                \
    {                                                                                                        \
        .name = (json), .kind = FACT_CHOICE, .offset = offsetof(t, f), .words = (w)                          \
    }
#define OBJECT(t, json, f, ty)                                                                               \
    {                                                                                                        \
        .name = (json), .kind = FACT_OBJECT, .offset = offsetof(t, f), .type = &(ty)                         \
    }
#define OBJECTS(t, json, f, c, ty)                                                                           \
    {                                                                                                        \
        .name = (json), .kind = FACT_OBJECTS, .offset = offsetof(t, f), .count = offsetof(t, c),             \
        .type = &(ty)                                                                                        \
    }

static const FactField holder_fields[] = {
    CHOICE(DeviceHolder, "kind", kind, holder_words),
    FIELD(DeviceHolder, "partition", FACT_UINT, partition),
    FIELD(DeviceHolder, "what", FACT_STRING, what),
    {.name = NULL},
};
static const FactType holder_type = {sizeof(DeviceHolder), holder_fields};

static const FactField partition_fields[] = {
    FIELD(Partition, "number", FACT_UINT, number),
    FIELD(Partition, "start", FACT_U64, start),
    FIELD(Partition, "size", FACT_U64, size),
    FIELD(Partition, "label", FACT_STRING, label),
    FIELD(Partition, "guid", FACT_STRING, guid),
    FIELD(Partition, "typeGuid", FACT_STRING, type_guid),
    FIELD(Partition, "attributes", FACT_HEX, attributes),
    {.name = NULL},
};
static const FactType partition_type = {sizeof(Partition), partition_fields};

static const FactField table_fields[] = {
    CHOICE(PartitionTable, "kind", kind, table_words),
    FIELD(PartitionTable, "name", FACT_STRING, name),
    FIELD(PartitionTable, "guid", FACT_STRING, guid),
    FIELD(PartitionTable, "repaired", FACT_STRING, repaired),
    FIELD(PartitionTable, "firstUsable", FACT_U64, first_usable),
    FIELD(PartitionTable, "lastUsable", FACT_U64, last_usable),
    FIELD(PartitionTable, "maxPartitions", FACT_UINT, max_partitions),
    OBJECTS(PartitionTable, "partitions", partitions, n, partition_type),
    {.name = NULL},
};
static const FactType table_type = {sizeof(PartitionTable), table_fields};

static const FactField superblock_fields[] = {
    FIELD(Superblock, "type", FACT_STRING, type),
    FIELD(Superblock, "usage", FACT_STRING, usage),
    FIELD(Superblock, "label", FACT_STRING, label),
    FIELD(Superblock, "uuid", FACT_STRING, uuid),
    FIELD(Superblock, "version", FACT_STRING, version),
    FIELD(Superblock, "ambivalent", FACT_BOOL, ambivalent),
    {.name = NULL},
};
static const FactType superblock_type = {sizeof(Superblock), superblock_fields};

static const FactField raid_fields[] = {
    FIELD(RaidFacts, "member", FACT_BOOL, member),
    FIELD(RaidFacts, "uuid", FACT_STRING, uuid),
    FIELD(RaidFacts, "name", FACT_STRING, name),
    FIELD(RaidFacts, "level", FACT_STRING, level),
    FIELD(RaidFacts, "metadata", FACT_STRING, metadata),
    FIELD(RaidFacts, "devices", FACT_UINT, devices),
    FIELD(RaidFacts, "role", FACT_INT, role),
    FIELD(RaidFacts, "events", FACT_U64, events),
    FIELD(RaidFacts, "array", FACT_STRING, array),
    FIELD(RaidFacts, "active", FACT_BOOL, active),
    FIELD(RaidFacts, "members", FACT_STRINGS, members),
    {.name = NULL},
};
static const FactType raid_type = {sizeof(RaidFacts), raid_fields};

static const FactField luks_fields[] = {
    FIELD(LuksFacts, "version", FACT_UINT, version),   FIELD(LuksFacts, "label", FACT_STRING, label),
    FIELD(LuksFacts, "uuid", FACT_STRING, uuid),       FIELD(LuksFacts, "subsystem", FACT_STRING, subsystem),
    FIELD(LuksFacts, "discard", FACT_BOOL, discard),   FIELD(LuksFacts, "opened", FACT_BOOL, opened),
    FIELD(LuksFacts, "mapping", FACT_STRING, mapping), FIELD(LuksFacts, "tokens", FACT_STRINGS, tokens),
    FIELD(LuksFacts, "policy", FACT_STRING, policy),   {.name = NULL},
};
static const FactType luks_type = {sizeof(LuksFacts), luks_fields};

static const FactField volume_fields[] = {
    FIELD(LvmVolume, "name", FACT_STRING, name),
    FIELD(LvmVolume, "size", FACT_U64, size),
    FIELD(LvmVolume, "granularity", FACT_U64, granularity),
    FIELD(LvmVolume, "tags", FACT_STRINGS, tags),
    {.name = NULL},
};
static const FactType volume_type = {sizeof(LvmVolume), volume_fields};

static const FactField lvm_fields[] = {
    FIELD(LvmFacts, "group", FACT_STRING, group),
    FIELD(LvmFacts, "groupUuid", FACT_STRING, group_uuid),
    FIELD(LvmFacts, "pvUuid", FACT_STRING, pv_uuid),
    FIELD(LvmFacts, "seqno", FACT_U64, seqno),
    FIELD(LvmFacts, "groupDevices", FACT_UINT, group_devices),
    FIELD(LvmFacts, "extentSize", FACT_U64, extent_size),
    OBJECTS(LvmFacts, "volumes", volumes, n_volumes, volume_type),
    {.name = NULL},
};
static const FactType lvm_type = {sizeof(LvmFacts), lvm_fields};

static const FactField device_fields[] = {
    FIELD(FactsDevice, "path", FACT_STRING, facts.path),
    FIELD(FactsDevice, "real", FACT_STRING, facts.real),
    FIELD(FactsDevice, "names", FACT_STRINGS, names),
    FIELD(FactsDevice, "major", FACT_UINT, facts.major),
    FIELD(FactsDevice, "minor", FACT_UINT, facts.minor),
    FIELD(FactsDevice, "size", FACT_U64, facts.size),
    FIELD(FactsDevice, "sectorSize", FACT_UINT, facts.sector_size),
    FIELD(FactsDevice, "physicalSectorSize", FACT_UINT, facts.physical_sector_size),
    FIELD(FactsDevice, "alignmentOffset", FACT_U64, facts.alignment_offset),
    FIELD(FactsDevice, "readOnly", FACT_BOOL, facts.read_only),
    FIELD(FactsDevice, "isPartition", FACT_BOOL, facts.is_partition),
    FIELD(FactsDevice, "rotational", FACT_BOOL, facts.rotational),
    OBJECTS(FactsDevice, "holders", facts.holders, facts.n_holders, holder_type),
    OBJECT(FactsDevice, "table", facts.table, table_type),
    OBJECT(FactsDevice, "superblock", facts.superblock, superblock_type),
    OBJECT(FactsDevice, "raid", facts.raid, raid_type),
    OBJECT(FactsDevice, "luks", facts.luks, luks_type),
    OBJECT(FactsDevice, "lvm", facts.lvm, lvm_type),
    {.name = NULL},
};
static const FactType device_type = {sizeof(FactsDevice), device_fields};

static const FactField document_fields[] = {
    OBJECTS(FactsList, "devices", devices, n, device_type),
    {.name = NULL},
};
static const FactType document_type = {sizeof(FactsList), document_fields};

/* ---- writing ---- */

static Node *object_write(Arena *a, const FactType *type, const void *object);

static Node *strings_write(Arena *a, const char *const *s)
{
    if (!s || !*s)
        return NULL;
    Node *list = node_new(a, NODE_ARRAY);
    for (; *s; s++)
        node_append(list, node_new_string(a, *s));
    return list;
}

static Node *objects_write(Arena *a, const FactField *f, const char *array, size_t n)
{
    if (n == 0)
        return NULL;
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < n; i++) {
        Node *item = object_write(a, f->type, array + i * f->type->size);
        node_append(list, item ? item : node_new(a, NODE_OBJECT));
    }
    return list;
}

/* NULL: nothing worth a member. */
static Node *value_write(Arena *a, const FactField *f, const char *object)
{
    const char *at = object + f->offset;
    const uint64_t *wide = (const void *)at;
    const unsigned *word = (const void *)at;

    switch (f->kind) {
    case FACT_STRING: {
        const char *s = *(const char *const *)(const void *)at;
        return s ? node_new_string(a, s) : NULL;
    }
    case FACT_UINT:
        return *word ? node_new_int(a, *word) : NULL;
    case FACT_INT:
        return *word ? node_new_int(a, *(const int *)(const void *)at) : NULL;
    case FACT_U64:
        return *wide && *wide <= INT64_MAX ? node_new_int(a, (int64_t)*wide) : NULL;
    case FACT_HEX:
        return *wide ? node_new_string(a, arena_printf(a, "0x%llx", (unsigned long long)*wide)) : NULL;
    case FACT_BOOL:
        return *(const bool *)at ? node_new_bool(a, true) : NULL;
    case FACT_CHOICE:
        return node_new_string(a, f->words[*word]);
    case FACT_OBJECT:
        return object_write(a, f->type, at);
    case FACT_OBJECTS:
        return objects_write(a, f, *(const char *const *)(const void *)at,
                             *(const size_t *)(const void *)(object + f->count));
    case FACT_STRINGS:
        return strings_write(a, *(const char *const *const *)(const void *)at);
    }
    return NULL;
}

static Node *object_write(Arena *a, const FactType *type, const void *object)
{
    Node *n = node_new(a, NODE_OBJECT);
    bool any = false;

    for (const FactField *f = type->fields; f->name; f++) {
        Node *value = value_write(a, f, object);
        /* The first row of a type is what tells its kinds apart: "none" alone is nothing. */
        any = any || (value && !(f->kind == FACT_CHOICE &&
                                 *(const unsigned *)(const void *)((const char *)object + f->offset) == 0));
        if (value)
            node_set(a, n, f->name, value);
    }
    return any ? n : NULL;
}

Node *device_facts_to_node(Arena *a, const FactsList *list)
{
    Node *n = node_new(a, NODE_OBJECT);

    node_set(a, n, "facts", node_new_int(a, FACTS_VERSION));
    Node *devices = node_set(a, n, "devices", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < list->n; i++)
        node_append(devices, object_write(a, &device_type, &list->devices[i]));
    return n;
}

/* ---- reading ---- */

typedef struct Reader {
    Arena *arena;
    Report *report;
} Reader;

static void object_read(const Reader *r, const FactType *type, const Node *n, const PathStep *path,
                        void *object);

static void wrong(const Reader *r, const PathStep *path, const Node *n, const char *wanted)
{
    report_add(r->report, SEVERITY_ERROR, path, n, "this is %s; %s is expected", node_kind_name(n->kind),
               wanted);
}

static bool number_read(const Reader *r, const Node *n, const PathStep *path, int64_t min, int64_t max,
                        int64_t *ret)
{
    if (n->kind != NODE_NUMBER) {
        wrong(r, path, n, "a number");
        return false;
    }
    if (node_int(n, ret) < 0 || *ret < min || *ret > max) {
        report_add(r->report, SEVERITY_ERROR, path, n, "%s is no number that can stand here", n->string);
        return false;
    }
    return true;
}

static const char *string_read(const Reader *r, const Node *n, const PathStep *path)
{
    if (n->kind != NODE_STRING || memchr(n->string, '\0', n->len)) {
        wrong(r, path, n, "text");
        return NULL;
    }
    return n->string;
}

static void hex_read(const Reader *r, const Node *n, const PathStep *path, uint64_t *ret)
{
    const char *s = string_read(r, n, path);
    char *end;

    if (!s)
        return;
    errno = 0;
    unsigned long long v = strncmp(s, "0x", 2) == 0 ? strtoull(s + 2, &end, 16) : 0;
    if (strncmp(s, "0x", 2) != 0 || !strchr("0123456789abcdefABCDEF", s[2]) || !s[2] || *end || errno)
        report_add(r->report, SEVERITY_ERROR, path, n, "\"%s\" is no hexadecimal number such as 0x1f", s);
    else
        *ret = v;
}

static void choice_read(const Reader *r, const FactField *f, const Node *n, const PathStep *path,
                        unsigned *ret)
{
    const char *s = string_read(r, n, path);
    _cleanup_buf_ Buf words = BUF_INIT;

    for (unsigned i = 0; s && f->words[i]; i++) {
        if (strcmp(f->words[i], s) == 0) {
            *ret = i;
            return;
        }
        buf_addf(&words, "%s%s", i > 0 ? ", " : "", f->words[i]);
    }
    if (s)
        report_add(r->report, SEVERITY_ERROR, path, n, "\"%s\" is none of %s", s, words.data);
}

static bool list_check(const Reader *r, const Node *n, const PathStep *path)
{
    if (n->kind != NODE_ARRAY)
        wrong(r, path, n, "a list");
    else if (n->n > LIST_MAX)
        report_add(r->report, SEVERITY_ERROR, path, n, "there are more than %d of them", LIST_MAX);
    else
        return true;
    return false;
}

static void objects_read(const Reader *r, const FactField *f, const Node *n, const PathStep *path,
                         char *object)
{
    size_t i = 0;

    if (!list_check(r, n, path))
        return;
    char *array = arena_alloc(r->arena, f->type->size * (n->n + 1));
    NODE_EACH (item, n) {
        object_read(r, f->type, item, PATH_INDEX(path, i), array + i * f->type->size);
        i++;
    }
    *(void **)(void *)(object + f->offset) = array;
    *(size_t *)(void *)(object + f->count) = i;
}

static void strings_read(const Reader *r, const Node *n, const PathStep *path, const char *const **ret)
{
    size_t i = 0;

    if (!list_check(r, n, path))
        return;
    const char **list = ARENA_ARRAY(r->arena, const char *, n->n + 1);
    NODE_EACH (item, n) {
        const char *s = string_read(r, item, PATH_INDEX(path, i));
        list[i++] = s ? s : "";
    }
    *ret = list;
}

static void value_read(const Reader *r, const FactField *f, const Node *n, const PathStep *path, char *object)
{
    void *at = object + f->offset;
    int64_t v;

    switch (f->kind) {
    case FACT_STRING:
        *(const char **)at = string_read(r, n, path);
        break;
    case FACT_UINT:
        if (number_read(r, n, path, 0, UINT_MAX, &v))
            *(unsigned *)at = (unsigned)v;
        break;
    case FACT_INT:
        if (number_read(r, n, path, INT_MIN, INT_MAX, &v))
            *(int *)at = (int)v;
        break;
    case FACT_U64:
        if (number_read(r, n, path, 0, INT64_MAX, &v))
            *(uint64_t *)at = (uint64_t)v;
        break;
    case FACT_HEX:
        hex_read(r, n, path, at);
        break;
    case FACT_BOOL:
        if (n->kind == NODE_BOOL)
            *(bool *)at = n->boolean;
        else
            wrong(r, path, n, "true or false");
        break;
    case FACT_CHOICE:
        choice_read(r, f, n, path, at);
        break;
    case FACT_OBJECT:
        object_read(r, f->type, n, path, at);
        break;
    case FACT_OBJECTS:
        objects_read(r, f, n, path, object);
        break;
    case FACT_STRINGS:
        strings_read(r, n, path, at);
        break;
    }
}

static void object_read(const Reader *r, const FactType *type, const Node *n, const PathStep *path,
                        void *object)
{
    if (n->kind != NODE_OBJECT) {
        wrong(r, path, n, "an object");
        return;
    }
    NODE_EACH (member, n) {
        const FactField *f = type->fields;
        while (f->name && strcmp(f->name, member->key) != 0)
            f++;
        if (!f->name && !(type == &document_type && strcmp(member->key, "facts") == 0))
            report_add_key(r->report, SEVERITY_WARNING, PATH_KEY(path, member->key), member,
                           "unknown member");
        else if (f->name && member->kind != NODE_NULL)
            value_read(r, f, member, PATH_KEY(path, member->key), object);
    }
}

/* ---- what a plan relies on ---- */

static void partitions_check(const Reader *r, DeviceFacts *d, const Node *n, const PathStep *path)
{
    const Node *list = node_get(node_get(n, "table"), "partitions");
    const PathStep *at = PATH_KEY(PATH_KEY(path, "table"), "partitions");
    uint64_t sectors = d->size / d->sector_size;
    unsigned last = 0;
    size_t i = 0;

    if (d->table.n == 0)
        return;
    NODE_EACH (item, list) {
        Partition *p = &d->table.partitions[i];
        const PathStep *step = PATH_INDEX(at, i);
        if (p->number == 0 || p->number <= last)
            report_add(r->report, SEVERITY_ERROR, step, item,
                       "partitions have numbers from 1, in rising order");
        else if (p->size == 0 || p->start >= sectors || p->size > sectors - p->start)
            report_add(r->report, SEVERITY_ERROR, step, item, "the partition does not lie on the device");
        last = p->number > last ? p->number : last;
        p->label = p->label ? p->label : "";
        p->guid = p->guid ? p->guid : "";
        p->type_guid = p->type_guid ? p->type_guid : "";
        i++;
    }
}

/* What always goes together when a device is looked at. */
static void words_check(const Reader *r, const DeviceFacts *d, const Node *n, const PathStep *path)
{
    const RaidFacts *m = &d->raid;
    const LvmFacts *l = &d->lvm;
    bool held = true, volumes = true;

    for (size_t i = 0; i < d->n_holders; i++)
        held = held && d->holders[i].what;
    for (size_t i = 0; i < l->n_volumes; i++)
        volumes = volumes && l->volumes[i].name;
    const struct {
        bool is_wrong;
        const char *key, *text;
    } rules[] = {
        {!held, "holders", "every holder says in \"what\" who it is"},
        {m->member && (!m->uuid || !m->level || !m->metadata), "raid",
         "a member of an array has uuid, level and metadata"},
        {m->active && !m->array, "raid", "a running array has the name in \"array\""},
        {d->luks.opened && !d->luks.mapping, "luks", "an open container has a mapping"},
        {l->group && (!l->group_uuid || !l->pv_uuid), "lvm",
         "a device of a volume group has groupUuid and pvUuid"},
        {!volumes, "lvm", "a logical volume has a name"},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].is_wrong)
            report_add(r->report, SEVERITY_ERROR, PATH_KEY(path, rules[i].key), n, "%s", rules[i].text);
}

static void device_check(const Reader *r, DeviceFacts *d, const Node *n, const PathStep *path)
{
    PartitionTable *t = &d->table;

    d->exists = true;
    d->sector_size = d->sector_size ? d->sector_size : 512;
    d->physical_sector_size = d->physical_sector_size ? d->physical_sector_size : d->sector_size;
    if (!d->path || d->path[0] != '/')
        report_add(r->report, SEVERITY_ERROR, PATH_KEY(path, "path"), n,
                   "a device has a path, such as /dev/vda");
    if (d->sector_size < 512 || d->sector_size > SECTOR_SIZE_MAX || (d->sector_size & (d->sector_size - 1))) {
        report_add(r->report, SEVERITY_ERROR, PATH_KEY(path, "sectorSize"), n,
                   "a sector size is a power of two from 512 to %u", SECTOR_SIZE_MAX);
        return;
    }
    if (t->kind == TABLE_GPT && (t->first_usable > t->last_usable ||
                                 t->last_usable >= d->size / d->sector_size || t->max_partitions == 0))
        report_add(r->report, SEVERITY_ERROR, PATH_KEY(path, "table"), n,
                   "a table has firstUsable, lastUsable and maxPartitions, on the device");
    words_check(r, d, n, path);
    partitions_check(r, d, n, path);
}

int device_facts_from_node(Arena *a, const Node *document, FactsList *ret, Report *report)
{
    const Reader r = {a, report};
    const Node *version = node_get(document, "facts"), *devices = node_get(document, "devices");
    size_t before = report->errors, i = 0;
    FactsList list = {0};
    int64_t v;

    if (document->kind == NODE_OBJECT && (!version || node_int(version, &v) < 0 || v != FACTS_VERSION)) {
        report_add(report, SEVERITY_ERROR, version ? PATH_KEY(NULL, "facts") : NULL,
                   version ? version : document,
                   "this is no document of facts as `basalt-ignition inspect` writes it (\"facts\": %d)",
                   FACTS_VERSION);
        return -EINVAL;
    }
    object_read(&r, &document_type, document, NULL, &list);
    if (report->errors == before && devices && devices->kind == NODE_ARRAY)
        NODE_EACH (n, devices) {
            device_check(&r, &list.devices[i].facts, n, PATH_INDEX(PATH_KEY(NULL, "devices"), i));
            i++;
        }
    if (report->errors > before)
        return -EINVAL;
    *ret = list;
    return 0;
}
