/* In order: each need is looked up among what the items give, by its text and by what it stands for now; a
 * partition of a disk that the config has comes after that disk, however it is called; what a disk item and
 * another both name comes after the disk. Then what nobody gives and what is not there: it may come out of
 * anything earlier (a label that a partition brings with it), so its item comes after all items of earlier
 * kinds, except those that wait for it themselves. Last the order: kinds as the stage has them, within a kind
 * as the config has them, as far as the needs allow it.
 * Refused: two items that use one device, unless one of them is made on what the other gives; cycles. */
#include "provision/storage_graph.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* Those who give, or use, one name. */
typedef struct Named {
    size_t item;
    struct Named *next;
} Named;

typedef struct Builder {
    Arena *a;
    StorageGraph *g;
    const StorageNames *names;
    size_t *rank;        /* of each item: its kind's place in the table */
    const char ***texts; /* of each item, of each need: without doubled slashes */
    const char ***reals; /* likewise: what it stands for; NULL: nothing yet */
    Map givers, users;   /* name to Named */
    bool refused;
} Builder;

/* ---- names ---- */

static const char *name_clean(Arena *a, const char *s)
{
    char *to = arena_strdup(a, s), *out = to;
    for (; *s; s++) {
        if (s[0] == '/' && s[1] == '/')
            continue;
        if (s[0] == '/' && s[1] == '.' && s[2] == '/') {
            s++;
            continue;
        }
        *out++ = *s;
    }
    *out = '\0';
    return to;
}

unsigned storage_partition_of(const char *disk, const char *name)
{
    const size_t n = strlen(disk);
    if (n == 0 || strncmp(name, disk, n) != 0)
        return 0;
    const char *rest = name + n;
    if (strncmp(rest, "-part", 5) == 0 && strncmp(disk, "/dev/disk/", 10) == 0)
        rest += 5;
    else if (isdigit((unsigned char)disk[n - 1]) && *rest == 'p')
        rest++;
    else if (isdigit((unsigned char)disk[n - 1]))
        return 0;
    char *end;
    if (!isdigit((unsigned char)*rest) || *rest == '0')
        return 0;
    unsigned long v = strtoul(rest, &end, 10);
    return *end || v > 65535 ? 0 : (unsigned)v;
}

static bool item_is_disk(const StorageItem *item)
{
    return strcmp(item->kind->section, "storage.disks") == 0;
}

static void named_add(Builder *b, Map *map, const char *name, size_t item)
{
    Named *first = map_get(map, name), *own = ARENA_NEW(b->a, Named);
    for (Named *l = first; l; l = l->next)
        if (l->item == item)
            return;
    *own = (Named){item, first};
    map_put(map, name, own);
}

static void edge_add(Builder *b, size_t from, size_t to)
{
    StorageEdges *l = &b->g->after[from];
    if (from == to)
        return;
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i] == to)
            return;
    if (l->n == l->size) {
        size_t *more = ARENA_ARRAY(b->a, size_t, l->size ? 2 * l->size : 4);
        if (l->n)
            memcpy(more, l->items, l->n * sizeof(*more));
        l->items = more;
        l->size = l->size ? 2 * l->size : 4;
    }
    l->items[l->n++] = to;
}

static bool edge_has(const StorageGraph *g, size_t from, size_t to)
{
    for (size_t i = 0; i < g->after[from].n; i++)
        if (g->after[from].items[i] == to)
            return true;
    return false;
}

static void refuse(Builder *b, size_t item, const char *text)
{
    StorageItem *it = &b->g->items[item];
    const Node *object = *(const Node *const *)it->object;
    storage_refuse(it,
                   object && node_get(object, "device")    ? "device"
                   : object && node_get(object, "devices") ? "devices"
                                                           : NULL,
                   "%s", text);
    b->refused = true;
}

static void collect_names(Builder *b)
{
    StorageGraph *g = b->g;
    for (size_t i = 0; i < g->n; i++) {
        StorageItem *item = &g->items[i];
        b->texts[i] = ARENA_ARRAY(b->a, const char *, item->needs.n + 1);
        b->reals[i] = ARENA_ARRAY(b->a, const char *, item->needs.n + 1);
        for (size_t k = 0; k < item->needs.n; k++) {
            b->texts[i][k] = name_clean(b->a, item->needs.items[k]);
            b->reals[i][k] = b->names->real(b->names->context, b->a, b->texts[i][k]);
        }
        for (size_t k = 0; k < item->gives.n; k++) {
            const char *text = name_clean(b->a, item->gives.items[k]);
            /* Looking for a label can mean reading every device; who gives one gives a plain name too, or has
             * a device that others name. */
            const bool link = strncmp(text, "/dev/disk/", 10) == 0;
            const char *real = link ? NULL : b->names->real(b->names->context, b->a, text);
            named_add(b, &b->givers, text, i);
            if (real && strcmp(real, text) != 0)
                named_add(b, &b->givers, real, i);
        }
    }
}

/* ---- what comes after what ---- */

static bool add_givers(Builder *b, size_t item, const char *name)
{
    bool found = false;
    for (Named *l = name ? map_get(&b->givers, name) : NULL; l; l = l->next) {
        edge_add(b, item, l->item);
        found |= l->item != item;
    }
    return found;
}

/* After the disk whose partition the need is. */
static bool add_disks(Builder *b, size_t item, size_t need)
{
    const char *text = b->texts[item][need], *real = b->reals[item][need];
    bool found = false;
    for (size_t d = 0; d < b->g->n; d++) {
        if (d == item || !item_is_disk(&b->g->items[d]) || b->g->items[d].needs.n == 0)
            continue;
        const char *disk = b->texts[d][0], *disk_real = b->reals[d][0];
        if (storage_partition_of(disk, text) || (disk_real && storage_partition_of(disk_real, text)) ||
            (disk_real && real && storage_partition_of(disk_real, real))) {
            edge_add(b, item, d);
            found = true;
        }
    }
    return found;
}

/* Two that use one device: the disk comes first; else it is refused. */
static void add_users(Builder *b, size_t item, size_t need)
{
    StorageGraph *g = b->g;
    const char *name = b->reals[item][need] ? b->reals[item][need] : b->texts[item][need];
    for (size_t k = 0; k < need; k++)
        if (strcmp(name, b->reals[item][k] ? b->reals[item][k] : b->texts[item][k]) == 0)
            refuse(b, item, arena_printf(b->a, "%s uses %s twice", g->items[item].name, name));
    for (Named *l = map_get(&b->users, name); l; l = l->next) {
        const bool disk = item_is_disk(&g->items[item]), other_disk = item_is_disk(&g->items[l->item]);
        if (disk != other_disk)
            edge_add(b, disk ? l->item : item, disk ? item : l->item);
        else if (l->item != item && !edge_has(g, item, l->item) && !edge_has(g, l->item, item))
            refuse(b, item,
                   arena_printf(b->a, "%s is used by %s and by %s", name, g->items[l->item].name,
                                g->items[item].name));
    }
    named_add(b, &b->users, name, item);
}

/* Marks every item that comes after `item`, however far. */
static void mark_followers(const StorageGraph *g, size_t item, bool *marked)
{
    memset(marked, 0, g->n * sizeof(*marked));
    marked[item] = true;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < g->n; i++)
            for (size_t k = 0; !marked[i] && k < g->after[i].n; k++)
                if (marked[g->after[i].items[k]])
                    marked[i] = more = true;
    }
}

static void add_earlier(Builder *b, size_t item)
{
    bool *marked = ARENA_ARRAY(b->a, bool, b->g->n);
    mark_followers(b->g, item, marked);
    for (size_t i = 0; i < b->g->n; i++)
        if (b->rank[i] < b->rank[item] && !marked[i])
            edge_add(b, item, i);
}

static void collect_edges(Builder *b)
{
    StorageGraph *g = b->g;
    bool *open = ARENA_ARRAY(b->a, bool, g->n + 1);
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->items[i].needs.n; k++) {
            bool given = add_givers(b, i, b->texts[i][k]);
            given |= add_givers(b, i, b->reals[i][k]);
            given |= add_disks(b, i, k);
            open[i] |= !given && !b->reals[i][k];
        }
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->items[i].needs.n; k++)
            add_users(b, i, k);
    for (size_t i = 0; i < g->n; i++)
        if (open[i])
            add_earlier(b, i);
}

/* ---- the order ---- */

/* From any item that could not be placed along what it waits for, until one comes up again. */
static void refuse_cycle(Builder *b, const bool *placed)
{
    StorageGraph *g = b->g;
    size_t *seen_at = ARENA_ARRAY(b->a, size_t, g->n), at = 0, steps = 0;
    _cleanup_buf_ Buf text = BUF_INIT;

    while (placed[at])
        at++;
    for (; !seen_at[at]; steps++) {
        seen_at[at] = steps + 1;
        size_t k = 0;
        while (placed[g->after[at].items[k]])
            k++;
        at = g->after[at].items[k];
    }
    const size_t first = at;
    buf_add_str(&text, g->items[first].name);
    for (const char *word = " needs ";; word = ", which needs ") {
        size_t k = 0;
        while (placed[g->after[at].items[k]])
            k++;
        at = g->after[at].items[k];
        buf_addf(&text, "%s%s", word, g->items[at].name);
        if (at == first)
            break;
    }
    refuse(b, first, arena_printf(b->a, "these wait for each other: %s", text.data));
}

static void make_order(Builder *b)
{
    StorageGraph *g = b->g;
    bool *placed = ARENA_ARRAY(b->a, bool, g->n + 1);
    size_t n = 0, before;

    do {
        before = n;
        for (size_t i = 0; i < g->n; i++) {
            size_t k = 0;
            while (k < g->after[i].n && placed[g->after[i].items[k]])
                k++;
            if (placed[i] || k < g->after[i].n)
                continue;
            placed[i] = true;
            g->order[n++] = i;
        }
    } while (n > before);
    if (n < g->n)
        refuse_cycle(b, placed);
}

bool storage_graph_make(const StorageKind *const *kinds, Arena *a, StorageItem *items, size_t n,
                        const StorageNames *names, StorageGraph *ret)
{
    Builder b = {.a = a, .g = ret, .names = names};

    *ret = (StorageGraph){.items = items, .n = n};
    ret->after = ARENA_ARRAY(a, StorageEdges, n + 1);
    ret->order = ARENA_ARRAY(a, size_t, n + 1);
    b.rank = ARENA_ARRAY(a, size_t, n + 1);
    b.texts = ARENA_ARRAY(a, const char **, n + 1);
    b.reals = ARENA_ARRAY(a, const char **, n + 1);
    for (size_t i = 0; i < n; i++)
        while (kinds[b.rank[i]] && kinds[b.rank[i]] != items[i].kind)
            b.rank[i]++;
    collect_names(&b);
    collect_edges(&b);
    make_order(&b);
    map_done(&b.givers);
    map_done(&b.users);
    return !b.refused;
}
