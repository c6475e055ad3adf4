#pragma once
/* What nearly every test of files needs: cmocka with its includes, and a directory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

typedef struct Scratch {
    char path[64];
    int fd;
} Scratch;

static inline Scratch scratch_open(void)
{
    const char *tmp = getenv("TMPDIR");
    Scratch s = {.fd = -EBADF};
    assert_true(snprintf(s.path, sizeof(s.path), "%s/basalt-test-XXXXXX", tmp && *tmp ? tmp : "/tmp") <
                (int)sizeof(s.path));
    assert_non_null(mkdtemp(s.path));
    s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(s.fd >= 0);
    return s;
}

static inline void scratch_close(Scratch *s)
{
    close(s->fd);
    assert_int_equal(tree_remove_at(AT_FDCWD, s->path), 0);
}

static inline void scratch_write(const Scratch *s, const char *path, const char *text)
{
    assert_int_equal(root_write(s->fd, path, text, strlen(text), FILE_WRITE()), 0);
}

static inline void scratch_expect(const Scratch *s, const char *path, const char *text)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    assert_int_equal(root_read(s->fd, path, 1 << 20, &b), 0);
    assert_string_equal(b.data, text);
}

/* How many names a directory has; a temporary file left behind is one too many. */
static inline unsigned scratch_count(const Scratch *s, const char *path)
{
    int fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    _cleanup_closedir_ DIR *d = fdopendir(fd);
    unsigned n = 0;
    while (readdir(d))
        n++;
    return n - 2;
}
