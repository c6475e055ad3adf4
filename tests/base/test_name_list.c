/* Things by name: what is found, what is taken out, and in which order the rest stands. */
#include "../scratch.h"
#include "base/name_list.h"

typedef struct Thing {
    char *name;
    int value;
} Thing;

enum { MANY = 500 };

static void test_order(void **state _unused_)
{
    Thing b = {.name = (char *)"b", .value = 1}, a = {.name = (char *)"a"}, other_b = {.name = (char *)"b"};
    NameList l = {0};
    assert_null(name_list_get(&l, "a"));
    assert_null(name_list_take(&l, "a"));
    assert_null(name_list_put(&l, &b));
    assert_null(name_list_put(&l, &a));
    assert_ptr_equal(l.items[0], &a);
    assert_ptr_equal(name_list_put(&l, &other_b), &b); /* the former one is the caller's again */
    assert_int_equal(l.n, 2);
    assert_ptr_equal(name_list_get(&l, "b"), &other_b);
    assert_ptr_equal(name_list_take(&l, "a"), &a);
    assert_null(name_list_get(&l, "a"));
    assert_int_equal(l.n, 1);
    name_list_done(&l);
    assert_int_equal(l.n, 0);
}

static void test_many(void **state _unused_)
{
    static Thing things[MANY];
    static char names[MANY][8];
    NameList l = {0};
    for (int i = 0; i < MANY; i++) {
        int k = i * 7 % MANY; /* in no order */
        snprintf(names[k], sizeof(names[k]), "%04d", k);
        things[k] = (Thing){.name = names[k], .value = k};
        assert_null(name_list_put(&l, &things[k]));
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(((Thing *)l.items[i])->value, i);
    for (int i = 0; i < MANY; i += 2)
        assert_ptr_equal(name_list_take(&l, names[i]), &things[i]);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(name_list_get(&l, names[i]) != NULL, i % 2);
    name_list_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
