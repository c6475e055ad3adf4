/* What refusals become, and lines of watches. */
#include "../scratch.h"

#include "kube/kube_answer.h"
#include "kube/kube_kind.h"
#include "kube/line_queue.h"

static KubeBytes bytes(const char *s)
{
    return (KubeBytes){s, strlen(s)};
}

static void test_codes(void **state)
{
    (void)state;
    static const struct {
        int code, error;
        const char *reason;
    } rows[] = {
        {404, -ENOENT, "NotFound"},
        {409, -EEXIST, "AlreadyExists"},
        {409, -ESTALE, "Conflict"},
        {409, -ESTALE, ""},
        {401, -EACCES, "Unauthorized"},
        {403, -EACCES, "Forbidden"},
        {400, -EINVAL, "BadRequest"},
        {422, -EINVAL, "Invalid"},
        {410, -ESTALE, "Expired"},
        {429, -EBUSY, "TooManyRequests"},
        {500, -EREMOTEIO, ""},
        {504, -EREMOTEIO, "Timeout"},
        {405, -EPROTO, ""},
        {302, -EPROTO, ""},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Error e = ERROR_INIT;
        KubeStatus s = {.code = rows[i].code, .reason = rows[i].reason, .message = "so"};
        assert_int_equal(kube_status_error(&s, &e), rows[i].error);
        assert_non_null(strstr(e.text, ": so"));
    }
}

static void test_status(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    KubeStatus s;
    kube_status_read(a, 429,
                     bytes("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"reason\":\"TooManyRequests\","
                           "\"message\":\"slow\\ndown\",\"details\":{\"retryAfterSeconds\":3},\"code\":7}"),
                     &s);
    assert_int_equal(s.code, 429);
    assert_string_equal(s.reason, "TooManyRequests");
    assert_string_equal(s.message, "slow down");
    assert_int_equal(s.retry_after_sec, 3);

    kube_status_read(a, 502, bytes("<html>bad gateway</html>"), &s);
    assert_int_equal(s.code, 502);
    assert_string_equal(s.message, "");
    kube_status_read(a, 403, bytes("{\"kind\":\"Pod\",\"message\":\"x\"}"), &s);
    assert_string_equal(s.message, "");
    kube_status_read(a, 403, (KubeBytes){NULL, 0}, &s);
    assert_string_equal(s.reason, "");
}

static void test_objects(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Node *object = NULL;
    Error e = ERROR_INIT;
    assert_int_equal(kube_object_read(a, bytes("{\"kind\":\"Node\",\"apiVersion\":\"v1\"}"), &object, &e), 0);
    assert_string_equal(node_string(node_get(object, "kind")), "Node");
    assert_int_equal(kube_object_read(a, bytes("{\"kind\":\"Node\"}"), &object, &e), -EBADMSG);
    assert_int_equal(kube_object_read(a, bytes("[]"), &object, &e), -EBADMSG);
    assert_int_equal(kube_object_read(a, bytes("{\"secret\":"), &object, &e), -EBADMSG);
    assert_null(strstr(e.text, "secret"));
}

static void test_events(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Error e = ERROR_INIT;
    KubeEvent event;
    static const char expired[] = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
                                  "\"reason\":\"Expired\",\"message\":\"too old\"}}";
    assert_int_equal(
        kube_event_read(a, bytes("{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}"), &event,
                        &e),
        0);
    assert_int_equal(event.kind, KUBE_DELETED);
    assert_string_equal(kube_name(event.object), "x");
    assert_int_equal(kube_event_read(a, bytes("{\"type\":\"BOOKMARK\",\"object\":{}}"), &event, &e), 0);
    assert_int_equal(event.kind, KUBE_BOOKMARK);
    assert_int_equal(kube_event_read(a, bytes(expired), &event, &e), -ESTALE);
    assert_int_equal(kube_event_read(a, bytes("{\"type\":\"ERROR\",\"object\":{}}"), &event, &e), -EPROTO);
    assert_int_equal(kube_event_read(a, bytes("{\"type\":\"OTHER\",\"object\":{}}"), &event, &e), -EBADMSG);
    assert_int_equal(kube_event_read(a, bytes("{\"type\":\"ADDED\"}"), &event, &e), -EBADMSG);
    assert_int_equal(kube_event_read(a, bytes("not json"), &event, &e), -EBADMSG);
}

static void add(LineQueue *q, const char *text)
{
    assert_int_equal(line_queue_add(q, text, strlen(text)), 0);
}

static void expect_line(LineQueue *q, const char *want)
{
    const char *line;
    size_t n;
    assert_int_equal(line_queue_next(q, &line, &n), 1);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(line, want, n);
}

static void test_lines(void **state)
{
    (void)state;
    LineQueue q = {.max = 4};
    const char *line;
    size_t n;
    add(&q, "a");
    assert_int_equal(line_queue_next(&q, &line, &n), 0);
    add(&q, "b\n\n\ncd\nef");
    expect_line(&q, "ab");
    assert_true(line_queue_ready(&q));
    expect_line(&q, "cd");
    assert_int_equal(line_queue_next(&q, &line, &n), 0);
    add(&q, "gh");
    assert_int_equal(line_queue_add(&q, "i", 1), -EFBIG);
    add(&q, "\n");
    expect_line(&q, "efgh");
    assert_int_equal(line_queue_add(&q, "a\nbbbbb\nc", 9), -EFBIG);
    add(&q, "xyz");
    assert_int_equal(line_queue_rest(&q, &line, &n), 1);
    assert_memory_equal(line, "xyz", 3);
    assert_int_equal(line_queue_rest(&q, &line, &n), 0);
    line_queue_done(&q);
}

/* A burst's memory does not stay. */
static void test_memory(void **state)
{
    (void)state;
    LineQueue q = {.max = 1 << 20};
    const char *line;
    size_t n;
    for (unsigned i = 0; i < 4000; i++)
        add(&q, "0123456789012345678901234567890123456789\n");
    while (line_queue_next(&q, &line, &n))
        ;
    assert_true(q.bytes.size <= 16 << 10);
    line_queue_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),  cmocka_unit_test(test_status), cmocka_unit_test(test_objects),
        cmocka_unit_test(test_events), cmocka_unit_test(test_lines),  cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
