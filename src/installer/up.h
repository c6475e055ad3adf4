#pragma once
/* A whole cluster of directory machines, from an install config to provisioned machines: the work behind
 * `basalt up`. */
#include "base/error.h"

typedef struct UpOptions {
    const char *state;          /* made by it; must not hold a cluster that runs */
    const char *install_config; /* NULL: the example that is built in */
    unsigned workers;
    bool json;   /* events as JSON lines instead of the list */
    bool *begun; /* set once the state directory is this run's own */
} UpOptions;

int up_run(const UpOptions *o, Error *e);
/* Ends every process that the state directory names, and leaves its files. */
void up_end(const char *state);
/* The same, and removes it. 1 when there was something. */
int up_undo(const char *state, Error *e);
