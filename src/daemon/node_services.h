#pragma once
/* systemd as whoever applies a config needs it. A table with two implementations: systemctl, which costs
 * nothing while nothing happens (a library would stay mapped in a process that idles for weeks), and one of
 * the tests that writes down what it was asked. */
#include "base/error.h"
#include "machineconfig/disruption.h"

typedef struct NodeServices {
    /* DAEMON_RELOAD, RELOAD, RESTART, REBOOT; a reboot is asked for and comes later. A unit that is not there
     * is no failure of RELOAD and RESTART. */
    int (*act)(void *context, const DisruptionAction *action, Error *e);
    void *context;
} NodeServices;

extern const NodeServices node_services_systemd;
