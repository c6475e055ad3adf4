/* base64 against RFC 4648's own vectors, every length and every byte; URLs against the texts of Ignition's
 * parser. */
#include "../scratch.h"

#include "format/data_url.h"

static void expect_bytes(const char *url, const char *bytes, size_t n)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    Error e = ERROR_INIT;
    buf_add_str(&out, "kept ");
    if (data_url_decode(url, &out, &e) < 0)
        fail_msg("%s: %s", url, e.text);
    assert_int_equal(data_url_check(url, &e), 0);
    assert_int_equal(out.len, 5 + n);
    assert_memory_equal(out.data, "kept ", 5);
    assert_memory_equal(out.data + 5, bytes, n);
    assert_int_equal(out.data[out.len], '\0');
}
#define EXPECT(url, text) expect_bytes(url, text, sizeof(text) - 1)

static void test_decode(void **state)
{
    (void)state;
    EXPECT("data:,", "");
    EXPECT("data:,hello%20world%0a", "hello world\n");
    EXPECT("data:,%00%fF%25", "\0\xff%");
    EXPECT("data:,a?b&c=d,e;f", "a?b&c=d,e;f");
    EXPECT("data:,é", "é");
    EXPECT("data:;base64,", "");
    EXPECT("data:text/plain;charset=utf-8;base64,aGVsbG8=", "hello");
    EXPECT("data:;x=\"a,\\\"b\";base64,YWI=", "ab");
    EXPECT("data:x-a/b,c", "c");
    EXPECT("data:;base64,YR==", "a"); /* loose bits */
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *url, *text;
    } rows[] = {
        {"http://x/", "missing data prefix"},
        {"DATA:,x", "missing data prefix"},
        {"data:", "missing comma before data"},
        {"data:/x,y", "invalid character after data prefix"},
        {"data:text", "missing media type slash"},
        {"data:text;x=y,", "invalid character for media type"},
        {"data:font/woff,", "invalid media type"},
        {"data:text/", "incomplete media type"},
        {"data:text/a b,", "invalid character for media subtype"},
        {"data:;,", "unterminated parameter sequence"},
        {"data:;base64;x=y,", "invalid character for parameter attribute"},
        {"data:;base46,", "expected base64, got base46"},
        {"data:;x=,", "invalid character for parameter value"},
        {"data:;x=\"a", "unclosed quoted string"},
        {"data:;x=\"a\"b,", "expected semicolon or comma"},
        {"data:;x=y", "missing comma before data"},
        {"data:,a b", "invalid data character"},
        {"data:,a#b", "invalid data character"},
        {"data:,%", "rfc2396: unexpected end of unescape sequence"},
        {"data:,%a", "rfc2396: unexpected end of unescape sequence"},
        {"data:,%zz", "rfc2396: invalid char 0x25 in unescape sequence"},
        {"data:;base64,YQ =", "invalid data character"},
        {"data:;base64,-_==", "invalid data character"},
        {"data:;base64,YQ", "illegal base64 data at input byte 0"},
        {"data:;base64,YWJjY", "illegal base64 data at input byte 4"},
        {"data:;base64,Y===", "illegal base64 data at input byte 1"},
        {"data:;base64,YQ==YQ==", "illegal base64 data at input byte 4"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buf_ Buf out = BUF_INIT;
        Error e = ERROR_INIT;
        assert_int_equal(data_url_decode(rows[i].url, &out, &e), -EINVAL);
        assert_string_equal(e.text, rows[i].text);
        assert_int_equal(out.len, 0);
        e = (Error)ERROR_INIT;
        assert_int_equal(data_url_check(rows[i].url, &e), -EINVAL);
        assert_string_equal(e.text, rows[i].text);
    }
}

/* Long data is looked at many characters together: each of them at each place, before and behind an end. */
static void test_every_byte_at_every_place(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n++)
        for (size_t at = 0; at < n; at++)
            for (int c = 1; c < 256; c++) {
                char url[64] = "data:,";
                memset(url + 6, 'f', n);
                url[6 + at] = (char)c;
                bool refused =
                    c <= ' ' || c == 0x7f || strchr("\"#<>[\\]^`{|}", c) || (c == '%' && at + 2 >= n);
                assert_int_equal(data_url_check(url, NULL), refused ? -EINVAL : 0);
                if (c == '%' && !refused) {
                    url[6 + at + 2] = 'g';
                    assert_int_equal(data_url_check(url, NULL), -EINVAL);
                }
            }
}

static void test_vectors(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buf_ Buf text = BUF_INIT, bytes = BUF_INIT;
        base64_encode(rows[i][0], strlen(rows[i][0]), &text);
        assert_string_equal(text.data, rows[i][1]);
        assert_int_equal(base64_decode(text.data, text.len, &bytes), 0);
        assert_string_equal(bytes.data, rows[i][0]);
    }
}

static void test_every_byte_is_a_letter_or_refused(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < 8; at++) {
            _cleanup_buf_ Buf out = BUF_INIT;
            char text[9] = "AAAAAAAA";
            text[at] = (char)c;
            bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '+' || c == '/';
            assert_int_equal(base64_decode(text, 8, &out), letter || (c == '=' && at == 7) ? 0 : -EINVAL);
        }
}

static void test_round_trip(void **state)
{
    (void)state;
    unsigned char data[300];
    for (size_t n = 0; n <= sizeof(data); n++) {
        _cleanup_buf_ Buf url = BUF_INIT, percent = BUF_INIT;
        for (size_t i = 0; i < n; i++)
            data[i] = (unsigned char)(i * 7 + n);
        data_url_encode_base64("text/plain", data, n, &url);
        data_url_encode_percent(data, n, &percent);
        expect_bytes(url.data, (char *)data, n);
        expect_bytes(percent.data, (char *)data, n);
    }
}

static void test_percent_form(void **state)
{
    (void)state;
    _cleanup_buf_ Buf url = BUF_INIT;
    data_url_encode_percent("aZ0-_.!~*'() /\n\xff", 16, &url);
    assert_string_equal(url.data, "data:,aZ0-_.!~*'()%20%2F%0A%FF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_every_byte_is_a_letter_or_refused),
                                       cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_percent_form),
                                       cmocka_unit_test(test_every_byte_at_every_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
