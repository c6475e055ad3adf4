/* The channel's protocol against a hypervisor of its own: what goes out arrives whole, what comes in is
 * whole, and every step may be refused. */
#include "../scratch.h"

#include "provision/guest_backdoor.h"

enum { CHANNEL = 7, COOKIE_HIGH = 0x1234, COOKIE_LOW = 0x5678 };
enum { OPEN, SEND_SIZE, SEND_PAYLOAD, RECEIVE_SIZE, RECEIVE_PAYLOAD, RECEIVE_STATUS, CLOSE };
enum { SUCCESS = 1 << 16, MORE = 2 << 16, CHECKPOINT = 0x10 << 16 };

static struct Host {
    Buf request;
    size_t expected, sent;
    const char *answer;
    size_t answer_len;
    bool no_cookie;       /* an old one, that opens only without */
    int refuse;           /* this message type; -1: none */
    unsigned checkpoints; /* so many payloads are interrupted */
    uint32_t claims;      /* the answer's size, when it is not true */
    unsigned opened, closed, acknowledged;
} host;

static void host_call(BackdoorRegisters *r)
{
    uint32_t type = r->c >> 16;

    assert_int_equal(r->c & 0xffff, BACKDOOR_MESSAGE);
    if (type != OPEN) {
        assert_int_equal(r->d >> 16, CHANNEL);
        assert_int_equal(r->si, COOKIE_HIGH);
        assert_int_equal(r->di, COOKIE_LOW);
    }
    r->c = SUCCESS;
    if ((int)type == host.refuse || (type == OPEN && host.no_cookie && r->b & 0x80000000U)) {
        r->c = 0;
        return;
    }
    switch (type) {
    case OPEN:
        assert_int_equal(r->b & 0x7fffffff, 0x49435052);
        *r = (BackdoorRegisters){.c = SUCCESS, .d = CHANNEL << 16, .si = COOKIE_HIGH, .di = COOKIE_LOW};
        host.opened++;
        break;
    case SEND_SIZE:
        host.expected = r->b;
        break;
    case SEND_PAYLOAD: {
        size_t left = host.expected - host.request.len;
        buf_add(&host.request, &r->b, left < 4 ? left : 4);
        break;
    }
    case RECEIVE_SIZE:
        assert_int_equal(host.request.len, host.expected);
        host.sent = 0;
        r->b = host.claims ? host.claims : (uint32_t)host.answer_len;
        r->c = SUCCESS | MORE;
        r->d = SEND_SIZE << 16;
        break;
    case RECEIVE_PAYLOAD:
        if (host.checkpoints > 0) {
            host.checkpoints--;
            r->c = CHECKPOINT;
            break;
        }
        r->b = 0xaaaaaaaa; /* what is behind the end */
        memcpy(&r->b, host.answer + host.sent,
               host.answer_len - host.sent < 4 ? host.answer_len - host.sent : 4);
        host.sent += 4;
        r->d = SEND_PAYLOAD << 16;
        break;
    case RECEIVE_STATUS:
        host.acknowledged++;
        break;
    case CLOSE:
        host.closed++;
        break;
    default:
        fail();
    }
}

static int ask(const char *request, const char *answer, const struct Host *how, Buf *got, Error *e)
{
    buf_done(&host.request);
    host = *how;
    host.answer = answer;
    host.answer_len = strlen(answer);
    return backdoor_rpc(host_call, request, strlen(request), got, e);
}

static void test_whole(void **state)
{
    (void)state;
    static const struct Host hosts[] = {
        {.refuse = -1}, {.refuse = -1, .no_cookie = true}, {.refuse = -1, .checkpoints = 3}};
    static const char text[] = "1 abcdefghijk";

    for (size_t h = 0; h < ELEMENTS(hosts); h++)
        for (size_t n = 0; n < sizeof(text); n++) {
            _cleanup_buf_ Buf got = BUF_INIT;
            char answer[sizeof(text)];
            Error e = ERROR_INIT;
            snprintf(answer, sizeof(answer), "%.*s", (int)n, text);
            buf_add_str(&got, "what was there");
            assert_int_equal(ask(text + n, answer, &hosts[h], &got, &e), 0);
            assert_int_equal(got.len, n);
            assert_memory_equal(got.data, answer, n);
            assert_int_equal(host.request.len, strlen(text + n));
            assert_memory_equal(host.request.data ? host.request.data : "", text + n, host.request.len);
            assert_int_equal(host.opened, 1);
            assert_int_equal(host.closed, 1);
            assert_int_equal(host.acknowledged, 1);
        }
}

static void test_refused(void **state)
{
    (void)state;
    for (int type = OPEN; type <= RECEIVE_PAYLOAD; type++) {
        _cleanup_buf_ Buf got = BUF_INIT;
        Error e = ERROR_INIT;
        assert_int_equal(ask("info-get x", "1 value", &(struct Host){.refuse = type}, &got, &e), -EIO);
        assert_non_null(strstr(e.text, "hypervisor"));
        assert_int_equal(host.closed, type == OPEN ? 0 : 1);
    }
}

static void test_limits(void **state)
{
    (void)state;
    _cleanup_buf_ Buf got = BUF_INIT;
    Error e = ERROR_INIT;

    assert_int_equal(ask("a", "b", &(struct Host){.refuse = -1, .claims = UINT32_MAX}, &got, &e), -EFBIG);
    assert_int_equal(host.closed, 1);
    assert_int_equal(ask("a", "b", &(struct Host){.refuse = -1, .checkpoints = 1000}, &got, &e), -EAGAIN);
    assert_int_equal(host.closed, 1);
    buf_done(&host.request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
