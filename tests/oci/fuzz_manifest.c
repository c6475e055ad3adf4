/* Two texts divided by a NUL, the manifest and a config: what is read holds what the headers promise. */
#include <stdlib.h>
#include <string.h>

#include "oci/image_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_descriptor(const Descriptor *d, uint64_t max)
{
    ContentDigest again;
    if (content_digest_read(d->digest.text, strlen(d->digest.text), &again, NULL) < 0 || d->size > max ||
        !d->media_type)
        abort();
}

static void check_manifest(const Manifest *m, size_t size)
{
    if (m->n_bytes != size || m->n_items > MANIFEST_INDEX_MAX ||
        (m->kind == MANIFEST_IMAGE && m->n_items > MANIFEST_LAYERS_MAX))
        abort();
    for (size_t i = 0; i < m->n_items; i++)
        check_descriptor(&m->items[i], m->kind == MANIFEST_INDEX ? MANIFEST_SIZE_MAX : LAYER_SIZE_MAX);
    if (m->kind == MANIFEST_IMAGE)
        check_descriptor(&m->config, LAYER_SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const machines[] = {"x86_64", "aarch64", "armv7l"};
    _cleanup_arena_ Arena *a = arena_new();
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    Manifest m;
    ImageConfig c;
    Error e = ERROR_INIT;
    if (manifest_read(a, &(ManifestText){.data = data, .n = n}, &m, &e) < 0) {
        if (!e.code || !e.text[0])
            abort();
        return 0;
    }
    check_manifest(&m, n);
    for (size_t i = 0; m.kind == MANIFEST_INDEX && i < ELEMENTS(machines); i++) {
        const Descriptor *d;
        Platform want = platform_of_machine(machines[i]);
        (void)manifest_choose(&m, &want, &d, NULL);
    }
    if (m.kind != MANIFEST_IMAGE || !nul)
        return 0;
    (void)manifest_check_image(&m, NULL);
    /* A fuzzer cannot make digests: the config is taken for the one that is named. */
    n = size - n - 1;
    m.config.size = n;
    if (content_digest_of(m.config.digest.kind, nul + 1, n, &m.config.digest, NULL) < 0)
        return 0;
    if (image_config_read(a, nul + 1, n, &m, &c, NULL) >= 0 && c.n_diff_ids != m.n_items)
        abort();
    return 0;
}
