/* Order: all that is to be written is known; the former state is saved and the journal is on the disk; files,
 * links, the record of the config; the operating system is staged; then either the journal says that a reboot
 * is to come, or services are told and the journal goes. Going back is the reverse: what was staged is given
 * up, files, and services are told again.
 *
 * The journal lies in /etc, of which each system of an image-based machine has its own from the moment it is
 * shut down for the other: a boot loader that goes back to the former system finds there the change still
 * open, and it is undone, while in the new system it was kept. */
#include "daemon/node_apply.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/config_file.h"
#include "format/json.h"
#include "system/cmdline.h"

enum { CMDLINE_MAX = 64 << 10 };
#define PHASE_APPLY  "apply"
#define PHASE_ACT    "act"
#define PHASE_REBOOT "reboot"

static int step(const Machine *m, const char *what, Error *e)
{
    int r = m->hooks ? m->hooks->step(m->hooks->context, what) : 0;
    return r < 0 ? error_errno(e, r, "interrupted") : 0;
}

/* ---- the note ---- */

static Node *words_node(Arena *a, const char *const *words, size_t n)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < n; i++)
        node_append(list, node_new_string(a, words[i]));
    return list;
}

static Node *actions_node(Arena *a, const Disruption *x)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < x->n && !x->reboot; i++) {
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set(a, n, "kind", node_new_int(a, x->entries[i].action.kind));
        node_set_string(a, n, "service", x->entries[i].action.service);
    }
    return list;
}

static void set_phase(Transaction *t, const char *phase)
{
    node_set_string(t->arena, t->note, "phase", phase);
}

static bool has_phase(const Transaction *t, const char *phase)
{
    const char *p = node_string(node_get(t->note, "phase"));
    return p && !strcmp(p, phase);
}

/* ---- services ---- */

static int tell_one(const Machine *m, const Node *n, Error *e)
{
    int64_t kind;
    if (node_int(node_get(n, "kind"), &kind) < 0)
        return 0;
    DisruptionAction action = {(DisruptionKind)kind, node_string(node_get(n, "service"))};
    if (action.kind == DISRUPTION_NONE || action.kind == DISRUPTION_DRAIN)
        return 0;
    int r = step(m, "service", e);
    return r < 0 ? r : m->services->act(m->services->context, &action, e);
}

/* `all`: one that fails keeps no other from it, and is a warning. */
static int tell_services(const Machine *m, const Node *actions, bool all, Error *e)
{
    if (!actions || actions->kind != NODE_ARRAY)
        return 0;
    NODE_EACH (n, actions) {
        Error own = ERROR_INIT;
        int r = tell_one(m, n, &own);
        if (r < 0 && !all)
            return error_set(e, -r, "%s", own.text);
        if (r < 0)
            log_warning("after going back: %s", own.text);
    }
    return 0;
}

/* ---- the system ---- */

typedef struct Words {
    const char **items;
    size_t n;
} Words;

/* An element of the config may be several arguments. */
static Words split_words(Arena *a, const char *const *items, size_t n, size_t from)
{
    size_t room = 0;
    for (size_t i = from; i < n; i++)
        room += strlen(items[i]) / 2 + 1;
    Words w = {.items = ARENA_ARRAY(a, const char *, room + 1)};
    for (size_t i = from; i < n; i++) {
        CmdlineWords words = cmdline_split(a, items[i], CMDLINE_QUOTED);
        for (size_t k = 0; k < words.n; k++)
            w.items[w.n++] = words.words[k];
    }
    return w;
}

/* Where the list only grew nothing is moved; else all old ones go and all new ones come, in their order. */
static OsChange os_change(Arena *a, const MachineConfigDiff *d)
{
    OsChange c = {.image = d->os_image.changed ? d->os_image.to : NULL};
    const MachineConfig *x = d->from, *y = d->to;
    size_t same = 0;
    while (same < x->n_kernel_arguments && same < y->n_kernel_arguments &&
           !strcmp(x->kernel_arguments[same], y->kernel_arguments[same]))
        same++;
    const bool grew = same == x->n_kernel_arguments;
    if (!d->kernel_arguments)
        return c;
    Words old = split_words(a, x->kernel_arguments, grew ? 0 : x->n_kernel_arguments, 0),
          new = split_words(a, y->kernel_arguments, y->n_kernel_arguments, grew ? same : 0);
    c.remove = old.items;
    c.n_remove = old.n;
    c.append = new.items;
    c.n_append = new.n;
    return c;
}

int node_apply_check(const MachineConfigDiff *d, Report *r)
{
    const size_t before = r->errors;
    const PathStep *spec = PATH_KEY(NULL, "spec");
    if (d->kernel_type.changed)
        report_add(r, SEVERITY_ERROR, PATH_KEY(spec, "kernelType"),
                   node_get_path(d->to->node, "spec.kernelType"),
                   "the system is updated as one image: kernel '%s' comes with an osImageURL that has it",
                   d->kernel_type.to);
    if (d->extensions)
        report_add(r, SEVERITY_ERROR, PATH_KEY(spec, "extensions"),
                   node_get_path(d->to->node, "spec.extensions"),
                   "the system is updated as one image: extensions come with an osImageURL that has them");
    return r->errors > before ? -EOPNOTSUPP : 0;
}

/* ---- going back ---- */

static int go_back(const Machine *m, Transaction *t, Error *e)
{
    const Node *staged = node_get(t->note, "os");
    Error own = ERROR_INIT;
    const bool act = has_phase(t, PHASE_ACT);
    int r = 0;
    if (staged && staged->kind == NODE_BOOL && staged->boolean) {
        OsState s;
        r = m->os->state(m->os->context, t->arena, &s, &own);
        if (r >= 0 && s.staged)
            r = m->os->discard(m->os->context, &own);
    }
    if (r < 0)
        return error_set(e, -r, "going back: %s", own.text);
    r = transaction_undo(t, e);
    if (r >= 0 && act)
        (void)tell_services(m, node_get(t->note, "actions"), true, NULL);
    return r < 0 ? r : transaction_commit(t, e);
}

/* The failure that led here stays the one that is told. */
static int failed(const Machine *m, Transaction *t, int r, Error *e)
{
    Error own = ERROR_INIT;
    if (go_back(m, t, &own) >= 0 || !e)
        return r;
    Error first = *e;
    return error_set(e, -r, "%s; and %s", first.text, own.text);
}

/* ---- applying ---- */

int node_apply_os(const Machine *m, Arena *a, const MachineConfigDiff *d, Error *e)
{
    if (!d->os_image.changed && !d->kernel_arguments)
        return 0;
    OsChange c = os_change(a, d);
    int r = step(m, "system", e);
    if (r >= 0)
        r = m->os->stage(m->os->context, &c, e);
    return r < 0 ? r : 1;
}

static void note_make(const Machine *m, Transaction *t, const MachineConfigDiff *d, const Disruption *x)
{
    Arena *a = t->arena;
    const bool os = d->os_image.changed || d->kernel_arguments;
    t->note = node_new(a, NODE_OBJECT);
    node_set_string(a, t->note, "from", d->from->name);
    node_set_string(a, t->note, "to", d->to->name);
    node_set_string(a, t->note, "boot", m->boot_id);
    node_set(a, t->note, "os", node_new_bool(a, os));
    node_set_string(a, t->note, "image", d->os_image.changed ? d->os_image.to : NULL);
    if (d->kernel_arguments)
        node_set(a, t->note, "kernelArguments",
                 words_node(a, d->to->kernel_arguments, d->to->n_kernel_arguments));
    node_set(a, t->note, "actions", actions_node(a, x));
    set_phase(t, PHASE_APPLY);
}

static int finish(const Machine *m, Transaction *t, const Disruption *x, Error *e)
{
    set_phase(t, x->reboot ? PHASE_REBOOT : PHASE_ACT);
    if (x->reboot) {
        int r = transaction_note(t, e);
        return r < 0 ? r : 1;
    }
    const Node *actions = node_get(t->note, "actions");
    int r = actions->n ? transaction_note(t, e) : 0;
    if (r >= 0)
        r = tell_services(m, actions, false, e);
    return r < 0 ? r : transaction_commit(t, e);
}

int node_apply(const Machine *m, Arena *a, const MachineConfigDiff *d, const Disruption *x, Error *e)
{
    NodeChanges c = {.arena = a, .root = m->root, .keys_fragment = m->keys_fragment};
    Transaction t = {.root = m->root, .arena = a, .hooks = m->hooks};
    int r = node_changes_make(&c, d, e);
    if (r < 0)
        return r;
    note_make(m, &t, d, x);
    r = transaction_begin(&t, c.items, c.n, e);
    if (r < 0)
        return r;
    r = transaction_run(&t, c.items, c.n, e);
    if (r >= 0)
        r = node_apply_os(m, a, d, e);
    if (r >= 0)
        r = finish(m, &t, x, e);
    return r < 0 ? failed(m, &t, r, e) : r;
}

int node_apply_repair(const Machine *m, Arena *a, const MachineConfig *mc, const NodeRepair *what, Error *e)
{
    static const DisruptionAction reload = {DISRUPTION_DAEMON_RELOAD, NULL};
    NodeChanges c = {.arena = a, .root = m->root, .keys_fragment = m->keys_fragment};
    Transaction t = {.root = m->root, .arena = a, .hooks = m->hooks};
    int r = node_changes_repair(&c, managed_state_read(a, mc->config), what, e);
    bool units = false;
    if (r < 0 || !c.n)
        return r;
    for (size_t i = 0; i < c.n; i++)
        units |= !strncmp(c.items[i].path, MANAGED_UNITS_DIR "/", strlen(MANAGED_UNITS_DIR "/"));
    t.note = node_new(a, NODE_OBJECT);
    node_set_string(a, t.note, "from", mc->name);
    node_set_string(a, t.note, "to", mc->name);
    set_phase(&t, PHASE_APPLY);
    r = transaction_begin(&t, c.items, c.n, e);
    if (r < 0)
        return r;
    r = transaction_run(&t, c.items, c.n, e);
    if (r >= 0 && units)
        r = m->services->act(m->services->context, &reload, e);
    if (r >= 0)
        r = transaction_commit(&t, e);
    return r < 0 ? failed(m, &t, r, e) : 0;
}

/* ---- after a start ---- */

static size_t count_word(const CmdlineWords *w, const char *word)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        n += !strcmp(w->words[i], word);
    return n;
}

int node_booted_with(const Machine *m, Arena *a, const char *const *arguments, size_t n,
                     const char **ret_missing, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    *ret_missing = NULL;
    int r = n ? root_read(m->root, "/proc/cmdline", CMDLINE_MAX, &text) : 0;
    if (r < 0)
        return error_errno(e, r, "/proc/cmdline");
    if (text.len && text.data[text.len - 1] == '\n')
        text.data[text.len - 1] = '\0';
    Words wanted = split_words(a, arguments, n, 0);
    CmdlineWords booted = cmdline_split(a, text.data ? text.data : "", CMDLINE_QUOTED),
                 all = {.words = wanted.items, .n = wanted.n};
    for (size_t i = 0; i < all.n && !*ret_missing; i++)
        if (count_word(&booted, all.words[i]) < count_word(&all, all.words[i]))
            *ret_missing = all.words[i];
    return 0;
}

/* *ret_why NULL: what was wanted has booted. */
static int compare_boot(const Machine *m, Transaction *t, const char **ret_why, Error *e)
{
    const char *image = node_string(node_get(t->note, "image")), *missing = NULL;
    const Node *arguments = node_get(t->note, "kernelArguments");
    OsState s = {.image = NULL};
    *ret_why = NULL;
    int r = image ? m->os->state(m->os->context, t->arena, &s, e) : 0;
    if (r < 0)
        return r;
    if (image && !os_state_is(&s, image))
        *ret_why = arena_printf(t->arena, "booted %s, not %s%s%s", s.digest ? s.digest : "another system",
                                image, s.failure ? ": " : "", s.failure ? s.failure : "");
    if (!arguments || arguments->kind != NODE_ARRAY || *ret_why)
        return 0;
    const char **items = ARENA_ARRAY(t->arena, const char *, arguments->n + 1);
    size_t n = 0;
    NODE_EACH (item, arguments)
        if (node_string(item))
            items[n++] = item->string;
    r = node_booted_with(m, t->arena, items, n, &missing, e);
    if (r >= 0 && missing)
        *ret_why = arena_printf(t->arena, "booted without the kernel argument %s", missing);
    return r;
}

static int remember_failed(const Machine *m, Arena *a, const char *config, const char *why, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "config", config);
    node_set_string(a, n, "reason", why);
    node_set_string(a, n, "boot", m->boot_id);
    json_write(n, JSON_COMPACT, &text);
    int r = root_write(m->root, FAILED_RECORD, text.data, text.len, FILE_WRITE(.mode = 0600, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s", FAILED_RECORD) : 0;
}

static int settle_reboot(const Machine *m, Transaction *t, SettleResult *ret, const char **ret_why, Error *e)
{
    const char *boot = node_string(node_get(t->note, "boot")), *to = node_string(node_get(t->note, "to"));
    if (boot && !strcmp(boot, m->boot_id)) {
        *ret = SETTLE_REBOOT;
        return 0;
    }
    int r = compare_boot(m, t, ret_why, e);
    if (r >= 0 && !*ret_why) {
        *ret = SETTLE_ARRIVED;
        return transaction_commit(t, e);
    }
    if (r >= 0)
        r = remember_failed(m, t->arena, to ? to : "", *ret_why, e);
    if (r >= 0)
        r = go_back(m, t, e);
    *ret = SETTLE_OS_FAILED;
    return r;
}

int node_apply_settle(const Machine *m, Arena *a, SettleResult *ret, const char **ret_why, Error *e)
{
    Transaction t = {.root = m->root, .arena = a, .hooks = m->hooks};
    *ret = SETTLE_NOTHING;
    *ret_why = NULL;
    int r = transaction_load(&t, e);
    if (r <= 0)
        return r;
    if (has_phase(&t, PHASE_REBOOT))
        return settle_reboot(m, &t, ret, ret_why, e);
    const char *to = node_string(node_get(t.note, "to"));
    *ret_why = arena_printf(a, "the change to %s was cut off and is undone", to ? to : "a config");
    *ret = SETTLE_WENT_BACK;
    return go_back(m, &t, e);
}

int node_apply_failed(const Machine *m, Arena *a, FailedConfig *ret, Error *e)
{
    Node *n;
    Error own = ERROR_INIT;
    *ret = (FailedConfig){.config = NULL};
    int r = config_file_json(a, m->root, FAILED_RECORD, &n, &own);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return error_set(e, -r, "%s", own.text);
    const char *boot = node_string(node_get(n, "boot"));
    *ret = (FailedConfig){.config = node_string(node_get(n, "config")),
                          .why = node_string(node_get(n, "reason")),
                          .reboot = boot && !strcmp(boot, m->boot_id)};
    return 0;
}

int node_apply_forget_failed(const Machine *m, Error *e)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(m->root, FAILED_RECORD, false, 0, &name);
    int r = dir < 0 ? dir : unlinkat(dir, name, 0) < 0 ? -errno : dir_sync(dir);
    return r < 0 && r != -ENOENT ? error_errno(e, r, "%s", FAILED_RECORD) : 0;
}
