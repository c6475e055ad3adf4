/* Under which names a policy speaks of an image; which rule counts; what a signature may call it. */
#include "../scratch.h"

#include "oci/policy.h"
#include "oci/policy_scope.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char *joined(Arena *a, const char *const *names)
{
    const char *all = "";
    for (; *names; names++)
        all = arena_printf(a, "%s%s%s", all, *all ? " " : "", *names);
    return all;
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *image, *names;
    } rows[] = {
        {"quay.io/a/os:1", "quay.io/a/os:1 quay.io/a/os quay.io/a quay.io *.io"},
        {"quay.io/a/os", "quay.io/a/os:latest quay.io/a/os quay.io/a quay.io *.io"},
        {"docker.io/busybox", "docker.io/library/busybox:latest docker.io/library/busybox docker.io/library "
                              "docker.io *.io"},
        {"r.x.example.com:5000/os:1",
         "r.x.example.com:5000/os:1 r.x.example.com:5000/os r.x.example.com:5000 "
         "*.x.example.com *.example.com *.com"},
        {"localhost/os:1", "localhost/os:1 localhost/os localhost"},
        {"[::1]:5000/os:1", "[::1]:5000/os:1 [::1]:5000/os [::1]:5000"},
        {"quay.io/os@sha256:" HEX, "quay.io/os@sha256:" HEX " quay.io/os quay.io *.io"},
        {"quay.io/os:1@sha256:" HEX, "quay.io/os@sha256:" HEX " quay.io/os quay.io *.io"},
        {"docker-archive:/x.tar:quay.io/os:1", ""},
        {"oci:/usr", "/usr"},
        {"oci:/usr/../usr/./lib/:x", "/usr/lib /usr"},
        {"oci-archive:/proc/self/../1/status", "/proc/1/status /proc/1 /proc"},
        {"containers-storage:[vfs@/s]quay.io/a/os:1",
         "[vfs@/s]quay.io/a/os:1 [vfs@/s]quay.io/a/os [vfs@/s]quay.io/a [vfs@/s]quay.io [vfs@/s] [/s]"},
        {"containers-storage:[vfs@/s+/run:opt=1]quay.io/os",
         "[vfs@/s]quay.io/os:latest [vfs@/s]quay.io/os [vfs@/s]quay.io [vfs@/s] [/s]"},
        {"containers-storage:[vfs@/s]@" HEX, "[vfs@/s]@" HEX " [vfs@/s] [/s]"},
        {"containers-storage:[vfs@/s]quay.io/os:1@" HEX,
         "[vfs@/s]quay.io/os:1@" HEX " [vfs@/s]quay.io/os:1 [vfs@/s]quay.io/os [vfs@/s]quay.io [vfs@/s] "
         "[/s]"},
        {"containers-storage:[vfs@/s]quay.io/os:1@sha256:" HEX,
         "[vfs@/s]quay.io/os:1@sha256:" HEX " [vfs@/s]quay.io/os:1 [vfs@/s]quay.io/os [vfs@/s]quay.io "
         "[vfs@/s] [/s]"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        ImageReference r;
        const char *const *names;
        Error e = ERROR_INIT;
        if (image_reference_read(a, rows[i].image, &r, &e) < 0 || policy_scope_names(a, &r, &names, &e) < 0)
            fail_msg("%s", e.text);
        assert_string_equal(joined(a, names), rows[i].names);
    }
}

/* What cannot be named is no default. */
static void test_no_names(void **state)
{
    (void)state;
    static const char *const rows[] = {"oci:/no/such/directory",
                                       "containers-storage:quay.io/os",
                                       "containers-storage:[/s]quay.io/os",
                                       "containers-storage:[vfs@s]quay.io/os",
                                       "containers-storage:[@/s]quay.io/os",
                                       "containers-storage:[vfs@/s",
                                       "containers-storage:[vfs@/s]os"};
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        ImageReference r;
        const char *const *names;
        assert_int_equal(image_reference_read(a, rows[i], &r, NULL), 0);
        if (policy_scope_names(a, &r, &names, NULL) >= 0)
            fail_msg("%s has the names %s", rows[i], joined(a, names));
    }
}

static void test_links(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    ImageReference r;
    const char *const *names;
    scratch_write(&s, "real/x.tar", "");
    assert_int_equal(symlinkat("real", s.fd, "link"), 0);
    assert_int_equal(image_reference_read(a, arena_printf(a, "oci-archive:%s/link/x.tar", s.path), &r, NULL),
                     0);
    assert_int_equal(policy_scope_names(a, &r, &names, NULL), 0);
    assert_string_equal(names[0], arena_printf(a, "%s/real/x.tar", s.path));
    scratch_close(&s);
}

#define REJECT "[{\"type\":\"reject\"}]"

static void test_find(void **state)
{
    (void)state;
    static const char text[] = "{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"docker\":{"
                               "\"\":" REJECT ",\"quay.io/a/os:1\":" REJECT ",\"quay.io/a\":" REJECT
                               ",\"*.example.com\":" REJECT ",\"r.example.com:5000\":" REJECT "},"
                               "\"oci\":{\"/usr\":" REJECT "}}}";
    static const struct {
        const char *image, *scope; /* NULL: the default of all */
    } rows[] = {
        {"quay.io/a/os:1", "quay.io/a/os:1"},
        {"quay.io/a/os:2", "quay.io/a"},
        {"quay.io/a/os:1@sha256:" HEX, "quay.io/a"},
        {"quay.io/ab/os:1", ""},
        {"x.quay.io/a/os:1", ""},
        {"r.example.com:5000/os", "r.example.com:5000"},
        {"r.example.com:5001/os", "*.example.com"},
        {"r.example.com/os", "*.example.com"},
        {"a.b.example.com/os", "*.example.com"},
        {"example.com/os", ""},
        {"badexample.com/os", ""},
        {"oci:/usr/lib", "/usr"},
        {"oci:/etc", NULL},
        {"docker-archive:/usr/x", NULL},
    };
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    const Source source = {.name = "policy", .text = text, .len = sizeof(text) - 1};
    Policy p;
    assert_int_equal(policy_read(a, &source, &p, &report), 0);
    assert_true(policy_has_scopes(&p, "docker"));
    assert_false(policy_has_scopes(&p, "docker-archive"));
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        ImageReference r;
        const char *const *names;
        assert_int_equal(image_reference_read(a, rows[i].image, &r, NULL), 0);
        assert_int_equal(policy_scope_names(a, &r, &names, NULL), 0);
        const PolicyScope *found = policy_find(&p, policy_transport(r.transport), names);
        if (!rows[i].scope)
            assert_ptr_equal(found, &p.fallback);
        else if (found == &p.fallback || strcmp(found->scope, rows[i].scope))
            fail_msg("%s: %s", rows[i].image, found->scope);
    }
}

static void test_identity(void **state)
{
    (void)state;
    static const SignedIdentity exact = {.kind = IDENTITY_EXACT},
                                usual = {.kind = IDENTITY_REPO_DIGEST_OR_EXACT},
                                repository = {.kind = IDENTITY_REPOSITORY},
                                other = {.kind = IDENTITY_EXACT_REFERENCE, .name = "x.y/z:1"},
                                others = {.kind = IDENTITY_EXACT_REPOSITORY, .name = "x.y/z"},
                                remap = {.kind = IDENTITY_REMAP, .name = "m.x:5/v", .signed_prefix = "v.com"},
                                host = {.kind = IDENTITY_REMAP, .name = "m.x", .signed_prefix = "v.com/a"},
                                hub = {.kind = IDENTITY_REMAP, .name = "m.x", .signed_prefix = "docker.io"};
    static const struct {
        const SignedIdentity *by;
        const char *image, *claimed;
        bool matches;
    } rows[] = {
        {&exact, "q.io/os:1", "q.io/os:1", true},
        {&exact, "q.io/os:1", "q.io/os:2", false},
        {&exact, "q.io/os:1", "q.io/os", false},
        {&exact, "q.io/os", "q.io/os:latest", true},
        {&exact, "q.io/os", "q.io/os", false},
        {&exact, "q.io/os:1", "q.io/o:1", false},
        {&exact, "q.io/os@sha256:" HEX, "q.io/os:1", false},
        {&exact, "q.io/os@sha256:" HEX, "q.io/os@sha256:" HEX, true},
        {&exact, "docker.io/busybox:1", "busybox:1", true},
        {&exact, "docker.io/busybox:1", "docker.io/library/busybox:1", true},
        {&exact, NULL, "q.io/os:1", false},
        {&usual, "q.io/os:1", "q.io/os:1", true},
        {&usual, "q.io/os:1", "q.io/os:2", false},
        {&usual, "q.io/os:1", "q.io/os", false},
        {&usual, "q.io/os:1", "q.io/os:1@sha256:" HEX, false},
        {&usual, "q.io/os@sha256:" HEX, "q.io/os:7", true},
        {&usual, "q.io/os@sha256:" HEX, "q.io/os", false},
        {&usual, "q.io/os@sha256:" HEX, "q.io/os2:7", false},
        {&usual, "q.io/os@sha256:" HEX, "q.io/os@sha256:" HEX, true},
        {&usual, "q.io/os:1@sha256:" HEX, "q.io/os:1", false},
        {&usual, NULL, "q.io/os:1", false},
        {&repository, "q.io/os:1", "q.io/os:2", true},
        {&repository, "q.io/os:1", "q.io/os", true},
        {&repository, "q.io/os:1", "q.io/a/os", false},
        {&repository, "q.io/os:1", "q.io:443/os", false},
        {&repository, "q.io/os:1", "Q.io/os", false},
        {&repository, "q.io/os:1", "os", false},
        {&repository, "q.io/os:1", "", false},
        {&repository, "q.io/os:1", "q.io/os:", false},
        {&repository, "q.io/os:1", "q.io/../q.io/os", false},
        {&repository, "q.io/os:1", "https://q.io/os", false},
        {&repository, NULL, "q.io/os", false},
        {&other, "q.io/os:1", "x.y/z:1", true},
        {&other, NULL, "x.y/z:1", true},
        {&other, "q.io/os:1", "q.io/os:1", false},
        {&other, "q.io/os:1", "x.y/z", false},
        {&others, "q.io/os:1", "x.y/z", true},
        {&others, NULL, "x.y/z:7", true},
        {&others, "q.io/os:1", "x.y/z/a", false},
        {&remap, "m.x:5/v/os:1", "v.com/os:1", true},
        {&remap, "m.x:5/v/os:1", "m.x:5/v/os:1", false},
        {&remap, "m.x:5/v/os:1", "v.com/os:2", false},
        {&remap, "m.x:5/v/os@sha256:" HEX, "v.com/os:2", true},
        {&remap, "m.x:5/vv/os:1", "m.x:5/vv/os:1", true},
        {&remap, "m.x:5/vv/os:1", "v.com/v/os:1", false},
        {&remap, "q.io/os:1", "q.io/os:1", true},
        {&remap, "m.x:5/v:1", "v.com:1", false},
        {&host, "m.x/os:1", "v.com/a/os:1", true},
        {&host, "m.x:5/os:1", "v.com/a:5/os:1", false},
        {&host, "m.x:5/os:1", "m.x:5/os:1", true},
        {&hub, "m.x/os:1", "docker.io/os:1", false}, /* is docker.io/library/os: not what it says */
        {&hub, "m.x/a/os:1", "docker.io/a/os:1", true},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        ImageName name;
        if (rows[i].image)
            assert_int_equal(image_name_read(a, rows[i].image, &name, NULL), 0);
        if (signed_identity_matches(a, rows[i].by, rows[i].image ? &name : NULL, rows[i].claimed) !=
            rows[i].matches)
            fail_msg("row %zu: %s, %s", i, rows[i].image, rows[i].claimed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_no_names), cmocka_unit_test(test_links),
        cmocka_unit_test(test_find),  cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
