/* A document of facts is refused, or it is one that a plan can be made of: every kind of item is planned with
 * it, by the names that it has, and it is written back as it was read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "ignition/parse.h"
#include "provision/device_facts_json.h"
#include "provision/storage_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config_text[] =
    "{\"ignition\":{\"version\":\"3.4.0\"},\"storage\":{\"disks\":[{\"device\":\"/dev/a\",\"partitions\":["
    "{\"number\":1,\"label\":\"one\",\"sizeMiB\":1},{\"number\":2,\"sizeMiB\":0,\"resize\":true,\"label\":"
    "\"two\"},"
    "{\"label\":\"three\",\"wipePartitionEntry\":true}]},{\"device\":\"/dev/b\",\"wipeTable\":true}],"
    "\"raid\":[{\"name\":\"r\",\"level\":\"raid1\",\"devices\":[\"/dev/a1\",\"/dev/c\"]}],"
    "\"filesystems\":[{\"device\":\"/dev/md/r\",\"format\":\"ext4\"},{\"device\":\"/dev/disk/by-partlabel/"
    "two\","
    "\"format\":\"xfs\",\"path\":\"/var\"},{\"device\":\"/dev/d\",\"format\":\"swap\",\"label\":\"x\"}]}}";

static void plan(Arena *a, const FactsList *l)
{
    const Source source = {.name = "c", .text = config_text, .len = sizeof(config_text) - 1};
    _cleanup_report_ Report report = REPORT_INIT(a);
    const Inspector inspector = facts_list_inspector(l);
    State state = {.arena = a};
    IgnConfig *config;
    StorageItem *items;
    size_t n;

    if (ign_config_parse_newest(a, &source, IGN_PARSE_STRICT, &config, &report) < 0)
        abort();
    StorageContext c = {.config = config, .state = &state, .inspector = &inspector, .offline = true};
    storage_context_init(&c);
    if (storage_plan(&c, &items, &n, &report, NULL) >= 0)
        storage_items_free(items, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf first = BUF_INIT, second = BUF_INIT;
    const Source source = {.name = "f", .text = arena_memdup(a, data, size), .len = size};
    FactsList l, again;
    Node *n;

    if (json_read(a, &source, SEVERITY_ERROR, &n, &report) < 0 ||
        device_facts_from_node(a, n, &l, &report) < 0)
        return 0;
    plan(a, &l);
    n = device_facts_to_node(a, &l);
    json_write(n, JSON_COMPACT, &first);
    if (device_facts_from_node(a, n, &again, &report) < 0)
        abort();
    json_write(device_facts_to_node(a, &again), JSON_COMPACT, &second);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        abort();
    return 0;
}
