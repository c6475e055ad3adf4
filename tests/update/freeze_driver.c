/* Freezes and thaws the file system of a directory, which is to be one of the test's own; with a second
 * argument it is killed in between. */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "update/boot_freeze.h"

static pid_t own;
static bool dies;
static unsigned froze, thawed;

int __real_ioctl(int fd, unsigned long request, void *p);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    void *p = va_arg(ap, void *);
    va_end(ap);
    if (getpid() == own && request == FITHAW && dies)
        raise(SIGKILL);
    froze += request == FIFREEZE;
    thawed += request == FITHAW;
    return __real_ioctl(fd, request, p);
}

int main(int argc, char **argv)
{
    Error e = ERROR_INIT;
    int fd = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    own = getpid();
    dies = argc > 2;
    if (fd < 0)
        return 2;
    int r = boot_freeze_sync(fd, true, &e);
    printf("%s froze %u, thawed %u\n", r < 0 ? e.text : "", froze, thawed);
    return r < 0;
}
