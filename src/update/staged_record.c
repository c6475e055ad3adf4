/* Written whole under its final name; the lock is said twice, by the key "locked" of today's libostree and by
 * the file beside it that older ones look for, and either counts. Keys that we do not know are not kept: who
 * wrote them staged a tree of its own, and ours replaces it. */
#include "update/staged_record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "system/cmdline.h"
#include "update/gvariant.h"
#include "update/sysroot_state.h"

#define RUN    "run/ostree"
#define RECORD RUN "/staged-deployment"
#define LOCKED RUN "/staged-deployment-locked"

enum { ARGUMENTS_MAX = 4096 };

/* ---- as bytes ---- */

static void target_add(Buf *out, const Deployment *d)
{
    _cleanup_arena_ Arena *a = arena_new();
    GvariantDict dict;

    gvariant_dict_begin(&dict, out);
    gvariant_dict_add_text(&dict, "name", arena_printf(a, "%s.%u", d->checksum, d->serial));
    gvariant_dict_add_text(&dict, "osname", d->stateroot);
    gvariant_dict_add_text(&dict, "bootcsum", d->boot_checksum ? d->boot_checksum : "");
    gvariant_dict_done(&dict);
}

static void arguments_add(Buf *out, const char *options)
{
    _cleanup_arena_ Arena *a = arena_new();
    CmdlineWords w = cmdline_split(a, options, CMDLINE_QUOTED);
    size_t *ends = ARENA_ARRAY(a, size_t, w.n + 1), start = out->len;

    for (size_t i = 0; i < w.n; i++) {
        gvariant_text_add(out, w.words[i]);
        ends[i] = out->len;
    }
    gvariant_offsets_add(out, start, ends, w.n);
}

void staged_record_encode(const StagedRecord *r, Buf *out)
{
    GvariantDict dict;

    gvariant_dict_begin(&dict, out);
    gvariant_dict_open(&dict, "target");
    target_add(out, &r->target);
    gvariant_dict_close(&dict, "a{sv}");
    if (r->merge_checksum) {
        const Deployment merge = {.stateroot = r->merge_stateroot,
                                  .checksum = r->merge_checksum,
                                  .serial = r->merge_serial,
                                  .boot_checksum = r->merge_boot_checksum};
        gvariant_dict_open(&dict, "merge-deployment");
        target_add(out, &merge);
        gvariant_dict_close(&dict, "a{sv}");
    }
    if (r->target.options) {
        gvariant_dict_open(&dict, "kargs");
        arguments_add(out, r->target.options);
        gvariant_dict_close(&dict, "as");
    }
    if (r->target.finalization_locked) {
        gvariant_dict_open(&dict, "locked");
        buf_add_char(out, 1);
        gvariant_dict_close(&dict, "b");
    }
    gvariant_dict_done(&dict);
}

static const char *text_of(Arena *a, GvariantBytes dict, const char *key)
{
    GvariantBytes value;
    return gvariant_lookup(dict, key, "s", &value) < 0 ? NULL : gvariant_text(a, value);
}

static int target_read(Arena *a, GvariantBytes dict, Deployment *d)
{
    const char *name = text_of(a, dict, "name");
    char checksum[65];

    d->stateroot = text_of(a, dict, "osname");
    d->boot_checksum = text_of(a, dict, "bootcsum");
    if (!name || !d->boot_checksum || !stateroot_name_is_valid(d->stateroot) ||
        !deployment_name_read(name, checksum, &d->serial))
        return -EBADMSG;
    d->checksum = arena_strdup(a, checksum);
    d->path = deployment_path(a, d->stateroot, d->checksum, d->serial);
    return 0;
}

static int arguments_read(Arena *a, GvariantBytes b, const char **ret)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    size_t n, offsets, at = 0;
    GvariantBytes word;

    if (gvariant_array_open(b, &n, &offsets) < 0 || n > ARGUMENTS_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        const char *text = gvariant_array_next(b, offsets, i, &at, &word) < 0 ? NULL : gvariant_text(a, word);
        if (!text || strchr(text, '\n'))
            return -EBADMSG;
        buf_addf(&out, "%s%s", i ? " " : "", text);
    }
    *ret = arena_memdup(a, out.data ? out.data : "", out.len);
    return 0;
}

int staged_record_decode(Arena *a, const void *data, size_t n, StagedRecord *ret)
{
    const GvariantBytes b = {data, n};
    StagedRecord r = {0};
    Deployment merge = {0};
    GvariantBytes value;

    if (gvariant_lookup(b, "target", "a{sv}", &value) < 0 || target_read(a, value, &r.target) < 0)
        return -EBADMSG;
    if (gvariant_lookup(b, "merge-deployment", "a{sv}", &value) >= 0) {
        if (target_read(a, value, &merge) < 0)
            return -EBADMSG;
        r.merge_stateroot = merge.stateroot;
        r.merge_checksum = merge.checksum;
        r.merge_serial = merge.serial;
        r.merge_boot_checksum = merge.boot_checksum;
    }
    if (gvariant_lookup(b, "kargs", "as", &value) >= 0 && arguments_read(a, value, &r.target.options) < 0)
        return -EBADMSG;
    r.target.finalization_locked =
        gvariant_lookup(b, "locked", "b", &value) >= 0 && value.n == 1 && value.data[0] == 1;
    r.target.staged = true;
    *ret = r;
    return 0;
}

/* ---- as a file ---- */

int staged_record_read(Sysroot *s, StagedRecord *ret, Error *e)
{
    _cleanup_buf_ Buf data = BUF_INIT;
    StagedRecord record;
    int r = root_read(s->root, RECORD, STAGED_RECORD_MAX, &data);

    if (r < 0)
        return r == -ENOENT ? 0 : error_errno(e, r, RECORD);
    if (staged_record_decode(s->arena, data.data ? data.data : "", data.len, &record) < 0) {
        report_add(&s->problems, SEVERITY_WARNING, NULL, NULL, RECORD " is no record of a staged deployment");
        return 0;
    }
    _cleanup_close_ int lock = root_openat(s->root, LOCKED, O_PATH | O_NOFOLLOW, 0);
    record.target.finalization_locked = record.target.finalization_locked || lock >= 0;
    *ret = record;
    return 1;
}

static int locked_remove(Sysroot *s)
{
    _cleanup_close_ int run = root_openat(s->root, RUN, O_RDONLY | O_DIRECTORY, 0);

    if (run < 0)
        return run == -ENOENT ? 0 : run;
    return unlinkat(run, "staged-deployment-locked", 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* A lock comes before what it locks and goes after it. */
int staged_record_write(Sysroot *s, const StagedRecord *record, Error *e)
{
    _cleanup_buf_ Buf data = BUF_INIT;
    int r = 0;

    staged_record_encode(record, &data);
    if (record->target.finalization_locked)
        r = root_write(s->root, LOCKED, "", 0, FILE_WRITE(.mode = 0640));
    if (r >= 0)
        r = root_write(s->root, RECORD, data.data, data.len, FILE_WRITE(.sync = true));
    if (r >= 0 && !record->target.finalization_locked)
        r = locked_remove(s);
    return r < 0 ? error_errno(e, r, RECORD) : 0;
}

int staged_record_remove(Sysroot *s, Error *e)
{
    _cleanup_close_ int run = root_openat(s->root, RUN, O_RDONLY | O_DIRECTORY, 0);
    int r = run < 0 && run != -ENOENT ? run : 0;

    if (run >= 0 && unlinkat(run, "staged-deployment", 0) < 0 && errno != ENOENT)
        r = -errno;
    if (r >= 0)
        r = locked_remove(s);
    return r < 0 ? error_errno(e, r, RECORD) : 0;
}
