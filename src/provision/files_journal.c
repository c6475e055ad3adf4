/* The journal of the files stage: a header and records that end in NUL (a path may hold any other byte).
 *
 *     basalt-files-journal 1 NUL
 *     a PATH NUL          nothing was there
 *     f SIZE PATH NUL     a file of SIZE bytes
 *     d PATH, l PATH, o PATH   a directory, a symbolic link, anything else
 *     u UNIT NUL          the unit was enabled
 *     r JSON NUL          the report of an earlier provisioning
 *
 * It is written whole (temporary name, fsync, rename) before the first change and again before a unit is
 * disabled. A journal that cannot be read is refused: guessing could append twice or remove what is not ours.
 */
#include "provision/files_journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "provision/files_apply.h"

#define HEADER "basalt-files-journal 1"
enum { JOURNAL_MAX = 256 << 20 };

static const char kind_letters[] = {
    [FILES_ABSENT] = 'a',  [FILES_IS_FILE] = 'f',  [FILES_IS_DIRECTORY] = 'd',
    [FILES_IS_LINK] = 'l', [FILES_IS_OTHER] = 'o',
};

void files_journal_done(FilesJournal *j)
{
    map_done(&j->before);
    map_done(&j->disabled);
    buf_done(&j->records);
    *j = (FilesJournal){0};
}

static void add_before(FilesJournal *j, const char *real, FilesBefore before)
{
    if (map_has(&j->before, real))
        return;
    FilesBefore *kept = ARENA_NEW(j->arena, FilesBefore);
    *kept = before;
    map_put(&j->before, real, kept);
    buf_addf(&j->records, "%c ", kind_letters[before.kind]);
    if (before.kind == FILES_IS_FILE)
        buf_addf(&j->records, "%" PRIu64 " ", before.size);
    buf_add(&j->records, real, strlen(real) + 1);
}

void files_journal_add_plan(FilesJournal *j, const FilesPlan *p)
{
    for (size_t i = 0; i < p->n; i++)
        add_before(j, p->ops[i].real, p->ops[i].before);
}

void files_journal_add_disabled(FilesJournal *j, const char *unit)
{
    if (map_put_new(&j->disabled, unit, j, NULL)) {
        buf_add_str(&j->records, "u ");
        buf_add(&j->records, unit, strlen(unit) + 1);
    }
}

void files_journal_set_report(FilesJournal *j, const char *json)
{
    j->previous_report = json;
    buf_add_str(&j->records, "r ");
    buf_add(&j->records, json, strlen(json) + 1);
}

static bool read_record(FilesJournal *j, char *record)
{
    if (!record[0] || record[1] != ' ')
        return false;
    char *rest = record + 2;
    if (record[0] == 'u') {
        files_journal_add_disabled(j, rest);
        return true;
    }
    if (record[0] == 'r') {
        files_journal_set_report(j, rest);
        return true;
    }
    const char *letter = memchr(kind_letters, record[0], sizeof(kind_letters));
    if (!letter)
        return false;
    FilesBefore b = {.kind = letter - kind_letters};
    if (b.kind == FILES_IS_FILE) {
        errno = 0;
        char *end;
        b.size = strtoull(rest, &end, 10);
        if (errno || end == rest || *end != ' ')
            return false;
        rest = end + 1;
    }
    if (*rest != '/')
        return false;
    add_before(j, rest, b);
    return true;
}

int files_journal_load(FilesJournal *j, int root, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = root_read(root, FILES_JOURNAL_PATH, JOURNAL_MAX, &text);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return error_errno(e, r, "%s", FILES_JOURNAL_PATH);
    if (text.len < sizeof(HEADER) || memcmp(text.data, HEADER, sizeof(HEADER)) != 0 ||
        text.data[text.len - 1])
        return error_set(e, EBADMSG, "%s: not a journal of this program; remove it to start over",
                         FILES_JOURNAL_PATH);
    char *copy = arena_memdup(j->arena, text.data, text.len);
    for (char *p = copy + sizeof(HEADER), *end = copy + text.len; p < end;) {
        size_t n = strlen(p) + 1; /* before the record is taken apart */
        if (!read_record(j, p))
            return error_set(e, EBADMSG, "%s: a record that is not understood; remove it to start over",
                             FILES_JOURNAL_PATH);
        p += n;
    }
    j->resumed = true;
    return 0;
}

int files_journal_save(const FilesJournal *j, int root, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    buf_add(&text, HEADER, sizeof(HEADER));
    if (j->records.len)
        buf_add(&text, j->records.data, j->records.len);
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(root, FILES_JOURNAL_PATH, true, 0755, &name);
    int r = dir < 0 ? dir : files_apply_write(dir, name, text.data, text.len);
    if (r >= 0)
        r = dir_sync(dir);
    return r < 0 ? error_errno(e, r, "writing %s", FILES_JOURNAL_PATH) : 0;
}

int files_journal_remove(int root, Error *e)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(root, FILES_JOURNAL_PATH, false, 0, &name);
    int r = dir;
    if (dir >= 0) {
        r = unlinkat(dir, name, 0) < 0 ? -errno : 0;
        if (r >= 0)
            r = dir_sync(dir);
    }
    return r < 0 && r != -ENOENT ? error_errno(e, r, "removing %s", FILES_JOURNAL_PATH) : 0;
}
