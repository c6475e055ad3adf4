#pragma once
/* How a parent starts a child that must not do anything before it is recorded: the child waits at the gate;
 * the parent records it, opens the gate, and gets the child's answer. When the parent dies first the gate
 * breaks and the child ends. */
#include "base/error.h"

typedef struct Gate {
    int fds[2]; /* parent's end, child's end */
} Gate;

int gate_open(Gate *g);
void gate_parent(Gate *g); /* each side keeps its end */
void gate_child(Gate *g);
int gate_wait(Gate *g);                           /* child: until released; < 0 when the parent is gone */
void gate_answer(Gate *g, int r, const Error *e); /* child: how it went; closes its end */
int gate_release(Gate *g, Error *e);              /* parent: go, and the answer */
void gate_close(Gate *g);
