/* print_plan raid|lvm CONFIG FACTS: what would be done for each array or volume group of a config on devices
 * that a document describes: the changes, the calls, the refusals. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/json.h"
#include "ignition/parse.h"
#include "provision/device_facts_json.h"
#include "provision/lvm_plan.h"
#include "provision/raid_plan.h"

static void fail(const Report *r, const char *what)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    report_write(r, REPORT_TEXT, &b);
    fprintf(stderr, "%s:\n%s", what, b.data ? b.data : "");
    exit(2);
}

static Source source_read(const char *path, Buf *b)
{
    Error e = ERROR_INIT;
    if (file_read_at(AT_FDCWD, path, 1 << 20, b, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    return (Source){.name = path, .text = b->data, .len = b->len};
}

static void print_words(const char *first, const char *const *words)
{
    printf("    %s", first);
    for (; words && *words; words++)
        printf(" %s", *words);
    printf("\n");
}

static void print_item(const StorageItem *item, bool raid)
{
    printf("%s\n", item->name);
    for (size_t i = 0; i < item->gives.n; i++)
        printf("  gives %s\n", item->gives.items[i]);
    for (size_t i = 0; i < item->changes.n; i++) {
        const StorageChange *c = &item->changes.items[i];
        printf("  %s %s%s%s\n", storage_verb_name(c->verb), c->object, c->detail ? ": " : "",
               c->detail ? c->detail : "");
    }
    if (raid && item->plan) {
        const RaidPlan *p = item->plan;
        for (size_t i = 0; p->stop && p->stop[i]; i++)
            print_words("stop", (const char *const[]){p->stop[i], NULL});
        if (p->argv)
            print_words(p->argv[0], p->argv + 1);
    } else if (item->plan) {
        const LvmPlan *p = item->plan;
        for (size_t i = 0; i < p->n; i++)
            print_words(p->steps[i].argv ? "lvm" : "clear", p->steps[i].argv ? p->steps[i].argv : p->clear);
    }
    _cleanup_buf_ Buf b = BUF_INIT;
    report_write(&item->report, REPORT_IGNITION, &b);
    printf("%s", b.data ? b.data : "");
}

static void plan_one(const StorageContext *c, const StorageKind *kind, const void *object, const char *path)
{
    _cleanup_arena_ Arena *a = arena_new();
    Error e = ERROR_INIT;
    StorageItem item = {
        .kind = kind, .object = object, .json_path = path, .arena = a, .report = REPORT_INIT(a)};
    kind->describe(&item);
    item.facts = ARENA_ARRAY(a, DeviceFacts, item.needs.n);
    for (size_t i = 0; i < item.needs.n; i++)
        if (inspector_look(c->inspector, a, item.needs.items[i], kind->look, &item.facts[i], &e) < 0)
            exit(2);
    kind->plan(c, &item);
    print_item(&item, kind == &storage_raid);
    report_done(&item.report);
    string_list_done(&item.needs);
    string_list_done(&item.gives);
}

int main(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf config_text = BUF_INIT, facts_text = BUF_INIT;
    IgnConfig *config;
    Node *document;
    FactsList list;
    if (argc != 4)
        return 2;
    Source source = source_read(argv[2], &config_text), facts = source_read(argv[3], &facts_text);
    if (ign_config_parse_newest(a, &source, IGN_PARSE_STRICT, &config, &r) < 0)
        fail(&r, "the config");
    if (json_read(a, &facts, SEVERITY_ERROR, &document, &r) < 0 ||
        device_facts_from_node(a, document, &list, &r) < 0 || r.n > 0)
        fail(&r, "the facts");
    const StorageKind *kind = strcmp(argv[1], "raid") == 0 ? &storage_raid : &storage_volume_group;
    const Inspector inspector = facts_list_inspector(&list);
    const StorageContext c = {.config = config, .inspector = &inspector, .offline = true};
    const IgnList *objects = kind->objects(&config->storage);
    for (size_t i = 0; i < objects->n; i++)
        plan_one(&c, kind, (const char *)objects->items + i * kind->object_size,
                 arena_printf(a, "$.%s.%zu", kind->section, i));
    return 0;
}
