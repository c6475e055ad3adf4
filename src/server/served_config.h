#pragma once
/* What a machine gets: its pool's rendered config with the files that only it needs to start, in the spec
 * version that it asked for. Pure. Contract of the files: openshift/machine-config-operator pkg/server
 * (appendNodeAnnotations, appendKubeConfig, appendEncapsulated). */
#include "format/report.h"
#include "ignition/config.h"

typedef struct ServedConfigInput {
    const Node *rendered; /* the MachineConfig object */
    const Node
        *more; /* a MachineConfig whose Ignition part only new machines get, over the pool's; NULL: none */
    const char *kubeconfig; /* text of the machine's first kubeconfig */
    IgnVersion version;
} ServedConfigInput;

/* Appends the JSON text. -EINVAL with findings when it is no MachineConfig with a valid Ignition
 * part, or the version cannot say something of it. */
int served_config_make(const ServedConfigInput *in, Buf *out, Report *r);
