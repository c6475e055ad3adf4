/* A snapshot as the reading process makes it from its files (YAML, then JSON), and as the listening one takes
 * it; and any bytes in its place. What makes a site has a certificate and a key, and its tokens can be asked.
 */
#include <stdint.h>

#include "format/json.h"
#include "format/yaml.h"
#include "server/site.h"
#include "server/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const char *text, size_t n)
{
    _cleanup_(site_freep)
    Site *site = NULL;
    Error e = ERROR_INIT;
    int r = site_new(text, n, &site, &e);
    if ((r < 0) != (site == NULL) || (r < 0) != (e.text[0] != '\0'))
        abort();
    if (site && (!site_certificate(site) || !site_key(site)))
        abort();
}

static void ask(const Node *tokens)
{
    char mark[9];
    token_check(tokens, "token", "worker", 1000000000, mark);
    (void)token_list_check(tokens, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf json = BUF_INIT;
    Source source = {.name = "fuzz", .text = (const char *)data, .len = size, .secret = true};
    Node *root;
    take((const char *)data, size);
    if (yaml_read(a, &source, SEVERITY_ERROR, &root, &r) < 0)
        return 0;
    ask(node_get(root, "tokens"));
    json_write(root, JSON_COMPACT, &json);
    take(json.data, json.len);
    return 0;
}
