/* Process 1 of the initramfs that the test's operating system has: loads the modules that lie beside it,
 * mounts the root, lets OSTree find the deployment, and gives way to the init there. systemd and udev would
 * do the same in five times the time by emulation, and are tested elsewhere. Nothing of this is in the
 * product. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT_DEVICE "/dev/sda4" /* as `basalt-os install` has it */

/* Process 1 that ends is a panic, and panic=5 starts anew. */
static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    printf("init: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    sleep(1);
    exit(1);
}

static void load(const char *name)
{
    char path[300];
    snprintf(path, sizeof(path), "/modules/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd, path);
    must((int)syscall(SYS_finit_module, fd, "", 0), path);
    close(fd);
}

static void load_all(void)
{
    char name[100];
    FILE *list = fopen("/modules/list", "re");
    must(list ? 0 : -1, "/modules/list");
    while (fscanf(list, "%99s", name) == 1)
        load(name);
    fclose(list);
}

static void prepare(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        execl("/usr/lib/ostree/ostree-prepare-root", "ostree-prepare-root", "/sysroot", (char *)NULL);
        _exit(127);
    }
    must(pid < 0 || waitpid(pid, &status, 0) < 0 ? -1 : 0, "ostree-prepare-root");
    errno = EPROTO;
    must(status == 0 ? 0 : -1, "ostree-prepare-root");
}

int main(void)
{
    static const char *const moved[] = {"dev", "proc", "sys", "run"};
    char to[32];

    must(mount("proc", "/proc", "proc", 0, NULL), "/proc");
    must(mount("sys", "/sys", "sysfs", 0, NULL), "/sys");
    must(mount("dev", "/dev", "devtmpfs", 0, NULL), "/dev");
    must(mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"), "/run");
    load_all();
    for (int i = 0; access(ROOT_DEVICE, F_OK) < 0 && i < 3000; i++)
        usleep(20000);
    must(mount(ROOT_DEVICE, "/sysroot", "ext4", 0, NULL), ROOT_DEVICE);
    prepare();
    for (size_t i = 0; i < sizeof(moved) / sizeof(*moved); i++) {
        char from[16];
        snprintf(from, sizeof(from), "/%s", moved[i]);
        snprintf(to, sizeof(to), "/sysroot/%s", moved[i]);
        must(mount(from, to, NULL, MS_MOVE, NULL), to);
    }
    must(chdir("/sysroot"), "/sysroot");
    must(mount(".", "/", NULL, MS_MOVE, NULL), "the new root");
    must(chroot("."), "the new root");
    must(chdir("/"), "the new root");
    execl("/sbin/init", "init", (char *)NULL);
    must(-1, "/sbin/init");
}
