/* Signatures that AWS has published: the requests of its signature test suite that are not about normalising
 * a path, and the examples of the S3 documentation. */
#include "../scratch.h"

#include "net/aws_signature.h"

#define SUITE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_SECRET    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SUITE_TIME   "20150830T123600Z"
#define S3_TIME      "20130524T000000Z"

static const HttpHeader suite[] = {
    {"Host", "example.amazonaws.com"}, {"X-Amz-Date", SUITE_TIME}, {.name = NULL}};
static const HttpHeader s3[] = {{"x-amz-date", S3_TIME},
                                {"host", "examplebucket.s3.amazonaws.com"},
                                {"x-amz-content-sha256", AWS_EMPTY_SHA256},
                                {.name = NULL}};
static const HttpHeader s3_range[] = {{"Host", "examplebucket.s3.amazonaws.com"},
                                      {"Range", "bytes=0-9"},
                                      {"x-amz-content-sha256", AWS_EMPTY_SHA256},
                                      {"x-amz-date", S3_TIME},
                                      {.name = NULL}};
#define PUT_SHA "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
static const HttpHeader s3_put[] = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                    {"Host", "examplebucket.s3.amazonaws.com"},
                                    {"x-amz-content-sha256", PUT_SHA},
                                    {"x-amz-date", S3_TIME},
                                    {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                    {.name = NULL}};
static const HttpHeader trimmed[] = {{"Host", "example.amazonaws.com"},
                                     {"My-Header1", " value1"},
                                     {"My-Header2", " \"a   b   c\""},
                                     {"X-Amz-Date", SUITE_TIME},
                                     {.name = NULL}};

static const struct Vector {
    const char *name, *method, *path;
    HttpHeader query[4];
    const HttpHeader *headers;
    const char *payload, *signature;
    bool s3;
} vectors[] = {
    {"get-vanilla",
     "GET",
     "/",
     {{0}},
     suite,
     NULL,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     false},
    {"post-vanilla",
     "POST",
     "/",
     {{0}},
     suite,
     NULL,
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
     false},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     {{"Param2", "value2"}, {"Param1", "value1"}},
     suite,
     NULL,
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
     false},
    {"get-header-value-trim",
     "GET",
     "/",
     {{0}},
     trimmed,
     NULL,
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
     false},
    {"get-utf8",
     "GET",
     "/\xe1\x88\xb4",
     {{0}},
     suite,
     NULL,
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
     false},
    {"S3, get object",
     "GET",
     "/test.txt",
     {{0}},
     s3_range,
     NULL,
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
     true},
    {"S3, put object",
     "PUT",
     "/test$file.text",
     {{0}},
     s3_put,
     PUT_SHA,
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
     true},
    {"S3, lifecycle",
     "GET",
     "/",
     {{"lifecycle", ""}},
     s3,
     NULL,
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
     true},
    {"S3, list objects",
     "GET",
     "/",
     {{"prefix", "J"}, {"max-keys", "2"}},
     s3,
     NULL,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
     true},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(vectors); i++) {
        const struct Vector *v = &vectors[i];
        _cleanup_buf_ Buf out = BUF_INIT;
        Error e = ERROR_INIT;
        const AwsRequest q = {.method = v->method,
                              .path = v->path,
                              .query = v->query,
                              .headers = v->headers,
                              .payload_sha256 = v->payload ? v->payload : AWS_EMPTY_SHA256,
                              .region = "us-east-1",
                              .service = v->s3 ? "s3" : "service",
                              .time = v->s3 ? S3_TIME : SUITE_TIME};
        print_message("%s\n", v->name);
        const char *id = v->s3 ? "AKIAIOSFODNN7EXAMPLE" : "AKIDEXAMPLE";
        assert_int_equal(aws_sign(&q, id, v->s3 ? S3_SECRET : SUITE_SECRET, &out, &e), 0);
        const char *signature = strstr(out.data, ",Signature=");
        assert_non_null(signature);
        assert_string_equal(signature + strlen(",Signature="), v->signature);
        assert_null(strstr(out.data, "wJalr"));
    }
}

static void test_form(void **state)
{
    (void)state;
    _cleanup_buf_ Buf out = BUF_INIT;
    const AwsRequest q = {.method = "GET",
                          .path = "/test.txt",
                          .headers = s3_range,
                          .payload_sha256 = AWS_EMPTY_SHA256,
                          .region = "us-east-1",
                          .service = "s3",
                          .time = S3_TIME};
    assert_int_equal(aws_sign(&q, "ID", "SECRET", &out, NULL), 0);
    static const char start[] = "AWS4-HMAC-SHA256 Credential=ID/20130524/us-east-1/s3/aws4_request,"
                                "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=";
    assert_memory_equal(out.data, start, sizeof(start) - 1);
    assert_int_equal(out.len, sizeof(start) - 1 + 64);
}

static void test_time_and_encoding(void **state)
{
    (void)state;
    char text[AWS_TIME_SIZE];
    _cleanup_buf_ Buf out = BUF_INIT;

    aws_time_text(1369353600, text);
    assert_string_equal(text, S3_TIME);
    aws_uri_encode("/a b/~-._%+\xc3\xa9", true, &out);
    buf_add_char(&out, ' ');
    aws_uri_encode("a/b", false, &out);
    assert_string_equal(out.data, "/a%20b/~-._%25%2B%C3%A9 a%2Fb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_time_and_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
