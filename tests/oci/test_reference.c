/* What administrators write, what origin files hold, and what is neither. */
#include "../scratch.h"

#include "oci/reference.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_normal_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normal;
    } rows[] = {
        {"quay.io/a/os", "docker://quay.io/a/os:latest"},
        {"quay.io/a/os:40", "docker://quay.io/a/os:40"},
        {"quay.io/a/os@sha256:" HEX, "docker://quay.io/a/os@sha256:" HEX},
        {"docker://quay.io/a/os:40@sha256:" HEX, "docker://quay.io/a/os:40@sha256:" HEX},
        {"registry:localhost:5000/os", "docker://localhost:5000/os:latest"},
        {"registry://localhost/os", "docker://localhost/os:latest"},
        {"localhost:5000/os", "docker://localhost:5000/os:latest"},
        {"docker:5000/os", NULL},
        {"[::1]:5000/os:a", "docker://[::1]:5000/os:a"},
        {"docker.io/debian", "docker://docker.io/library/debian:latest"},
        {"index.docker.io/me/x:1", "docker://docker.io/me/x:1"},
        {"ostree-unverified-registry:quay.io/a/os", "ostree-unverified-registry:quay.io/a/os:latest"},
        {"ostree-unverified-image:registry:quay.io/a/os:1", "ostree-unverified-registry:quay.io/a/os:1"},
        {"ostree-unverified-image:docker://quay.io/a/os:1", "ostree-unverified-registry:quay.io/a/os:1"},
        {"ostree-unverified-image:oci:/var/os:1", "ostree-unverified-image:oci:/var/os:1"},
        {"ostree-image-signed:registry:quay.io/a/os:1", "ostree-image-signed:docker://quay.io/a/os:1"},
        {"ostree-remote-registry:fedora:quay.io/a/os:1",
         "ostree-remote-image:fedora:docker://quay.io/a/os:1"},
        {"ostree-remote-image:fedora:docker://quay.io/a/os:1",
         "ostree-remote-image:fedora:docker://quay.io/a/os:1"},
        {"ostree-remote-image:fedora:registry:quay.io/a/os:1",
         "ostree-remote-image:fedora:docker://quay.io/a/os:1"},
        {"ostree-remote-image:fedora:oci-archive:/x.tar", "ostree-remote-image:fedora:oci-archive:/x.tar"},
        {"oci:/var/os", "oci:/var/os"},
        {"oci:os:quay.io/a/os:1", "oci:os:quay.io/a/os:1"},
        {"oci-archive:/x.tar:@3", "oci-archive:/x.tar:@3"},
        {"docker-archive:/x.tar:docker.io/x", "docker-archive:/x.tar:docker.io/library/x:latest"},
        {"docker-archive:/x.tar:@0", "docker-archive:/x.tar:@0"},
        {"containers-storage:[overlay@/var/lib/x]quay.io/a/os",
         "containers-storage:[overlay@/var/lib/x]quay.io/a/os"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        ImageReference r;
        Error e = ERROR_INIT;
        if (!rows[i].normal) {
            assert_int_equal(image_reference_read(a, rows[i].text, &r, &e), -EINVAL);
            continue;
        }
        if (image_reference_read(a, rows[i].text, &r, &e) < 0)
            fail_msg("%s", e.text);
        assert_string_equal(image_reference_text(a, &r), rows[i].normal);
        assert_int_equal(image_reference_read(a, rows[i].normal, &r, NULL), 0);
        assert_string_equal(image_reference_text(a, &r), rows[i].normal);
    }
}

static void test_parts(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    ImageReference r;
    assert_int_equal(image_reference_read(a, "ostree-remote-registry:fedora:h:1/a/b:t@sha256:" HEX, &r, NULL),
                     0);
    assert_int_equal(r.scheme, SCHEME_REMOTE);
    assert_int_equal(r.transport, TRANSPORT_REGISTRY);
    assert_string_equal(r.remote, "fedora");
    assert_string_equal(r.name.registry, "h:1");
    assert_string_equal(r.name.repository, "a/b");
    assert_string_equal(r.name.tag, "t");
    assert_string_equal(r.name.digest->text, "sha256:" HEX);
    assert_string_equal(image_reference_plain(a, &r), "docker://h:1/a/b:t@sha256:" HEX);
    assert_int_equal(image_reference_read(a, "oci:/d:@7", &r, NULL), 0);
    assert_int_equal(r.index, 7);
    assert_string_equal(r.path, "/d");
    assert_null(r.image);
    assert_int_equal(r.scheme, SCHEME_PLAIN);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"debian", "such as docker.io/library/debian"},
        {"debian:12", "such as docker.io/library/debian:12"},
        {"me/os", "such as docker.io/me/os"},
        {"", "written with its registry"},
        {"quay.io/", "the repository has"},
        {"quay.io/A", "the repository has"},
        {"quay.io/a//b", "the repository has"},
        {"quay.io/../b", "the repository has"},
        {"quay.io/a/../../b", "the repository has"},
        {"quay.io/a..b", "the repository has"},
        {"quay.io/a___b", "the repository has"},
        {"quay.io/-a", "the repository has"},
        {"quay.io/a?x=1", "the repository has"},
        {"quay.io/a%2e", "the repository has"},
        {"quay.io/a#b", "the repository has"},
        {"quay.io/a:", "a tag has"},
        {"quay.io/a:.x", "a tag has"},
        {"quay.io/a@sha256:abc", "this one has 3"},
        {"quay.io/a@sha256:../../x", "this one has"},
        {"quay.io/a@md5:abc", "starts with sha256:"},
        {"user@quay.io/a", "starts with sha256:"},
        {"quay.io:0/a", "no host name"},
        {"quay.io:65536/a", "no host name"},
        {"quay.io:/a", "no host name"},
        {"quay..io/a", "no host name"},
        {"-quay.io/a", "no host name"},
        {"quay-.io/a", "no host name"},
        {"[::1/a", "no host name"},
        {"[::1]x/a", "no host name"},
        {"quay.io/a b", "no spaces"},
        {"quay.io/a\xc3\xa4", "no spaces"},
        {"quay.io/a\nb", "control characters"},
        {"docker:quay.io/a", "docker://"},
        {"dir:/x", "skopeo copy"},
        {"docker-daemon:x", "docker save"},
        {"ostree:x", "no longer made"},
        {"oci:", "the path is missing"},
        {"oci:/x:", "is missing"},
        {"oci:/x:@", "the number of an image"},
        {"oci:/x:@-1", "the number of an image"},
        {"oci:/x:@1x", "the number of an image"},
        {"oci:/x:@99999999999999999999", "the number of an image"},
        {"docker-archive:/x:debian", "docker.io/library/debian"},
        {"docker-archive:/x:quay.io/a@sha256:" HEX, "no digests"},
        {"containers-storage:", "missing"},
        {"ostree-signed:quay.io/a", "no known scheme"},
        {"ostree-remote-registry:quay.io/a", "name of a remote"},
        {"ostree-remote-image::docker://quay.io/a", "name of a remote"},
        {"ostree-unverified-registry:docker://quay.io/a", "no host name"},
        {"ostree-image-signed:ostree-unverified-registry:quay.io/a", "no host name"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        ImageReference r;
        Error e = ERROR_INIT;
        if (image_reference_read(a, rows[i].text, &r, &e) >= 0)
            fail_msg("'%s' was read", rows[i].text);
        if (!strstr(e.text, rows[i].said))
            fail_msg("'%s': %s", rows[i].text, e.text);
    }
}

static void test_lengths(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    char text[5000] = "quay.io/";
    ImageReference r;
    memset(text + 8, 'a', IMAGE_NAME_MAX - 8);
    text[IMAGE_NAME_MAX] = '\0';
    assert_int_equal(image_reference_read(a, text, &r, NULL), 0);
    strcat(text, "a");
    assert_int_equal(image_reference_read(a, text, &r, NULL), -EINVAL);
    strcpy(text, "quay.io/a:");
    memset(text + 10, 't', IMAGE_TAG_MAX + 1);
    text[10 + IMAGE_TAG_MAX] = '\0';
    assert_int_equal(image_reference_read(a, text, &r, NULL), 0);
    strcat(text, "t");
    assert_int_equal(image_reference_read(a, text, &r, NULL), -EINVAL);
    memset(text, 'a', sizeof(text) - 1);
    assert_int_equal(image_reference_read(a, text, &r, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_normal_form), cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
