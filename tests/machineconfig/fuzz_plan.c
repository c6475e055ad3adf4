/* A document as both configs of a difference and as the policy: what the API may hold. */
#include <stddef.h>
#include <stdint.h>

#include "format/yaml.h"
#include "machineconfig/machine_config_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf out = BUF_INIT;
    const Source source = {.name = "fuzz", .text = arena_memdup(a, data, size), .len = size};
    Node *document;
    MachineConfig *mc;
    MachineConfigDiff *d;
    DisruptionPolicy *own, *built_in;
    if (yaml_read(a, &source, SEVERITY_WARNING, &document, &r) < 0)
        return 0;
    if (disruption_policy_read(a, document, &own, &r) < 0 ||
        machine_config_read_rendered(a, document, &mc, &r) < 0)
        return 0;
    if (disruption_policy_read(a, NULL, &built_in, &r) < 0)
        __builtin_trap();
    const MachineConfig *const froms[] = {NULL, mc};
    for (size_t i = 0; i < ELEMENTS(froms); i++) {
        Disruption x;
        (void)machine_config_diff(a, froms[i], mc, &d, &r);
        disruption_decide(a, own, d, &x);
        machine_config_plan_print(d, &x, PLAN_CONTENTS, &out);
        json_write(machine_config_plan_to_node(a, d, &x, PLAN_CONTENTS), JSON_COMPACT, &out);
    }
    if (!machine_config_diff_empty(d)) /* from itself */
        __builtin_trap();
    return 0;
}
