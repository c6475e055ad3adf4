/* What happens, in order. The parent makes the machine's directory and an empty root with the accounts of a
 * fresh system; a child gets namespaces of its own, and a child of that is process 1 of the machine. It lays
 * /usr over the root (read-only: the build's programs above the host's), runs the stages of basalt-ignition
 * from outside of the root as an initramfs does, and only if all succeed makes the root its own and becomes
 * its init. If any stage fails it ends, and with it the machine: there is no half-provisioned one. */
#include "machine/boot.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/process.h"
#include "machine/gate.h"
#include "machine/init.h"
#include "machine/network.h"

typedef struct Progress {
    int kind; /* 0: a step is done, 1: failed, 2: the init runs */
    double seconds;
    char text[1024];
} Progress;

/* As a fresh system has them; Ignition makes the rest. */
static const struct {
    const char *path, *text;
    mode_t mode;
} first_files[] = {
    {"etc/passwd",
     "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", 0644},
    {"etc/group", "root:x:0:\nsudo:x:27:\nadm:x:4:\nwheel:x:10:\nsystemd-journal:x:101:\nnogroup:x:65534:\n",
     0644},
    {"etc/shadow", "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n", 0600},
    {"etc/gshadow", "root:*::\nsudo:*::\nadm:*::\nwheel:*::\nsystemd-journal:*::\nnogroup:*::\n", 0600},
    {"etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n", 0644},
    {"etc/os-release",
     "NAME=Basalt\nID=basalt\nVERSION_ID=" BASALT_VERSION "\nPRETTY_NAME=\"Basalt " BASALT_VERSION "\"\n",
     0644},
    {"etc/login.defs", "USERGROUPS_ENAB yes\nUID_MIN 1000\nGID_MIN 1000\nENCRYPT_METHOD YESCRYPT\n", 0644},
};
static const struct {
    const char *path;
    mode_t mode;
} first_dirs[] = {{"etc/systemd/system", 0755},
                  {"usr", 0755},
                  {"var/usrlocal/bin", 0755},
                  {"var/home", 0755},
                  {"var/log", 0755},
                  {"var/opt", 0755},
                  {"proc", 0755},
                  {"sys", 0755},
                  {"dev", 0755},
                  {"run", 0755},
                  {"tmp", 01777},
                  {"root", 0700},
                  {"boot", 0755}};
static const struct {
    const char *path, *target;
} first_links[] = {{"bin", "usr/bin"},     {"sbin", "usr/sbin"}, {"lib", "usr/lib"},
                   {"lib64", "usr/lib64"}, {"home", "var/home"}, {"opt", "var/opt"}};

static int make_root(const char *path, Error *e)
{
    int r = dir_make_all_at(AT_FDCWD, path, 0755);
    _cleanup_close_ int root = r < 0 ? -EBADF : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return error_errno(e, r < 0 ? r : -errno, "making %s", path);
    for (size_t i = 0; i < ELEMENTS(first_dirs) && r >= 0; i++) {
        r = dir_make_all_at(root, first_dirs[i].path, 0755);
        if (r >= 0 && fchmodat(root, first_dirs[i].path, first_dirs[i].mode, 0) < 0)
            r = -errno;
    }
    for (size_t i = 0; i < ELEMENTS(first_files) && r >= 0; i++)
        r = file_write_at(root, first_files[i].path, first_files[i].text, strlen(first_files[i].text),
                          FILE_WRITE(.mode = first_files[i].mode));
    for (size_t i = 0; i < ELEMENTS(first_links) && r >= 0; i++)
        if (symlinkat(first_links[i].target, root, first_links[i].path) < 0 && errno != EEXIST)
            r = -errno;
    return r < 0 ? error_errno(e, r, "making %s", path) : 0;
}

/* ---- the system that all machines run ---- */

/* By name where they are installed, by their directory where they were built. */
static const char *const programs[][2] = {
    {"basalt", "installer/basalt"},
    {"basalt-apiserver", "apiserver/basalt-apiserver"},
    {"basalt-ignition", "provision/basalt-ignition"},
    {"machine-config-controller", "controller/machine-config-controller"},
    {"machine-config-daemon", "daemon/machine-config-daemon"},
    {"machine-config-server", "server/machine-config-server"},
};

static int copy_program(int from, const char *source, int to, const char *name, Error *e)
{
    _cleanup_close_ int in = openat(from, source, O_RDONLY | O_CLOEXEC);
    _cleanup_close_ int out = openat(to, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (in < 0 || out < 0)
        return error_errno(e, -errno, "copying %s", source);
    for (;;) {
        ssize_t n = sendfile(out, in, NULL, 1 << 30);
        if (n <= 0)
            return n < 0 ? error_errno(e, -errno, "copying %s", source) : 0;
    }
}

/* Beside this program when installed, in the directories of their layers in a build tree. */
static int find_programs(int *ret_dir, const char *places[static ELEMENTS(programs)], Error *e)
{
    _cleanup_close_ int here = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (here < 0 || n < 0)
        return error_errno(e, -errno, "finding the programs");
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    for (int up = 0; up < 2; up++) {
        _cleanup_close_ int dir = open(exe, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        size_t found = 0;
        for (size_t i = 0; dir >= 0 && i < ELEMENTS(programs); i++) {
            places[i] = programs[i][up];
            found += faccessat(dir, places[i], X_OK, 0) == 0;
        }
        if (found == ELEMENTS(programs)) {
            *ret_dir = TAKE_FD(dir);
            return 0;
        }
        *strrchr(exe, '/') = '\0';
    }
    return error_set(e, ENOENT, "Basalt's other programs are not installed beside basalt");
}

int machine_system_make(const char *state, Error *e)
{
    char path[4096];
    const char *places[ELEMENTS(programs)];
    _cleanup_close_ int from = -EBADF;
    snprintf(path, sizeof(path), "%s/os/usr/bin", state);
    int r = find_programs(&from, places, e);
    if (r < 0)
        return r;
    r = dir_make_all_at(AT_FDCWD, path, 0755);
    _cleanup_close_ int bin = r < 0 ? -EBADF : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (bin < 0)
        return error_errno(e, r < 0 ? r : -errno, "making %s", path);
    for (size_t i = 0; i < ELEMENTS(programs) && r >= 0; i++)
        r = copy_program(from, places[i], bin, programs[i][0], e);
    /* As on the installed system: what is local to a machine lies in /var, and survives updates. */
    if (r >= 0 && symlinkat("../var/usrlocal", bin, "../local") < 0 && errno != EEXIST)
        r = error_errno(e, -errno, "making %s/../local", path);
    return r;
}

/* ---- process 1 ---- */

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(int fd, int kind, double seconds, const char *text)
{
    Progress p = {.kind = kind, .seconds = seconds};
    snprintf(p.text, sizeof(p.text), "%s", text);
    (void)!send(fd, &p, sizeof(p), MSG_NOSIGNAL);
}

static int mount_system(const BootOptions *o, const char *root, Error *e)
{
    char usr[4096], options[8300];
    snprintf(usr, sizeof(usr), "%s/usr", root);
    snprintf(options, sizeof(options), "lowerdir=%s/os/usr:/usr", o->state);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_errno(e, -errno, "a mount namespace of its own");
    if (mount("overlay", usr, "overlay", MS_RDONLY | MS_NODEV, options) < 0)
        return error_errno(e, -errno, "laying /usr of the machine over the host's");
    if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
        return error_errno(e, -errno, "mounting %s", root);
    return 0;
}

static int write_hosts(const char *root, const char *text, Error *e)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/etc/hosts", root);
    int r = file_write_at(AT_FDCWD, path, text, strlen(text), FILE_WRITE(.mode = 0644));
    return r < 0 ? error_errno(e, r, "writing %s", path) : 0;
}

static int use_hosts(const BootOptions *o, const char *root, Error *e)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/etc/hosts", root);
    int r = write_hosts(root, o->hosts, e);
    if (r < 0)
        return r;
    /* The initramfs looks names up in the same list. */
    if (mount(path, "/etc/hosts", NULL, MS_BIND, NULL) < 0)
        return error_errno(e, -errno, "using %s", path);
    return 0;
}

static int run_stage(const BootOptions *o, const char *program, const char *stage, Error *e)
{
    const char *dir = o->machine->dir;
    char root[4096], cache[4096], state[4096], neednet[4096], env[4096], reboot[4096];
    snprintf(root, sizeof(root), "%s/root", dir);
    snprintf(cache, sizeof(cache), "%s/run/ignition.json", dir);
    snprintf(state, sizeof(state), "%s/run/state", dir);
    snprintf(neednet, sizeof(neednet), "%s/run/neednet", dir);
    snprintf(env, sizeof(env), "IGNITION_CONFIG_FILE=%s", o->config);
    /* A reboot that a stage asks for is noted: it must not reach the host's systemd, which is in sight here.
     */
    snprintf(reboot, sizeof(reboot), "BASALT_REBOOT_MARKER=%s/run/reboot", dir);
    if (!strcmp(stage, "fetch") && access(cache, F_OK) == 0)
        return 0; /* nothing needed the network */
    Buf errors = BUF_INIT;
    int r = process_run(
        &(ProcessRun){.argv = (const char *const[]){program, "--stage", stage, "--platform", "file", "--root",
                                                    root, "--config-cache", cache, "--state-file", state,
                                                    "--neednet", neednet, "--log-to-stdout", NULL},
                      .env = (const char *const[]){env, reboot, NULL},
                      .output = &errors,
                      .timeout_sec = 120},
        e);
    if (errors.len)
        (void)file_write_fd(STDERR_FILENO, errors.data, errors.len);
    buf_done(&errors);
    return r > 0 ? -EIO : r;
}

static int provision(const BootOptions *o, int progress, Error *e)
{
    static const char *const order[] = {"fetch-offline", "fetch", "kargs", "disks",
                                        "mount",         "files", "umount"};
    char program[4096];
    snprintf(program, sizeof(program), "%s/os/usr/bin/basalt-ignition", o->state);
    for (size_t i = 0; i < ELEMENTS(order); i++) {
        double start = now_seconds();
        int r = run_stage(o, program, order[i], e);
        if (r < 0)
            return error_wrap(e, r, "stage %s", order[i]);
        tell(progress, 0, now_seconds() - start, order[i]);
    }
    return 0;
}

static int make_devices(void)
{
    static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty"};
    char from[64], to[64];
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        snprintf(from, sizeof(from), "/old/dev/%s", names[i]);
        snprintf(to, sizeof(to), "/dev/%s", names[i]);
        _cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0)
            return -errno;
    }
    return 0;
}

static int switch_root(const char *root, Error *e)
{
    if (chdir(root) < 0 || (mkdir("old", 0700) < 0 && errno != EEXIST) ||
        syscall(SYS_pivot_root, ".", "old") < 0 || chdir("/") < 0)
        return error_errno(e, -errno, "switching to the machine's root");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
        mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755,size=1m") < 0 ||
        mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0 ||
        mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0 || make_devices() < 0)
        return error_errno(e, -errno, "mounting the machine's own file systems");
    if (umount2("/old", MNT_DETACH) < 0 || rmdir("/old") < 0)
        return error_errno(e, -errno, "leaving the former root");
    return 0;
}

/* From an empty root to a running init. */
static _noreturn_ void be_machine(const BootOptions *o, int progress)
{
    char root[4096];
    Error e = ERROR_INIT;
    snprintf(root, sizeof(root), "%s/root", o->machine->dir);
    prctl(PR_SET_NAME, o->machine->name);
    int r = mount_system(o, root, &e);
    if (r >= 0)
        r = use_hosts(o, root, &e);
    if (r >= 0 && sethostname(o->machine->name, strlen(o->machine->name)) < 0)
        r = error_errno(&e, -errno, "naming the machine");
    if (r >= 0)
        r = provision(o, progress, &e);
    if (r >= 0 && o->hosts_later)
        r = write_hosts(root, o->hosts_later, &e);
    if (r >= 0)
        r = switch_root(root, &e);
    if (r < 0) {
        dprintf(STDERR_FILENO, "%s\n", e.text);
        tell(progress, 1, 0, e.text);
        _exit(1);
    }
    tell(progress, 2, 0, "");
    close(progress);
    init_run(o->own_network ? NULL : o->machine->address);
}

/* The child of clone(): its namespaces are there, nothing is done until the parent has recorded it. */
static _noreturn_ void launch(const BootOptions *o, Gate *gate, int progress)
{
    char log[4096];
    if (gate_wait(gate) < 0)
        _exit(1);
    gate_answer(gate, 0, NULL);
    setsid();
    snprintf(log, sizeof(log), "%s/log", o->machine->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || null < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
        dup2(null, STDIN_FILENO) < 0) {
        tell(progress, 1, 0, "cannot open the machine's log");
        _exit(1);
    }
    be_machine(o, progress);
}

/* ---- the parent ---- */

static int make_directory(const Machine *m, Error *e)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/run", m->dir);
    int r = dir_make_all_at(AT_FDCWD, path, 0700);
    if (r < 0)
        return error_errno(e, r, "making %s", path);
    snprintf(path, sizeof(path), "%s/root", m->dir);
    return make_root(path, e);
}

static int follow(int progress, BootProgress report, void *context, Error *e)
{
    for (;;) {
        Progress p;
        ssize_t n = recv(progress, &p, sizeof(p), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof(p))
            return error_set(e, ECHILD, "the machine ended without a word");
        if (p.kind == 1)
            return error_set(e, EIO, "%s", p.text);
        if (p.kind == 2)
            return 0;
        report(context, p.text, p.seconds);
    }
}

static int clone_machine(const BootOptions *o, Gate *gate, int progress[static 2], pid_t *ret)
{
    long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC |
                 (o->own_network ? CLONE_NEWNET : 0) | SIGCHLD;
    fflush(NULL);
    long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, 0UL);
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        gate_child(gate);
        close(progress[0]);
        launch(o, gate, progress[1]);
    }
    *ret = (pid_t)pid;
    return 0;
}

int machine_boot(BootOptions *o, Machine *m, BootProgress report, void *context, Error *e)
{
    Gate gate;
    pid_t pid = 0;
    int progress[2];
    o->machine = m;
    int r = make_directory(m, e);
    if (r < 0)
        return r;
    if (gate_open(&gate) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, progress) < 0)
        return error_errno(e, -errno, "socketpair");
    _cleanup_close_ int theirs = progress[1], ours = progress[0];
    r = clone_machine(o, &gate, progress, &pid);
    if (r < 0)
        return error_errno(e, r, "namespaces for machine %s", m->name);
    gate_parent(&gate);
    closep(&theirs);
    theirs = -EBADF;
    r = process_id_of(pid, &m->init);
    if (r >= 0)
        r = machine_save(m, e);
    if (r >= 0 && o->own_network)
        r = network_attach(o->holder, pid, m->name, m->address, e);
    if (r >= 0)
        r = gate_release(&gate, e);
    if (r >= 0)
        r = follow(ours, report, context, e);
    gate_close(&gate);
    if (r < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return r;
}
