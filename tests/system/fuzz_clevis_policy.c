/* Tokens of headers: JSON, or a JWE in its compact form. What is unfolded folds to the same text again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "system/clevis_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    const char *text = arena_memdup(a, data, size);
    const Source source = {.name = "fuzz", .text = text, .len = size};
    Node *root, *jwe = clevis_jwe_unfold(a, text, size);
    const char *folded = jwe ? clevis_jwe_fold(a, jwe) : NULL;
    if (folded && strcmp(folded, text) != 0)
        abort();
    (void)clevis_policy_of_jwe(a, node_new_string_n(a, text, size));
    if (json_read(a, &source, SEVERITY_WARNING, &root, &r) < 0)
        return 0;
    (void)clevis_policy_of_jwe(a, node_get(root, "jwe"));
    (void)clevis_policy_of_config(a, "sss", root);
    (void)clevis_policy_of_config(a, "tpm2", root);
    (void)clevis_policy_of_config(a, "tang", root);
    return 0;
}
