/* dpkg's status as it is written, as nobody should write it, and what changed between two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "update/package_diff.h"

#define HERE "Status: install ok installed\n"

static void list_text(const PackageList *l, Buf *out)
{
    buf_add(out, "", 0);
    for (size_t i = 0; i < l->n; i++)
        buf_addf(out, "%s:%s=%s(%s) ", l->packages[i].name, l->packages[i].architecture,
                 l->packages[i].version, l->packages[i].status);
}

static void test_reading(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"\n\n \t\n", ""},
        {"Package: b\n" HERE "Architecture: amd64\nVersion: 1-1\n\nPackage: a\nStatus: install ok unpacked\n"
         "Version: 2\n",
         "a:=2(unpacked) b:amd64=1-1(installed) "},
        {"package:a\nSTATUS: hold ok half-configured\nvErsion:\t 1 \nDescription: x\n continues: here\n .\n"
         "\tand: here\nConffiles:\n /etc/x 0123\n\n\n",
         "a:=1(half-configured) "},
        {"Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: b\nStatus: unknown ok "
         "not-installed\n\nPackage: c\nVersion: 1\n",
         ""},
        {"Package: a\r\n" HERE "Version: 1\r\n\r\nPackage: a2\n" HERE "Version: 1",
         "a:=1(installed) a2:=1(installed) "},
        {"Package: a\n" HERE "Architecture: i386\nVersion: 1\n\nPackage: a\n" HERE
         "Architecture: amd64\nVersion: 1\n",
         "a:amd64=1(installed) a:i386=1(installed) "},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_buf_ Buf told = BUF_INIT;
        Error e = ERROR_INIT;
        PackageList l;
        if (package_list_read(a, rows[i][0], strlen(rows[i][0]), &l, &e) < 0)
            fail_msg("%zu: %s", i, e.text);
        list_text(&l, &told);
        assert_string_equal(told.data ? told.data : "", rows[i][1]);
    }
}

static void test_should_fail(void **state)
{
    static const char *const rows[][2] = {
        {"Package a\n", "line 1: neither"},
        {": a\n", "line 1: neither"},
        {" goes on\n", "line 1: the continuation"},
        {"Package: a\n\n goes on\n", "line 3: the continuation"},
        {"Package: a\nPackage: b\n", "line 2: a field stands twice"},
        {"Package: a\npackage: b\n", "line 2: a field stands twice"},
        {"Pack age: a\n", "line 1: the name of a field"},
        {"P\xc3\xa4"
         "ckage: a\n",
         "line 1: the name of a field"},
        {HERE "Version: 1\n\n", "line 3: a package without a name"},
        {"Package: a\n" HERE, "line 2: an installed package without a version"},
        {"Package: a b\n" HERE "Version: 1\n", "not one word"},
        {"Package: a\n" HERE "Version: 1 2\n", "not one word"},
        {"Package: a\n" HERE "Version: 1\x1b[0m\n", "not one word"},
        {"Package: a\n" HERE "Version: 1\n\nPackage: a\n" HERE "Version: 2\n", "package a twice"},
    };
    static const char nul[] = "Package: a\nVersion: \0\n";

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows) + 1; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        const char *text = i < ELEMENTS(rows) ? rows[i][0] : nul;
        Error e = ERROR_INIT;
        PackageList l;
        assert_int_equal(
            package_list_read(a, text, i < ELEMENTS(rows) ? strlen(text) : sizeof(nul) - 1, &l, &e),
            -EBADMSG);
        if (!strstr(e.text, i < ELEMENTS(rows) ? rows[i][1] : "line 2: a NUL"))
            fail_msg("%zu: %s", i, e.text);
    }
}

static void test_comparing(void **state)
{
    static const Package old[] = {{"gone", "1", "all", ""},    {"kept", "1", "all", ""},
                                  {"lower", "2", "all", ""},   {"moved", "1", "all", ""},
                                  {"multi", "1", "amd64", ""}, {"multi", "1", "i386", ""},
                                  {"raised", "9", "all", ""},  {"spelled", "1.0", "all", ""}},
                         new[] = {{"fresh", "1", "all", ""},     {"kept", "1", "all", ""},
                                  {"lower", "2~rc1", "all", ""}, {"moved", "2", "amd64", ""},
                                  {"multi", "2", "amd64", ""},   {"multi", "1", "arm64", ""},
                                  {"raised", "10", "all", ""},   {"spelled", "1.00", "all", ""}};
    static const char wanted[] = "0 fresh:all - 1;1 gone:all 1 -;3 lower:all 2 2~rc1;2 moved:amd64 1 2;"
                                 "2 multi:amd64 1 2;0 multi:arm64 - 1;1 multi:i386 1 -;2 raised:all 9 10;";
    PackageList from = {(Package *)(uintptr_t)old, ELEMENTS(old)},
                to = {(Package *)(uintptr_t) new, ELEMENTS(new)};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf told = BUF_INIT;
    PackageDiff d;

    (void)state;
    package_lists_compare(a, &from, &to, &d);
    for (size_t i = 0; i < d.n; i++)
        buf_addf(&told, "%d %s:%s %s %s;", d.changes[i].kind, d.changes[i].name, d.changes[i].architecture,
                 d.changes[i].from ? d.changes[i].from : "-", d.changes[i].to ? d.changes[i].to : "-");
    assert_string_equal(told.data, wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading), cmocka_unit_test(test_should_fail),
                                       cmocka_unit_test(test_comparing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
