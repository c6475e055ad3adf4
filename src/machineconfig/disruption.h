#pragma once
/* What a change asks of a running node: nothing, a word to a service, a drain, a reboot. The rules are the
 * cluster's (MachineConfiguration of operator.openshift.io/v1, spec.nodeDisruptionPolicy) over those that are
 * built in; the most exact one counts: of files the longest path that the file's begins with. */
#include "machineconfig/machine_config_diff.h"

typedef enum DisruptionKind {
    DISRUPTION_NONE,
    DISRUPTION_DRAIN,
    DISRUPTION_DAEMON_RELOAD,
    DISRUPTION_RELOAD,
    DISRUPTION_RESTART,
    DISRUPTION_REBOOT, /* drains, too */
} DisruptionKind;

typedef struct DisruptionAction {
    DisruptionKind kind;
    const char *service; /* of RELOAD and RESTART */
} DisruptionAction;

/* The order in which they are carried out is that of the list. */
typedef struct DisruptionEntry {
    DisruptionAction action;
    const char **asked_by; /* paths, units, "ssh keys of core", fields of the spec */
    size_t n;
} DisruptionEntry;

typedef struct Disruption {
    DisruptionEntry *entries; /* when there is a reboot it is the only one beside NONE */
    size_t n;
    bool drain, reboot;
} Disruption;

typedef struct DisruptionPolicy DisruptionPolicy;
/* `document`: the MachineConfiguration; NULL: the built-in rules alone. Findings of a bad one are errors. */
int disruption_policy_read(Arena *a, const Node *document, DisruptionPolicy **ret, Report *r);
void disruption_decide(Arena *a, const DisruptionPolicy *p, const MachineConfigDiff *d, Disruption *ret);

const char *disruption_kind_name(DisruptionKind k); /* as the API has it: "DaemonReload" */
