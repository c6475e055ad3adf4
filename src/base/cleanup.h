#pragma once
/* Ownership made visible at the declaration. Every pointer and descriptor that a function owns carries one
 * of these; TAKE_PTR and TAKE_FD give it away. Descriptors start at -EBADF. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _unused_       __attribute__((unused))
#define _noreturn_     __attribute__((noreturn))

/* DEFINE_CLEANUP(Thing *, thing_free) makes thing_freep() for _cleanup_(thing_freep). */
#define DEFINE_CLEANUP(type, func)                                                                           \
    static inline void func##p(type *p)                                                                      \
    {                                                                                                        \
        if (*p)                                                                                              \
            func(*p);                                                                                        \
    }                                                                                                        \
    struct _useless_##func

static inline void freep(void *p)
{
    free(*(void **)p);
}

static inline void closep(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}

DEFINE_CLEANUP(FILE *, fclose);
DEFINE_CLEANUP(DIR *, closedir);

#define _cleanup_free_     _cleanup_(freep)
#define _cleanup_close_    _cleanup_(closep)
#define _cleanup_fclose_   _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

#define TAKE_PTR(p)                                                                                          \
    ({                                                                                                       \
        __typeof__(p) *_pp = &(p);                                                                           \
        __typeof__(p) _v = *_pp;                                                                             \
        *_pp = NULL;                                                                                         \
        _v;                                                                                                  \
    })
#define TAKE_FD(fd)                                                                                          \
    ({                                                                                                       \
        int *_fp = &(fd);                                                                                    \
        int _v = *_fp;                                                                                       \
        *_fp = -EBADF;                                                                                       \
        _v;                                                                                                  \
    })

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
