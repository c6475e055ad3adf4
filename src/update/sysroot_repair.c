/* Entry by entry, in the order of boot, what it means is found out: by its link; where that is gone, by any
 * other link of that name (an interrupted run of another program may have left links and loader at different
 * numbers); else by the kernel, whose checksum stands in the entry and which only some deployments have.
 * Without any entry every deployment that has a kernel is taken, the newest first. The running system is
 * always among them. Then all is written anew by the swap, kernels too. Nothing is removed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "update/boot_swap.h"
#include "update/kernel_files.h"
#include "update/staged_record.h"
#include "update/sysroot_cleanup.h"
#include "update/sysroot_state.h"

enum { CMDLINE_MAX = 64 << 10 };

typedef struct Candidate {
    Deployment *d;
    struct timespec made;
    bool used, running;
} Candidate;

typedef struct Repair {
    Sysroot *s;
    Report *r;
    Candidate *candidates;
    size_t n;
    DeploymentList list;
} Repair;

static void tell(Repair *x, const char *text)
{
    if (x->r)
        report_add(x->r, SEVERITY_INFO, NULL, NULL, "%s", text);
}

/* ---- all directories that could be booted ---- */

static void candidate_add(Repair *x, const char *stateroot, const char *checksum, unsigned serial)
{
    Arena *a = x->s->arena;
    Deployment d = {
        .stateroot = stateroot, .checksum = arena_strdup(a, checksum), .serial = serial, .options = ""};
    KernelFiles kernel;
    char boot_checksum[65];
    struct stat st;

    d.path = deployment_path(a, stateroot, checksum, serial);
    _cleanup_close_ int dir = deployment_open(x->s, &d, NULL);
    if (x->n >= DEPLOYMENTS_MAX || dir < 0 || fstat(dir, &st) < 0 ||
        kernel_files_find(a, dir, &kernel, NULL) < 0 || faccessat(dir, "etc", F_OK, 0) < 0 ||
        kernel_files_checksum(dir, &kernel, boot_checksum, NULL) < 0 ||
        deployment_describe(x->s, &d, NULL) < 0)
        return;
    d.boot_checksum = arena_strdup(a, boot_checksum);
    Candidate *c = &x->candidates[x->n++];
    *c = (Candidate){.d = ARENA_NEW(a, Deployment), .made = st.st_ctim, .running = d.booted};
    *c->d = d;
}

static void stateroot_add(Repair *x, const char *stateroot)
{
    const char *path = arena_printf(x->s->arena, "ostree/deploy/%s/deploy", stateroot);
    int fd = root_openat(x->s->root, path, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    char checksum[65];
    unsigned serial;

    for (struct dirent *f; d && (f = readdir(d));)
        if (f->d_type == DT_DIR && deployment_name_read(f->d_name, checksum, &serial))
            candidate_add(x, stateroot, checksum, serial);
}

static int newest_first(const void *pa, const void *pb)
{
    const Candidate *a = pa, *b = pb;

    if (a->made.tv_sec != b->made.tv_sec)
        return a->made.tv_sec > b->made.tv_sec ? -1 : 1;
    return a->made.tv_nsec != b->made.tv_nsec ? (a->made.tv_nsec > b->made.tv_nsec ? -1 : 1)
                                              : strcmp(b->d->path, a->d->path);
}

static void candidates_find(Repair *x)
{
    int fd = root_openat(x->s->root, "ostree/deploy", O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

    x->candidates = ARENA_ARRAY(x->s->arena, Candidate, DEPLOYMENTS_MAX);
    for (struct dirent *f; d && (f = readdir(d));)
        if (f->d_type == DT_DIR && f->d_name[0] != '.')
            stateroot_add(x, arena_strdup(x->s->arena, f->d_name));
    if (x->n > 1)
        qsort(x->candidates, x->n, sizeof(*x->candidates), newest_first);
}

/* ---- what an entry meant ---- */

static Candidate *candidate_by_path(Repair *x, const char *path)
{
    for (size_t i = 0; i < x->n; i++)
        if (!x->candidates[i].used && strcmp(x->candidates[i].d->path, path) == 0)
            return &x->candidates[i];
    return NULL;
}

static Candidate *candidate_by_link(Repair *x, const BootLink *l, unsigned number)
{
    Arena *a = x->s->arena;
    const char *stateroot, *checksum,
        *path = arena_printf(a, "boot.%u.%u/%s/%s/%u", number / 2, number % 2, l->stateroot, l->boot_checksum,
                             l->serial);
    const char *target = link_read(a, x->s->ostree, path);
    unsigned serial;

    if (!target || !boot_link_target_read(a, target, &stateroot, &checksum, &serial))
        return NULL;
    return candidate_by_path(x, deployment_path(a, stateroot, checksum, serial));
}

/* Of several with this kernel the one whose version the entry's title has, else the newest. */
static Candidate *candidate_by_kernel(Repair *x, const BootLink *l, const char *title)
{
    Candidate *found = NULL;

    for (size_t i = 0; i < x->n; i++) {
        Candidate *c = &x->candidates[i];
        if (c->used || strcmp(c->d->stateroot, l->stateroot) != 0 ||
            strcmp(c->d->boot_checksum, l->boot_checksum) != 0)
            continue;
        if (c->d->version && title && strstr(title, c->d->version))
            return c;
        if (!found)
            found = c;
    }
    return found;
}

static void entry_mend(Repair *x, const BootEntry *b)
{
    Arena *a = x->s->arena;
    const char *text, *options = options_split(a, b->options, &text);
    Candidate *c = NULL;
    BootLink l;

    if (!text || !boot_link_read(a, text, &l)) {
        tell(x, arena_printf(x->s->arena, "boot entry %s names no deployment and is dropped", b->file));
        return;
    }
    const char *stateroot, *checksum, *target = link_read(a, x->s->ostree, text + strlen("/ostree/"));
    unsigned serial;
    if (target && boot_link_target_read(a, target, &stateroot, &checksum, &serial))
        c = candidate_by_path(x, deployment_path(a, stateroot, checksum, serial));
    for (unsigned i = 0; !c && i < 4; i++)
        c = candidate_by_link(x, &l, i);
    if (!c)
        c = candidate_by_kernel(x, &l, b->title);
    if (!c) {
        tell(x, arena_printf(x->s->arena, "boot entry %s: no deployment has its kernel; it is dropped",
                             b->file));
        return;
    }
    c->used = true;
    c->d->options = options;
    c->d->entry_rest = b->rest;
    tell(x, arena_printf(x->s->arena, "boot entry %s leads to %s", b->file, c->d->path));
    x->list.items[x->list.n++] = c->d;
}

/* ---- together ---- */

/* What the kernel was started with, without what the boot loader put there. */
static const char *running_options(const Sysroot *s)
{
    _cleanup_buf_ Buf text = BUF_INIT, out = BUF_INIT;
    const char *link;

    if (!s->is_root || file_read_at(AT_FDCWD, "/proc/cmdline", CMDLINE_MAX, &text, NULL) < 0 || !text.data)
        return "";
    CmdlineWords w = cmdline_split(s->arena, options_split(s->arena, text.data, &link), CMDLINE_QUOTED);
    for (size_t i = 0; i < w.n; i++)
        if (strncmp(w.words[i], "BOOT_IMAGE=", 11) != 0 && strncmp(w.words[i], "initrd=", 7) != 0)
            buf_addf(&out, "%s%s", out.len ? " " : "", w.words[i]);
    return arena_memdup(s->arena, out.data ? out.data : "", out.len);
}

static int entries_mend(Repair *x, Error *e)
{
    BootEntry *entries = ARENA_ARRAY(x->s->arena, BootEntry, DEPLOYMENTS_MAX);
    const unsigned first = x->s->bootversion;
    size_t n = 0;
    int r = 0;

    /* Without a loader either set of entries may be the one. */
    for (unsigned i = 0; r >= 0 && n == 0 && i < (x->s->has_loader ? 1 : 2); i++) {
        r = sysroot_entries_read(x->s, i == 0 ? first : !first, entries, &n, e);
        for (size_t k = 0; r >= 0 && k < n; k++)
            entry_mend(x, &entries[k]);
    }
    const bool none = x->list.n == 0;
    const char *options = none ? running_options(x->s) : x->list.items[0]->options;
    for (size_t i = 0; r >= 0 && i < x->n; i++) {
        Candidate *c = &x->candidates[i];
        if (c->used || (!none && !c->running))
            continue;
        c->d->options = options;
        x->list.items[x->list.n++] = c->d;
        tell(x, arena_printf(x->s->arena, "%s gets a boot entry%s", c->d->path,
                             options[0] ? "" : ", without kernel arguments"));
    }
    return r;
}

int sysroot_repair(Sysroot *s, Report *report, Error *e)
{
    Repair x = {.s = s, .r = report, .list.items = ARENA_ARRAY(s->arena, Deployment *, 2 * DEPLOYMENTS_MAX)};
    int r = sysroot_need_write(s, e);

    if (r < 0)
        return r;
    if (s->problems.n == 0)
        return 0;
    for (size_t i = 0; i < s->problems.n; i++)
        tell(&x, s->problems.entries[i].message);
    if (s->list.n == 0 || !s->list.items[0]->staged)
        r = staged_record_remove(s, e); /* one that leads nowhere */
    if (r < 0)
        return r;
    candidates_find(&x);
    r = entries_mend(&x, e);
    if (r < 0)
        return r;
    if (x.list.n == 0)
        return error_set(e, ENOENT, "there is no deployment that could be booted");
    r = boot_swap(s, &x.list, true, e);
    if (r >= 0)
        r = sysroot_write_refs(s, e);
    for (size_t i = 0; r >= 0 && i < s->problems.n; i++)
        tell(&x, arena_printf(s->arena, "still: %s", s->problems.entries[i].message));
    return r < 0 ? r : 1;
}
