/* The verbs that fetch nothing: rollback, pin, kargs, cleanup, finalize, reset, init. Each is one change of
 * the list of deployments. */
#include <stdio.h>
#include <string.h>

#include "system/cmdline.h"
#include "system/cmdline_change.h"
#include "update/program.h"
#include "update/status_node.h"

#define STATEROOT "basalt" /* of a new system */

static struct {
    bool reboot, unpin, diff, pending, rollback, objects, unlock;
    const char *deployment, *name;
    StringList append, append_if_missing, delete, delete_if_present, replace;
} opt;

#define REBOOT_OPTION                                                                                        \
    {                                                                                                        \
        "reboot", 'r', OPTION_FLAG, &opt.reboot, NULL, "and start it now", NULL                              \
    }

const Option rollback_options[] = {REBOOT_OPTION, {0}};
const Option pin_options[] = {
    {"unpin", 'u', OPTION_FLAG, &opt.unpin, NULL, "let it go again", NULL},
    {0},
};
const Option kargs_options[] = {
    {"append", 0, OPTION_LIST, &opt.append, "KEY[=VALUE]", "add an argument at the end", NULL},
    {"append-if-missing", 0, OPTION_LIST, &opt.append_if_missing, "KEY[=VALUE]",
     "the same unless it is there", NULL},
    {"delete", 0, OPTION_LIST, &opt.delete, "KEY[=VALUE]", "remove an argument", NULL},
    {"delete-if-present", 0, OPTION_LIST, &opt.delete_if_present, "KEY[=VALUE]", "the same if it is there",
     NULL},
    {"replace", 0, OPTION_LIST, &opt.replace, "KEY=[OLD=]NEW", "change the value of an argument", NULL},
    {"diff", 0, OPTION_FLAG, &opt.diff, NULL,
     "show what would change against the booted system, and change nothing", NULL},
    {"deployment", 0, OPTION_STRING, &opt.deployment, "DEPLOYMENT",
     "start from its arguments and its version", NULL},
    REBOOT_OPTION,
    {0},
};
const Option cleanup_options[] = {
    {"pending", 'p', OPTION_FLAG, &opt.pending, NULL, "also what is staged or to be booted next", NULL},
    {"rollback", 'r', OPTION_FLAG, &opt.rollback, NULL, "also the way back", NULL},
    {"objects", 'o', OPTION_FLAG, &opt.objects, NULL, "also objects of the repository that nothing needs",
     NULL},
    {0},
};
const Option finalize_options[] = {
    {"unlock", 0, OPTION_FLAG, &opt.unlock, NULL, "also where the staged deployment is locked", NULL},
    {0},
};
const Option reset_options[] = {
    {"name", 0, OPTION_STRING, &opt.name, "NAME", "of the new stateroot (the old one's and a number)", NULL},
    REBOOT_OPTION,
    {0},
};

static int done(const char *verb)
{
    return opt.reboot ? verb_reboot(verb) : EXIT_DONE;
}

static int show_change(Session *s, const char *verb, int changed)
{
    verb_findings(verb, &s->report);
    if (options.json) {
        Node *n = status_node(s->arena, s);
        node_set(s->arena, n, "changed", node_new_bool(s->arena, changed > 0));
        return verb_json(n);
    }
    return done(verb);
}

int verb_rollback(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    if (verb_reboot_refused(argv[0], opt.reboot))
        return EXIT_USAGE;
    int r = session_open(&s, true, &e);
    if (r >= 0)
        r = deployment_rollback(s.sysroot, &s.tree, &e);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    const Deployment *next = session_newest(&s);
    verb_say("The next boot starts %s.%u%s%s.", next->checksum, next->serial,
             next->version ? ", version " : "", next->version ? next->version : "");
    if (s.live && !opt.reboot)
        verb_say("Next: systemctl reboot");
    return show_change(&s, argv[0], r);
}

int verb_pin(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    const Deployment *d;
    Error e = ERROR_INIT;
    int r = session_open(&s, true, &e);
    if (r >= 0)
        r = sysroot_select(s.sysroot, argv[1], &d, &e);
    if (r >= 0)
        r = deployment_set_pinned(s.sysroot, d, !opt.unpin, &e);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    verb_say("Deployment %s.%u is %s%s.", d->checksum, d->serial, r ? "" : "already ",
             opt.unpin ? "unpinned" : "pinned");
    return show_change(&s, argv[0], r);
}

/* ---- kernel arguments ---- */

static size_t add_steps(CmdlineStep *steps, size_t n, CmdlineAction action, const StringList *from)
{
    for (size_t i = 0; i < from->n; i++)
        steps[n++] = (CmdlineStep){action, from->items[i]};
    return n;
}

/* What goes, goes first; then values change; then comes what is new, as rpm-ostree has it. */
static size_t steps_asked(Arena *a, CmdlineStep **ret)
{
    const size_t all =
        opt.append.n + opt.append_if_missing.n + opt.delete.n + opt.delete_if_present.n + opt.replace.n;
    CmdlineStep *steps = ARENA_ARRAY(a, CmdlineStep, all + 1);
    size_t n = add_steps(steps, 0, CMDLINE_DELETE, &opt.delete);
    n = add_steps(steps, n, CMDLINE_DELETE_IF_PRESENT, &opt.delete_if_present);
    n = add_steps(steps, n, CMDLINE_REPLACE, &opt.replace);
    n = add_steps(steps, n, CMDLINE_APPEND, &opt.append);
    n = add_steps(steps, n, CMDLINE_APPEND_IF_MISSING, &opt.append_if_missing);
    *ret = steps;
    return n;
}

static bool holds(const CmdlineWords *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->words[i], word) == 0)
            return true;
    return false;
}

static int show_kargs_diff(Arena *a, const char *before, const char *after)
{
    const CmdlineWords old = cmdline_split(a, before, CMDLINE_QUOTED),
                       new = cmdline_split(a, after, CMDLINE_QUOTED);
    Node *n = node_new(a, NODE_OBJECT), *gone = node_set(a, n, "removed", node_new(a, NODE_ARRAY)),
         *added = node_set(a, n, "added", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < old.n; i++)
        if (!holds(&new, old.words[i]))
            node_append(gone, node_new_string(a, old.words[i]));
    for (size_t i = 0; i < new.n; i++)
        if (!holds(&old, new.words[i]))
            node_append(added, node_new_string(a, new.words[i]));
    if (options.json)
        return verb_json(n);
    NODE_EACH (word, gone)
        printf("-%s\n", word->string);
    NODE_EACH (word, added)
        printf("+%s\n", word->string);
    return EXIT_DONE;
}

static int show_kargs(Arena *a, const char *text)
{
    if (!options.json) {
        puts(text);
        return EXIT_DONE;
    }
    const CmdlineWords w = cmdline_split(a, text, CMDLINE_QUOTED);
    Node *n = node_new(a, NODE_OBJECT), *list = node_set(a, n, "kernel-arguments", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < w.n; i++)
        node_append(list, node_new_string(a, w.words[i]));
    return verb_json(n);
}

static int change_kargs(Session *s, const Deployment *from, const char *text, Error *e)
{
    Origin origin = origin_copy(s->arena, &from->origin);
    origin_forget_transient(&origin);
    const DeploymentMake m = {.stateroot = from->stateroot,
                              .checksum = from->checksum,

                              .origin = &origin,
                              .options = text,
                              .locked = from->finalization_locked};
    return session_deploy(s, &m, s->live, e);
}

int verb_kargs(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    if (verb_reboot_refused(argv[0], opt.reboot))
        return EXIT_USAGE;
    _cleanup_arena_ Arena *a = arena_new();
    CmdlineStep *steps;
    const size_t n = steps_asked(a, &steps);
    if (session_open(&s, n > 0 && !opt.diff, &e) < 0)
        return session_failed(&s, argv[0], &e);
    const Deployment *from = session_newest(&s), *booted = sysroot_find(s.sysroot, DEPLOYMENT_BOOTED, NULL);
    if (opt.deployment && sysroot_select(s.sysroot, opt.deployment, &from, &e) < 0)
        return session_failed(&s, argv[0], &e);
    if (!from) {
        error_set(&e, ENOENT, "nothing is deployed in %s", options.sysroot);
        return session_failed(&s, argv[0], &e);
    }
    const char *text = from->options;
    int r = cmdline_change(a, from->options, steps, n, &text, &e);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    if (opt.diff)
        return show_kargs_diff(a, booted ? booted->options : from->options, text);
    if (n == 0)
        return show_kargs(a, text);
    if (r == 0)
        verb_say("The kernel arguments are so already.");
    else if (change_kargs(&s, from, text, &e) < 0)
        return session_failed(&s, argv[0], &e);
    else
        verb_say("The next boot has the kernel arguments: %s", text);
    return show_change(&s, argv[0], r);
}

/* ---- the rest ---- */

int verb_cleanup(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    const unsigned what = (opt.pending ? CLEANUP_PENDING : 0U) | (opt.rollback ? CLEANUP_ROLLBACK : 0U) |
                          (opt.objects ? CLEANUP_PRUNE : 0U);
    int r = session_open(&s, true, &e);
    if (r >= 0)
        r = deployment_cleanup(s.sysroot, &s.tree, what, &s.report, &e);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    verb_say(r ? "Cleaned up." : "There was nothing to clean up.");
    return show_change(&s, argv[0], r);
}

int verb_finalize(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    int r = session_open(&s, true, &e);
    if (r >= 0 && opt.unlock && (r = deployment_set_locked(s.sysroot, false, &e)) == -ENOENT)
        r = 0;
    if (r >= 0)
        r = deployment_finalize(s.sysroot, &s.tree, &s.report, &e);
    if (r < 0)
        return verb_failed(argv[0], &e);
    verb_say(r ? "The staged deployment is in place." : "Nothing is staged, or it is locked.");
    return show_change(&s, argv[0], r);
}

/* The first of NAME-2, NAME-3, … that no deployment has. */
static const char *free_stateroot(Session *s, const char *name)
{
    const DeploymentList *all = sysroot_deployments(s->sysroot);
    size_t base = strlen(name);
    const char *dash = strrchr(name, '-');
    if (dash && dash[1] && strspn(dash + 1, "0123456789") == strlen(dash + 1))
        base = (size_t)(dash - name);
    for (unsigned i = 2;; i++) {
        const char *next = arena_printf(s->arena, "%.*s-%u", (int)base, name, i);
        bool taken = false;
        for (size_t k = 0; k < all->n; k++)
            taken |= strcmp(all->items[k]->stateroot, next) == 0;
        if (!taken)
            return next;
    }
}

/* A new stateroot with the same version: its /etc is the image's, its /var empty, and the old one stays as
 * the way back until it is cleaned up. */
int verb_reset(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    if (verb_reboot_refused(argv[0], opt.reboot))
        return EXIT_USAGE;
    int r = session_open(&s, true, &e);
    const Deployment *from = r < 0 ? NULL : sysroot_find(s.sysroot, DEPLOYMENT_MERGE, options.stateroot);
    if (r >= 0 && !from)
        r = error_set(&e, ENOENT, "nothing is deployed in %s", options.sysroot);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    const char *name = opt.name ? opt.name : free_stateroot(&s, from->stateroot);
    Origin origin = origin_copy(s.arena, &from->origin);
    origin_forget_transient(&origin);
    const DeploymentMake m = {.stateroot = name,
                              .checksum = from->checksum,

                              .origin = &origin,
                              .options = from->options,
                              .no_merge = true};
    r = sysroot_init(options.sysroot, name, &e);
    if (r >= 0)
        r = session_deploy(&s, &m, s.live, &e);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    verb_say(
        "The next boot starts this version as new, in the stateroot \"%s\"; \"%s\" stays as the way back.",
        name, from->stateroot);
    return show_change(&s, argv[0], 1);
}

int verb_init(int argc _unused_, char **argv)
{
    Error e = ERROR_INIT;
    const char *name = options.stateroot ? options.stateroot : STATEROOT;
    if (strcmp(options.sysroot, "/") == 0) {
        fprintf(stderr, "basalt-os %s: --sysroot DIR says where\n", argv[0]);
        return EXIT_USAGE;
    }
    int r = sysroot_init(options.sysroot, name, &e);
    if (r < 0)
        return verb_failed(argv[0], &e);
    verb_say(r ? "%s is a system with the stateroot \"%s\". Next: basalt-os --sysroot %s switch IMAGE"
               : "%s was one already, with the stateroot \"%s\". Next: basalt-os --sysroot %s status",
             options.sysroot, name, options.sysroot);
    return EXIT_DONE;
}
