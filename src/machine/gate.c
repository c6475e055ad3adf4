/* A socket pair: one byte down, one answer up. */
#include "machine/gate.h"

#include <string.h>
#include <sys/socket.h>

typedef struct Answer {
    int result;
    char text[512];
} Answer;

int gate_open(Gate *g)
{
    *g = (Gate){.fds = {-EBADF, -EBADF}};
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, g->fds) < 0 ? -errno : 0;
}

static void keep(Gate *g, int mine)
{
    close(g->fds[!mine]);
    g->fds[!mine] = -EBADF;
}

void gate_parent(Gate *g)
{
    keep(g, 0);
}

void gate_child(Gate *g)
{
    keep(g, 1);
}

int gate_wait(Gate *g)
{
    char go;
    return recv(g->fds[1], &go, 1, 0) == 1 ? 0 : -EPIPE;
}

void gate_answer(Gate *g, int r, const Error *e)
{
    Answer a = {.result = r};
    if (r < 0 && e)
        snprintf(a.text, sizeof(a.text), "%.500s", e->text);
    (void)!send(g->fds[1], &a, sizeof(a), MSG_NOSIGNAL);
    close(g->fds[1]);
    g->fds[1] = -EBADF;
}

int gate_release(Gate *g, Error *e)
{
    Answer a;
    if (send(g->fds[0], "", 1, MSG_NOSIGNAL) != 1 || recv(g->fds[0], &a, sizeof(a), 0) != (ssize_t)sizeof(a))
        return error_set(e, ECHILD, "the process ended before it answered");
    return a.result < 0 ? error_set(e, -a.result, "%s", a.text) : 0;
}

void gate_close(Gate *g)
{
    closep(&g->fds[0]);
    closep(&g->fds[1]);
}
