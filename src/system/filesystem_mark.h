#pragma once
/* A filesystem in the making carries a mark in the place of its label or volume ID, which is replaced by the
 * declared one when all else of it is known to be on the disk. So one that lost its power in the making looks
 * like itself: unfinished, and never like the declared one. See filesystem_mark.c for which formats need it.
 */
#include <stdbool.h>

#include "system/device_facts.h"

typedef struct FilesystemMark {
    const char *format;
    const char *option, *value; /* how mkfs is told; its option comes with nothing else in it */
    bool in_uuid;               /* the mark is where libblkid finds the UUID, else the label */
    const char *seen;           /* what libblkid then says */
    /* Puts in what is declared (NULL: nothing), the part that a reader believes last, with a barrier before.
     */
    int (*finish)(int fd, const char *declared, Error *e);
} FilesystemMark;

/* NULL: the format's own program takes care that its signature comes last. */
const FilesystemMark *filesystem_mark_find(const char *format);
/* The one on the device was cut in the making, by its mark or by a superblock that is there in part. */
bool filesystem_is_unfinished(int fd, const Superblock *s);
