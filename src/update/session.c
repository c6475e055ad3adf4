/* A verb's hold on a system: the sysroot, its repository, and how commits become trees there. What changes
 * the running system is staged, for its /etc changes until the last moment; a system below a directory is
 * nobody's yet and changes at once. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "format/json.h"
#include "update/boot_freeze.h"
#include "update/commit_tree.h"
#include "update/events.h"
#include "update/program.h"
#include "update/progress.h"

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int signal)
{
    (void)signal;
    asked_to_stop = 1;
}

void cancel_catch(void)
{
    const struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

bool cancel_asked(void *context _unused_)
{
    return asked_to_stop || events_gone();
}

static bool wait_for_lock(void *context _unused_, const char *holder)
{
    static bool told;
    if (options.no_wait || asked_to_stop)
        return false;
    if (!told && !options.quiet)
        fprintf(stderr, "basalt-os: waiting for %s, which changes this system\n",
                holder ? holder : "another program");
    told = true;
    return true;
}

int session_open(Session *s, bool write, Error *e)
{
    *s = (Session){.repo = -EBADF, .live = strcmp(options.sysroot, "/") == 0, .arena = arena_new()};
    s->report = REPORT_INIT(s->arena);
    const SysrootOptions how = {
        .write = write, .freeze = s->live || boot_freeze_is_due(options.sysroot), .wait = wait_for_lock};
    int r = sysroot_open(options.sysroot, &how, &s->sysroot, e);
    if (r < 0)
        return r;
    s->repo = openat(sysroot_fd(s->sysroot), "ostree/repo", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (s->repo < 0)
        return error_errno(e, -errno, "%s/ostree/repo", options.sysroot);
    s->tree = commit_tree_of(&s->repo);
    return 0;
}

void session_done(Session *s)
{
    sysroot_free(s->sysroot);
    closep(&s->repo);
    report_done(&s->report);
    arena_free(s->arena);
}

const Deployment *session_newest(const Session *s)
{
    const Deployment *staged = sysroot_find(s->sysroot, DEPLOYMENT_STAGED, options.stateroot);
    const DeploymentList *all = sysroot_deployments(s->sysroot);
    for (size_t i = 0; !staged && i < all->n; i++)
        if (!options.stateroot || strcmp(all->items[i]->stateroot, options.stateroot) == 0)
            return all->items[i];
    return staged;
}

/* The only one that there is; of several one has to be named. */
static int only_stateroot(Session *s, const char **ret, Error *e)
{
    const char *found = NULL;
    int fd = openat(sysroot_fd(s->sysroot), "ostree/deploy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return error_errno(e, -errno, "%s/ostree/deploy", options.sysroot);
    for (struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.')
            continue;
        if (found)
            return error_set(e, EINVAL, "there are the stateroots \"%s\" and \"%s\": --stateroot says which",
                             found, entry->d_name);
        found = arena_strdup(s->arena, entry->d_name);
    }
    if (!found)
        return error_set(e, ENOENT, "%s has no stateroot: `init` comes first", options.sysroot);
    *ret = found;
    return 0;
}

int session_deploy(Session *s, const DeploymentMake *m, bool stage, Error *e)
{
    DeploymentMake how = *m;
    if (!how.stateroot)
        how.stateroot = options.stateroot;
    int r = how.stateroot || session_newest(s) ? 0 : only_stateroot(s, &how.stateroot, e);
    if (r < 0)
        return r;
    return (stage ? deployment_stage : deployment_make)(s->sysroot, &s->tree, &how, &s->report, e);
}

static void send_error(const Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "error", e->text);
    node_set_string(a, n, "code", strerrorname_np(e->code));
    events_send(n);
}

int verb_failed(const char *verb, const Error *e)
{
    if (events_wanted())
        send_error(e);
    else
        fprintf(stderr, "basalt-os %s: %s\n", verb, e->text);
    switch (e->code) {
    case ECANCELED:
        return EXIT_CANCELLED;
    case EBUSY:
        return EXIT_BUSY;
    default:
        return EXIT_FAILED;
    }
}

static void room_add(Buf *out, int dirfd, const char *path)
{
    struct statvfs v;
    char bytes[16];
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fstatvfs(fd, &v) == 0) {
        bytes_text((uint64_t)v.f_bavail * v.f_frsize, bytes);
        buf_addf(out, "%s%s and %llu inodes in %s/", out->len ? ", " : "", bytes,
                 (unsigned long long)v.f_favail, path);
    }
    closep(&fd);
}

/* What only came here to find no room is given back: objects that no deployment has, entries half made. */
int session_failed(Session *s, const char *verb, Error *e)
{
    if (!s->sysroot || (e->code != ENOSPC && e->code != EDQUOT))
        return verb_failed(verb, e);
    if (sysroot_reload(s->sysroot, NULL) >= 0)
        (void)deployment_cleanup(s->sysroot, &s->tree, CLEANUP_PRUNE, NULL, NULL);
    const char *bare = strerror(e->code); /* said by the kernel alone, without numbers */
    const size_t n = strlen(e->text), n_bare = strlen(bare);
    if (n < n_bare || strcmp(e->text + n - n_bare, bare) != 0)
        return verb_failed(verb, e);
    _cleanup_buf_ Buf room = BUF_INIT;
    room_add(&room, sysroot_fd(s->sysroot), "ostree");
    room_add(&room, sysroot_fd(s->sysroot), "boot");
    Error told = ERROR_INIT;
    error_set(&told, e->code, "%s (free: %s)", e->text, room.data ? room.data : "?");
    return verb_failed(verb, &told);
}

void verb_findings(const char *verb, const Report *r)
{
    for (size_t i = 0; events_wanted() && i < r->n; i++)
        events_send_text("warning", r->entries[i].message);
    for (size_t i = 0; !events_wanted() && i < r->n; i++)
        fprintf(stderr, "basalt-os %s: %s%s\n", verb,
                r->entries[i].severity == SEVERITY_ERROR     ? "error: "
                : r->entries[i].severity == SEVERITY_WARNING ? "warning: "
                                                             : "",
                r->entries[i].message);
}

int verb_json(const Node *n)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    if (events_wanted()) {
        _cleanup_arena_ Arena *a = arena_new();
        Node *event = node_new(a, NODE_OBJECT);
        node_set(a, event, "result", node_copy(a, n));
        events_send(event);
        return EXIT_DONE;
    }
    json_write(n, JSON_PRETTY2, &out);
    buf_add_char(&out, '\n');
    fwrite(out.data, 1, out.len, stdout);
    return EXIT_DONE;
}

void verb_say(const char *format, ...)
{
    if (options.json || options.quiet)
        return;
    va_list ap;
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
}

bool verb_reboot_refused(const char *verb, bool asked)
{
    if (!asked || strcmp(options.sysroot, "/") == 0)
        return false;
    fprintf(stderr, "basalt-os %s: --reboot is for the running system\n", verb);
    return true;
}

int verb_reboot(const char *verb)
{
    Error e = ERROR_INIT;
    fflush(stdout);
    int r = process_run(&(ProcessRun){.argv = (const char *const[]){"systemctl", "reboot", NULL}}, &e);
    return r == 0 ? EXIT_DONE : verb_failed(verb, &e);
}
