#pragma once
/* libfdisk's functions, found when they are first needed. For the files of the partition table only. */
#include <libfdisk/libfdisk.h>

#include "base/error.h"

typedef struct Fdisk {
    struct fdisk_context *(*new_context)(void);
    void (*unref_context)(struct fdisk_context *);
    int (*set_ask)(struct fdisk_context *, int (*)(struct fdisk_context *, struct fdisk_ask *, void *),
                   void *);
    int (*disable_dialogs)(struct fdisk_context *, int);
    int (*enable_listonly)(struct fdisk_context *, int);
    int (*save_user_sector_size)(struct fdisk_context *, unsigned, unsigned);
    int (*assign_by_fd)(struct fdisk_context *, int, const char *, int);
    int (*deassign)(struct fdisk_context *, int);
    struct fdisk_label *(*get_label)(struct fdisk_context *, const char *);
    const char *(*label_name)(const struct fdisk_label *);
    int (*has_label)(struct fdisk_context *);
    int (*is_labeltype)(struct fdisk_context *, enum fdisk_labeltype);
    size_t (*npartitions)(struct fdisk_context *);
    int (*is_used)(struct fdisk_context *, size_t);
    int (*get_partition)(struct fdisk_context *, size_t, struct fdisk_partition **);
    int (*get_attributes)(struct fdisk_context *, size_t, uint64_t *);
    int (*set_attributes)(struct fdisk_context *, size_t, uint64_t);
    int (*get_item)(struct fdisk_context *, int, struct fdisk_labelitem *);
    struct fdisk_labelitem *(*new_item)(void);
    void (*unref_item)(struct fdisk_labelitem *);
    int (*item_string)(struct fdisk_labelitem *, const char **);
    int (*item_number)(struct fdisk_labelitem *, uint64_t *);
    int (*create_label)(struct fdisk_context *, const char *);
    int (*set_id)(struct fdisk_context *, const char *);
    int (*enable_wipe)(struct fdisk_context *, int);
    int (*write)(struct fdisk_context *);
    struct fdisk_script *(*new_script)(struct fdisk_context *);
    void (*unref_script)(struct fdisk_script *);
    int (*script_header)(struct fdisk_script *, const char *, const char *);
    int (*set_script)(struct fdisk_context *, struct fdisk_script *);
    struct fdisk_partition *(*new_partition)(void);
    void (*unref_partition)(struct fdisk_partition *);
    int (*set_partno)(struct fdisk_partition *, size_t);
    int (*set_start)(struct fdisk_partition *, uint64_t);
    int (*set_size)(struct fdisk_partition *, uint64_t);
    int (*size_explicit)(struct fdisk_partition *, int);
    int (*set_name)(struct fdisk_partition *, const char *);
    int (*set_uuid)(struct fdisk_partition *, const char *);
    int (*set_type)(struct fdisk_partition *, struct fdisk_parttype *);
    uint64_t (*start)(struct fdisk_partition *);
    uint64_t (*size)(struct fdisk_partition *);
    const char *(*name)(struct fdisk_partition *);
    const char *(*uuid)(struct fdisk_partition *);
    struct fdisk_parttype *(*type)(struct fdisk_partition *);
    const char *(*type_string)(const struct fdisk_parttype *);
    unsigned (*type_code)(const struct fdisk_parttype *);
    struct fdisk_parttype *(*new_type)(unsigned, const char *);
    void (*unref_type)(struct fdisk_parttype *);
    int (*add_partition)(struct fdisk_context *, struct fdisk_partition *, size_t *);
    int (*set_partition)(struct fdisk_context *, size_t, struct fdisk_partition *);
    int (*delete_partition)(struct fdisk_context *, size_t);
} Fdisk;

int fdisk_load(Fdisk *f, Error *e); /* the library stays for the life of the process */
