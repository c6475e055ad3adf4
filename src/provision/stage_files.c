/* The files stage: users and groups; then everything else as one plan, which is checked whole before the
 * first file is written: storage, units, presets, crypttab and keys, what the provider left, the result file;
 * then labels, and one sync.
 *
 * The journal (files_journal.h) is written before the first file and removed after the sync, so a run that
 * was interrupted at any point is followed by one that ends as if it had not been. Users are not in the
 * journal: their tools are asked again, and change an account that exists already. Presets come after the
 * units, because what systemctl says depends on them. */
#include "provision/stage_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "provision/mount_journal.h"
#include "provision/relabel.h"
#include "provision/result.h"
#include "provision/units.h"
#include "provision/users.h"
#include "system/authorized_keys.h"

/* ---- the root as the plan sees it ---- */

typedef struct RootProbe {
    int root;
    const FilesJournal *journal;
    const char *const *covered; /* paths whose contents are not those of the root; NULL: none */
    char *dir;                  /* of the last look */
    int dirfd;                  /* negative: why it cannot be opened */
} RootProbe;

static void root_probe_done(RootProbe *p)
{
    free(p->dir);
    closep(&p->dirfd);
}

static int root_probe_resolve(void *context, Arena *a, const char *path, const char **ret)
{
    RootProbe *p = context;
    _cleanup_free_ char *real = NULL;
    int r = root_resolve(p->root, path, &real);
    if (r >= 0)
        *ret = arena_strdup(a, real);
    return r;
}

static int root_probe_dir(RootProbe *p, const char *real)
{
    size_t n = strrchr(real, '/') - real;
    if (!p->dir || strlen(p->dir) != n || memcmp(p->dir, real, n) != 0) {
        _cleanup_free_ char *name = NULL;
        closep(&p->dirfd);
        free(p->dir);
        p->dir = strndup(real, n);
        p->dirfd = root_open_parent(p->root, real, false, 0, &name);
    }
    return p->dirfd;
}

/* Below a place that a filesystem will be mounted on, which nobody can look into yet. */
static bool is_covered(const RootProbe *p, const char *real)
{
    for (const char *const *c = p->covered; c && *c; c++) {
        size_t n = strlen(*c);
        if (strncmp(real, *c, n) == 0 && (real[n] == '/' || (*c)[n - 1] == '/'))
            return true;
    }
    return false;
}

static int root_probe_look(void *context, Arena *a, const char *real, FilesBefore *ret,
                           const char **ret_target)
{
    RootProbe *p = context;
    const FilesBefore *known = map_get(&p->journal->before, real);
    *ret_target = NULL;
    *ret = known ? *known : (FilesBefore){.kind = FILES_ABSENT};
    if ((known && known->kind != FILES_IS_LINK) || is_covered(p, real))
        return 0;
    int dir = root_probe_dir(p, real);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    const char *name = strrchr(real, '/') + 1;
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISLNK(st.st_mode)) {
        char target[4096];
        ssize_t n = readlinkat(dir, name, target, sizeof(target));
        if (n < 0)
            return -errno;
        *ret_target = arena_memdup(a, target, n);
    }
    if (known)
        return 0;
    ret->kind = S_ISREG(st.st_mode)   ? FILES_IS_FILE
                : S_ISDIR(st.st_mode) ? FILES_IS_DIRECTORY
                : S_ISLNK(st.st_mode) ? FILES_IS_LINK
                                      : FILES_IS_OTHER;
    ret->size = S_ISREG(st.st_mode) ? st.st_size : 0;
    ret->device = st.st_dev;
    ret->inode = st.st_ino;
    return 0;
}

/* ---- one run ---- */

typedef struct Run {
    StageContext *c;
    const FilesStageOptions *o;
    FilesPlan plan;
    FilesJournal journal;
    RootProbe root;
    FilesProbe probe;
    Report report;
    StringList relabel;
    UnitPreset *presets;
    size_t n_presets;
    size_t units_end, preset, result; /* places in the plan; (size_t)-1: not in it */
} Run;

static void run_init(Run *run, const StageContext *c, const FilesStageOptions *o)
{
    *run = (Run){
        .c = (StageContext *)c,
        .o = o,
        .plan = {.arena = c->arena},
        .journal = FILES_JOURNAL_INIT(c->arena),
        .report = REPORT_INIT(c->arena),
        .preset = (size_t)-1,
        .result = (size_t)-1,
    };
    run->root =
        (RootProbe){.root = c->root, .journal = &run->journal, .covered = o->covered, .dirfd = -EBADF};
    run->probe = (FilesProbe){.resolve = root_probe_resolve, .look = root_probe_look, .context = &run->root};
}

static void run_done(Run *run)
{
    root_probe_done(&run->root);
    files_plan_done(&run->plan);
    files_journal_done(&run->journal);
    report_done(&run->report);
    string_list_done(&run->relabel);
}

/* Conflicts go into the report, which is looked at when the plan is whole; only what makes the rest of the
 * plan impossible to tell is returned. */
static int plan_make(Run *run, Error *e)
{
    const StageContext *c = run->c;
    FilesPlan *p = &run->plan;
    (void)files_plan_add_storage(p, &c->config->storage, &run->probe, &run->report);
    (void)units_plan(p, &c->config->systemd, &run->probe, &run->report);
    run->units_end = p->n;
    int r = units_presets(c->arena, &c->config->systemd, &run->presets, &run->n_presets, e);
    if (r < 0)
        return r;
    if (run->n_presets) {
        FilesOp op = {.kind = FILES_FILE,
                      .append_text = true,
                      .node = files_plan_file(c->arena, UNITS_PRESET_PATH, -1, NULL)};
        run->preset = p->n;
        (void)files_plan_add(p, &op, &run->probe, &run->report);
    }
    if (run->o->live)
        return 0;
    r = luks_files_plan(p, &c->config->storage, c->state, run->o->luks_uuid, &run->probe, &run->report, e);
    if (r < 0 && e && e->code)
        return error_wrap(e, r, "crypttab");
    IGN_EACH (IgnFile, f, c->state->provider_output_files) {
        FilesOp op = {.kind = FILES_FILE, .overwrite = opt_bool(f->base.overwrite, false), .node = &f->base};
        (void)files_plan_add(p, &op, &run->probe, &run->report);
    }
    FilesOp op = {
        .kind = FILES_FILE, .overwrite = true, .node = files_plan_file(c->arena, RESULT_PATH, 0600, NULL)};
    run->result = p->n;
    (void)files_plan_add(p, &op, &run->probe, &run->report);
    return 0;
}

/* Names of owners are looked up when the accounts of the config have been made. */
static int owner_check(Run *run, Map *known, const FilesOp *op, bool group, Error *e)
{
    const IgnOwner *o = group ? &op->node->group : &op->node->user;
    if (o->id.set || !o->name || !*o->name)
        return 0;
    const char *key = arena_printf(run->c->arena, "%c%s", group ? 'g' : 'u', o->name);
    const char *found = map_get(known, key);
    if (!found) {
        UserEntry ignored;
        int r = (group ? group_find : user_find)(run->c->root, run->c->arena, o->name, &ignored, e);
        if (r < 0)
            return r;
        found = r > 0 ? "yes" : "no";
        map_put(known, key, (void *)found);
    }
    if (*found == 'n')
        report_add(&run->report, SEVERITY_ERROR, NULL, op->node->node, "%s: no such %s \"%s\"",
                   op->node->path, group ? "group" : "user", o->name);
    return 0;
}

static int owners_check(Run *run, Error *e)
{
    _cleanup_map_ Map known = MAP_INIT;
    int r = 0;
    for (size_t i = 0; i < run->plan.n && r >= 0; i++) {
        r = owner_check(run, &known, &run->plan.ops[i], false, e);
        if (r >= 0)
            r = owner_check(run, &known, &run->plan.ops[i], true, e);
    }
    return r;
}

static int plan_check(Run *run, Error *e)
{
    report_sort(&run->report);
    const ReportEntry *first = NULL;
    for (size_t i = 0; i < run->report.n; i++) {
        const ReportEntry *entry = &run->report.entries[i];
        if (entry->severity != SEVERITY_ERROR)
            continue;
        first = first ? first : entry;
        if (entry->source && entry->line)
            log_error("%s:%u:%u: %s%s%s", entry->source->name, entry->line, entry->column,
                      strlen(entry->path) > 1 ? entry->path : "", strlen(entry->path) > 1 ? ": " : "",
                      entry->message);
        else
            log_error("%s", entry->message);
    }
    if (!first)
        return 0;
    if (run->report.errors == 1)
        return error_set(e, EEXIST, "%s", first->message);
    return error_set(e, EEXIST, "%s (and %zu more entries that cannot be made)", first->message,
                     run->report.errors - 1);
}

/* ---- the result file ---- */

static int previous_report(Run *run, Error *e)
{
    if (run->journal.resumed)
        return 0; /* the journal has it */
    _cleanup_buf_ Buf text = BUF_INIT, ignored = BUF_INIT;
    int r = root_read(run->c->root, RESULT_PATH, 16 << 20, &text);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return error_errno(e, r, "the previous report %s", RESULT_PATH);
    const char *argv[] = {"is-live-image", NULL};
    if (process_run(&(ProcessRun){.argv = argv, .output = &ignored}, NULL) == 0)
        return 0;
    log_warning(
        "Ignition has already run on this system. Unexpected behavior may occur. Ignition is not designed "
        "to run more than once per system.");
    files_journal_set_report(&run->journal,
                             arena_memdup(run->c->arena, text.data ? text.data : "", text.len));
    return 0;
}

static int result_make(Run *run, Error *e)
{
    if (run->result == (size_t)-1)
        return 0;
    Result result;
    const char *text;
    int r = previous_report(run, e);
    if (r >= 0)
        r = result_init(run->c->arena, run->c->state, &result, e);
    if (r < 0)
        return r;
    result.previous = run->journal.previous_report;
    r = result_text(run->c->arena, &result, &text, e);
    if (r < 0)
        return r;
    run->plan.ops[run->result].text = text;
    run->plan.ops[run->result].text_len = strlen(text);
    return 0;
}

/* ---- presets ---- */

static int systemctl(Run *run, const char *verb, const char *unit, Error *e)
{
    const char *argv[] = {"systemctl", "--root", run->c->root_path, verb, unit, NULL};
    _cleanup_buf_ Buf output = BUF_INIT;
    return process_run(&(ProcessRun){.argv = argv, .output = &output}, e);
}

/* Which of the units to be disabled are enabled. It is on record before any of them is touched. */
static int presets_ask(Run *run, Error *e)
{
    size_t known = run->journal.disabled.n;
    for (size_t i = 0; i < run->n_presets; i++) {
        const UnitPreset *p = &run->presets[i];
        for (size_t k = 0; !p->enable && (k < p->n_instances || k == 0); k++) {
            const char *unit = unit_preset_name(run->c->arena, p, k);
            if (!map_has(&run->journal.disabled, unit) && systemctl(run, "is-enabled", unit, NULL) == 0)
                files_journal_add_disabled(&run->journal, unit);
        }
    }
    return run->journal.disabled.n > known ? files_journal_save(&run->journal, run->c->root, e) : 0;
}

/* A preset alone does not take links away that are there. */
static int presets_disable(Run *run, FilesApply *a, Error *e)
{
    for (size_t i = 0; i < run->n_presets; i++) {
        const UnitPreset *p = &run->presets[i];
        for (size_t k = 0; !p->enable && (k < p->n_instances || k == 0); k++) {
            const char *unit = unit_preset_name(run->c->arena, p, k);
            if (!map_has(&run->journal.disabled, unit))
                continue;
            int r = files_apply_step(a, "disable");
            if (r < 0)
                return error_errno(e, r, "interrupted");
            r = systemctl(run, "disable", unit, e);
            if (r)
                return error_wrap(e, r > 0 ? -EIO : r, "removing the enablement links of %s", unit);
        }
    }
    return 0;
}

/* What the file of an operation that appends held before this stage. */
static int former_text(const Run *run, const FilesOp *op, Buf *ret, Error *e)
{
    if (op->before.kind != FILES_IS_FILE)
        return 0;
    int r = root_read(run->c->root, op->real, 16 << 20, ret);
    if (r < 0)
        return error_errno(e, r, "%s", op->real);
    if (ret->len > op->before.size) /* what an interrupted run appended */
        ret->data[op->before.size] = '\0';
    return 0;
}

static bool has_line(const char *text, const char *line, size_t n)
{
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
        if (strncmp(at, line, n) == 0 && (at[n] == '\n' || at[n] == '\0'))
            return true;
    return false;
}

/* Lines that are there already, from a run whose journal is gone, are not appended again. */
static int crypttab_make(Run *run, size_t first, Error *e)
{
    for (size_t i = first; i < run->plan.n; i++) {
        FilesOp *op = &run->plan.ops[i];
        _cleanup_buf_ Buf former = BUF_INIT, lines = BUF_INIT;
        int r = op->append_text ? former_text(run, op, &former, e) : 0;
        if (r < 0)
            return r;
        if (!former.len)
            continue;
        for (const char *at = op->text, *end = at + op->text_len; at < end;) {
            size_t n = strcspn(at, "\n");
            if (!has_line(former.data, at, n))
                buf_addf(&lines, "%.*s\n", (int)n, at);
            at += n + 1;
        }
        op->text = arena_memdup(run->c->arena, lines.data ? lines.data : "", lines.len);
        op->text_len = lines.len;
    }
    return 0;
}

static int presets_make(Run *run, FilesApply *a, Error *e)
{
    if (run->preset == (size_t)-1)
        return 0;
    int r = presets_ask(run, e);
    if (r >= 0)
        r = presets_disable(run, a, e);
    if (r < 0)
        return r;
    FilesOp *op = &run->plan.ops[run->preset];
    _cleanup_buf_ Buf existing = BUF_INIT;
    r = former_text(run, op, &existing, e);
    if (r < 0)
        return r;
    op->text =
        units_preset_text(run->c->arena, run->presets, run->n_presets, &run->journal.disabled, existing.data);
    op->text_len = strlen(op->text);
    return op->text_len ? files_apply_run(a, &run->plan, run->preset, run->preset + 1, e) : 0;
}

/* ---- the whole ---- */

static int run_apply(Run *run, Error *e)
{
    StageContext *c = run->c;
    _cleanup_(files_apply_freep)
    FilesApply *a =
        files_apply_new(&(FilesApplyOptions){c->root, c->arena, c->fetcher, &run->journal, run->o->hooks});
    int r = run->journal.resumed ? files_apply_clean(a, e) : 0;
    if (r < 0)
        return r;
    files_journal_add_plan(&run->journal, &run->plan);
    r = files_apply_step(a, "journal");
    if (r < 0)
        return error_errno(e, r, "interrupted");
    r = files_journal_save(&run->journal, c->root, e);
    if (r >= 0)
        r = files_apply_run(a, &run->plan, 0, run->units_end, e);
    if (r >= 0)
        r = presets_make(run, a, e);
    size_t next = run->units_end + (run->preset != (size_t)-1);
    if (r >= 0)
        r = crypttab_make(run, next, e);
    if (r >= 0)
        r = files_apply_run(a, &run->plan, next, run->plan.n, e);
    if (r >= 0 && !run->o->live) {
        for (size_t i = 0; i < run->plan.n; i++)
            if (run->plan.ops[i].kind != FILES_UNMASK)
                string_list_add(&run->relabel, run->plan.ops[i].relabel);
        r = relabel_paths(c->root, c->root_path, &run->relabel, e);
    }
    if (r >= 0)
        r = files_apply_sync(a, e);
    if (r < 0)
        return r;
    r = files_apply_step(a, "end of journal");
    return r < 0 ? error_errno(e, r, "interrupted") : files_journal_remove(c->root, e);
}

static int users_make(Run *run, Error *e)
{
    const IgnPasswd *p = &run->c->config->passwd;
    if (!p->users.n && !p->groups.n)
        return 0;
    if (run->o->live)
        return run->o->ignore_unsupported ? 0 : error_set(e, EOPNOTSUPP, "cannot apply passwd live");
    const UsersOptions options = {run->o->keys_fragment, run->o->hooks, &run->relabel};
    int r = users_apply(run->c, &options, e);
    return r < 0 ? error_wrap(e, r, "failed to create users/groups") : 0;
}

int stage_files_run_with(StageContext *c, const FilesStageOptions *o, Error *e)
{
    _cleanup_(run_done)
    Run run;
    run_init(&run, c, o);
    mode_t mask = umask(0); /* modes are given as they are meant */
    int r = files_journal_load(&run.journal, c->root, e);
    if (r >= 0) {
        if (run.journal.resumed)
            log_warning("an earlier run was interrupted: going on from its journal");
        r = users_make(&run, e);
    }
    if (r >= 0)
        r = plan_make(&run, e);
    if (r >= 0)
        r = owners_check(&run, e);
    if (r >= 0)
        r = plan_check(&run, e);
    if (r >= 0)
        r = result_make(&run, e);
    if (r >= 0)
        r = run_apply(&run, e);
    umask(mask);
    if (r >= 0 && !o->live && o->luks_finish)
        r = o->luks_finish(&c->config->storage, e);
    if (r >= 0 && !o->live) {
        state_forget_keys(c->state);
        r = mount_journal_remove(c->root, e);
    }
    return r;
}

int stage_files_options(FilesStageOptions *ret, Error *e)
{
    bool fragment;
    int r = authorized_keys_fragment(&fragment, e);
    if (r >= 0)
        *ret = (FilesStageOptions){
            .keys_fragment = fragment, .luks_uuid = luks_uuid, .luks_finish = luks_files_finish};
    return r;
}

int stage_files_run(StageContext *c, Error *e)
{
    FilesStageOptions o;
    int r = stage_files_options(&o, e);
    return r < 0 ? r : stage_files_run_with(c, &o, e);
}

int stage_files_plan(const StageContext *c, const char *const *covered, Buf *out, Report *report, Error *e)
{
    const FilesStageOptions o = {.live = true, .covered = covered};
    _cleanup_(run_done)
    Run run;
    run_init(&run, c, &o);
    run.report = *report; /* entries of this run go on where the caller's end */
    int r = files_journal_load(&run.journal, c->root, e);
    if (r >= 0)
        r = plan_make(&run, e);
    *report = run.report;
    run.report = REPORT_INIT(c->arena);
    if (r >= 0)
        files_plan_print(&run.plan, out);
    for (size_t i = 0; r >= 0 && i < run.n_presets; i++)
        for (size_t k = 0; k < run.presets[i].n_instances || k == 0; k++)
            buf_addf(out, "preset %s %s\n", run.presets[i].enable ? "enable" : "disable",
                     unit_preset_name(c->arena, &run.presets[i], k));
    return r;
}
