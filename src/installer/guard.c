/* Why a child: what the work starts is on record before it runs, so killing the work at any moment and
 * undoing by the record is always right, and no line of the work has to expect a signal. In order: signals
 * are blocked, the child is made, gets its own group (a terminal's Ctrl-C then reaches only the caller) and
 * its signals back; the caller sleeps in sigwaitinfo(). A signal that was ignored when the program started,
 * as under nohup(1), stays ignored. Orphans of the killed child, such as a program that it ran, come to the
 * caller and are waited for, so that nothing is written after the end is told. */
#include "installer/guard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static void add_wanted(sigset_t *set)
{
    for (size_t i = 0; i < ELEMENTS(signals); i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(set, signals[i]);
    }
}

/* 0: the child ended by itself, with this status; otherwise the signal that came. */
static int wait_for_child(pid_t pid, const sigset_t *wanted, int *ret_status)
{
    for (;;) {
        if (waitpid(pid, ret_status, WNOHANG) == pid)
            return 0;
        int signal = sigwaitinfo(wanted, NULL);
        if (signal > 0 && signal != SIGCHLD)
            return signal;
    }
}

static int end_child(pid_t pid, int signal, const GuardedWork *w, const bool *begun)
{
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    if (*begun)
        w->undo(w->context, signal);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return 128 + signal;
}

int guard_run(const GuardedWork *w)
{
    bool *begun = mmap(NULL, sizeof(*begun), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t wanted, before;
    int status = 0;
    if (begun == MAP_FAILED)
        abort();
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    add_wanted(&wanted);
    sigprocmask(SIG_BLOCK, &wanted, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(NULL);
    pid_t caller = getpid(), pid = fork();
    if (pid < 0) {
        perror("fork");
        return 1;
    }
    if (pid == 0) {
        /* When the caller is killed outright, the work goes no further either. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != caller)
            _exit(1);
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, &before, NULL);
        exit(w->work(w->context, begun));
    }
    int signal = wait_for_child(pid, &wanted, &status);
    if (signal == 0 && WIFEXITED(status)) {
        munmap(begun, sizeof(*begun));
        return WEXITSTATUS(status);
    }
    int code = end_child(pid, signal ? signal : WTERMSIG(status), w, begun);
    munmap(begun, sizeof(*begun));
    return code;
}
