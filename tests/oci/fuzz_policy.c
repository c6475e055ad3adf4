/* A policy.json: either there are findings or every requirement is whole, and a rule is found for any image.
 */
#include <stdlib.h>
#include <string.h>

#include "oci/policy.h"
#include "oci/policy_scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_scope(Arena *a, const PolicyScope *s)
{
    ImageName name;
    if (!s->n || s->n > POLICY_REQUIREMENTS_MAX || !s->scope)
        abort();
    if (image_name_read(a, "quay.io/a/os:1", &name, NULL) < 0)
        abort();
    for (size_t i = 0; i < s->n; i++) {
        const PolicyRequirement *q = &s->requirements[i];
        if (!q->type || (q->kind == REQUIREMENT_UNKNOWN) != (q->why != NULL))
            abort();
        if ((q->kind == REQUIREMENT_SIGNED_BY || q->kind == REQUIREMENT_SIGSTORE) && !q->n_keys)
            abort();
        for (size_t k = 0; k < q->n_keys; k++)
            if (!q->keys[k].path && !q->keys[k].n)
                abort();
        (void)signed_identity_matches(a, &q->identity, &name, "quay.io/a/os:1");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const images[] = {"quay.io/a/os:1", "r.example.com:5000/x", "docker-archive:/x",
                                         "containers-storage:[vfs@/s]quay.io/a"};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf said = BUF_INIT;
    Source source = {.name = "input", .text = (const char *)data, .len = size};
    Policy p;
    int r = policy_read(a, &source, &p, &report);
    if ((r < 0) != (report.errors > 0))
        abort();
    report_write(&report, REPORT_TEXT, &said);
    if (r < 0)
        return 0;
    check_scope(a, &p.fallback);
    for (size_t i = 0; i < p.n; i++)
        check_scope(a, &p.scopes[i]);
    for (size_t i = 0; i < ELEMENTS(images); i++) {
        ImageReference ref;
        const char *const *names;
        if (image_reference_read(a, images[i], &ref, NULL) < 0 ||
            policy_scope_names(a, &ref, &names, NULL) < 0 ||
            !policy_find(&p, policy_transport(ref.transport), names))
            abort();
    }
    return 0;
}
