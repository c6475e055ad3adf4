/* Planning and running by kinds of items that only remember what was asked of them: this program brings its
 * own table of kinds, and a machine whose devices are a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "provision/storage_run.h"

/* Arrays stand for anything that is made of devices and gives one; what they do stands in their level. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static const char *made[64];
static size_t n_made, running, most_running, meet;

static const IgnList *fake_objects(const IgnStorage *s)
{
    return &s->raid;
}

static void fake_describe(StorageItem *item)
{
    const IgnRaid *r = item->object;
    item->name = arena_printf(item->arena, "thing %s", r->name);
    for (size_t i = 0; i < r->devices.n; i++)
        string_list_add(&item->needs, IGN_STRING_AT(r->devices, i));
    string_list_add(&item->gives, arena_printf(item->arena, "/dev/md/%s", r->name));
}

static bool level_is(const IgnRaid *r, const char *level)
{
    return r->level && strcmp(r->level, level) == 0;
}

static void fake_plan(const StorageContext *c, StorageItem *item)
{
    const IgnRaid *r = item->object;
    (void)c;
    if (level_is(r, "refuse") || (level_is(r, "refuse-late") && item->facts[0].exists))
        storage_refuse(item, NULL, "%s is refused", r->name);
    storage_change_add(item, (StorageChange){.verb = level_is(r, "keep")       ? STORAGE_KEEP
                                                     : level_is(r, "recreate") ? STORAGE_RECREATE
                                                                               : STORAGE_CREATE,
                                             .object = item->facts[0].exists ? "there" : "blank"});
}

static int fake_apply(StorageContext *c, StorageItem *item, Error *e)
{
    const IgnRaid *r = item->object;
    (void)c;
    pthread_mutex_lock(&lock);
    running++;
    most_running = running > most_running ? running : most_running;
    pthread_cond_broadcast(&changed);
    while (running < meet && most_running < meet)
        pthread_cond_wait(&changed, &lock);
    made[n_made++] = r->name;
    running--;
    pthread_mutex_unlock(&lock);
    return level_is(r, "fail") ? error_set(e, EIO, "%s broke", r->name) : 0;
}

static const StorageKind fake = {
    .name = "thing",
    .section = "storage.raid",
    .objects = fake_objects,
    .object_size = sizeof(IgnRaid),
    .describe = fake_describe,
    .plan = fake_plan,
    .apply = fake_apply,
};
const StorageKind *const storage_kinds[] = {&fake, NULL};

/* Whatever begins with /dev/there is there, and what was made. */
static int fake_look(void *context, Arena *a, const char *path, unsigned what, DeviceFacts *ret, Error *e)
{
    (void)context;
    (void)what;
    (void)e;
    bool there = !strncmp(path, "/dev/there", 10);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_made; i++)
        there |= !strcmp(path, arena_printf(a, "/dev/md/%s", made[i]));
    pthread_mutex_unlock(&lock);
    *ret = (DeviceFacts){.path = path, .real = arena_strdup(a, path), .exists = there};
    if (!strcmp(path, "/dev/broken"))
        return error_set(e, EIO, "it cannot be read");
    return 0;
}

/* Nothing is waited for that is not a device of the machine: names here are never resolved by it. */
int device_wait(Arena *a, const char *path, unsigned timeout_sec, const char **ret, Error *e);
int device_wait(Arena *a, const char *path, unsigned timeout_sec, const char **ret, Error *e)
{
    (void)timeout_sec;
    if (!strncmp(path, "/dev/never", 10))
        return error_set(e, ETIMEDOUT, "%s did not come", path);
    *ret = arena_strdup(a, !strcmp(path, "/dev/md/alias") ? "/dev/there1" : path);
    return 0;
}
int device_settle(Error *e);
int device_settle(Error *e)
{
    (void)e;
    return 0;
}
int device_retrigger(const char *device, Error *e);
int device_retrigger(const char *device, Error *e)
{
    (void)device;
    (void)e;
    return 0;
}

#define THING(thing_name, thing_level, device)                                                               \
    ((IgnRaid){.name = thing_name, .level = thing_level, .devices = {(const char *[]){device}, 1, NULL}})

static int run_things(IgnRaid *things, size_t n, Report *report, Error *e)
{
    static const Inspector inspector = {fake_look, NULL};
    IgnConfig config = {.storage.raid = {things, n, NULL}};
    StorageContext c = {.config = &config, .inspector = &inspector};
    storage_context_init(&c);
    n_made = running = most_running = 0;
    return storage_run(&c, report, e);
}
#define RUN(things, e)                                                                                       \
    _cleanup_arena_ Arena *arena = arena_new();                                                              \
    _cleanup_report_ Report report = REPORT_INIT(arena);                                                     \
    int r = run_things(things, ELEMENTS(things), &report, e)

static void test_chain(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("c", NULL, "/dev/md/b"), THING("b", NULL, "/dev/md/a"),
                        THING("a", NULL, "/dev/there")};
    RUN(things, &e);
    assert_int_equal(r, 0);
    assert_int_equal(n_made, 3);
    assert_string_equal(made[0], "a");
    assert_string_equal(made[1], "b");
    assert_string_equal(made[2], "c");
    assert_int_equal(most_running, 1);
}

/* Each waits until all four are there. */
static void test_at_the_same_time(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    IgnRaid things[] = {THING("a", NULL, "/dev/there1"), THING("b", NULL, "/dev/there2"),
                        THING("c", NULL, "/dev/there3"), THING("d", NULL, "/dev/there4")};
    meet = 4;
    RUN(things, &e);
    assert_int_equal(r, 0);
    assert_int_equal(most_running, 4);
}

static void test_refusals_come_first(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("a", NULL, "/dev/there1"), THING("b", "refuse", "/dev/there2"),
                        THING("c", "refuse", "/dev/there3")};
    RUN(things, &e);
    assert_int_equal(r, -EPERM);
    assert_int_equal(n_made, 0);
    assert_int_equal(report.errors, 2);
    assert_string_equal(report.entries[0].path, "$.storage.raid.1");
    assert_non_null(strstr(e.text, "b is refused (and 1 more refusals; nothing was changed)"));
}

static void test_kept_is_not_made(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("a", "keep", "/dev/there1"), THING("b", "keep", "/dev/there2")};
    RUN(things, &e);
    assert_int_equal(r, 0);
    assert_int_equal(n_made, 0);
}

static void test_failure_ends_it(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("a", "fail", "/dev/there1"), THING("b", NULL, "/dev/md/a"),
                        THING("c", NULL, "/dev/md/b")};
    RUN(things, &e);
    assert_int_equal(r, -EIO);
    assert_string_equal(e.text, "thing a: a broke");
    assert_int_equal(n_made, 1);
}

static void test_both_failures_are_told(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    IgnRaid things[] = {THING("a", "fail", "/dev/there1"), THING("b", "fail", "/dev/there2")};
    meet = 2;
    RUN(things, &e);
    assert_int_equal(r, -EIO);
    assert_non_null(strstr(e.text, " broke"));
    assert_int_equal(n_made, 2);
}

/* What comes after something that is made anew takes its device as blank; what comes after something that
 * only adds looks at what is there. */
static void test_blank_after_recreating(void **state)
{
    (void)state;
    static const Inspector inspector = {fake_look, NULL};
    IgnRaid things[] = {THING("a", "recreate", "/dev/there1"), THING("there", NULL, "/dev/there2"),
                        THING("b", NULL, "/dev/md/a"), THING("c", "keep", "/dev/there3")};
    IgnConfig config = {.storage.raid = {things, ELEMENTS(things), NULL}};
    StorageContext c = {.config = &config, .inspector = &inspector};
    _cleanup_arena_ Arena *arena = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(arena);
    StorageItem *items;
    size_t n;
    storage_context_init(&c);
    assert_int_equal(storage_plan(&c, &items, &n, &report, NULL), 0);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        const IgnRaid *object = items[i].object;
        assert_string_equal(items[i].changes.items[0].object, strcmp(object->name, "b") ? "there" : "blank");
    }
    storage_items_free(items, n);
}

static void test_refused_when_it_is_there(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("a", "recreate", "/dev/there1"), THING("b", "refuse-late", "/dev/md/a")};
    RUN(things, &e);
    assert_int_equal(r, -EPERM);
    assert_int_equal(n_made, 1);
    assert_int_equal(report.errors, 1);
    assert_string_equal(report.entries[0].path, "$.storage.raid.1");
    assert_string_equal(e.text, "thing b: b is refused");
}

/* By different names two items come to one device, and neither gives it to the other. */
static void test_device_of_two(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("alias", NULL, "/dev/there2"), THING("one", NULL, "/dev/there1"),
                        THING("two", NULL, "/dev/md/alias")};
    RUN(things, &e);
    assert_int_equal(r, -EBUSY);
    assert_non_null(strstr(e.text, "/dev/there1 is used by thing "));
}

static void test_never_there(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("a", NULL, "/dev/there1"), THING("b", NULL, "/dev/never")};
    RUN(things, &e);
    assert_int_equal(r, -ETIMEDOUT);
    assert_int_equal(n_made, 0);
    assert_string_equal(e.text, "thing b: /dev/never did not come");
}

static void test_cannot_look(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("a", NULL, "/dev/broken")};
    RUN(things, &e);
    assert_int_equal(r, -EIO);
    assert_string_equal(e.text, "thing a: it cannot be read");
}

static void test_cycle(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    meet = 0;
    IgnRaid things[] = {THING("a", NULL, "/dev/md/b"), THING("b", NULL, "/dev/md/a")};
    RUN(things, &e);
    assert_int_equal(r, -EPERM);
    assert_string_equal(e.text, "these wait for each other: thing a needs thing b, which needs thing a");
}

static void test_nothing(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    _cleanup_arena_ Arena *arena = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(arena);
    assert_int_equal(run_things(NULL, 0, &report, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_at_the_same_time),
        cmocka_unit_test(test_refusals_come_first),
        cmocka_unit_test(test_kept_is_not_made),
        cmocka_unit_test(test_failure_ends_it),
        cmocka_unit_test(test_both_failures_are_told),
        cmocka_unit_test(test_blank_after_recreating),
        cmocka_unit_test(test_refused_when_it_is_there),
        cmocka_unit_test(test_device_of_two),
        cmocka_unit_test(test_never_there),
        cmocka_unit_test(test_cannot_look),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
