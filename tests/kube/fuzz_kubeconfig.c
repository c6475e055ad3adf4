/* A kubeconfig: it is refused with a finding, or names a server and comes in pairs. */
#include <stdlib.h>
#include <string.h>

#include "kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf said = BUF_INIT;
    Source source = {.name = "input", .text = (const char *)data, .len = size, .secret = true};
    KubeConfig c = {0};
    int r = kubeconfig_read(a, &source, &(KubeconfigOptions){.directory = "/d"}, &c, &report);
    report_write(&report, REPORT_TEXT, &said);
    if ((r < 0) != (report.errors > 0))
        abort();
    if (r < 0)
        return 0;
    if (strncmp(c.server, "https://", 8) && strncmp(c.server, "http://", 7))
        abort();
    if (strpbrk(c.server, " \t\r\n?#@\\"))
        abort();
    if (!(c.certificate.text || c.certificate.file) != !(c.key.text || c.key.file) || !*c.namespace)
        abort();
    if (c.key.file && c.key.file[0] != '/')
        abort();
    return 0;
}
