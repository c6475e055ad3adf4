/* Physical volumes that LVM wrote, whole, torn and turned around in their ring. */
#include "../scratch.h"

#include <sys/mman.h>

#include "system/lvm_device.h"

enum { AREA = 4096, HEADER = 512, MIB = 1 << 20 };

static const char *corpus;

static void load(const char *name, Buf *ret)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", corpus, name);
    assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 16, ret, NULL), 0);
}

static int device_read(Arena *a, const Buf *b, LvmFacts *ret)
{
    _cleanup_close_ int fd = memfd_create("device", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(file_write_fd(fd, b->data, b->len), 0);
    assert_int_equal(ftruncate(fd, 96 * MIB), 0);
    return lvm_device_read(a, fd, 96 * MIB, ret, NULL);
}

static void expect_volume(const LvmFacts *f, size_t i, const char *name, uint64_t extents, uint64_t round)
{
    assert_string_equal(f->volumes[i].name, name);
    assert_int_equal(f->volumes[i].size, extents * 4 * MIB);
    assert_int_equal(f->volumes[i].granularity, round * 4 * MIB);
}

static void expect_group(const LvmFacts *f)
{
    assert_string_equal(f->group, "vg");
    assert_string_equal(f->group_uuid, "6asAdU-vsYP-ZMuh-idyl-QdRl-B25k-e7JPwV");
    assert_int_equal(f->group_devices, 2);
    assert_int_equal(f->extent_size, 4 * MIB);
    assert_int_equal(f->seqno, 13);
    assert_int_equal(f->n_volumes, 5);
    expect_volume(f, 0, "one1", 5, 1);
    expect_volume(f, 1, "one3", 2, 1);
    expect_volume(f, 2, "two", 3, 2);
    expect_volume(f, 3, "three", 4, 2);
    expect_volume(f, 4, "pool", 3, 1);
    assert_string_equal(f->volumes[0].tags[0], "b");
    assert_null(f->volumes[0].tags[1]);
    assert_string_equal(f->volumes[1].tags[0], "basalt_unfinished");
    assert_null(f->volumes[2].tags[0]);
}

static void groups_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *file, *uuid;
    } rows[] = {{"group-1", "pV0mNz-MlSz-2r6W-sZ4r-eCnF-NC21-VZ8eBg"},
                {"group-2", "2q1wwh-4HnQ-CPAS-DSY7-0HFr-5jjX-Y3boyB"}};
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_buf_ Buf b = BUF_INIT;
        LvmFacts f = {0};
        load(rows[i].file, &b);
        assert_int_equal(device_read(a, &b, &f), 1);
        assert_string_equal(f.pv_uuid, rows[i].uuid);
        expect_group(&f);
    }
}

static void a_volume_without_a_group(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    LvmFacts f = {0};
    load("no-group", &b);
    assert_int_equal(device_read(a, &b, &f), 1);
    assert_non_null(f.pv_uuid);
    assert_null(f.group);
    b.data[512 + 32] ^= 1; /* the checksum of the label covers its UUID */
    assert_int_equal(device_read(a, &b, &f), 0);
    memset(b.data, 0, b.len);
    assert_int_equal(device_read(a, &b, &f), 0);
}

static void torn_metadata_is_none(void **state)
{
    (void)state;
    static const size_t places[] = {AREA + 8, AREA + 41, AREA + HEADER, AREA + HEADER + 100};
    for (size_t i = 0; i < ELEMENTS(places); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_buf_ Buf b = BUF_INIT;
        LvmFacts f = {0};
        load("group-1", &b);
        b.data[places[i]] ^= 1;
        assert_int_equal(device_read(a, &b, &f), 1);
        assert_null(f.group);
    }
}

static uint32_t crc(const char *p, size_t n)
{
    uint32_t c = 0xf597a6cf;
    for (size_t i = 0; i < n; i++) {
        c ^= (uint8_t)p[i];
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
    }
    return c;
}

/* The text begins shortly before the end of the ring and goes on behind its header. */
static void a_text_goes_round_in_its_ring(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    LvmFacts f = {0};
    uint64_t ring, n, from;
    load("group-1", &b);
    memcpy(&ring, b.data + AREA + 32, 8);
    memcpy(&n, b.data + AREA + 48, 8);
    from = ring - 1000;
    buf_reserve(&b, AREA + ring - b.len + 1);
    memset(b.data + b.len, 0, AREA + ring - b.len);
    b.len = AREA + ring;
    memcpy(b.data + AREA + from, b.data + AREA + HEADER, 1000);
    memmove(b.data + AREA + HEADER, b.data + AREA + HEADER + 1000, n - 1000);
    memcpy(b.data + AREA + 40, &from, 8);
    uint32_t sum = crc(b.data + AREA + 4, HEADER - 4);
    memcpy(b.data + AREA, &sum, 4);
    assert_int_equal(device_read(a, &b, &f), 1);
    expect_group(&f);
}

static int parse(Arena *a, const char *text, LvmFacts *ret)
{
    *ret = (LvmFacts){0};
    return lvm_metadata_parse(a, text, strlen(text), ret);
}

static void texts(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    LvmFacts f;
    assert_int_equal(parse(a, "g { id = \"x\" }", &f), 0);
    assert_int_equal(f.n_volumes, 0);
    assert_int_equal(
        parse(a,
              "a = \"\\\"}\" # }\ng {id=\"x\" l=[1,\"y\"] logical_volumes { v {status=[\"VISIBLE\"] "
              "segment1 { extent_count = 99999999999999999 } } h { status = [] } v_rmeta_0 {"
              "status=[\"VISIBLE\"]} } extent_size = 9223372036854775807 }",
              &f),
        0);
    assert_int_equal(f.n_volumes, 1);
    static const char *const refused[] = {
        "",
        "g {",
        "g { id = \"x }",
        "g { }",
        "g { id = 1 }",
        "a = 1",
        "g { id = [\"x\" }",
        "}",
        "g { id = \"x\" } }",
        "a{b{c{d{e{f{g{h{i{j{ }}}}}}}}}}",
        "g { = }",
        "g { id }",
    };
    for (size_t i = 0; i < ELEMENTS(refused); i++)
        assert_int_equal(parse(a, refused[i], &f), -EINVAL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_read),
        cmocka_unit_test(a_volume_without_a_group),
        cmocka_unit_test(torn_metadata_is_none),
        cmocka_unit_test(a_text_goes_round_in_its_ring),
        cmocka_unit_test(texts),
    };
    if (argc != 2)
        return 2;
    corpus = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
