/* fetch: an image from a registry, for registry.py, which has the servers.
 *   fetch image ROOT NAME          its digests, config and layers, each of which is fetched
 *   fetch manifest ROOT NAME       the digest of what the name is
 *   fetch resolve ROOT NAME        the same by the server's word
 *   fetch blob ROOT NAME DIGEST SIZE    to standard output
 *   fetch has ROOT NAME DIGEST     exit 0 or 1
 * ROOT has etc/containers and run/ostree/auth.json. With TEST_APART another process makes the requests. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "oci/image_config.h"
#include "oci/registry.h"

typedef struct Fetch {
    Arena *arena;
    Registry *registry;
    int argc;
    char **argv;
} Fetch;

static void retrying(void *context, unsigned attempt, const char *url, const char *why)
{
    (void)context;
    fprintf(stderr, "attempt %u of %s: %s\n", attempt, url, why);
}

static int count(void *context, const void *data, size_t n)
{
    (void)data;
    *(uint64_t *)context += n;
    return 0;
}

static int fetch_image(const Fetch *f, Error *e)
{
    Manifest index, m;
    ImageConfig config;
    _cleanup_buf_ Buf text = BUF_INIT;
    Platform want = platform_of_machine("x86_64");
    int r = registry_image(f->registry, f->arena, &want, &index, &m, e);
    if (r < 0 || (r = registry_blob_read(f->registry, &m.config, IMAGE_CONFIG_SIZE_MAX, &text, e)) < 0 ||
        (r = image_config_read(f->arena, text.data, text.len, &m, &config, e)) < 0 ||
        (r = image_config_check_platform(&config, &want, e)) < 0)
        return r;
    printf("%s\n%s\nfrom %s\n", index.digest.text, m.digest.text,
           image_name_text(f->arena, &registry_place(f->registry)->name));
    for (size_t i = 0; i < m.n_items; i++) {
        uint64_t n = 0;
        if ((r = registry_blob(f->registry, &m.items[i], &(BlobSink){.take = count, .context = &n}, e)) < 0)
            return r;
        printf("layer %zu: %llu bytes\n", i + 1, (unsigned long long)n);
    }
    return 0;
}

static int fetch_manifest(const Fetch *f, Error *e)
{
    Manifest m;
    int r = registry_manifest(f->registry, f->arena, NULL, &m, e);
    if (r >= 0)
        printf("%s\n", m.digest.text);
    return r;
}

static int fetch_resolve(const Fetch *f, Error *e)
{
    ContentDigest d;
    int r = registry_resolve(f->registry, &d, e);
    if (r >= 0)
        printf("%s\n", d.text);
    return r;
}

static int print(void *context, const void *data, size_t n)
{
    return fwrite(data, 1, n, context) == n ? 0 : -EIO;
}

static int descriptor(const Fetch *f, Descriptor *ret, Error *e)
{
    *ret = (Descriptor){.media_type = "application/octet-stream",
                        .size = f->argc > 1 ? strtoull(f->argv[1], NULL, 10) : 0};
    return content_digest_read(f->argv[0], strlen(f->argv[0]), &ret->digest, e);
}

static int fetch_blob(const Fetch *f, Error *e)
{
    Descriptor d;
    int r = descriptor(f, &d, e);
    return r < 0 ? r : registry_blob(f->registry, &d, &(BlobSink){.take = print, .context = stdout}, e);
}

static int fetch_has(const Fetch *f, Error *e)
{
    Descriptor d;
    int r = descriptor(f, &d, e);
    if (r < 0)
        return r;
    printf("%s\n", registry_has_blob(f->registry, &d) ? "yes" : "no");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const Fetch *f, Error *e);
        int more;
    } verbs[] = {{"image", fetch_image, 0},
                 {"manifest", fetch_manifest, 0},
                 {"resolve", fetch_resolve, 0},
                 {"blob", fetch_blob, 2},
                 {"has", fetch_has, 1}};
    _cleanup_arena_ Arena *arena = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_close_ int root = argc > 3 ? root_open(argv[2], NULL) : -EBADF;
    Fetch f = {.arena = arena, .argc = argc - 4, .argv = argv + 4};
    Registries registries;
    ImageName name;
    Error e = ERROR_INIT;
    int r = -EINVAL;
    if (root < 0 || registries_load(arena, root, &registries, &report) < 0)
        return 2;
    _cleanup_(worker_host_freep)
    WorkerHost *http = NULL;
    if (getenv("TEST_APART") && http_host_new(SANDBOX_NOBODY, SANDBOX_NOBODY, &http, &e) < 0)
        return 2;
    RegistryOptions o = {.root = root,
                         .http = http,
                         .registries = &registries,
                         .http_proxy = getenv("TEST_PROXY"),
                         .attempts = 3,
                         .stall_ms = 1000,
                         .retrying = retrying};
    if (image_name_read(arena, argv[3], &name, &e) >= 0 && registry_open(&o, &name, &f.registry, &e) >= 0)
        for (size_t i = 0; i < ELEMENTS(verbs); i++)
            if (!strcmp(verbs[i].name, argv[1]) && f.argc >= verbs[i].more)
                r = verbs[i].run(&f, &e);
    registry_free(f.registry);
    if (r < 0)
        fprintf(stderr, "%s\n", e.text);
    return fflush(stdout) || r < 0;
}
