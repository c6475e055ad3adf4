/* What an [Install] section asks for, and what enables a unit on the disk. */
#include "../scratch.h"

#include "daemon/unit_links.h"

static const struct {
    const char *unit, *text, *links; /* links: paths behind the directory of units, or "! " and the message */
} rows[] = {
    {"a.service", "[Install]\nWantedBy=multi-user.target\n", "multi-user.target.wants/a.service"},
    {"a.service", "[Unit]\nWantedBy=not-here.target\n", ""},
    {"a.service", "[Install]\nWantedBy=a.target b.target\nWantedBy=c.target\n",
     "a.target.wants/a.service b.target.wants/a.service c.target.wants/a.service"},
    {"a.service", "[Install]\n  WantedBy = a.target \\\n   b.target\n",
     "a.target.wants/a.service b.target.wants/a.service"},
    {"a.service", "[Install]\nRequiredBy=r.target\nUpheldBy=u.target\nAlias=b.service\n",
     "r.target.requires/a.service u.target.upholds/a.service b.service"},
    {"a.service",
     "[Install]\n#WantedBy=x.target\n;WantedBy=y.target\nWantedBy=z.target\n[Service]\nWantedBy=q.target\n",
     "z.target.wants/a.service"},
    {"a.service", "[Install]\r\nWantedBy=a.target\r\n", "a.target.wants/a.service"},
    {"t@x.service", "[Install]\nWantedBy=%i.target %p.target %N.target %n.d 100%%.target\n",
     "x.target.wants/t@x.service t.target.wants/t@x.service t@x.target.wants/t@x.service "
     "t@x.service.d.wants/t@x.service 100%.target.wants/t@x.service"},
    {"t@.service", "[Install]\nWantedBy=a.target\nDefaultInstance=def\n", "a.target.wants/t@def.service"},
    {"t@.service", "[Install]\nWantedBy=a.target\n", ""},
    {"a.service", "[Install]\nWantedBy=../../etc/x\n",
     "! a.service: the [Install] section has a name that is none: ../../etc/x"},
    {"a.service", "[Install]\nAlias=..\n", "! a.service: the [Install] section has a name that is none: .."},
    {"a.service", "[Install]\nWantedBy=%m.target\n",
     "! a.service: the [Install] section has a specifier that is not known here: %m.target"},
    {"a.service", "[Install]\nWantedBy=x%",
     "! a.service: the [Install] section has a specifier that is not known here: x%"},
    {"a.service", "", ""},
    {"a.service", "[Install", ""},
};

static void test_wanted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        UnitLinks links;
        Error e = ERROR_INIT;
        const char *text = "";
        if (unit_links_wanted(a, rows[i].unit, "/f", rows[i].text, &links, NULL, &e) < 0)
            text = arena_printf(a, "! %s", e.text);
        else
            for (size_t k = 0; k < links.n; k++) {
                text = arena_printf(a, "%s%s%s", text, k ? " " : "",
                                    links.items[k].path + strlen(UNIT_LINKS_DIR "/"));
                assert_string_equal(links.items[k].target, "/f");
            }
        assert_string_equal(text, rows[i].links);
    }
}

static void test_also(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(string_list_done)
    StringList also = {0};
    UnitLinks links;
    assert_int_equal(
        unit_links_wanted(a, "a.service", "/f", "[Install]\nAlso=b.socket c.path\n", &links, &also, NULL), 0);
    assert_int_equal(also.n, 2);
    assert_string_equal(also.items[1], "c.path");
}

static void test_present(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    UnitLinks links;
    scratch_write(&s, "/etc/systemd/system/a.service", "");
    scratch_write(&s, "/etc/systemd/system/x.target.wants/other.service", "");
    scratch_write(&s, "/etc/systemd/system/y.target.requires/z", "");
    assert_int_equal(
        symlinkat("/usr/lib/systemd/system/a.service", s.fd, "etc/systemd/system/x.target.wants/a.service"),
        0);
    assert_int_equal(symlinkat("../a.service", s.fd, "etc/systemd/system/y.target.requires/a.service"), 0);
    assert_int_equal(symlinkat("a.service", s.fd, "etc/systemd/system/alias.service"), 0);
    assert_int_equal(symlinkat("/dev/null", s.fd, "etc/systemd/system/b.service"), 0);
    assert_int_equal(unit_links_present(a, s.fd, UNIT_LINKS_DIR, "a.service", &links, NULL), 0);
    assert_int_equal(links.n, 3);
    assert_string_equal(links.items[0].path, UNIT_LINKS_DIR "/alias.service");
    assert_string_equal(links.items[1].path, UNIT_LINKS_DIR "/x.target.wants/a.service");
    assert_string_equal(links.items[2].path, UNIT_LINKS_DIR "/y.target.requires/a.service");
    assert_int_equal(unit_links_present(a, s.fd, "/none", "a.service", &links, NULL), 0);
    assert_int_equal(links.n, 0);
    scratch_close(&s);
}

static void test_find(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    const char *path, *text;
    scratch_write(&s, "/usr/lib/systemd/system/a.service", "vendor");
    scratch_write(&s, "/usr/lib/systemd/system/t@.service", "template");
    assert_int_equal(unit_file_find(a, s.fd, "a.service", &path, &text, NULL), 1);
    assert_string_equal(text, "vendor");
    assert_int_equal(unit_file_find(a, s.fd, "t@x.service", &path, &text, NULL), 1);
    assert_string_equal(path, "/usr/lib/systemd/system/t@.service");
    scratch_write(&s, "/etc/systemd/system/a.service", "admin");
    assert_int_equal(unit_file_find(a, s.fd, "a.service", &path, &text, NULL), 1);
    assert_string_equal(text, "admin");
    assert_int_equal(unit_file_find(a, s.fd, "none.service", &path, &text, NULL), 0);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_also),
        cmocka_unit_test(test_present),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
