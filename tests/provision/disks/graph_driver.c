/* Reads items and names from the file that is given, prints the order that the graph makes of them:
 *
 *     disk vda needs /dev/vda gives /dev/vda1 /dev/disk/by-partlabel/root
 *     real /dev/disk/by-id/x /dev/vda
 *
 * Each line of output is an item with those that it comes after; or the refusals. The kinds are those of the
 * stage, without anything behind them. */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "provision/storage_graph.h"

enum { ITEMS_MAX = 256 };

static const StorageKind fake_disk = {.name = "disk", .section = "storage.disks"},
                         fake_raid = {.name = "raid", .section = "storage.raid"},
                         fake_group = {.name = "group", .section = "storage.volumeGroups"},
                         fake_luks = {.name = "luks", .section = "storage.luks"},
                         fake_filesystem = {.name = "fs", .section = "storage.filesystems"};
static const StorageKind *const kinds[] = {&fake_disk, &fake_raid,       &fake_group,
                                           &fake_luks, &fake_filesystem, NULL};

static const char *real_of(void *context, Arena *a, const char *name)
{
    (void)a;
    return map_get(context, name);
}

static void item_read(Arena *a, char *line, StorageItem *item, const StorageKind *kind)
{
    static const struct {
        const void *node;
    } object;
    StringList *to = NULL;
    char *rest, *word = strtok_r(line, " \n", &rest);
    *item = (StorageItem){.kind = kind, .object = &object, .arena = a, .report = REPORT_INIT(a)};
    item->name = arena_printf(a, "%s %s", word, strtok_r(NULL, " \n", &rest));
    item->json_path = arena_printf(a, "$.%s.0", kind->section);
    while ((word = strtok_r(NULL, " \n", &rest))) {
        if (!strcmp(word, "needs"))
            to = &item->needs;
        else if (!strcmp(word, "gives"))
            to = &item->gives;
        else
            string_list_add(to, arena_strdup(a, word));
    }
}

static const StorageKind *kind_find(const char *line)
{
    for (size_t i = 0; kinds[i]; i++) {
        size_t n = strlen(kinds[i]->name);
        if (!strncmp(line, kinds[i]->name, n) && line[n] == ' ')
            return kinds[i];
    }
    return NULL;
}

static void graph_print(const StorageGraph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const StorageEdges *after = &g->after[g->order[i]];
        printf("%s", g->items[g->order[i]].name);
        for (size_t k = 0; k < after->n; k++)
            printf("%s%s", k ? ", " : " after ", g->items[after->items[k]].name);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    _cleanup_fclose_ FILE *f = argc == 2 ? fopen(argv[1], "re") : NULL;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_map_ Map names = MAP_INIT;
    StorageItem items[ITEMS_MAX];
    StorageGraph g;
    size_t n = 0;
    char line[1024], from[512], to[512];

    if (!f)
        return 2;
    while (n < ITEMS_MAX && fgets(line, sizeof(line), f)) {
        const StorageKind *kind = kind_find(line);
        if (kind)
            item_read(a, line, &items[n++], kind);
        else if (sscanf(line, "real %511s %511s", from, to) == 2)
            map_put(&names, arena_strdup(a, from), arena_strdup(a, to));
    }
    const StorageNames resolver = {real_of, &names};
    bool good = storage_graph_make(kinds, a, items, n, &resolver, &g);
    if (good)
        graph_print(&g);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < items[i].report.n; k++)
            printf("%s\n", items[i].report.entries[k].message);
        report_done(&items[i].report);
        string_list_done(&items[i].needs);
        string_list_done(&items[i].gives);
    }
    return good ? 0 : 1;
}
