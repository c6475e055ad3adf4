/* Enabled is what /etc/systemd/system-preset/20-ignition.preset enables, and what an enabled unit Wants= or
 * Requires=. ExecStart lines are split at white space, quotes respected; specifiers and the rest of systemd's
 * language are not for this init. It reaps everything, as process 1 must, starts anew on SIGINT, and ends
 * when it is killed. */
#include "machine/init.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/arena.h"
#include "base/file.h"

enum { UNITS_MAX = 64, ARGUMENTS_MAX = 64, UNIT_SIZE_MAX = 1 << 20 };
#define UNIT_DIR     "/etc/systemd/system"
#define BOOT_ID_FILE "/run/boot_id"
#define PRESET       "/etc/systemd/system-preset/20-ignition.preset"

typedef struct Service {
    const char *name;
    char *argv[ARGUMENTS_MAX + 1];
    bool restart, always; /* when it has failed; whatever its end was */
    pid_t pid;
} Service;

typedef struct Init {
    Arena *arena;
    Service services[UNITS_MAX];
    size_t n;
} Init;

static bool known(const Init *init, const char *name)
{
    for (size_t i = 0; i < init->n; i++)
        if (!strcmp(init->services[i].name, name))
            return true;
    return false;
}

static void split_command(Arena *a, const char *text, char **argv)
{
    char *copy = arena_strdup(a, text + strspn(text, "-@+!:")), *p = copy;
    size_t n = 0;
    while (n < ARGUMENTS_MAX) {
        p += strspn(p, " \t");
        if (!*p)
            break;
        char quote = *p == '"' || *p == '\'' ? *p++ : 0;
        argv[n++] = p;
        p += quote ? strcspn(p, (char[]){quote, 0}) : strcspn(p, " \t");
        if (*p)
            *p++ = '\0';
    }
}

static void add_unit(Init *init, const char *name);

static void add_units(Init *init, char *names)
{
    char *save = NULL;
    for (char *name = strtok_r(names, " \t", &save); name; name = strtok_r(NULL, " \t", &save))
        add_unit(init, name);
}

/* As systemd does it at a first boot with what a preset enables, so that others find it enabled. */
static void link_wants(const char *unit, char *targets)
{
    char *save = NULL, path[512], to[512];
    for (char *target = strtok_r(targets, " \t", &save); target; target = strtok_r(NULL, " \t", &save)) {
        if (strchr(target, '/'))
            continue;
        snprintf(path, sizeof(path), UNIT_DIR "/%s.wants", target);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return;
        snprintf(path, sizeof(path), UNIT_DIR "/%s.wants/%s", target, unit);
        snprintf(to, sizeof(to), UNIT_DIR "/%s", unit);
        (void)!symlink(to, path);
    }
}

static void take_line(Init *init, Service *s, char *line)
{
    static const char wants[] = "Wants=", requires[] = "Requires=", start[] = "ExecStart=",
                      restart[] = "Restart=", wanted[] = "WantedBy=";
    if (!strncmp(line, wants, sizeof(wants) - 1))
        add_units(init, line + sizeof(wants) - 1);
    else if (!strncmp(line, requires, sizeof(requires) - 1))
        add_units(init, line + sizeof(requires) - 1);
    else if (!strncmp(line, start, sizeof(start) - 1))
        split_command(init->arena, line + sizeof(start) - 1, s->argv);
    else if (!strncmp(line, wanted, sizeof(wanted) - 1))
        link_wants(s->name, line + sizeof(wanted) - 1);
    else if (!strncmp(line, restart, sizeof(restart) - 1)) {
        s->restart = strcmp(line + sizeof(restart) - 1, "no") != 0;
        s->always = strcmp(line + sizeof(restart) - 1, "always") == 0;
    }
}

static void add_unit(Init *init, const char *name)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    const char *dot = strrchr(name, '.');
    if (init->n == UNITS_MAX || strchr(name, '/') || !dot || strcmp(dot, ".service") || known(init, name))
        return;
    if (file_read_at(AT_FDCWD, arena_printf(init->arena, UNIT_DIR "/%s", name), UNIT_SIZE_MAX, &text, NULL) <
        0)
        return;
    for (char *p = text.data; (p = strstr(p, "\\\n"));) /* a line that goes on */
        p[0] = p[1] = ' ';
    Service *s = &init->services[init->n++];
    *s = (Service){.name = arena_strdup(init->arena, name)};
    char *save = NULL;
    for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        take_line(init, s, line);
}

static void add_enabled(Init *init)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (file_read_at(AT_FDCWD, PRESET, UNIT_SIZE_MAX, &text, NULL) < 0)
        return;
    char *save = NULL;
    for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (!strncmp(line, "enable ", 7))
            add_units(init, line + 7);
}

static void start(Service *s)
{
    s->pid = 0;
    if (!s->argv[0])
        return;
    if (access(s->argv[0], X_OK) < 0) {
        dprintf(STDERR_FILENO, "init: %s: %s is not on this machine\n", s->name, s->argv[0]);
        return;
    }
    dprintf(STDERR_FILENO, "init: starting %s\n", s->name);
    s->pid = fork();
    if (s->pid == 0) {
        setsid();
        execv(s->argv[0], s->argv);
        _exit(127);
    }
}

static void ended(Init *init, pid_t pid, int status)
{
    for (size_t i = 0; i < init->n; i++) {
        Service *s = &init->services[i];
        if (s->pid != pid)
            continue;
        bool failed = !WIFEXITED(status) || WEXITSTATUS(status);
        dprintf(STDERR_FILENO, "init: %s %s\n", s->name, failed ? "failed" : "is done");
        s->pid = 0;
        if (s->always || (failed && s->restart)) {
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
            start(s);
        }
    }
}

/* What the system has enabled by itself: its part of the fleet, once the machine was given a way in. */
static void add_own(Init *init)
{
    static const char *const own[][2] = {{"machine-config-daemon-join.service", "join"},
                                         {"machine-config-daemon.service", "start"}};
    if (access("/etc/kubernetes/kubeconfig", F_OK) < 0)
        return;
    for (size_t i = 0; i < ELEMENTS(own) && init->n < UNITS_MAX; i++)
        init->services[init->n++] =
            (Service){.name = own[i][0],
                      .restart = true,
                      .argv = {"/usr/bin/machine-config-daemon", (char *)own[i][1], NULL}};
}

/* ---- starting anew ---- */

static volatile sig_atomic_t reboot_asked;

static void ask_reboot(int number _unused_)
{
    reboot_asked = 1;
}

/* Who wants to know whether the machine was started anew compares boots by the kernel's name for them, which
 * is the host's here: each start of this machine gets one of its own. */
static void name_boot(void)
{
    char id[64];
    _cleanup_close_ int from = open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC);
    ssize_t n = from < 0 ? -1 : read(from, id, sizeof(id));
    if (n > 0 && file_write_at(AT_FDCWD, BOOT_ID_FILE, id, (size_t)n, FILE_WRITE(.mode = 0444)) >= 0)
        (void)mount(BOOT_ID_FILE, "/proc/sys/kernel/random/boot_id", NULL, MS_BIND, NULL);
}

static void run_services(Init *init)
{
    *init = (Init){.arena = arena_new()};
    name_boot();
    add_enabled(init);
    add_own(init);
    for (size_t i = 0; i < init->n; i++)
        start(&init->services[i]);
}

/* What SIGINT, as of Ctrl-Alt-Delete, means to process 1: everything ends, /run is empty, all begins again.
 */
static void restart_machine(Init *init)
{
    dprintf(STDERR_FILENO, "init: the machine starts anew\n");
    reboot_asked = 0;
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    (void)umount2("/proc/sys/kernel/random/boot_id", MNT_DETACH);
    (void)umount2("/run", MNT_DETACH);
    (void)mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
    arena_free(init->arena);
    run_services(init);
}

void init_run(const char *listen)
{
    Init init;
    struct sigaction action = {.sa_handler = ask_reboot}; /* interrupts wait() */
    clearenv();
    setenv("PATH", "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", 1);
    setenv("HOME", "/root", 1);
    if (listen)
        setenv("MACHINE_CONFIG_SERVER_LISTEN", listen, 1);
    sigaction(SIGINT, &action, NULL);
    run_services(&init);
    for (;;) {
        int status;
        pid_t pid = wait(&status);
        if (reboot_asked)
            restart_machine(&init);
        else if (pid > 0)
            ended(&init, pid, status);
        else if (errno == ECHILD)
            pause();
    }
}
