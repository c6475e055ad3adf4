/* The records are written whole, after the process that they name was started but before it does anything: it
 * waits for a byte from its parent. So whatever moment `basalt up` is killed at, every process that runs is
 * recorded, and `basalt down` finds it. */
#include "machine/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "format/json.h"

enum { RECORD_SIZE_MAX = 64 << 10 };

int process_id_of(pid_t pid, ProcessId *ret)
{
    char path[64];
    _cleanup_buf_ Buf text = BUF_INIT;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int r = file_read_at(AT_FDCWD, path, 4096, &text, NULL);
    if (r < 0)
        return r;
    /* The name in brackets may hold anything; what follows the last bracket is fields 3 and up. */
    const char *p = text.data ? strrchr(text.data, ')') : NULL;
    if (!p)
        return -EBADMSG;
    if (p[1] == ' ' && (p[2] == 'Z' || p[2] == 'X'))
        return -ESRCH;
    for (int field = 2; field < 22 && p; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        return -EBADMSG;
    *ret = (ProcessId){.pid = pid, .start = strtoull(p, NULL, 10)};
    return 0;
}

bool process_id_alive(const ProcessId *p)
{
    ProcessId now;
    return p->pid > 0 && process_id_of(p->pid, &now) == 0 && now.start == p->start;
}

void process_id_kill(const ProcessId *p)
{
    if (!process_id_alive(p))
        return;
    kill(p->pid, SIGKILL);
    for (int i = 0; i < 500 && process_id_alive(p); i++) {
        waitpid(p->pid, NULL, WNOHANG); /* ours, or reaped by whoever started it */
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static int write_record(const char *dir, const char *name, const Node *record, Error *e)
{
    _cleanup_buf_ Buf json = BUF_INIT;
    _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, -errno, "%s", dir);
    json_write(record, JSON_PRETTY2, &json);
    buf_add_char(&json, '\n');
    int r = file_write_at(fd, name, json.data, json.len, FILE_WRITE(.mode = 0600));
    return r < 0 ? error_errno(e, r, "writing %s/%s", dir, name) : 0;
}

static int read_record(Arena *a, const char *path, const Node **ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = file_read_at(AT_FDCWD, path, RECORD_SIZE_MAX, &text, e);
    if (r < 0)
        return r;
    Source source = {.name = path, .text = text.data, .len = text.len};
    _cleanup_report_ Report report = REPORT_INIT(a);
    Node *node;
    r = json_read(a, &source, SEVERITY_ERROR, &node, &report);
    if (r < 0)
        return error_set(e, EBADMSG, "%s is not a machine's record", path);
    *ret = node;
    return 0;
}

static void set_process(Arena *a, Node *object, const ProcessId *p)
{
    node_set(a, object, "pid", node_new_int(a, p->pid));
    node_set(a, object, "start", node_new_int(a, (int64_t)p->start));
}

static ProcessId get_process(const Node *object)
{
    int64_t pid = 0, start = 0;
    const Node *p = node_get(object, "pid"), *s = node_get(object, "start");
    if (!p || !s || node_int(p, &pid) < 0 || node_int(s, &start) < 0)
        return (ProcessId){0};
    return (ProcessId){.pid = (pid_t)pid, .start = (unsigned long long)start};
}

int machine_save(const Machine *m, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *record = node_new(a, NODE_OBJECT);
    node_set_string(a, record, "name", m->name);
    node_set_string(a, record, "role", m->role);
    node_set_string(a, record, "address", m->address);
    set_process(a, record, &m->init);
    return write_record(m->dir, "machine.json", record, e);
}

int machine_load(Arena *a, const char *state, const char *name, Machine *ret, Error *e)
{
    if (strchr(name, '/') || name[0] == '.')
        return error_set(e, EINVAL, "'%s' is not a machine's name", name);
    const char *dir = arena_printf(a, "%s/machines/%s", state, name);
    const Node *record;
    int r = read_record(a, arena_printf(a, "%s/machine.json", dir), &record, e);
    if (r == -ENOENT)
        return error_set(
            e, ENOENT,
            "there is no machine '%s' in %s; to see which there are: basalt machine list --state %s", name,
            state, state);
    if (r < 0)
        return r;
    *ret = (Machine){
        .name = node_string(node_get(record, "name")),
        .role = node_string(node_get(record, "role")),
        .address = node_string(node_get(record, "address")),
        .dir = dir,
        .init = get_process(record),
    };
    if (!ret->name || !ret->role || !ret->address)
        return error_set(e, EBADMSG, "%s/machine.json is not a machine's record", dir);
    return 0;
}

static int is_name(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

int machine_list(Arena *a, const char *state, Machine **ret, size_t *ret_n, Error *e)
{
    struct dirent **names;
    const char *dir = arena_printf(a, "%s/machines", state);
    int n = scandir(dir, &names, is_name, versionsort);
    if (n < 0 && errno != ENOENT)
        return error_errno(e, -errno, "%s", dir);
    *ret = ARENA_ARRAY(a, Machine, n > 0 ? (size_t)n : 1);
    *ret_n = 0;
    for (int i = 0; i < n; i++) {
        /* One without a record was being made when its maker died; nothing of it runs. */
        if (machine_load(a, state, names[i]->d_name, &(*ret)[*ret_n], NULL) == 0)
            (*ret_n)++;
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return 0;
}

int holder_save(const char *state, const ProcessId *p, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *record = node_new(a, NODE_OBJECT);
    set_process(a, record, p);
    return write_record(state, "network.json", record, e);
}

int holder_load(const char *state, ProcessId *ret)
{
    _cleanup_arena_ Arena *a = arena_new();
    const Node *record;
    int r = read_record(a, arena_printf(a, "%s/network.json", state), &record, NULL);
    if (r < 0)
        return r;
    *ret = get_process(record);
    return 0;
}

/* ---- entering ---- */

static int join_namespaces(pid_t pid)
{
    static const char *const kinds[] = {"net", "uts", "ipc", "pid",
                                        "mnt"}; /* mnt last: it takes /proc away */
    int fds[ELEMENTS(kinds)];
    char path[64];
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        struct stat here, there;
        snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
        if (stat(path, &here) < 0)
            return -errno;
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kinds[i]);
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0 || fstat(fds[i], &there) < 0)
            return -errno;
        if (here.st_ino == there.st_ino) { /* shared, as the network where namespaces are refused */
            close(fds[i]);
            fds[i] = -EBADF;
        }
    }
    snprintf(path, sizeof(path), "/proc/%d/root", pid);
    int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -errno;
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        if (fds[i] >= 0 && setns(fds[i], 0) < 0)
            return -errno;
    return fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
}

int machine_enter(const Machine *m, char *const *argv, Error *e)
{
    if (!process_id_alive(&m->init))
        return error_set(e, ESRCH, "machine '%s' does not run", m->name);
    pid_t joiner = fork();
    if (joiner < 0)
        return error_errno(e, -errno, "fork");
    if (joiner == 0) {
        int r = join_namespaces(m->init.pid);
        if (r < 0)
            _exit(125);
        pid_t inside = fork(); /* only a child is in the PID namespace */
        if (inside == 0) {
            clearenv();
            setenv("PATH", "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", 1);
            setenv("HOME", "/root", 1);
            setenv("TERM", "xterm", 1);
            setenv("PS1", "\\u@\\h:\\w\\$ ", 1);
            if (access(CONTROL_PLANE_KUBECONFIG, F_OK) == 0)
                setenv("KUBECONFIG", CONTROL_PLANE_KUBECONFIG, 1);
            execvp(argv[0], argv);
            _exit(127);
        }
        int status = 0;
        while (inside > 0 && waitpid(inside, &status, 0) < 0 && errno == EINTR)
            ;
        _exit(inside < 0 ? 125 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    int status = 0;
    while (waitpid(joiner, &status, 0) < 0 && errno == EINTR)
        ;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code == 125)
        return error_set(e, EPERM, "cannot enter the namespaces of machine '%s'", m->name);
    return code;
}
