#pragma once
/* What the files of a sysroot share; nobody else includes this. */
#include <sys/stat.h>

#include "system/boot_entry.h"
#include "update/sysroot.h"

enum { SYSROOT_NAME_MAX = 200 }; /* of a stateroot */

struct Sysroot {
    char *path;
    SysrootOptions options;
    Arena *arena; /* all that was ever listed */
    int root, ostree, boot, lock;
    bool is_root;    /* "/" of a system that was booted from a deployment */
    struct stat top; /* of that "/" */
    unsigned bootversion, subbootversion;
    bool has_loader; /* a link boot/loader that can be read */
    DeploymentList list;
    Report problems;
    const char *failure;
};

/* -errno of the step, as an Error. */
int sysroot_step(Sysroot *s, const char *what, Error *e);
int sysroot_need_write(const Sysroot *s, Error *e);

/* sysroot_lock.c */
int sysroot_lock_take(Sysroot *s, Error *e);
int sysroot_make_writable(const char *path, Error *e);

/* A link boot/loader to an empty list; 1 when it was not there. */
int sysroot_boot_init(int root, Error *e);
bool stateroot_name_is_valid(const char *name); /* one that is a directory of ostree/deploy */

/* sysroot_load.c: fills bootversion, list, problems, failure. */
int sysroot_load(Sysroot *s, Error *e);
bool deployment_name_read(const char *name, char ret_checksum[65], unsigned *ret_serial);
const char *deployment_path(Arena *a, const char *stateroot, const char *checksum, unsigned serial);
bool deployment_is_same(const Deployment *a, const Deployment *b);
/* Opens below ostree/ or boot/ by a path of the sysroot. */
int deployment_open(const Sysroot *s, const Deployment *d, Error *e);
/* What the commit and the tree say of it: version, timestamp, origin, flags of run/. */
int deployment_describe(Sysroot *s, Deployment *d, Error *e);
int deployment_commit_read(const Sysroot *s, Deployment *d); /* version and timestamp */
/* "/ostree/boot.1/os/<checksum>/0" in parts. */
typedef struct BootLink {
    unsigned bootversion, serial;
    const char *stateroot, *boot_checksum;
} BootLink;
bool boot_link_read(Arena *a, const char *text, BootLink *ret);
/* The deployment that a link points to: "../../../deploy/os/deploy/<checksum>.0". */
bool boot_link_target_read(Arena *a, const char *target, const char **ret_stateroot,
                           const char **ret_checksum, unsigned *ret_serial);
/* The options without those that name the deployment; the value of ostree= apart, NULL without. */
const char *options_split(Arena *a, const char *options, const char **ret_link);
/* boot/loader.<bootversion>/entries, in the order of boot; room for DEPLOYMENTS_MAX. What cannot be read is a
 * finding. */
int sysroot_entries_read(Sysroot *s, unsigned bootversion, BootEntry *entries, size_t *ret_n, Error *e);
/* NULL: it leads nowhere, and why is a finding. */
Deployment *sysroot_entry_follow(Sysroot *s, const BootEntry *b);
const char *link_read(Arena *a, int dirfd, const char *path); /* NULL with errno */
