/* `basalt-os diff`: what is different between two deployments (packages, then files), or what was changed in
 * /etc of one. Reads the repository only; for /etc the deployment's directories. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "update/etc_merge.h"
#include "update/package_diff.h"
#include "update/program.h"
#include "update/tree_diff.h"

static struct {
    bool packages, files, etc;
} opt;

const Option diff_options[] = {
    {"packages", 0, OPTION_FLAG, &opt.packages, NULL, "packages only", NULL},
    {"files", 0, OPTION_FLAG, &opt.files, NULL, "files only", NULL},
    {"etc", 0, OPTION_FLAG, &opt.etc, NULL, "what was changed in /etc of FROM", NULL},
    {0},
};

/* ---- what is compared ---- */

/* Without names: the running one, else the way back, with what boots next. */
static int sides(Session *s, int argc, char **argv, const Deployment **from, const Deployment **to, Error *e)
{
    const Deployment *booted = sysroot_find(s->sysroot, DEPLOYMENT_BOOTED, options.stateroot);
    *to = session_newest(s);
    *from = booted    ? booted
            : opt.etc ? *to
                      : sysroot_find(s->sysroot, DEPLOYMENT_ROLLBACK, options.stateroot);
    int r = argc > 1 ? sysroot_select(s->sysroot, argv[1], from, e) : 0;
    if (r >= 0 && argc > 2)
        r = sysroot_select(s->sysroot, argv[2], to, e);
    if (r >= 0 && (!*from || !*to || (*from == *to && !opt.etc && argc < 3)))
        r = error_set(e, ENOENT, "there is only one deployment, and nothing to compare it with");
    return r;
}

static void row(Node *list, Arena *a, const char *change, const char *path)
{
    Node *n = node_append(list, node_new(a, NODE_OBJECT));
    node_set_string(a, n, "change", change);
    node_set_string(a, n, "path", path);
}

/* ---- packages ---- */

static void show_package(Arena *a, Node *list, const PackageChange *c)
{
    static const char *const words[] = {"added", "removed", "upgraded", "downgraded"};
    if (options.json) {
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "change", words[c->kind]);
        node_set_string(a, n, "name", c->name);
        node_set_string(a, n, "from", c->from);
        node_set_string(a, n, "to", c->to);
    } else if (c->from && c->to) {
        printf("%-10s  %s  %s -> %s\n", words[c->kind], c->name, c->from, c->to);
    } else {
        printf("%-10s  %s  %s\n", words[c->kind], c->name, c->from ? c->from : c->to);
    }
}

static int show_packages(Session *s, const uint8_t *from, const uint8_t *to, Node *out, Error *e)
{
    PackageDiff diff;
    int r = package_diff(s->repo, s->arena, from, to, &diff, e);
    if (r < 0)
        return error_wrap(e, r, "packages");
    Node *list = node_set(s->arena, out, "packages", node_new(s->arena, NODE_ARRAY));
    for (size_t i = 0; i < diff.n; i++)
        show_package(s->arena, list, diff.changes + i);
    if (diff.unsupported) {
        node_set_string(s->arena, out, "packages-unsupported", diff.unsupported);
        verb_say("(packages: there is a database of %s, which is not read)", diff.unsupported);
    }
    return 0;
}

/* ---- files ---- */

static int show_files(Session *s, const uint8_t *from, const uint8_t *to, Node *out, Error *e)
{
    static const char *const words[] = {"added", "removed", "modified"};
    TreeDiff diff;
    int r = tree_diff(s->repo, s->arena, from, to, &diff, e);
    if (r < 0)
        return r;
    Node *list = node_set(s->arena, out, "files", node_new(s->arena, NODE_ARRAY));
    for (size_t i = 0; i < diff.n; i++)
        if (options.json)
            row(list, s->arena, words[diff.rows[i].kind], arena_printf(s->arena, "/%s", diff.rows[i].path));
        else
            printf("%c /%s%s\n", "ADM"[diff.rows[i].kind], diff.rows[i].path,
                   diff.rows[i].from_directory || diff.rows[i].to_directory ? "/" : "");
    verb_say("%zu added, %zu removed, %zu modified", diff.added, diff.removed, diff.modified);
    return 0;
}

/* ---- /etc ---- */

static int show_etc(Session *s, const Deployment *d, Error *e)
{
    static const char *const words[] = {"added", "modified", "removed"};
    _cleanup_close_ int top = openat(sysroot_fd(s->sysroot), d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int defaults = top < 0 ? -1 : openat(top, "usr/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int etc = top < 0 ? -1 : openat(top, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EtcMerge found;
    if (defaults < 0 || etc < 0)
        return error_errno(e, -errno, "etc and usr/etc of %s", d->path);
    int r = etc_changes(s->arena, defaults, etc, &found, e);
    if (r < 0)
        return r;
    Node *out = node_new(s->arena, NODE_OBJECT),
         *list = node_set(s->arena, out, "etc", node_new(s->arena, NODE_ARRAY));
    for (size_t i = 0; i < found.n; i++)
        if (options.json)
            row(list, s->arena, words[found.changes[i].kind],
                arena_printf(s->arena, "/etc/%s", found.changes[i].path));
        else
            printf("%c /etc/%s\n", "AMD"[found.changes[i].kind], found.changes[i].path);
    return options.json ? verb_json(out) : 0;
}

int verb_diff(int argc, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    const Deployment *from, *to;
    uint8_t a[OSTREE_CHECKSUM], b[OSTREE_CHECKSUM];
    Error e = ERROR_INIT;
    int r = session_open(&s, false, &e);
    if (r >= 0)
        r = sides(&s, argc, argv, &from, &to, &e);
    if (r >= 0 && opt.etc)
        r = show_etc(&s, from, &e);
    if (r < 0)
        return verb_failed(argv[0], &e);
    if (opt.etc)
        return EXIT_DONE;
    if (!ostree_checksum_read(from->checksum, a) || !ostree_checksum_read(to->checksum, b))
        return EXIT_FAILED;
    Node *out = node_new(s.arena, NODE_OBJECT);
    node_set_string(s.arena, out, "from", arena_printf(s.arena, "%s.%u", from->checksum, from->serial));
    node_set_string(s.arena, out, "to", arena_printf(s.arena, "%s.%u", to->checksum, to->serial));
    if (!opt.files)
        r = show_packages(&s, a, b, out, &e);
    if (r >= 0 && !opt.packages)
        r = show_files(&s, a, b, out, &e);
    if (r < 0)
        return verb_failed(argv[0], &e);
    return options.json ? verb_json(out) : EXIT_DONE;
}
