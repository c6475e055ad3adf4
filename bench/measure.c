/* bench-measure RESULT COMMAND…: runs the command with its output thrown away and writes to the file RESULT
 * what the kernel says of it: CPU time of user and system, time passed (all in µs), peak memory (KiB), wait
 * status, the CPU time without that of the programs that it ran (µs), and what was written to disks (512
 * bytes). A program of its own because a process counts the memory of the one that it was forked from:
 * measured below an interpreter, a small program would look as big as that. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t timeval_us(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

/* Of a process that has ended and was not waited for yet: its threads', not its children's. */
static int64_t own_cpu_us(pid_t pid)
{
    struct timespec t;
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
        return -1;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void command_run(char **argv)
{
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: bench-measure RESULT COMMAND…\n", stderr);
        return 2;
    }
    struct rusage used;
    int status;
    int64_t start = now_us();
    pid_t child = fork();
    if (child == 0)
        command_run(argv + 2);
    siginfo_t info;
    if (child < 0 || waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0) {
        perror("bench-measure");
        return 1;
    }
    int64_t wall = now_us() - start, own = own_cpu_us(child);
    if (wait4(child, &status, 0, &used) < 0) {
        perror("bench-measure");
        return 1;
    }
    FILE *f = fopen(argv[1], "we");
    if (!f) {
        perror(argv[1]);
        return 1;
    }
    fprintf(f, "%lld %lld %lld %ld %d %lld %ld\n", (long long)timeval_us(used.ru_utime),
            (long long)timeval_us(used.ru_stime), (long long)wall, used.ru_maxrss, status, (long long)own,
            used.ru_oublock);
    return fclose(f) == 0 ? 0 : 1;
}
