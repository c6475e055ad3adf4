/* The test's hand in the guest: takes shell scripts from a virtio port and gives back what they printed. One
 * request at a time: "RUN <bytes of the script> <bytes of its input>\n", the script, the input; the answer is
 * "DONE <status> <bytes>\n" and the output. "SEED <n> 0\n" and n bytes stirs the kernel's random numbers
 * anew, which all machines that start from one saved state need. Output goes through a file, not a pipe, so
 * that a script may leave processes behind. Each script runs in the root of process 1, so that the agent,
 * which is started in the initramfs, goes on in the root that the machine switched to. Nothing of this is in
 * the product. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char port_name[] = "basalt.agent";
static int port, proc;

static bool name_fits(int ports, const char *entry)
{
    char path[300], name[64] = "";
    snprintf(path, sizeof(path), "%s/name", entry);
    int fd = openat(ports, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, name, sizeof(name) - 1);
    close(fd);
    return n > 0 && strncmp(name, port_name, strlen(port_name)) == 0;
}

static int port_open(void)
{
    DIR *ports = opendir("/sys/class/virtio-ports");
    int fd = -1;
    for (struct dirent *d; ports && fd < 0 && (d = readdir(ports));)
        if (d->d_name[0] != '.' && name_fits(dirfd(ports), d->d_name)) {
            char path[300];
            snprintf(path, sizeof(path), "/dev/%s", d->d_name);
            fd = open(path, O_RDWR | O_CLOEXEC);
        }
    if (ports)
        closedir(ports);
    return fd;
}

/* A port that nobody holds at the other end reads as ended; the next one to open it is waited for. */
static void take(void *to, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = read(port, (char *)to + have, size - have);
        if (n > 0)
            have += (size_t)n;
        else
            usleep(20000);
    }
}

static void give(const void *from, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(port, (const char *)from + done, size - done);
        if (n > 0)
            done += (size_t)n;
        else
            usleep(20000);
    }
}

static char *take_new(size_t size)
{
    char *p = malloc(size + 1);
    if (!p)
        abort();
    take(p, size);
    p[size] = '\0';
    return p;
}

static void run_child(const char *script, int in, int out)
{
    int root = openat(proc, "1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || fchdir(root) < 0 || chroot(".") < 0)
        _exit(126);
    if (setsid() < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    execl("/bin/sh", "sh", "-c", script, (char *)NULL);
    _exit(127);
}

static void run(const char *script, const char *input, size_t input_size)
{
    int in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC), status = 0;
    char head[64];
    if (in < 0 || out < 0 || write(in, input, input_size) != (ssize_t)input_size || lseek(in, 0, SEEK_SET))
        abort();
    pid_t pid = fork();
    if (pid == 0)
        run_child(script, in, out);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    off_t size = lseek(out, 0, SEEK_END);
    char *text = mmap(NULL, size ? (size_t)size : 1, PROT_READ, MAP_SHARED, out, 0);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    give(head, (size_t)snprintf(head, sizeof(head), "DONE %d %lld\n", code, (long long)size));
    give(text, (size_t)size);
    munmap(text, size ? (size_t)size : 1);
    close(in);
    close(out);
}

static void seed(const char *bytes, size_t size)
{
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, bytes, size) == (ssize_t)size && ioctl(fd, RNDRESEEDCRNG) == 0;
    if (fd >= 0)
        close(fd);
    give(ok ? "DONE 0 0\n" : "DONE 1 0\n", 9);
}

int main(void)
{
    proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; (port = port_open()) < 0; i++) {
        if (i == 600)
            return 1;
        usleep(50000);
    }
    for (;;) {
        char head[64];
        size_t n = 0, script_size, input_size;
        do
            take(&head[n], 1);
        while (head[n] != '\n' && ++n < sizeof(head) - 1);
        head[n] = '\0';
        char verb[8];
        if (sscanf(head, "%7s %zu %zu", verb, &script_size, &input_size) != 3)
            continue;
        char *script = take_new(script_size), *input = take_new(input_size);
        if (strcmp(verb, "SEED") == 0)
            seed(script, script_size);
        else
            run(script, input, input_size);
        free(script);
        free(input);
    }
}
