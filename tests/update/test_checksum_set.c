/* Each once, in order, whatever they look like, in the memory that the header says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "update/checksum_set.h"

static void checksum_of(uint32_t i, uint8_t out[OSTREE_CHECKSUM])
{
    memset(out, 0, OSTREE_CHECKSUM);
    memcpy(out + OSTREE_CHECKSUM - sizeof(i), &i, sizeof(i)); /* all alike but for the end */
}

static void test_half_a_million(void **state)
{
    enum { ALL = 500000 };
    _cleanup_checksum_set_ ChecksumSet s = {0};
    uint8_t c[OSTREE_CHECKSUM];

    (void)state;
    checksum_of(0, c);
    assert_false(checksum_set_has(&s, c));
    for (int again = 0; again < 2; again++)
        for (uint32_t i = 0; i < ALL; i++) {
            checksum_of(i, c);
            assert_int_equal(checksum_set_add(&s, c), again == 0);
        }
    assert_int_equal(s.n, ALL);
    for (uint32_t i = 0; i < ALL; i++) {
        checksum_of(i, c);
        assert_int_equal(checksum_set_find(&s, c), i);
        assert_memory_equal(s.rows[i], c, OSTREE_CHECKSUM);
    }
    checksum_of(ALL, c);
    assert_false(checksum_set_has(&s, c));
    assert_true(s.size * sizeof(*s.rows) + s.n_slots * sizeof(*s.slots) < 27 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_half_a_million)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
