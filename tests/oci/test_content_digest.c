/* What is no digest stays out of paths and URLs (CVE-2024-3727): slashes, dots, upper case, other lengths. */
#include "../scratch.h"

#include "oci/content_digest.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_read(void **state)
{
    (void)state;
    ContentDigest d, e;
    assert_int_equal(content_digest_read(EMPTY, strlen(EMPTY), &d, NULL), 0);
    assert_string_equal(d.text, EMPTY);
    assert_string_equal(content_digest_algorithm(&d), "sha256");
    assert_string_equal(content_digest_hex(&d), &EMPTY[7]);
    assert_int_equal(content_digest_of(DIGEST_SHA256, "", 0, &e, NULL), 0);
    assert_true(content_digest_equal(&d, &e));
    assert_int_equal(content_digest_of(DIGEST_SHA512, "abc", 3, &e, NULL), 0);
    assert_false(content_digest_equal(&d, &e));
    assert_int_equal(content_digest_read(e.text, strlen(e.text), &d, NULL), 0);
    assert_string_equal(content_digest_algorithm(&d), "sha512");
    assert_int_equal(strlen(content_digest_hex(&d)), 128);
}

static void test_running(void **state)
{
    (void)state;
    ContentDigest d;
    Digest *running = NULL;
    assert_int_equal(digest_new(DIGEST_SHA256, &running, NULL), 0);
    content_digest_finish(running, DIGEST_SHA256, &d);
    digest_free(running);
    assert_string_equal(d.text, EMPTY);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        ":",
        "sha256",
        "sha256:",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
        "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:../../../../../../../../../../../../../../../../../../../../etc/",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85/",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85\n",
        "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256+b64:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "../../x:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        (" " EMPTY),
    };
    ContentDigest d;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Error e = ERROR_INIT;
        assert_int_equal(content_digest_read(rows[i], strlen(rows[i]), &d, &e), -EINVAL);
        assert_true(e.text[0]);
    }
    char nul[] = EMPTY;
    nul[20] = '\0'; /* a text that ends before its length does */
    assert_int_equal(content_digest_read(nul, strlen(EMPTY), &d, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_running),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
