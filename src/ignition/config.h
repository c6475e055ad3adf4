#pragma once
/* The Ignition config as C types: the union of all spec versions. What a version has, how it is written, how
 * two configs merge, stands in the tables of schema.h; these are only the shapes. Field names are the spec's.
 * A config in hand is normally in the newest spec (ign_config_lift() does that); the fields marked 2.x are
 * then empty. Strings are NULL, numbers and booleans are not `set`, when the config does not say.
 * Everything lives in the arena of the config it was read into; `node` is where an object was written (NULL
 * for made ones), for messages and for the question which file said so. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "format/node.h"
#include "ignition/version.h"

typedef struct OptInt {
    bool set;
    int64_t value;
} OptInt;

typedef enum OptBool { BOOL_UNSET, BOOL_FALSE, BOOL_TRUE } OptBool;
static inline bool opt_bool(OptBool b, bool otherwise)
{
    return b == BOOL_UNSET ? otherwise : b == BOOL_TRUE;
}

/* A list of objects of one type, or of strings (const char *). ELEMENT access by IGN_AT. */
typedef struct IgnList {
    void *items;
    size_t n;
    const Node *node;
} IgnList;
#define IGN_AT(list, type, i)  (&((type *)(list).items)[i])
#define IGN_STRING_AT(list, i) (((const char **)(list).items)[i])
#define IGN_EACH(type, it, list)                                                                             \
    for (type *it = (list).items, *_end_##it = it ? it + (list).n : it; it < _end_##it; it++)

/* Without a value the header takes one of the same name away when it is merged over it. */
typedef struct IgnHeader {
    const Node *node;
    const char *name, *value;
} IgnHeader;
typedef struct IgnVerification {
    const Node *node;
    const char *hash;
} IgnVerification;
typedef struct IgnResource {
    const Node *node;
    const char *source, *compression;
    IgnVerification verification;
    IgnList http_headers; /* IgnHeader */
} IgnResource;

typedef struct IgnChain { /* ignition.config */
    const Node *node;
    IgnResource replace;
    IgnList merge;  /* IgnResource */
    IgnList append; /* IgnResource, 2.x */
} IgnChain;
typedef struct IgnProxy {
    const Node *node;
    const char *http_proxy, *https_proxy;
    IgnList no_proxy;
} IgnProxy;
typedef struct IgnTls {
    const Node *node;
    IgnList certificate_authorities; /* IgnResource */
} IgnTls;
typedef struct IgnSecurity {
    const Node *node;
    IgnTls tls;
} IgnSecurity;
typedef struct IgnTimeouts {
    const Node *node;
    OptInt http_response_headers, http_total;
} IgnTimeouts;
typedef struct IgnMeta { /* ignition */
    const Node *node;
    const char *version;
    IgnChain config;
    IgnProxy proxy;
    IgnSecurity security;
    IgnTimeouts timeouts;
} IgnMeta;

typedef struct IgnKernelArguments {
    const Node *node;
    IgnList should_exist, should_not_exist;
} IgnKernelArguments;

typedef struct IgnUserCreate { /* passwd.users[].create, 2.x */
    const Node *node;
    OptInt uid;
    const char *gecos, *home_dir, *primary_group, *shell;
    IgnList groups;
    OptBool no_create_home, no_user_group, no_log_init, system;
} IgnUserCreate;
typedef struct IgnUser {
    const Node *node;
    const char *name, *password_hash, *gecos, *home_dir, *primary_group, *shell;
    IgnList ssh_authorized_keys, groups;
    OptInt uid;
    OptBool no_create_home, no_user_group, no_log_init, system, should_exist;
    IgnUserCreate create; /* 2.x; there when create.node is */
} IgnUser;
typedef struct IgnGroup {
    const Node *node;
    const char *name, *password_hash;
    OptInt gid;
    OptBool system, should_exist;
} IgnGroup;
typedef struct IgnPasswd {
    const Node *node;
    IgnList users, groups;
} IgnPasswd;

typedef struct IgnPartition {
    const Node *node;
    const char *label, *type_guid, *guid;
    OptInt number, size_mib, start_mib;
    OptInt size, start; /* sectors, 2.x */
    OptBool wipe_partition_entry, should_exist, resize;
} IgnPartition;
typedef struct IgnDisk {
    const Node *node;
    const char *device;
    OptBool wipe_table;
    IgnList partitions;
} IgnDisk;
typedef struct IgnRaid {
    const Node *node;
    const char *name, *level;
    IgnList devices, options;
    OptInt spares;
} IgnRaid;
typedef struct IgnMountCreate {
    const Node *node;
    OptBool force;
    IgnList options;
} IgnMountCreate;         /* 2.x */
typedef struct IgnMount { /* storage.filesystems[].mount, 2.x */
    const Node *node;
    const char *device, *format, *label, *uuid;
    OptBool wipe_filesystem;
    IgnList options;
    IgnMountCreate create;
} IgnMount;
typedef struct IgnFilesystem {
    const Node *node;
    const char *device, *format, *path, *label, *uuid;
    OptBool wipe_filesystem;
    IgnList options, mount_options;
    const char *name; /* 2.x */
    IgnMount mount;   /* 2.x; there when mount.node is */
} IgnFilesystem;
typedef struct IgnTang {
    const Node *node;
    const char *url, *thumbprint, *advertisement;
} IgnTang;
typedef struct IgnClevisCustom {
    const Node *node;
    const char *pin, *config;
    OptBool needs_network;
} IgnClevisCustom;
typedef struct IgnClevis {
    const Node *node;
    OptBool tpm2;
    IgnList tang; /* IgnTang */
    OptInt threshold;
    IgnClevisCustom custom;
} IgnClevis;
typedef struct IgnCex {
    const Node *node;
    OptBool enabled;
} IgnCex;
typedef struct IgnLuks {
    const Node *node;
    const char *name, *device, *label, *uuid;
    IgnResource key_file;
    IgnList options, open_options;
    OptBool wipe_volume, discard;
    IgnClevis clevis;
    IgnCex cex;
} IgnLuks;

/* Not in the spec: other implementations leave these out with a warning. */
typedef struct IgnVolume {
    const Node *node;
    const char *name;
    OptInt size_mib; /* unset or 0: all that is left */
    IgnList options;
    OptBool should_exist, resize, wipe_volume;
} IgnVolume;
typedef struct IgnVolumeGroup {
    const Node *node;
    const char *name;
    IgnList devices, options, volumes; /* volumes: IgnVolume */
    OptBool wipe_volume_group;
} IgnVolumeGroup;

typedef struct IgnOwner {
    const Node *node;
    OptInt id;
    const char *name;
} IgnOwner;
/* What files, directories and links share; it stands first in each, so a pointer to one is a pointer to it.
 */
typedef struct IgnNode {
    const Node *node;
    const char *path;
    OptBool overwrite;
    IgnOwner user, group;
    const char *filesystem; /* 2.x */
} IgnNode;
typedef struct IgnFile {
    IgnNode base;
    OptInt mode;
    IgnResource contents;
    IgnList append;    /* IgnResource, 3.x */
    OptBool append_to; /* `append: true`, 2.2 to 2.4 */
} IgnFile;
typedef struct IgnDirectory {
    IgnNode base;
    OptInt mode;
} IgnDirectory;
typedef struct IgnLink {
    IgnNode base;
    OptBool hard;
    const char *target;
} IgnLink;
typedef struct IgnStorage {
    const Node *node;
    IgnList disks, raid, volume_groups, luks, filesystems, files, directories, links;
} IgnStorage;

typedef struct IgnDropin {
    const Node *node;
    const char *name, *contents;
} IgnDropin;
typedef struct IgnUnit {
    const Node *node;
    const char *name, *contents;
    OptBool enabled, mask;
    OptBool enable; /* 2.x */
    IgnList dropins;
} IgnUnit;
typedef struct IgnSystemd {
    const Node *node;
    IgnList units;
} IgnSystemd;
typedef struct IgnNetworkd {
    const Node *node;
    IgnList units; /* IgnUnit: name, contents, dropins */
} IgnNetworkd;

typedef struct IgnConfig {
    const Node *node;
    IgnMeta ignition;
    IgnKernelArguments kernel_arguments;
    IgnPasswd passwd;
    IgnStorage storage;
    IgnSystemd systemd;
    IgnNetworkd networkd; /* 2.x */
    IgnVersion version;   /* of ignition.version, parsed; not a field */
} IgnConfig;
