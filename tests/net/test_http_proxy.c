/* The rules of http_proxy.h, a row each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "net/http_proxy.h"

static void test_bypassed(void **state)
{
    (void)state;
    static const struct {
        const char *entries[3], *url;
        bool bypassed;
    } rows[] = {
        {{NULL}, "http://example.com/", false},
        {{NULL}, "http://localhost/", true},
        {{NULL}, "http://u:p@127.8.0.1:8080/", true},
        {{NULL}, "https://[::1]:1/", true},
        {{NULL}, "http://localhost.example.com/", false},
        {{"*"}, "http://example.com/", true},
        {{"example.com"}, "http://example.com/", true},
        {{"example.com"}, "http://EXAMPLE.com./", false},
        {{"EXAMPLE.com"}, "http://a.b.example.COM/", true},
        {{"example.com"}, "http://anexample.com/", false},
        {{".example.com"}, "http://example.com/", false},
        {{".example.com"}, "http://a.example.com/", true},
        {{"*.example.com"}, "http://a.example.com/", true},
        {{"*.example.com"}, "http://example.com/", false},
        {{"example.com:8080"}, "http://example.com:8080/", true},
        {{"example.com:8080"}, "http://example.com/", false},
        {{"example.com:443"}, "https://example.com/", true},
        {{"a.example", "b.example"}, "http://b.example", true},
        {{"a.example, b.example"}, "http://b.example?x", true},
        {{"192.0.2.1"}, "http://192.0.2.1/", true},
        {{"192.0.2.1"}, "http://192.0.2.10/", false},
        {{"192.0.2.1:81"}, "http://192.0.2.1:81/", true},
        {{"192.0.2.0/25"}, "http://192.0.2.127/", true},
        {{"192.0.2.0/25"}, "http://192.0.2.128/", false},
        {{"192.0.2.0/33"}, "http://192.0.2.0/", false},
        {{"192.0.2.0/"}, "http://192.0.2.0/", false},
        {{"0.0.0.0/0"}, "http://192.0.2.128/", true},
        {{"0.0.0.0/0"}, "http://[2001:db8::1]/", false},
        {{"2001:db8::/32"}, "http://[2001:db8:1::1]:80/", true},
        {{"2001:db8::1"}, "http://[2001:db8::1]/", true},
        {{"[2001:db8::1]:80"}, "http://[2001:db8::1]/", true},
        {{"[2001:db8::1]:81"}, "http://[2001:db8::1]/", false},
        {{":80"}, "http://example.com/", false},
        {{""}, "http://example.com/", false},
        {{"example.com"}, "http://example.com@other.example/", false},
        {{"other.example"}, "http://example.com@other.example/", true},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        print_message("%s %s\n", rows[i].entries[0] ? rows[i].entries[0] : "-", rows[i].url);
        assert_int_equal(http_proxy_bypassed(rows[i].entries, rows[i].url), rows[i].bypassed);
    }
    assert_false(http_proxy_bypassed(NULL, "http://example.com/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bypassed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
