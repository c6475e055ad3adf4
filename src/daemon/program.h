#pragma once
/* What the verbs of the program share. */
#include "base/command.h"
#include "daemon/node_apply.h"
#include "format/report.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_DIFFERENT = 3 };

extern struct DaemonOptions {
    const char *root, *os_socket;
    bool json, verbose;
    bool journal; /* where messages go: that, or standard error */
} options;

int verb_start(int argc, char **argv);
int verb_plan(int argc, char **argv);
int verb_verify(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_first_boot(int argc, char **argv);
int verb_join(int argc, char **argv);
extern const Option join_options[], start_options[], plan_options[], first_boot_options[];

/* The machine of --root. Below a directory other than "/" no service is told anything. */
typedef struct MachineHere {
    Machine m;
    NodeOs os;
    Arena *arena;
    int lock;
} MachineHere;
#define MACHINE_HERE_INIT ((MachineHere){.m = {.root = -EBADF}, .lock = -EBADF})
/* `changes`: nobody else may change it meanwhile; rights that are not needed are given up. */
int machine_open(MachineHere *h, bool changes, Error *e);
void machine_close(MachineHere *h);
#define _cleanup_machine_ _cleanup_(machine_close)

/* Findings on standard error; how many of them are errors. */
size_t program_report(const Report *r);
/* Says it on standard error; EXIT_FAILED. */
int program_failed(const Error *e);
/* A result on standard output: JSON. */
void program_print(const Node *n);
