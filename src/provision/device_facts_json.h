#pragma once
/* Facts of devices as a JSON document, both ways. The members have the names of the fields of DeviceFacts and
 * of the structures in it, in camelCase ("sector_size" is "sectorSize"); what is false, 0 or not there is
 * left out:
 *   {"facts": 1, "devices": [{"path": "/dev/vda", "names": ["/dev/disk/by-id/…"], "size": 10737418240,
 *     "sectorSize": 512, "table": {"kind": "gpt", "guid": "…", "firstUsable": 34, "lastUsable": 20971486,
 *     "maxPartitions": 128, "partitions": [{"number": 1, "start": 2048, "size": 204800, "label": "boot",
 *     "guid": "…", "typeGuid": "…"}]}, "superblock": {…}, "raid": {…}, "luks": {…}, "lvm": {…},
 *     "holders": [{"kind": "mount", "partition": 1, "what": "/boot"}]}]}
 * Sizes of devices are bytes, places and sizes of partitions sectors, attributes a number in hexadecimal as
 * text. Nothing in it is secret. */
#include "provision/facts_list.h"

enum { FACTS_VERSION = 1, FACTS_SIZE_MAX = 64 << 20 };

Node *device_facts_to_node(Arena *a, const FactsList *list);
/* -EINVAL with findings: the wrong shape, numbers that no device has (a sector size that is no power of two,
 * a partition without a number), a document of another version. An unknown member is a warning. */
int device_facts_from_node(Arena *a, const Node *document, FactsList *ret, Report *r);
