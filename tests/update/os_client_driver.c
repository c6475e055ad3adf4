/* os-client-driver SOCKET VERB OPTIONS [ARGUMENT…]: one request by the library; events and result on standard
 * output, the failure on standard error. OPTIONS is a JSON object. With HANG_UP in the environment the first
 * event is the last. */
#include <stdio.h>
#include <string.h>

#include "format/json.h"
#include "system/os_client.h"

static int show(void *context, const Node *event)
{
    const bool *hang_up = context;
    _cleanup_buf_ Buf out = BUF_INIT;
    json_write(event, JSON_COMPACT, &out);
    puts(out.data);
    return *hang_up ? -ECANCELED : 0;
}

int main(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf out = BUF_INIT;
    Error e = ERROR_INIT;
    Node *options;
    const Node *result = NULL;
    bool hang_up = getenv("HANG_UP") != NULL;
    if (argc < 4)
        return 2;
    const Source source = {.name = "options", .text = argv[3], .len = strlen(argv[3])};
    if (json_read(a, &source, SEVERITY_ERROR, &options, &report) < 0)
        return 2;
    const OsRequest request = {
        .verb = argv[2], .options = options, .arguments = (const char *const *)argv + 4};
    int r = os_client_ask(a, argv[1], &request, show, &hang_up, &result, &e);
    if (result) {
        json_write(result, JSON_COMPACT, &out);
        printf("result %s\n", out.data);
    }
    if (r < 0)
        fprintf(stderr, "%s: %s\n", strerrorname_np(-r), e.text);
    return r < 0 ? 1 : r;
}
