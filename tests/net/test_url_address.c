/* URLs in their parts, and what is none. */
#include "../scratch.h"

#include "net/url_address.h"

static void test_parts(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *path, *query;
        unsigned port;
    } rows[] = {
        {"tftp://host/a/b", "host", "/a/b", NULL, 0},
        {"tftp://host:6900/a%20b%2Fc", "host", "/a b/c", NULL, 6900},
        {"tftp://user:pass@[::1]:69/x?y=z#f", "::1", "/x", "y=z#f", 69},
        {"s3://bucket", "bucket", "", NULL, 0},
        {"s3://bucket?versionId=1", "bucket", "", "versionId=1", 0},
        {"s3://bucket:/a+b", "bucket", "/a+b", NULL, 0},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        UrlAddress u;
        assert_int_equal(url_address_read(rows[i].url, &u), 0);
        assert_string_equal(u.host, rows[i].host);
        assert_string_equal(u.path.data ? u.path.data : "", rows[i].path);
        assert_int_equal(u.port, rows[i].port);
        if (rows[i].query)
            assert_string_equal(u.query, rows[i].query);
        else
            assert_null(u.query);
        url_address_done(&u);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",           "host/a",          "tftp:/host/a",     "://host/a",
        "tftp:///a",  "tftp://h:x/a",    "tftp://h:65536/a", "tftp://[::1/a",
        "tftp://h/%", "tftp://h/%0",     "tftp://h/%0g",     "tftp://h/a%00b",
        "tftp://@/a", "tftp://[::1]x/a", "a?b://c/d",        "tftp://h:123456/a"};
    for (size_t i = 0; i < ELEMENTS(urls); i++) {
        UrlAddress u = {0};
        if (url_address_read(urls[i], &u) != -EINVAL)
            fail_msg("'%s' is taken", urls[i]);
        assert_null(u.path.data);
    }
}

static void test_query(void **state)
{
    (void)state;
    static const struct {
        const char *query, *value;
        int r;
    } rows[] = {
        {"versionId=a%2Bb+c", "a+b c", 1},
        {"a=b&versionId=1&versionId=2", "1", 1},
        {"versionId", "", 1},
        {"version%49d=x#versionId=y", "x", 1},
        {"a=b#versionId=y", "", 0},
        {NULL, "", 0},
        {"versionId=%zz", "", -EINVAL},
        {"xversionId=1", "", 0},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buf_ Buf value = BUF_INIT;
        const UrlAddress u = {.query = rows[i].query};
        assert_int_equal(url_address_query(&u, "versionId", &value), rows[i].r);
        if (rows[i].r >= 0)
            assert_string_equal(value.data ? value.data : "", rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
