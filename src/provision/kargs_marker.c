/* Three parts: a word, "begun" or "edited"; the id of the boot that did it; the edit. The entries are changed
 * between the two words, so that a run which follows a kill knows that a reboot is still owed. */
#include "provision/kargs_marker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

enum { MARKER_MAX = 1 << 20 };

static const char *const words[] = {[KARGS_MARKER_BEGUN] = "begun", [KARGS_MARKER_EDITED] = "edited"};

static int boot_id(Buf *ret, Error *e)
{
    return file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", MARKER_MAX, ret, e);
}

static void marker_path(char path[static 64], const KargsMarkerPlace *p)
{
    snprintf(path, 64, "%s/%s", strcmp(p->dir, "/") == 0 ? "" : p->dir, KARGS_MARKER_NAME);
}

int kargs_marker_read(const KargsMarkerPlace *p, KargsMarker *ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT, now = BUF_INIT;
    char path[64];

    marker_path(path, p);
    int r = root_read(p->root, path, MARKER_MAX, &text);
    if (r < 0 && r != -ENOENT && r != -ENOTDIR)
        return error_errno(e, r, "reading %s", path);
    *ret = KARGS_MARKER_NONE;
    const char *id = text.data ? strchr(text.data, ' ') : NULL, *what = id ? strchr(id, '\n') : NULL;
    if (!what || strcmp(what + 1, p->what) != 0)
        return 0;
    r = boot_id(&now, e);
    if (r < 0)
        return r;
    if (strncmp(text.data, words[KARGS_MARKER_BEGUN], (size_t)(id - text.data)) == 0)
        *ret = KARGS_MARKER_BEGUN;
    else
        *ret =
            now.data && strncmp(now.data, id + 1, now.len) == 0 ? KARGS_MARKER_EDITED : KARGS_MARKER_REBOOTED;
    return 0;
}

int kargs_marker_write(const KargsMarkerPlace *p, KargsMarker state, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT, now = BUF_INIT;
    char path[64];
    int r = boot_id(&now, e);

    if (r < 0)
        return r;
    buf_addf(&text, "%s %s%s", words[state], now.data ? now.data : "\n", p->what);
    marker_path(path, p);
    r = root_write(p->root, path, text.data, text.len, FILE_WRITE(.mode = 0600, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s", path) : 0;
}

int kargs_marker_remove(const KargsMarkerPlace *p, Error *e)
{
    _cleanup_free_ char *name = NULL;
    char path[64];

    marker_path(path, p);
    _cleanup_close_ int fd = root_open_parent(p->root, path, false, 0, &name);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0 || (unlinkat(fd, name, 0) < 0 && errno != ENOENT))
        return error_errno(e, fd < 0 ? fd : -errno, "removing %s", path);
    return dir_sync(fd);
}
