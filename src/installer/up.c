/* In order: the configs, by running `basalt create ignition-configs` as a user would; the machines' network;
 * the bootstrap, from bootstrap.ign; the master, from the bootstrap's config server; the workers, from the
 * master's, whose control plane they join; then the bootstrap leaves. api-int.DOMAIN is where the chain is
 * handed on: before each machine boots, its hosts file says who answers (the load balancer's part elsewhere).
 * Each step is told with its duration; when one fails, all that was started is ended, and what was written
 * stays to be looked into. */
#include "installer/up.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>

#include "base/file.h"
#include "base/process.h"
#include "format/yaml.h"
#include "installer/verbs.h"
#include "machine/boot.h"
#include "machine/network.h"

#define MADE_MARK ".basalt-up"
enum { POOLS_WAIT_SEC = 120 };
enum { CONFIG_PORT = 22623, ANSWER_TRIES = 600, CONFIG_SIZE_MAX = 1 << 20 };

typedef struct Up {
    const UpOptions *options;
    Arena *arena;
    const char *state, *domain; /* state is absolute; domain: CLUSTER.BASE */
    ProcessId holder;
    bool own_network;
    double started;
    Machine *machines;
    size_t n_machines;
    unsigned nodes; /* that join the cluster */
} Up;

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(const Up *up, bool ok, const char *what, double seconds)
{
    if (!up->options->json) {
        printf("%s %-72s %6.2f s\n", ok ? "✓" : "✗", what, seconds);
        fflush(stdout);
        return;
    }
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf out = BUF_INIT;
    Node *event = node_new(a, NODE_OBJECT);
    node_set(a, event, "ok", node_new_bool(a, ok));
    node_set_string(a, event, "step", what);
    node_set(a, event, "milliseconds", node_new_int(a, (int64_t)(seconds * 1000)));
    json_write(event, JSON_COMPACT, &out);
    puts(out.data);
    fflush(stdout);
}

/* ---- configs ---- */

static const char example[] = {
#include "example-install-config.inc"
    , 0};

static const char *from_name(const Up *up)
{
    return up->options->install_config ? up->options->install_config : "the example install config";
}

static int read_domain(Up *up, const char *path, const Buf *text, Error *e)
{
    Source source = {.name = path, .text = text->data, .len = text->len, .secret = true};
    _cleanup_report_ Report report = REPORT_INIT(up->arena);
    Node *root;
    if (yaml_read(up->arena, &source, SEVERITY_ERROR, &root, &report) < 0)
        return error_set(e, EINVAL, "%s is not YAML; `basalt create ignition-configs` says where", path);
    const char *name = node_string(node_get_path(root, "metadata.name")),
               *base = node_string(node_get(root, "baseDomain"));
    if (!name || !base)
        return error_set(e, EINVAL, "%s has no metadata.name or no baseDomain", path);
    up->domain = arena_printf(up->arena, "%s.%s", name, base);
    return 0;
}

static int write_install_config(Up *up, const char *dir, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    const char *from = up->options->install_config;
    int r = 0;
    if (from)
        r = file_read_at(AT_FDCWD, from, CONFIG_SIZE_MAX, &text, e);
    else
        buf_add_str(&text, example);
    if (r >= 0)
        r = read_domain(up, from_name(up), &text, e);
    if (r < 0)
        return r;
    const char *path = arena_printf(up->arena, "%s/install-config.yaml", dir);
    r = file_write_at(AT_FDCWD, path, text.data, text.len, FILE_WRITE(.mode = 0600));
    return r < 0 ? error_errno(e, r, "writing %s", path) : 0;
}

static int create_configs(Up *up, Error *e)
{
    const char *dir = arena_printf(up->arena, "%s/install", up->state);
    int r = dir_make_all_at(AT_FDCWD, dir, 0700);
    if (r < 0)
        return error_errno(e, r, "making %s", dir);
    r = write_install_config(up, dir, e);
    if (r < 0)
        return r;
    double start = now_seconds();
    _cleanup_buf_ Buf errors = BUF_INIT;
    r = process_run(&(ProcessRun){.argv = (const char *const[]){"/proc/self/exe", "create",
                                                                "ignition-configs", "--dir", dir, NULL},
                                  .errors = &errors,
                                  .timeout_sec = 120},
                    e);
    if (r != 0) {
        fprintf(stderr, "%s", errors.data ? errors.data : "");
        if (r == EXIT_INSTALL_CONFIG)
            return error_set(e, EINVAL, "no configs, no machines: mend %s", from_name(up));
        return r > 0 ? error_set(e, EIO, "the configs could not be made") : r;
    }
    tell(up, true, "configs: bootstrap.ign, master.ign, worker.ign, auth/", now_seconds() - start);
    return 0;
}

/* ---- machines ---- */

static const char *address_of(Up *up, unsigned number)
{
    return arena_printf(up->arena, up->own_network ? "10.0.0.%u" : "127.0.22.%u", number);
}

/* Who answers for api-int: the machine before this one in the chain. */
static const char *hosts_of(Up *up, const char *name, const char *address, const char *server)
{
    return arena_printf(up->arena, "127.0.0.1 localhost\n%s %s.%s %s\n%s api-int.%s api.%s\n", address, name,
                        up->domain, name, server, up->domain, up->domain);
}

typedef struct Steps {
    Buf text;
} Steps;

static void add_step(void *context, const char *step, double seconds)
{
    Steps *s = context;
    if (seconds >= 0.0005)
        buf_addf(&s->text, "%s%s %.0f ms", s->text.len ? ", " : "", step, seconds * 1000);
}

/* `server`: who gives the config; NULL: it is in hand. `later`: who is api-int from then on; NULL: the same.
 */
static int boot(Up *up, const char *name, const char *role, unsigned number, const char *server,
                const char *later, Error *e)
{
    Machine *m = &up->machines[up->n_machines++];
    const char *config = arena_printf(up->arena, "%s/install/%s.ign", up->state, role);
    *m = (Machine){.name = name,
                   .role = role,
                   .address = address_of(up, number),
                   .dir = arena_printf(up->arena, "%s/machines/%s", up->state, name)};
    BootOptions o = {.state = up->state,
                     .config = config,
                     .hosts = hosts_of(up, name, m->address, server ? server : m->address),
                     .hosts_later = later ? hosts_of(up, name, m->address, later) : NULL,
                     .own_network = up->own_network,
                     .holder = &up->holder};
    Steps steps = {.text = BUF_INIT};
    double start = now_seconds();
    int r = machine_boot(&o, m, add_step, &steps, e);
    double took = now_seconds() - start;
    if (r < 0) {
        tell(up, false, arena_printf(up->arena, "%s: not provisioned", name), took);
        error_wrap(e, r, "machine %s (log: %s/log)", name, m->dir);
    } else
        tell(up, true,
             arena_printf(
                 up->arena, "%s provisioned from %s: %s", name,
                 server ? arena_printf(up->arena, "https://api-int.%s:22623/config/%s", up->domain, role)
                        : "bootstrap.ign",
                 steps.text.data ? steps.text.data : ""),
             took);
    buf_done(&steps.text);
    return r;
}

/* Is something there that takes connections? Asked from inside the machines' network. */
static int wait_for_server(Up *up, const Machine *m, Error *e)
{
    double start = now_seconds();
    const char *probe = arena_printf(up->arena, "exec 3<>/dev/tcp/%s/%d", m->address, CONFIG_PORT);
    const char *argv[] = {"/usr/bin/bash", "-c", arena_printf(up->arena, "(%s) 2>/dev/null", probe), NULL};
    for (int i = 0; i < ANSWER_TRIES; i++) {
        if (!process_id_alive(&m->init))
            return error_set(e, ECHILD, "machine %s ended (log: %s/log)", m->name, m->dir);
        int r = machine_enter(m, (char *const *)argv, e);
        if (r == 0) {
            tell(up, true, arena_printf(up->arena, "%s serves configs on port %d", m->name, CONFIG_PORT),
                 now_seconds() - start);
            return 0;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return error_set(e, ETIMEDOUT, "the config server of %s does not answer (log: %s/log)", m->name, m->dir);
}

static int start_network(Up *up, Error *e)
{
    double start = now_seconds();
    int r = network_start(up->state, &up->holder, e);
    if (r < 0 && r != -EPERM && r != -ENOSPC && r != -EINVAL) /* refused, used up, not built in */
        return error_wrap(e, r, "the machines' network");
    up->own_network = r >= 0;
    tell(up, true,
         up->own_network ? "network: a bridge of the machines' own, 10.0.0.0/24"
                         : "network: namespaces are refused here, so loopback addresses 127.0.22.0/24",
         now_seconds() - start);
    return 0;
}

/* The control plane's own view, asked from inside: nothing of the machines' network reaches the host. */
static int wait_for_pools(Up *up, Error *e)
{
    const Machine *master = &up->machines[1];
    double start = now_seconds();
    const char *command = arena_printf(
        up->arena, "exec basalt wait-for pools --kubeconfig %s --timeout %d --nodes %u%s",
        CONTROL_PLANE_KUBECONFIG, POOLS_WAIT_SEC, up->nodes, up->options->json ? " >/dev/null" : "");
    const char *argv[] = {"/usr/bin/bash", "-c", command, NULL};
    int r = machine_enter(master, (char *const *)argv, e);
    if (r != 0)
        return r < 0 ? r : error_set(e, ETIMEDOUT, "the pools are not updated (log: %s/log)", master->dir);
    tell(up, true, "the control plane on master-0 has the pools updated", now_seconds() - start);
    process_id_kill(&up->machines[0].init);
    tell(up, true, "the bootstrap has left: nothing asks it any more", 0);
    return 0;
}

static int run_chain(Up *up, Error *e)
{
    int r = create_configs(up, e);
    if (r >= 0)
        r = machine_system_make(up->state, e);
    if (r >= 0)
        r = start_network(up, e);
    if (r >= 0)
        r = boot(up, "bootstrap", "bootstrap", 2, NULL, NULL, e);
    if (r >= 0)
        r = wait_for_server(up, &up->machines[0], e);
    if (r >= 0)
        r = boot(up, "master-0", "master", 10, address_of(up, 2), address_of(up, 10), e);
    if (r >= 0)
        r = wait_for_server(up, &up->machines[1], e);
    for (unsigned i = 0; r >= 0 && i < up->options->workers; i++)
        r = boot(up, arena_printf(up->arena, "worker-%u", i), "worker", 20 + i, address_of(up, 10), NULL, e);
    up->nodes = 1 + up->options->workers;
    return r < 0 ? r : wait_for_pools(up, e);
}

static void print_next(const Up *up)
{
    if (up->options->json)
        return;
    char exe[4096] = "basalt"; /* as it can be typed, on PATH or not */
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : (ssize_t)strlen("basalt")] = '\0';
    printf("\n%zu machines in %.1f s. Try:\n", up->n_machines, now_seconds() - up->started);
    /* the end of the chain: the first worker, or the master when there is none */
    const Machine *end = &up->machines[up->n_machines > 2 ? 2 : 1];
    const char *const next[][2] = {{"machine list", ""},
                                   {"machine shell", " master-0 -- kubectl get machineconfigpools"},
                                   {"machine shell", arena_printf(up->arena, " %s", end->name)},
                                   {"down", ""}};
    for (size_t i = 0; i < ELEMENTS(next); i++)
        printf("  %s %s --state %s%s\n", exe, next[i][0], up->state, next[i][1]);
}

void up_end(const char *state)
{
    _cleanup_arena_ Arena *a = arena_new();
    Machine *machines;
    size_t n;
    ProcessId holder;
    if (machine_list(a, state, &machines, &n, NULL) >= 0)
        for (size_t i = 0; i < n; i++)
            process_id_kill(&machines[i].init);
    if (holder_load(state, &holder) >= 0)
        process_id_kill(&holder);
}

static int refuse_running(Up *up, Error *e)
{
    Machine *machines;
    size_t n;
    int r = machine_list(up->arena, up->state, &machines, &n, e);
    for (size_t i = 0; r >= 0 && i < n; i++)
        if (process_id_alive(&machines[i].init))
            return error_set(e, EEXIST, "machines run in %s; end them with: basalt down --state %s",
                             up->state, up->state);
    return r;
}

/* Only what `up` made is ever removed: 1 when it is, 0 when the directory is empty. */
static int made_by_up(const char *state, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    if (access(arena_printf(a, "%s/" MADE_MARK, state), F_OK) == 0)
        return 1;
    if (errno != ENOENT)
        return error_errno(e, -errno, "%s", state);
    _cleanup_closedir_ DIR *d = opendir(state);
    if (!d)
        return error_errno(e, -errno, "%s", state);
    for (struct dirent *entry; (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return error_set(e, ENOTEMPTY, "%s was not made by basalt up; it stays as it is", state);
    return 0;
}

/* What an interrupted run left, but for the directory: it carries the lock. The mark goes last. */
static int clear_state(const char *state, Error *e)
{
    int r = made_by_up(state, e);
    if (r <= 0)
        return r;
    up_end(state);
    _cleanup_closedir_ DIR *d = opendir(state);
    if (!d)
        return error_errno(e, -errno, "%s", state);
    for (struct dirent *entry; r >= 0 && (entry = readdir(d));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, MADE_MARK) != 0)
            r = tree_remove_at(dirfd(d), entry->d_name);
    if (r >= 0 && unlinkat(dirfd(d), MADE_MARK, 0) < 0)
        r = -errno;
    return r < 0 ? error_errno(e, r, "removing what is in %s", state) : 0;
}

/* Of two that start in the same instant one goes on. The machines inherit the lock: they are what it is
 * about. A directory that `down` removed in between is not what the path names any more. */
static int take_state(const char *state)
{
    struct stat locked, named;
    _cleanup_close_ int fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &locked) < 0 || stat(state, &named) < 0)
        return -errno;
    return locked.st_ino == named.st_ino ? TAKE_FD(fd) : -EWOULDBLOCK;
}

int up_run(const UpOptions *o, Error *e)
{
    if (geteuid() != 0)
        return error_set(e, EPERM, "machines need namespaces and mounts: run this as root");
    _cleanup_arena_ Arena *arena = arena_new();
    Up up = {.options = o, .arena = arena, .started = now_seconds()};
    up.machines = ARENA_ARRAY(arena, Machine, o->workers + 2);
    _cleanup_free_ char *state = NULL;
    int r = dir_make_all_at(AT_FDCWD, o->state, 0700);
    if (r < 0 || !(state = realpath(o->state, NULL)))
        return error_errno(e, r < 0 ? r : -errno, "making %s", o->state);
    up.state = state;
    _cleanup_close_ int lock = take_state(state);
    r = refuse_running(&up, e);
    if (r < 0)
        return r; /* what runs is not ours to end */
    if (lock == -EWOULDBLOCK)
        return error_set(e, EBUSY, "another basalt up is at work in %s", state);
    if (lock < 0)
        return error_errno(e, lock, "%s", state);
    r = clear_state(state, e);
    if (r < 0)
        return r;
    *o->begun = true;
    if (file_write_at(AT_FDCWD, arena_printf(arena, "%s/" MADE_MARK, state), "", 0,
                      FILE_WRITE(.mode = 0600)) < 0)
        r = error_set(e, EIO, "cannot write to %s", state);
    if (r >= 0)
        r = run_chain(&up, e);
    if (r < 0)
        up_end(state);
    else
        print_next(&up);
    return r < 0 ? r : 0;
}

int up_undo(const char *state, Error *e)
{
    if (access(state, F_OK) < 0)
        return errno == ENOENT ? 0 : error_errno(e, -errno, "%s", state);
    int r = made_by_up(state, e);
    if (r <= 0)
        return r < 0 || rmdir(state) == 0 ? r : error_errno(e, -errno, "removing %s", state);
    up_end(state);
    r = tree_remove_at(AT_FDCWD, state);
    return r < 0 ? error_errno(e, r, "removing %s", state) : 1;
}
