/* Configs of tens of thousands of entries are real: time must grow with their size, not with its square. Four
 * times the entries may take nine times as long (caches and noise included); pairwise work would take
 * sixteen. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/validate.h"

enum { SMALL = 4000, LARGE = 4 * SMALL, TRIES = 3, FACTOR_MAX = 9 };

static void add_list(Buf *b, const char *name, size_t n, const char *format)
{
    buf_addf(b, "\"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, "%s", i ? ",\n" : "");
        buf_addf(b, format, (int)i, (int)i);
    }
    buf_add_str(b, "]");
}

/* Much of everything, half of it wrong, so that finding positions and sorting the report count too. */
static void make_config(Buf *b, size_t n)
{
    buf_add_str(b, "{\"ignition\": {\"version\": \"3.3.0\"},\n\"storage\": {");
    add_list(b, "files", n, "{\"path\": \"/l%d/x/f%d\", \"mode\": 9999, \"unknown\": 1}");
    buf_add_str(b, ",\n");
    add_list(b, "links", n, "{\"path\": \"/l%d\", \"target\": \"t%d\"}");
    buf_add_str(b, ",\n\"disks\": [{\"device\": \"/dev/vda\", ");
    add_list(b, "partitions", n, "{\"number\": 1%d, \"startMiB\": 1%d, \"sizeMiB\": 2}");
    buf_add_str(b, "}]},\n\"systemd\": {");
    add_list(b, "units", n,
             "{\"name\": \"a@%d.service\", \"enabled\": true, \"contents\": \"[Unit]\\nA=%d\"}");
    buf_add_str(b, "},\n\"kernelArguments\": {");
    add_list(b, "shouldExist", n, "\"a%d=%d\"");
    buf_add_str(b, "}}");
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double time_of(void (*work)(size_t n), size_t n)
{
    double best = 1e9;
    for (int i = 0; i < TRIES; i++) {
        double start = cpu_seconds();
        work(n);
        double took = cpu_seconds() - start;
        best = took < best ? took : best;
    }
    return best;
}

static void parse_and_report(size_t n)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf b = BUF_INIT;
    make_config(&b, n);
    Source source = {.name = "large", .text = b.data, .len = b.len};
    IgnConfig *c;
    assert_int_equal(ign_config_parse(a, &source, IGN_PARSE_STRICT, &c, &r), -EINVAL);
    assert_true(r.errors > n && r.warnings >= n);
    report_sort(&r);
}

static void merge_and_validate(size_t n)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    IgnConfig *parent = ign_config_empty(a), *child = ign_config_empty(a);
    IgnFile *files = ARENA_ARRAY(a, IgnFile, n), *more = ARENA_ARRAY(a, IgnFile, n);
    for (size_t i = 0; i < n; i++) {
        files[i].base.path = arena_printf(a, "/f%zu", i);
        more[i].base.path = arena_printf(a, "/f%zu", i + n / 2);
    }
    parent->storage.files = (IgnList){.items = files, .n = n};
    child->storage.files = (IgnList){.items = more, .n = n};
    const IgnConfig *merged = ign_config_merge(a, parent, child);
    assert_int_equal(merged->storage.files.n, n + n / 2);
    ign_config_validate(merged, NULL, &r);
    assert_int_equal(r.n, 0);
}

static void reading_is_linear(void **state)
{
    (void)state;
    assert_true(time_of(parse_and_report, LARGE) < FACTOR_MAX * time_of(parse_and_report, SMALL));
}

static void merging_is_linear(void **state)
{
    (void)state;
    assert_true(time_of(merge_and_validate, LARGE) < FACTOR_MAX * time_of(merge_and_validate, SMALL));
}

int main(void)
{
    /* Memory that was given back to the kernel comes anew page by page: a cost of its own, of large sizes
     * only. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    const struct CMUnitTest tests[] = {cmocka_unit_test(reading_is_linear),
                                       cmocka_unit_test(merging_is_linear)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
