/* The tables themselves: what the walks over them take for granted. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "ignition/schema.h"

typedef void (*Visit)(const IgnType *type, const IgnField *f);

static void each_field(const IgnType *type, Visit visit)
{
    for (const IgnField *f = type->fields; f->name; f++) {
        visit(type, f);
        if (f->type)
            each_field(f->type, visit);
    }
}

static size_t kind_size(const IgnField *f)
{
    switch (f->kind) {
    case IGN_KIND_STRING:
        return sizeof(const char *);
    case IGN_KIND_INT:
        return sizeof(OptInt);
    case IGN_KIND_BOOL:
        return sizeof(OptBool);
    case IGN_KIND_OBJECT:
        return f->type->size;
    default:
        return sizeof(IgnList);
    }
}

static void check_row(const IgnType *type, const IgnField *f)
{
    bool objects = f->kind == IGN_KIND_OBJECT || f->kind == IGN_KIND_OBJECTS;
    assert_true(f->since >= IGN_2_0 && f->since <= f->until && f->until <= IGN_3_7_EXP);
    assert_int_equal(objects, f->type != NULL);
    /* The node of the object comes first and no field lies over it. */
    assert_true(f->offset >= sizeof(const Node *));
    assert_true(f->offset + kind_size(f) <= type->size);
    /* Entries of lists that merge by key have one. */
    if (f->kind == IGN_KIND_OBJECTS)
        assert_non_null(f->type->key);
}

static void check_once(const IgnType *type _unused_, const IgnField *f)
{
    for (const IgnField *g = f + 1; g->name; g++) {
        bool together = f->since <= g->until && g->since <= f->until;
        /* In one version a name, in any case of its letters, means one field … */
        assert_false(together && strcasecmp(f->name, g->name) == 0);
        /* … and a place in the C type belongs to one name. */
        assert_false(f->offset == g->offset && strcmp(f->name, g->name) != 0);
    }
}

static void rows_are_sound(void **state)
{
    (void)state;
    each_field(&ign_config_type, check_row);
}

static void names_mean_one_field(void **state)
{
    (void)state;
    each_field(&ign_config_type, check_once);
}

static void fields_are_found_by_version(void **state)
{
    (void)state;
    const IgnField *then = ign_field_find(&ign_file_type, "append", IGN_2_2);
    const IgnField *now = ign_field_find(&ign_file_type, "append", IGN_3_0);
    assert_int_equal(then->kind, IGN_KIND_BOOL);
    assert_int_equal(now->kind, IGN_KIND_OBJECTS);
    assert_null(ign_field_find(&ign_file_type, "append", IGN_2_1));
    assert_null(ign_field_find(&ign_file_type, "Append", IGN_3_0));
    assert_ptr_equal(ign_field_find_nocase(&ign_file_type, "APPEND", IGN_3_0), now);
    assert_null(ign_field_find(&ign_storage_type, "luks", IGN_3_1));
    assert_non_null(ign_field_find(&ign_storage_type, "luks", IGN_3_2));
}

static void partition_keys(void **state)
{
    (void)state;
    char buf[64];
    IgnPartition p = {.label = "x", .number = {true, 7}};
    assert_string_equal(ign_partition_type.key(&p, buf, sizeof(buf)), "number:7");
    p.number.value = 0;
    assert_string_equal(ign_partition_type.key(&p, buf, sizeof(buf)), "label:x");
    p.label = NULL;
    assert_string_equal(ign_partition_type.key(&p, buf, sizeof(buf)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(names_mean_one_field),
        cmocka_unit_test(fields_are_found_by_version),
        cmocka_unit_test(partition_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
