/* Whole lines count; the file is replaced as one, so there are no others. */
#include "provision/mount_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"

enum { JOURNAL_MAX = 16 << 20 };

void mount_journal_done(MountJournal *j)
{
    buf_done(&j->text);
    *j = (MountJournal){0};
}

int mount_journal_load(MountJournal *j, int root, Error *e)
{
    mount_journal_done(j);
    int r = root_read(root, MOUNT_JOURNAL_PATH, JOURNAL_MAX, &j->text);

    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    return r < 0 ? error_errno(e, r, "reading %s of the root", MOUNT_JOURNAL_PATH) : 0;
}

bool mount_journal_has(const MountJournal *j, const char *path)
{
    size_t n = strlen(path);

    for (const char *line = j->text.data; line && *line;) {
        const char *end = strchrnul(line, '\n');
        if ((size_t)(end - line) == n && memcmp(line, path, n) == 0)
            return true;
        line = *end ? end + 1 : end;
    }
    return false;
}

int mount_journal_add(MountJournal *j, int root, const char *path, Error *e)
{
    if (strchr(path, '\n') || mount_journal_has(j, path))
        return 0;
    buf_addf(&j->text, "%s\n", path);
    int r = root_write(root, MOUNT_JOURNAL_PATH, j->text.data, j->text.len,
                       FILE_WRITE(.mode = 0600, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s of the root", MOUNT_JOURNAL_PATH) : 0;
}

int mount_journal_remove(int root, Error *e)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(root, MOUNT_JOURNAL_PATH, false, 0, &name);

    if (dir == -ENOENT || dir == -ENOTDIR)
        return 0;
    if (dir < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
        return error_errno(e, dir < 0 ? dir : -errno, "removing %s of the root", MOUNT_JOURNAL_PATH);
    return 0;
}
