/* served RENDERED.yaml VERSION: what served_config_make() gives, for golden.py; findings on stderr. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/json.h"
#include "format/yaml.h"
#include "ignition/version.h"
#include "server/served_config.h"

static int fail(Report *r)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    report_write(r, REPORT_TEXT, &text);
    fputs(text.data ? text.data : "failed without a finding", stderr);
    return 1;
}

int main(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT, json = BUF_INIT, pretty = BUF_INIT;
    IgnVersion version;
    Node *rendered, *served;
    Error e = ERROR_INIT;
    if (argc != 3 || file_read_at(AT_FDCWD, argv[1], 1 << 20, &text, &e) < 0 ||
        ign_version_parse(argv[2], &version, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    Source source = {.name = argv[1], .text = text.data, .len = text.len};
    if (yaml_read(a, &source, SEVERITY_ERROR, &rendered, &r) < 0)
        return fail(&r);
    ServedConfigInput in = {.rendered = rendered, .kubeconfig = "kind: Config\n", .version = version};
    if (served_config_make(&in, &json, &r) < 0)
        return fail(&r);
    Source again = {.name = "served", .text = json.data, .len = json.len};
    if (json_read(a, &again, SEVERITY_ERROR, &served, &r) < 0)
        return fail(&r);
    json_write(served, JSON_PRETTY2, &pretty);
    puts(pretty.data);
    return 0;
}
