/* The table of what is answered to which Accept header. */
#include "../scratch.h"
#include "server/accept_header.h"

#define T "application/vnd.coreos.ignition+json"

static const struct {
    const char *accept;
    IgnVersion version;
} rows[] = {
    {NULL, IGN_2_2},
    {"", IGN_2_2},
    {"*/*", IGN_2_2},
    {"application/json", IGN_2_2},
    {"application/json;version=3.4.0", IGN_2_2},
    {T, IGN_2_2},
    {T "; q=0.1", IGN_2_2},
    /* what Ignition sends */
    {T ";version=3.2.0, */*;q=0.1", IGN_3_2},
    {T "; version=2.4.0, " T "; version=1; q=0.5, */*; q=0.1", IGN_2_2},
    /* each version */
    {T ";version=1.0.0", IGN_NONE},
    {T ";version=2.0.0", IGN_NONE},
    {T ";version=2.1.0", IGN_NONE},
    {T ";version=2.2.0", IGN_2_2},
    {T ";version=2.3.0", IGN_2_2},
    {T ";version=2.4.0", IGN_2_2},
    {T ";version=2.20.0", IGN_2_2},
    {T ";version=3.0.0", IGN_NONE},
    {T ";version=3.1.0", IGN_3_1},
    {T ";version=3.2.0", IGN_3_2},
    {T ";version=3.3.0", IGN_3_3},
    {T ";version=3.4.0", IGN_3_4},
    {T ";version=3.5.0", IGN_3_5},
    {T ";version=3.6.0", IGN_3_6},
    {T ";version=3.7.0", IGN_3_6},
    {T ";version=3.7.0-experimental", IGN_3_6},
    {T ";version=3.10.0", IGN_3_6},
    {T ";version=3.4.9", IGN_3_4},
    {T ";version=4.0.0", IGN_NONE},
    {T ";version=12.2.0", IGN_NONE},
    /* what is no version */
    {T ";version=1", IGN_2_2},
    {T ";version=3", IGN_2_2},
    {T ";version=3.4", IGN_2_2},
    {T ";version=", IGN_2_2},
    {T ";version=three.four.five", IGN_2_2},
    {T ";version=3.4.0.0", IGN_2_2},
    {T ";version=-3.4.0", IGN_2_2},
    {T ";version=3.+4.0", IGN_2_2},
    {T ";version=3. 4.0", IGN_2_2},
    {T ";version=99999999999999999999.4.0", IGN_2_2},
    {T ";version=3.99999999999999999999999999999999999999.0", IGN_2_2},
    {T ";version=1, " T ";version=3.3.0;q=0.2", IGN_3_3},
    {T ";version=x;version=3.3.0", IGN_3_3},
    {T ";version=3.1.0;version=3.3.0", IGN_3_1},
    {T ";version=\"3.3.0\"", IGN_3_3},
    {T ";aversion=3.3.0", IGN_2_2},
    {T ";charset=version=3.3.0", IGN_2_2},
    /* by q */
    {T ";version=3.1.0;q=0.5, " T ";version=3.2.0", IGN_3_2},
    {T ";version=3.1.0, " T ";version=3.2.0", IGN_3_1},
    {T ";version=3.1.0;q=0.2, " T ";version=3.2.0;q=0.9, " T ";version=3.3.0;q=0.5", IGN_3_2},
    {T ";q=0.2;version=3.1.0, " T ";q=0.3;version=3.2.0", IGN_3_2},
    {T ";version=3.1.0;q=0.1,*/*;q=1", IGN_3_1},
    {T ";version=3.1.0;q=zero, " T ";version=3.2.0;q=0.9", IGN_3_1},
    {T ";version=3.1.0;q=nan, " T ";version=3.2.0;q=0.9", IGN_3_1},
    {T ";version=3.1.0;q=0.2, " T ";version=3.2.0;q=-1", IGN_3_2},
    {T ";version=3.1.0;q=0", IGN_3_1},
    {T ";version=4.0.0, " T ";version=3.2.0;q=0.9", IGN_NONE},
    {T ";version=4.0.0;q=0.1, " T ";version=3.2.0;q=0.9", IGN_3_2},
    /* spaces, and pieces that say nothing */
    {"\t" T " ;\tversion=3.2.0 ; q=1 ", IGN_3_2},
    {",,;,;;," T ";;version=3.2.0;;,", IGN_3_2},
    {"vnd.coreos.ignition+json;version=3.2.0", IGN_2_2},
    {"text/vnd.coreos.ignition+json;version=3.2.0", IGN_3_2},
    {T "x;version=3.2.0", IGN_2_2},
    {T " version=3.2.0", IGN_2_2},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        IgnVersion got = accept_header_version(rows[i].accept);
        if (got != rows[i].version)
            fail_msg("%s: %s, not %s", rows[i].accept, ign_version_text(got),
                     ign_version_text(rows[i].version));
    }
}

static void test_long(void **state)
{
    (void)state;
    size_t n = 1 << 20;
    char *text = malloc(n + 1);
    memset(text, ',', n);
    text[n] = '\0';
    memcpy(text + n - strlen(T ";version=3.2.0"), T ";version=3.2.0", strlen(T ";version=3.2.0"));
    assert_int_equal(accept_header_version(text), IGN_3_2);
    memset(text, ';', n);
    assert_int_equal(accept_header_version(text), IGN_2_2);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
