/* What kubectl 1.32 sent for `create pdb p --min-available=50% --selector=a=b`, whole and cut at each byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "apiserver/protobuf.h"
#include "format/digest.h"

static const char budget[] = "6b3873000a200a09706f6c6963792f76311213506f6444697372757074696f6e427564676574"
                             "12360a110a0170120"
                             "01a0022002a0032003800420012150a0908011000"
                             "1a03353025120"
                             "80a060a01611201621a0a0800180020002800300"
                             "01a002200";

static size_t bytes(uint8_t *out)
{
    size_t n = sizeof(budget) - 1;
    assert_true(n % 2 == 0 && hex_decode(budget, n, out));
    return n / 2;
}

static void test_budget(void **state)
{
    uint8_t data[sizeof(budget)];
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    Node *n;
    (void)state;
    assert_int_equal(protobuf_read(a, data, bytes(data), &n, NULL), 0);
    json_write(n, JSON_COMPACT, &b);
    assert_string_equal(
        b.data,
        "{\"kind\":\"PodDisruptionBudget\",\"apiVersion\":\"policy/v1\",\"metadata\":{\"name\":\"p\"},"
        "\"spec\":{\"minAvailable\":\"50%\",\"selector\":{\"matchLabels\":{\"a\":\"b\"}}},"
        "\"status\":{\"disruptionsAllowed\":0,\"currentHealthy\":0,\"desiredHealthy\":0,"
        "\"expectedPods\":0}}");
}

static void test_cut(void **state)
{
    uint8_t data[sizeof(budget)];
    size_t n = bytes(data), good = 0;
    (void)state;
    for (size_t i = 0; i < n; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        Node *object;
        uint8_t *exact = malloc(i + 1);
        memcpy(exact, data, i);
        good += protobuf_read(a, exact, i, &object, NULL) == 0;
        free(exact);
    }
    assert_true(good < n / 2);
}

static void test_unknown(void **state)
{
    static const char other[] = "k8s\0\x0a\x0b\x0a\x02v1\x12\x05Other";
    _cleanup_arena_ Arena *a = arena_new();
    Error e = ERROR_INIT;
    Node *n;
    (void)state;
    assert_int_equal(protobuf_read(a, other, sizeof(other) - 1, &n, &e), -EOPNOTSUPP);
    assert_string_equal(e.text, "Other of v1 is not known in protobuf");
    assert_int_equal(protobuf_read(a, "{}", 2, &n, &e), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
