#pragma once
/* What a node does next, from what the API says of it and what is known of the machine: a pure function,
 * asked again after each step. The program that carries the steps out may be killed between any two; the next
 * one asks with what is on the disk and in the API, and goes on. Annotations and their meaning:
 * openshift/machine-config-operator, pkg/daemon/constants. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define NODE_ANNOTATION(name) "machineconfiguration.openshift.io/" name
#define NODE_CURRENT          NODE_ANNOTATION("currentConfig")
#define NODE_DESIRED          NODE_ANNOTATION("desiredConfig")
#define NODE_STATE            NODE_ANNOTATION("state")
#define NODE_REASON           NODE_ANNOTATION("reason")
#define NODE_DESIRED_DRAIN    NODE_ANNOTATION("desiredDrain")
#define NODE_LAST_DRAIN       NODE_ANNOTATION("lastAppliedDrain")
#define NODE_TOPOLOGY         NODE_ANNOTATION("controlPlaneTopology")
/* Ours: "true" has what differs from the config made so again; the controller copies it from the pool. */
#define NODE_REPAIR NODE_ANNOTATION("driftRepair")

enum {
    AGENT_REASON_MAX = 2000, /* characters */
    AGENT_DRAIN_MAX_MS = 3600 * 1000,
    AGENT_UNCORDON_MAX_MS = 600 * 1000,
    AGENT_RETRY_FIRST_MS = 1000,
    AGENT_RETRY_MAX_MS = 60 * 1000,
};

/* What the API says; NULL: no such annotation. */
typedef struct AgentNode {
    bool known;
    const char *desired, *current, *state, *reason, *desired_drain, *last_drain;
    bool single; /* there is no other node that pods could go to */
    bool repair;
} AgentNode;

typedef enum AgentCheck { AGENT_UNCHECKED, AGENT_GOOD, AGENT_DIFFERENT } AgentCheck;
typedef enum AgentPlan { AGENT_UNPLANNED, AGENT_PLANNED, AGENT_REFUSED } AgentPlan;

/* What is known of the machine. */
typedef struct AgentMachine {
    bool settled;        /* no change that was cut off is left */
    bool reboot;         /* it is to be started anew */
    const char *current; /* what the disk was brought to; NULL: nothing yet */
    const char *first;   /* without it: what the first boot made */
    const char *failed, *failed_why;
    AgentCheck check;       /* of the disk against `current` */
    const char *difference; /* of DIFFERENT */
    bool repairable;
    AgentPlan plan;
    const char *planned; /* the config that the plan is for */
    const char *refusal; /* of REFUSED */
    bool drain;          /* of PLANNED */
    const char *error;   /* of the last step; NULL: it went well */
    int64_t retry_at;    /* not before */
    int64_t waits_since; /* for the drain controller; 0: does not */
    int64_t now;         /* milliseconds, as the two above */
} AgentMachine;

typedef enum AgentAction {
    AGENT_WAIT,
    AGENT_REPORT, /* the annotations that are not NULL */
    AGENT_SETTLE,
    AGENT_ADOPT, /* `config` is what the first boot made: it becomes the current one */
    AGENT_VERIFY,
    AGENT_REPAIR,
    AGENT_MAKE_PLAN, /* for `config` */
    AGENT_APPLY,     /* it */
    AGENT_REBOOT,
} AgentAction;

typedef struct AgentStep {
    AgentAction action;
    const char *config;
    const char *state, *reason, *current, *desired, *desired_drain;
    int64_t until; /* of WAIT; -1: until something happens */
} AgentStep;

void agent_next(Arena *a, const AgentNode *n, const AgentMachine *m, AgentStep *ret);
/* How long to wait after the n-th failure in a row, from 1. */
int64_t agent_retry_ms(unsigned failures);
