/* rotate DIR SECONDS: a node's certificate in DIR, asked of an API in memory that signs at once, at a clock
 * that stands SECONDS after some beginning; ends when a new pair is in use. rotate DIR SECONDS check: says
 * "good" or "none", whether there is a pair in use then. For tests that kill it. */
#include "csr_signer.h"
#include "kube/certificate_rotation.h"
#include "test_time.h"

int main(int argc, char **argv)
{
    TestTime time;
    CsrSigner signer;
    Error e = ERROR_INIT;
    if (argc < 3)
        return 2;
    test_time_init(&time);
    time.ms += atol(argv[2]) * 1000;
    csr_signer_init(&signer, test_time_wall(&time) / 1000000, 24 * 3600);
    Kube *kube = kube_fake_new();
    kube_fake_before(kube, csr_signer_answer, &signer);
    CertificateRotation *r = certificate_rotation_new(&(CertificateRotationOptions){.bootstrap = kube,
                                                                                    .own = kube,
                                                                                    .directory = argv[1],
                                                                                    .prefix = "p",
                                                                                    .node = "n",
                                                                                    .time = &time.time});
    int k = certificate_rotation_step(r, &e);
    if (argc > 3)
        puts(certificate_rotation_until(r) ? "good" : "none");
    for (unsigned i = 0; argc == 3 && k != 1 && i < 20; i++) {
        if (k < 0)
            fprintf(stderr, "%s\n", e.text);
        int ms = certificate_rotation_timeout_ms(r);
        time.ms += ms < 60000 ? ms : 60000;
        k = certificate_rotation_step(r, &e);
    }
    certificate_rotation_free(r);
    kube_free(kube);
    csr_signer_done(&signer);
    return argc > 3 || k == 1 ? 0 : 1;
}
