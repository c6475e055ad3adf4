/* What /etc/clevis.json says, said by storage.luks, and when it is not taken. */
#include "../scratch.h"

#include <errno.h>

#include "format/json.h"
#include "ignition/parse.h"
#include "provision/fetcher.h"
#include "provision/root_encrypt.h"

static const RootNow root_now = {"/dev/sda4", "xfs", "root", "2c4784e5-1978-45e0-a25a-8eb2db1af7f7", false};

#define AROUND(clevis)                                                                                       \
    "{\"ignition\":{\"version\":\"3.6.0\"},\"storage\":{\"luks\":[{\"name\":\"root\",\"device\":\"/dev/"     \
    "sda4\","                                                                                                \
    "\"wipeVolume\":true,\"clevis\":" clevis                                                                 \
    "}],\"filesystems\":[{\"device\":\"/dev/mapper/root\",\"format\":"                                       \
    "\"xfs\",\"label\":\"root\",\"uuid\":\"2c4784e5-1978-45e0-a25a-8eb2db1af7f7\",\"wipeFilesystem\":true}]" \
    "}}"

static const struct {
    const char *text, *config, *error;
} texts[] = {
    {"{}", AROUND("{\"tpm2\":true}"), NULL},
    {"{\"url\":\"http://t\",\"thp\":\"x\"}",
     AROUND("{\"tang\":[{\"url\":\"http://t\",\"thumbprint\":\"x\"}]}"), NULL},
    {"{\"pins\":{\"tpm2\":{},\"tang\":[{\"url\":\"http://t\",\"thp\":\"x\"},{\"url\":\"http://"
     "u\",\"thp\":\"y\"}]},\"t\":2}",
     AROUND("{\"tpm2\":true,\"tang\":[{\"url\":\"http://t\",\"thumbprint\":\"x\"},{\"url\":\"http://u\","
            "\"thumbprint\":\"y\"}],\"threshold\":2}"),
     NULL},
    {"{\"pins\":{\"tang\":{\"url\":\"http://t\",\"thp\":\"x\"}}}",
     AROUND("{\"tang\":[{\"url\":\"http://t\",\"thumbprint\":\"x\"}],\"threshold\":1}"), NULL},
    /* more than storage.luks can say */
    {"{\"pcr_ids\":\"7\"}",
     AROUND(
         "{\"custom\":{\"pin\":\"tpm2\",\"config\":\"{\\\"pcr_ids\\\":\\\"7\\\"}\",\"needsNetwork\":false}}"),
     NULL},
    {"{\"url\":\"http://t\",\"adv\":{}}",
     AROUND("{\"custom\":{\"pin\":\"tang\",\"config\":\"{\\\"url\\\":\\\"http://"
            "t\\\",\\\"adv\\\":{}}\",\"needsNetwork\":true}}"),
     NULL},
    {"{\"t\":1,\"pins\":{\"tpm2\":{\"pcr_ids\":\"7\"}}}",
     AROUND(
         "{\"custom\":{\"pin\":\"sss\",\"config\":\"{\\\"t\\\":1,\\\"pins\\\":{\\\"tpm2\\\":{\\\"pcr_ids\\\":"
         "\\\"7\\\"}}}\",\"needsNetwork\":false}}"),
     NULL},
    {"{\"pins\":{\"tpm2\":[{},{}],\"other\":{}}}",
     AROUND(
         "{\"custom\":{\"pin\":\"sss\",\"config\":\"{\\\"pins\\\":{\\\"tpm2\\\":[{},{}],\\\"other\\\":{}}}\","
         "\"needsNetwork\":false}}"),
     NULL},
    {"{\"url\":\"http://t\"}", NULL, "/etc/clevis.json: \"thp\" is missing"},
    {"[]", NULL, "/etc/clevis.json: the config of a clevis pin is an object, this is "},
    {"{", NULL, "/etc/clevis.json:1:2: "},
    {"", NULL, "/etc/clevis.json:1:1: "},
    {"{\"url\":\"tang\",\"thp\":\"x\"}", NULL, "/etc/clevis.json: "}, /* as storage.luks would refuse it */
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_buf_ Buf out = BUF_INIT;
        Error e = ERROR_INIT;
        IgnConfig *c;
        int r = root_encrypt_config(a, texts[i].text, strlen(texts[i].text), &root_now, &c, &e);
        if (texts[i].error) {
            if (r != -EINVAL || strncmp(e.text, texts[i].error, strlen(texts[i].error)) != 0)
                fail_msg("%s: %d '%s'", texts[i].text, r, e.text);
            continue;
        }
        if (r < 0)
            fail_msg("%s: %s", texts[i].text, e.text);
        _cleanup_report_ Report ignored = REPORT_INIT(a);
        const Source source = {.name = "expected", .text = texts[i].config, .len = strlen(texts[i].config)};
        Node *expected, *got = ign_config_to_node(a, c);
        assert_int_equal(json_read(a, &source, SEVERITY_ERROR, &expected, &ignored), 0);
        json_write(got, JSON_COMPACT, &out);
        if (!node_equal(expected, got))
            fail_msg("%s became %s", texts[i].text, out.data);
    }
}

#define FILE_AT(path, source) "{\"path\":\"" path "\",\"contents\":{\"source\":\"" source "\"}}"
#define TPM                   FILE_AT("/etc/clevis.json", "data:,%7B%7D")
#define TANG                  FILE_AT("/etc/clevis.json", "data:,%7B%22url%22:%22http://t%22,%22thp%22:%22x%22%7D")
#define OTHER                 ",\"luks\":[{\"name\":\"root\",\"device\":\"/dev/sdb\",\"clevis\":{\"tpm2\":true}}]"
#define ON(device)            ",\"filesystems\":[{\"device\":\"" device "\",\"format\":\"xfs\",\"label\":\"root\"}]"

static const struct {
    const char *storage; /* what follows files */
    const char *files, *root;
    int result;
    bool network;
} configs[] = {
    {"", TPM, "there", 1, false},
    {"", TANG, "there", 1, true},
    {"", TPM, "encrypted", 0, false},
    {"", TPM, "absent", -ENXIO, false},
    {"", FILE_AT("/etc/clevis", "data:,x"), "there", 0, false},
    {"", "{\"path\":\"/etc/clevis.json\"}", "there", 0, false},
    {"", TPM "," FILE_AT("/etc/rhcos-no-clevis", "data:,"), "there", 0, false},
    {"", TANG "," FILE_AT("/etc/rhcos-no-clevis", "data:,"), "there", 0, false},
    {"", FILE_AT("/etc/clevis.json", "data:,x"), "there", -EINVAL, false},
    {OTHER ON("/dev/mapper/root"), TPM, "there", 0, false}, /* declared */
    {OTHER, TPM, "there", -EEXIST, false},
    {ON("/dev/sdb"), TPM, "there", -EEXIST, false},
    {OTHER ON("/dev/sdc"), TPM, "there", -EEXIST, false},
};

static int look(void *context, Arena *a, const char *name, RootNow *ret, Error *e)
{
    (void)a;
    (void)e;
    assert_string_equal(name, "/dev/disk/by-label/root");
    *ret = root_now;
    ret->encrypted = strcmp(context, "encrypted") == 0;
    return strcmp(context, "absent") != 0;
}

static void test_configs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(configs); i++) {
        _cleanup_(fetcher_freep)
        Fetcher *fetcher = NULL;
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report parse = REPORT_INIT(a);
        Error e = ERROR_INIT;
        const char *text =
            arena_printf(a, "{\"ignition\":{\"version\":\"3.5.0\"},\"storage\":{\"files\":[%s]%s}}",
                         configs[i].files, configs[i].storage);
        const Source source = {.name = "test", .text = text, .len = strlen(text)};
        IgnConfig *config, *more = NULL;
        if (ign_config_parse_newest(a, &source, IGN_PARSE_STRICT, &config, &parse) < 0)
            fail_msg("case %zu: %s", i, parse.entries[0].message);
        assert_int_equal(fetcher_new(&fetcher, &e), 0);
        const RootEncrypt how = {fetcher, "quiet", look, (void *)configs[i].root};
        int r = root_encrypt(a, &how, config, &more, &e);
        if (r != configs[i].result)
            fail_msg("case %zu: %d %s", i, r, e.text);
        if (r > 0) {
            assert_int_equal(more->storage.luks.n, 1);
            assert_int_equal(more->storage.files.n, 1);
        }
        assert_int_equal(root_encrypt_needs_network(config), configs[i].network);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_configs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
