/* Restarts may take as long as a service takes to stop and start; five minutes are too long for any. */
#include "daemon/node_services.h"

#include <errno.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/process.h"

enum { ACT_MAX_SEC = 300, STATUS_NOT_INSTALLED = 5 };

static int act(void *context _unused_, const DisruptionAction *action, Error *e)
{
    static const char *const verbs[] = {
        [DISRUPTION_DAEMON_RELOAD] = "daemon-reload",
        [DISRUPTION_RELOAD] = "try-reload-or-restart",
        [DISRUPTION_RESTART] = "restart",
        [DISRUPTION_REBOOT] = "reboot",
    };
    if ((size_t)action->kind >= ELEMENTS(verbs) || !verbs[action->kind])
        return 0;
    const char *argv[] = {"systemctl", "--no-ask-password", verbs[action->kind], action->service, NULL};
    _cleanup_buf_ Buf output = BUF_INIT;
    log_info("systemctl %s%s%s", verbs[action->kind], action->service ? " " : "",
             action->service ? action->service : "");
    int r = process_run(&(ProcessRun){.argv = argv, .output = &output, .timeout_sec = ACT_MAX_SEC}, e);
    if (r == STATUS_NOT_INSTALLED && action->service) {
        log_warning("there is no %s here", action->service);
        if (e)
            *e = ERROR_INIT;
        return 0;
    }
    return r > 0 ? -EIO : r;
}

const NodeServices node_services_systemd = {act, NULL};
