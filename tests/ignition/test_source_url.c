/* URLs as Go's net/url judges them, and what each scheme asks. Verdicts were taken from that parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ignition/source_url.h"
#include "ignition/url_parts.h"

static void parsing(void **state)
{
    (void)state;
    static const struct {
        const char *url, *scheme; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"http://h", "http"},
        {"HTTP://h/%41?%zz#x", "http"},
        {"a+b-c.1:x", "a+b-c.1"},
        {"data:,%zz", "data"},
        {"/path:x", ""},
        {"path", ""},
        {"?a:b", ""},
        {"///x", ""},
        {"http://u:p@h:80/x", "http"},
        {"http://h:/", "http"},
        {"http://[::1]:80/", "http"},
        {"http://[fe80::1%25en0]/", "http"},
        {"http://%e4/", "http"},
        {"longer-than-sixteen-characters:x", ""},
        {":x", NULL},
        {"a b:c", NULL},
        {"1:x", NULL},
        {"http://h/\n", NULL},
        {"http://h/\x7f", NULL},
        {"http://h/%4", NULL},
        {"http://h/#%4", NULL},
        {"http://%41/", NULL},
        {"http://h:80x/", NULL},
        {"http://[::1", NULL},
        {"http://[::1]x/", NULL},
        {"http://a b/", NULL},
        {"http://u ser@h/", NULL},
        {"http://<h>\\/", NULL},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        UrlParts u;
        int r = url_parts_read(rows[i].url, &u);
        if (r != (rows[i].scheme ? 0 : -EINVAL))
            fail_msg("%s: %d", rows[i].url, r);
        if (rows[i].scheme)
            assert_string_equal(u.scheme, rows[i].scheme);
    }
}

static void queries(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int found;
        size_t len;
    } rows[] = {
        {"s3://b/k", 0, 0},
        {"s3://b/k?", 0, 0},
        {"s3://b/k?v=12", 1, 2},
        {"s3://b/k?v", 1, 0},
        {"s3://b/k?a=v=1&v=abc", 1, 3},
        {"s3://b/k?v=&v=1", 1, 0},
        {"s3://b/k?vv=1", 0, 0},
        {"s3://b/k#?v=1", 0, 0},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        UrlParts u;
        size_t len = 0;
        assert_int_equal(url_parts_read(rows[i].url, &u), 0);
        assert_int_equal(url_parts_query(&u, "v", &len), rows[i].found);
        assert_int_equal(len, rows[i].len);
    }
}

static void schemes(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        IgnVersion version;
        const char *message; /* NULL: fine */
    } rows[] = {
        {"gs://b/o", IGN_3_1, "invalid url scheme"},
        {"gs://b/o", IGN_3_2, NULL},
        {"arn:aws:s3:::b/k", IGN_3_3, "invalid url scheme"},
        {"arn:aws:s3:::b/k", IGN_3_4, NULL},
        {"arn:aws-us-gov:s3:::b/k#x", IGN_3_4, NULL},
        {"arn:aws:s3:r:1:accesspoint/a/o", IGN_3_4, NULL},
        {"arn:aws:s3:r:1:accesspoint/a", IGN_3_4, "invalid S3 ARN format"},
        {"arn:aws:s3:::", IGN_3_4, "invalid S3 ARN format"},
        {"arn:aws:s3", IGN_3_4, "invalid S3 ARN format"},
        {"arn:aws:sqs:::b/k", IGN_3_4, "invalid S3 ARN format"},
        {"oem:///x", IGN_3_0, "invalid url scheme"},
        {"http://", IGN_3_0, NULL},
        {"HTTPS://x", IGN_3_0, NULL},
        {"x", IGN_3_0, "invalid url scheme"},
        {"longer-than-sixteen-characters:x", IGN_3_0, "invalid url scheme"},
        {"http-longer-than-it:x", IGN_3_0, "invalid url scheme"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Error e = ERROR_INIT;
        int r = source_url_check(rows[i].url, rows[i].version, &e);
        if (r != (rows[i].message ? -EINVAL : 0))
            fail_msg("%s: %d %s", rows[i].url, r, e.text);
        assert_string_equal(e.text, rows[i].message ? rows[i].message : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing),
        cmocka_unit_test(queries),
        cmocka_unit_test(schemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
