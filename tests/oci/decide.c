/* decide ROOT IMAGE: whether the policy below ROOT takes an image, for policy.py; ROOT has etc/containers,
 * run/ostree/auth.json and the keys. $TEST_POLICY is another file than the usual ones. Prints the verdict. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "oci/layout.h"
#include "oci/policy_check.h"

static Arena *arena;

static int tell(const Report *r)
{
    _cleanup_buf_ Buf said = BUF_INIT;
    report_write(r, REPORT_TEXT, &said);
    fputs(said.len ? said.data : "", stderr);
    return 2;
}

static void print_verdict(const PolicyVerdict *v)
{
    printf("%s %s %s\n", v->verified ? "verified" : "taken", v->transport ? v->transport : "default",
           v->scope);
    for (size_t i = 0; i < v->n; i++) {
        const PolicyProof *p = &v->proofs[i];
        if (p->key)
            printf("%s %s %s %s %s\n", p->requirement, p->key, p->fingerprint, p->identity, p->digest);
        else
            printf("%s\n", p->requirement);
    }
}

static int decide(const PolicyOptions *o, const ImageReference *reference, Error *e)
{
    _cleanup_(registry_freep)
    Registry *registry = NULL;
    _cleanup_(layout_freep)
    Layout *layout = NULL;
    Platform want = platform_of_machine("x86_64");
    Manifest top, image;
    PolicyVerdict verdict;
    int r;
    if (reference->transport == TRANSPORT_REGISTRY)
        r = registry_open(o->registry, &reference->name, &registry, e);
    else
        r = layout_open(reference, &layout, e);
    if (r >= 0)
        r = registry ? registry_image(registry, arena, &want, &top, &image, e)
                     : layout_image(layout, arena, &want, &top, &image, e);
    if (r < 0)
        return r;
    const PolicyImage of = {.reference = reference, .top = &top, .image = &image, .registry = registry};
    if ((r = policy_check_image(o, arena, &of, &verdict, e)) >= 0)
        print_verdict(&verdict);
    return r;
}

static int run(const char *where, const char *text)
{
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_close_ int root = root_open(where, NULL);
    Registries registries;
    RegistriesD registries_d;
    Policy policy;
    ImageReference reference;
    Error e = ERROR_INIT;
    if (registries_load(arena, root, &registries, &report) < 0 ||
        registries_d_load(arena, root, &registries_d, &report) < 0 ||
        policy_load(arena, root, getenv("TEST_POLICY"), &policy, &report) < 0)
        return tell(&report);
    const RegistryOptions o = {.root = root,
                               .registries = &registries,
                               .authorities = getenv("TEST_AUTHORITIES"),
                               .attempts = 2,
                               .stall_ms = 1000};
    const PolicyOptions options = {.policy = &policy, .registries_d = &registries_d, .registry = &o};
    int r = image_reference_read(arena, text, &reference, &e);
    if (r >= 0)
        r = decide(&options, &reference, &e);
    if (r < 0)
        fprintf(stderr, "%s\n", e.text);
    return r == -EKEYREJECTED ? 1 : r < 0 ? 3 : 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    arena = arena_new();
    int r = run(argv[1], argv[2]);
    arena_free(arena);
    return fflush(stdout) ? 2 : r;
}
