/* A tar archive as it may come: what can be asked for lies inside of it. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "oci/layout.h"
#include "oci/members.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *context, const void *data, size_t n)
{
    (void)data;
    *(size_t *)context += n;
    return 0;
}

static void try_layout(const char *path, ImageTransport transport)
{
    _cleanup_arena_ Arena *a = arena_new();
    const ImageReference ref = {.transport = transport, .path = path, .index = 0};
    Layout *l = NULL;
    Manifest index, m;
    Platform want = platform_of_machine("x86_64");
    if (layout_open(&ref, &l, NULL) >= 0)
        (void)layout_image(l, a, &want, &index, &m, NULL);
    layout_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"oci-layout", "manifest.json", "index.json", "a", "a/b"};
    char path[64];
    _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
    _cleanup_(members_freep)
    Members *m = NULL;
    if (fd < 0 || file_write_fd(fd, data, size) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (members_open_archive(path, &m, NULL) < 0)
        return 0;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        size_t n = 0;
        if (members_stream(m, names[i], take, &n, NULL) >= 0 && n > size)
            abort();
    }
    try_layout(path, TRANSPORT_OCI_ARCHIVE);
    try_layout(path, TRANSPORT_DOCKER_ARCHIVE);
    return 0;
}
