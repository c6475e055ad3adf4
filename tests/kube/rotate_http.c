/* rotate_http BOOTSTRAP OWN DIR NODE N: a node's certificate in DIR by the API that two kubeconfigs name,
 * until it has been issued N times; a line for each. For tests with a real server and short lives. */
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "kube/certificate_rotation.h"
#include "kube/kube_http.h"

static Kube *open_client(Arena *a, const char *path)
{
    static KubeConfig configs[2];
    static unsigned n;
    _cleanup_report_ Report report = REPORT_INIT(a);
    KubeConfig *config = &configs[n++];
    Kube *kube = NULL;
    Error e = ERROR_INIT;
    if (kubeconfig_load(a, path, NULL, config, &report) < 0 ||
        kube_http_new(config, &(KubeHttpOptions){.agent = "rotate_http"}, &kube, &e) < 0) {
        fprintf(stderr, "%s: %s %s\n", path, report.errors ? report_first_error(&report) : "", e.text);
        exit(1);
    }
    return kube;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    _cleanup_arena_ Arena *a = arena_new();
    Kube *bootstrap = open_client(a, argv[1]), *own = open_client(a, argv[2]);
    CertificateRotation *r =
        certificate_rotation_new(&(CertificateRotationOptions){.bootstrap = bootstrap,
                                                               .own = own,
                                                               .directory = argv[3],
                                                               .prefix = "kubelet-client",
                                                               .node = argv[4]});
    time_t end = time(NULL) + 60;
    int left = atoi(argv[5]);
    while (left > 0 && time(NULL) < end) {
        Error e = ERROR_INIT;
        int k = certificate_rotation_step(r, &e);
        if (k < 0)
            fprintf(stderr, "%s\n", e.text);
        if (k == 1) {
            left--;
            printf("%lld\n", (long long)certificate_rotation_until(r));
            fflush(stdout);
        }
        int ms = certificate_rotation_timeout_ms(r);
        (void)poll(NULL, 0, ms < 1000 ? ms : 1000);
    }
    certificate_rotation_free(r);
    kube_free(own);
    kube_free(bootstrap);
    return left > 0;
}
