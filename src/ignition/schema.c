/* The rows of schema.h for all versions, 2.0 to 3.7-experimental. Facts: the types of coreos/ignition
 * config/v3_0 to v3_6 and of the 0.35 line's config/v2_0 to v2_4. Rows stand in the order in which Ignition
 * writes the fields, which is alphabetical but for the nodes of storage, whose common fields come first.
 * A field whose kind changed between versions (file.append) has one row for each kind. */
#include "ignition/schema.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define RANGE(first, last) .since = IGN_##first, .until = IGN_##last
#define ALL                RANGE(2_0, 3_7_EXP)
#define FROM(v)            RANGE(v, 3_7_EXP)
#define UP_TO_2_4(v)       RANGE(v, 2_4)

#define FIELD(k, T, n, m, ...)                                                                               \
    {                                                                                                        \
        .name = n, .kind = IGN_KIND_##k, .offset = offsetof(T, m), __VA_ARGS__                               \
    }
#define STRING(T, n, m, ...)     FIELD(STRING, T, n, m, __VA_ARGS__)
#define INT(T, n, m, ...)        FIELD(INT, T, n, m, __VA_ARGS__)
#define BOOL(T, n, m, ...)       FIELD(BOOL, T, n, m, __VA_ARGS__)
#define STRINGS(T, n, m, ...)    FIELD(STRINGS, T, n, m, __VA_ARGS__)
#define OBJECT(T, n, m, t, ...)  FIELD(OBJECT, T, n, m, .type = &ign_##t##_type, __VA_ARGS__)
#define OBJECTS(T, n, m, t, ...) FIELD(OBJECTS, T, n, m, .type = &ign_##t##_type, __VA_ARGS__)
#define CONCAT                   .merge = IGN_MERGE_CONCAT
#define REQUIRED                 .required = true
#define ALWAYS_2X                .always_2x = true

#define FIELDS(...)                                                                                          \
    .fields = (const IgnField[])                                                                             \
    {                                                                                                        \
        __VA_ARGS__,                                                                                         \
        {                                                                                                    \
        }                                                                                                    \
    }
#define TYPE(n, T, ...) const IgnType ign_##n##_type = {.name = #T, .size = sizeof(T), __VA_ARGS__}

/* The key of an object that is one of its strings; a missing one is the empty key, as in Go. */
#define STRING_KEY(T, m)                                                                                     \
    static const char *T##_key(const void *object, char *buf _unused_, size_t size _unused_)                 \
    {                                                                                                        \
        const T *o = object;                                                                                 \
        return o->m ? o->m : "";                                                                             \
    }
STRING_KEY(IgnHeader, name)
STRING_KEY(IgnResource, source)
STRING_KEY(IgnUser, name)
STRING_KEY(IgnGroup, name)
STRING_KEY(IgnDisk, device)
STRING_KEY(IgnRaid, name)
STRING_KEY(IgnFilesystem, device)
STRING_KEY(IgnTang, url)
STRING_KEY(IgnLuks, name)
STRING_KEY(IgnVolumeGroup, name)
STRING_KEY(IgnVolume, name)
STRING_KEY(IgnNode, path)
STRING_KEY(IgnUnit, name)
STRING_KEY(IgnDropin, name)

static const char *partition_key(const void *object, char *buf, size_t size)
{
    const IgnPartition *p = object;
    if (p->number.set && p->number.value != 0)
        snprintf(buf, size, "number:%lld", (long long)p->number.value);
    else if (p->label)
        snprintf(buf, size, "label:%s", p->label);
    else
        return "";
    return buf;
}

static bool header_removes(const void *object)
{
    return !((const IgnHeader *)object)->value;
}

TYPE(header, IgnHeader, .key = IgnHeader_key, .removes = header_removes,
     FIELDS(STRING(IgnHeader, "name", name, FROM(2_4), REQUIRED),
            STRING(IgnHeader, "value", value, FROM(2_4))));

TYPE(verification, IgnVerification, FIELDS(STRING(IgnVerification, "hash", hash, ALL)));

/* The contents of something. */
TYPE(resource, IgnResource, .key = IgnResource_key,
     FIELDS(STRING(IgnResource, "compression", compression, ALL),
            OBJECTS(IgnResource, "httpHeaders", http_headers, header, UP_TO_2_4(2_4)),
            OBJECTS(IgnResource, "httpHeaders", http_headers, header, FROM(3_1)),
            STRING(IgnResource, "source", source, ALL),
            OBJECT(IgnResource, "verification", verification, verification, ALL, ALWAYS_2X)));

/* Another config, or an authority: the same, but compressed only since 3.1. */
TYPE(reference, IgnResource, .key = IgnResource_key,
     FIELDS(STRING(IgnResource, "compression", compression, FROM(3_1)),
            OBJECTS(IgnResource, "httpHeaders", http_headers, header, UP_TO_2_4(2_4)),
            OBJECTS(IgnResource, "httpHeaders", http_headers, header, FROM(3_1)),
            STRING(IgnResource, "source", source, ALL),
            OBJECT(IgnResource, "verification", verification, verification, ALL, ALWAYS_2X)));

TYPE(chain, IgnChain,
     FIELDS(OBJECTS(IgnChain, "append", append, reference, UP_TO_2_4(2_0)),
            OBJECTS(IgnChain, "merge", merge, reference, FROM(3_0)),
            OBJECT(IgnChain, "replace", replace, reference, ALL)));

TYPE(proxy, IgnProxy,
     FIELDS(STRING(IgnProxy, "httpProxy", http_proxy, ALL), STRING(IgnProxy, "httpsProxy", https_proxy, ALL),
            STRINGS(IgnProxy, "noProxy", no_proxy, ALL)));

TYPE(tls, IgnTls, FIELDS(OBJECTS(IgnTls, "certificateAuthorities", certificate_authorities, reference, ALL)));

static TYPE(security, IgnSecurity, FIELDS(OBJECT(IgnSecurity, "tls", tls, tls, ALL, ALWAYS_2X)));

static TYPE(timeouts, IgnTimeouts,
            FIELDS(INT(IgnTimeouts, "httpResponseHeaders", http_response_headers, ALL),
                   INT(IgnTimeouts, "httpTotal", http_total, ALL)));

TYPE(meta, IgnMeta,
     FIELDS(OBJECT(IgnMeta, "config", config, chain, ALL, ALWAYS_2X),
            OBJECT(IgnMeta, "proxy", proxy, proxy, UP_TO_2_4(2_4), ALWAYS_2X),
            OBJECT(IgnMeta, "proxy", proxy, proxy, FROM(3_1)),
            OBJECT(IgnMeta, "security", security, security, FROM(2_2), ALWAYS_2X),
            OBJECT(IgnMeta, "timeouts", timeouts, timeouts, FROM(2_1), ALWAYS_2X),
            STRING(IgnMeta, "version", version, ALL, REQUIRED)));

static TYPE(kernel_arguments, IgnKernelArguments,
            FIELDS(STRINGS(IgnKernelArguments, "shouldExist", should_exist, ALL,
                           .key_space = IGN_SPACE_KERNEL_ARGUMENT),
                   STRINGS(IgnKernelArguments, "shouldNotExist", should_not_exist, ALL,
                           .key_space = IGN_SPACE_KERNEL_ARGUMENT)));

static TYPE(user_create, IgnUserCreate,
            FIELDS(STRING(IgnUserCreate, "gecos", gecos, ALL), STRINGS(IgnUserCreate, "groups", groups, ALL),
                   STRING(IgnUserCreate, "homeDir", home_dir, ALL),
                   BOOL(IgnUserCreate, "noCreateHome", no_create_home, ALL),
                   BOOL(IgnUserCreate, "noLogInit", no_log_init, ALL),
                   BOOL(IgnUserCreate, "noUserGroup", no_user_group, ALL),
                   STRING(IgnUserCreate, "primaryGroup", primary_group, ALL),
                   STRING(IgnUserCreate, "shell", shell, ALL), BOOL(IgnUserCreate, "system", system, ALL),
                   INT(IgnUserCreate, "uid", uid, ALL)));

TYPE(user, IgnUser, .key = IgnUser_key,
     FIELDS(OBJECT(IgnUser, "create", create, user_create, UP_TO_2_4(2_0)),
            STRING(IgnUser, "gecos", gecos, FROM(2_1)), STRINGS(IgnUser, "groups", groups, FROM(2_1)),
            STRING(IgnUser, "homeDir", home_dir, FROM(2_1)), STRING(IgnUser, "name", name, ALL, REQUIRED),
            BOOL(IgnUser, "noCreateHome", no_create_home, FROM(2_1)),
            BOOL(IgnUser, "noLogInit", no_log_init, FROM(2_1)),
            BOOL(IgnUser, "noUserGroup", no_user_group, FROM(2_1)),
            STRING(IgnUser, "passwordHash", password_hash, ALL),
            STRING(IgnUser, "primaryGroup", primary_group, FROM(2_1)),
            BOOL(IgnUser, "shouldExist", should_exist, FROM(3_2)),
            STRINGS(IgnUser, "sshAuthorizedKeys", ssh_authorized_keys, ALL),
            STRING(IgnUser, "shell", shell, FROM(2_1)), BOOL(IgnUser, "system", system, FROM(2_1)),
            INT(IgnUser, "uid", uid, FROM(2_1))));

TYPE(group, IgnGroup, .key = IgnGroup_key,
     FIELDS(INT(IgnGroup, "gid", gid, ALL), STRING(IgnGroup, "name", name, ALL, REQUIRED),
            STRING(IgnGroup, "passwordHash", password_hash, ALL),
            BOOL(IgnGroup, "shouldExist", should_exist, FROM(3_2)), BOOL(IgnGroup, "system", system, ALL)));

static TYPE(passwd, IgnPasswd,
            FIELDS(OBJECTS(IgnPasswd, "groups", groups, group, ALL),
                   OBJECTS(IgnPasswd, "users", users, user, ALL)));

TYPE(partition, IgnPartition, .key = partition_key,
     FIELDS(STRING(IgnPartition, "guid", guid, FROM(2_1)), STRING(IgnPartition, "label", label, ALL),
            INT(IgnPartition, "number", number, ALL), BOOL(IgnPartition, "resize", resize, FROM(3_2)),
            BOOL(IgnPartition, "shouldExist", should_exist, FROM(2_3)),
            INT(IgnPartition, "size", size, UP_TO_2_4(2_0)),
            INT(IgnPartition, "sizeMiB", size_mib, FROM(2_3)),
            INT(IgnPartition, "start", start, UP_TO_2_4(2_0)),
            INT(IgnPartition, "startMiB", start_mib, FROM(2_3)),
            STRING(IgnPartition, "typeGuid", type_guid, ALL),
            BOOL(IgnPartition, "wipePartitionEntry", wipe_partition_entry, FROM(2_3))));

TYPE(disk, IgnDisk, .key = IgnDisk_key,
     FIELDS(STRING(IgnDisk, "device", device, ALL, REQUIRED),
            OBJECTS(IgnDisk, "partitions", partitions, partition, ALL),
            BOOL(IgnDisk, "wipeTable", wipe_table, ALL)));

TYPE(raid, IgnRaid, .key = IgnRaid_key,
     FIELDS(STRINGS(IgnRaid, "devices", devices, ALL), STRING(IgnRaid, "level", level, ALL),
            STRING(IgnRaid, "name", name, ALL, REQUIRED),
            STRINGS(IgnRaid, "options", options, FROM(2_2), CONCAT), INT(IgnRaid, "spares", spares, ALL)));

static TYPE(mount_create, IgnMountCreate,
            FIELDS(BOOL(IgnMountCreate, "force", force, ALL),
                   STRINGS(IgnMountCreate, "options", options, ALL, CONCAT)));

TYPE(mount, IgnMount,
     FIELDS(OBJECT(IgnMount, "create", create, mount_create, ALL),
            STRING(IgnMount, "device", device, ALL, REQUIRED),
            STRING(IgnMount, "format", format, ALL, REQUIRED), STRING(IgnMount, "label", label, FROM(2_1)),
            STRINGS(IgnMount, "options", options, FROM(2_1), CONCAT),
            STRING(IgnMount, "uuid", uuid, FROM(2_1)),
            BOOL(IgnMount, "wipeFilesystem", wipe_filesystem, FROM(2_1))));

TYPE(filesystem, IgnFilesystem, .key = IgnFilesystem_key,
     FIELDS(STRING(IgnFilesystem, "device", device, FROM(3_0), REQUIRED),
            STRING(IgnFilesystem, "format", format, FROM(3_0)),
            STRING(IgnFilesystem, "label", label, FROM(3_0)),
            OBJECT(IgnFilesystem, "mount", mount, mount, UP_TO_2_4(2_0)),
            STRINGS(IgnFilesystem, "mountOptions", mount_options, FROM(3_1), CONCAT),
            STRING(IgnFilesystem, "name", name, UP_TO_2_4(2_0)),
            STRINGS(IgnFilesystem, "options", options, FROM(3_0), CONCAT),
            STRING(IgnFilesystem, "path", path, ALL), STRING(IgnFilesystem, "uuid", uuid, FROM(3_0)),
            BOOL(IgnFilesystem, "wipeFilesystem", wipe_filesystem, FROM(3_0))));

static TYPE(cex, IgnCex, FIELDS(BOOL(IgnCex, "enabled", enabled, ALL)));

TYPE(tang, IgnTang, .key = IgnTang_key,
     FIELDS(STRING(IgnTang, "advertisement", advertisement, FROM(3_4)),
            STRING(IgnTang, "thumbprint", thumbprint, ALL), STRING(IgnTang, "url", url, ALL)));

TYPE(clevis_custom, IgnClevisCustom,
     FIELDS(STRING(IgnClevisCustom, "config", config, ALL),
            BOOL(IgnClevisCustom, "needsNetwork", needs_network, ALL),
            STRING(IgnClevisCustom, "pin", pin, ALL)));

static TYPE(clevis, IgnClevis,
            FIELDS(OBJECT(IgnClevis, "custom", custom, clevis_custom, ALL),
                   OBJECTS(IgnClevis, "tang", tang, tang, ALL), INT(IgnClevis, "threshold", threshold, ALL),
                   BOOL(IgnClevis, "tpm2", tpm2, ALL)));

TYPE(luks, IgnLuks, .key = IgnLuks_key,
     FIELDS(OBJECT(IgnLuks, "cex", cex, cex, FROM(3_5)), OBJECT(IgnLuks, "clevis", clevis, clevis, ALL),
            STRING(IgnLuks, "device", device, ALL), BOOL(IgnLuks, "discard", discard, FROM(3_4)),
            OBJECT(IgnLuks, "keyFile", key_file, resource, ALL), STRING(IgnLuks, "label", label, ALL),
            STRING(IgnLuks, "name", name, ALL, REQUIRED),
            STRINGS(IgnLuks, "openOptions", open_options, FROM(3_4)),
            STRINGS(IgnLuks, "options", options, ALL, CONCAT), STRING(IgnLuks, "uuid", uuid, ALL),
            BOOL(IgnLuks, "wipeVolume", wipe_volume, ALL)));

/* Ours alone; since the version that also brought encrypted volumes, so that clients of older ones are told.
 */
TYPE(volume, IgnVolume, .key = IgnVolume_key,
     FIELDS(STRING(IgnVolume, "name", name, ALL, REQUIRED),
            STRINGS(IgnVolume, "options", options, ALL, CONCAT), BOOL(IgnVolume, "resize", resize, ALL),
            BOOL(IgnVolume, "shouldExist", should_exist, ALL), INT(IgnVolume, "sizeMiB", size_mib, ALL),
            BOOL(IgnVolume, "wipeVolume", wipe_volume, ALL)));

TYPE(volume_group, IgnVolumeGroup, .key = IgnVolumeGroup_key,
     FIELDS(STRINGS(IgnVolumeGroup, "devices", devices, ALL),
            STRING(IgnVolumeGroup, "name", name, ALL, REQUIRED),
            STRINGS(IgnVolumeGroup, "options", options, ALL, CONCAT),
            OBJECTS(IgnVolumeGroup, "volumes", volumes, volume, ALL),
            BOOL(IgnVolumeGroup, "wipeVolumeGroup", wipe_volume_group, ALL)));

TYPE(owner, IgnOwner, FIELDS(INT(IgnOwner, "id", id, ALL), STRING(IgnOwner, "name", name, FROM(2_1))));

TYPE(file, IgnFile, .key = IgnNode_key,
     FIELDS(STRING(IgnFile, "filesystem", base.filesystem, UP_TO_2_4(2_0)),
            OBJECT(IgnFile, "group", base.group, owner, ALL),
            BOOL(IgnFile, "overwrite", base.overwrite, FROM(2_2)),
            STRING(IgnFile, "path", base.path, ALL, REQUIRED), OBJECT(IgnFile, "user", base.user, owner, ALL),
            BOOL(IgnFile, "append", append_to, UP_TO_2_4(2_2)),
            OBJECTS(IgnFile, "append", append, resource, FROM(3_0), CONCAT),
            OBJECT(IgnFile, "contents", contents, resource, ALL, ALWAYS_2X),
            INT(IgnFile, "mode", mode, ALL)));

TYPE(directory, IgnDirectory, .key = IgnNode_key,
     FIELDS(STRING(IgnDirectory, "filesystem", base.filesystem, UP_TO_2_4(2_0)),
            OBJECT(IgnDirectory, "group", base.group, owner, ALL),
            BOOL(IgnDirectory, "overwrite", base.overwrite, FROM(2_2)),
            STRING(IgnDirectory, "path", base.path, ALL, REQUIRED),
            OBJECT(IgnDirectory, "user", base.user, owner, ALL), INT(IgnDirectory, "mode", mode, ALL)));

TYPE(link, IgnLink, .key = IgnNode_key,
     FIELDS(STRING(IgnLink, "filesystem", base.filesystem, UP_TO_2_4(2_0)),
            OBJECT(IgnLink, "group", base.group, owner, ALL),
            BOOL(IgnLink, "overwrite", base.overwrite, FROM(2_2)),
            STRING(IgnLink, "path", base.path, ALL, REQUIRED), OBJECT(IgnLink, "user", base.user, owner, ALL),
            BOOL(IgnLink, "hard", hard, ALL), STRING(IgnLink, "target", target, ALL)));

TYPE(storage, IgnStorage,
     FIELDS(OBJECTS(IgnStorage, "directories", directories, directory, FROM(2_1),
                    .key_space = IGN_SPACE_NODE),
            OBJECTS(IgnStorage, "disks", disks, disk, ALL),
            OBJECTS(IgnStorage, "files", files, file, ALL, .key_space = IGN_SPACE_NODE),
            OBJECTS(IgnStorage, "filesystems", filesystems, filesystem, ALL),
            OBJECTS(IgnStorage, "links", links, link, FROM(2_1), .key_space = IGN_SPACE_NODE),
            OBJECTS(IgnStorage, "luks", luks, luks, FROM(3_2)), OBJECTS(IgnStorage, "raid", raid, raid, ALL),
            OBJECTS(IgnStorage, "volumeGroups", volume_groups, volume_group, FROM(3_2))));

TYPE(dropin, IgnDropin, .key = IgnDropin_key,
     FIELDS(STRING(IgnDropin, "contents", contents, ALL), STRING(IgnDropin, "name", name, ALL, REQUIRED)));

TYPE(unit, IgnUnit, .key = IgnUnit_key,
     FIELDS(STRING(IgnUnit, "contents", contents, ALL), OBJECTS(IgnUnit, "dropins", dropins, dropin, ALL),
            BOOL(IgnUnit, "enable", enable, UP_TO_2_4(2_0)), BOOL(IgnUnit, "enabled", enabled, FROM(2_1)),
            BOOL(IgnUnit, "mask", mask, ALL), STRING(IgnUnit, "name", name, ALL, REQUIRED)));

TYPE(systemd, IgnSystemd, FIELDS(OBJECTS(IgnSystemd, "units", units, unit, ALL)));

TYPE(networkd_unit, IgnUnit, .key = IgnUnit_key,
     FIELDS(STRING(IgnUnit, "contents", contents, ALL),
            OBJECTS(IgnUnit, "dropins", dropins, dropin, FROM(2_2)),
            STRING(IgnUnit, "name", name, ALL, REQUIRED)));

TYPE(networkd, IgnNetworkd, FIELDS(OBJECTS(IgnNetworkd, "units", units, networkd_unit, ALL)));

TYPE(config, IgnConfig,
     FIELDS(OBJECT(IgnConfig, "ignition", ignition, meta, ALL, REQUIRED),
            OBJECT(IgnConfig, "kernelArguments", kernel_arguments, kernel_arguments, FROM(3_3)),
            OBJECT(IgnConfig, "networkd", networkd, networkd, UP_TO_2_4(2_0), ALWAYS_2X),
            OBJECT(IgnConfig, "passwd", passwd, passwd, ALL, ALWAYS_2X),
            OBJECT(IgnConfig, "storage", storage, storage, ALL, ALWAYS_2X),
            OBJECT(IgnConfig, "systemd", systemd, systemd, ALL, ALWAYS_2X)));

const IgnField *ign_field_find(const IgnType *type, const char *name, IgnVersion version)
{
    for (const IgnField *f = type->fields; f->name; f++)
        if (ign_field_in(f, version) && strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

const IgnField *ign_field_find_nocase(const IgnType *type, const char *name, IgnVersion version)
{
    for (const IgnField *f = type->fields; f->name; f++)
        if (ign_field_in(f, version) && strcasecmp(f->name, name) == 0)
            return f;
    return NULL;
}

static bool field_is_empty(const IgnField *f, const void *at, IgnVersion version)
{
    switch (f->kind) {
    case IGN_KIND_STRING:
        return !*(const char *const *)at;
    case IGN_KIND_INT:
        return !((const OptInt *)at)->set;
    case IGN_KIND_BOOL:
        return *(const OptBool *)at == BOOL_UNSET;
    case IGN_KIND_OBJECT:
        return ign_object_is_empty(f->type, at, version);
    case IGN_KIND_OBJECTS:
    case IGN_KIND_STRINGS:
        return ((const IgnList *)at)->n == 0;
    }
    return true;
}

bool ign_object_is_empty(const IgnType *type, const void *object, IgnVersion version)
{
    for (const IgnField *f = type->fields; f->name; f++)
        if (ign_field_in(f, version) && !field_is_empty(f, ign_field_at(object, f), version))
            return false;
    return true;
}
