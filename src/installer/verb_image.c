/* `basalt image delta`: for who publishes images. What is made is an image layout on disk, which any tool
 * that copies images pushes; nothing is pushed here, since who may do that is that tool's business. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "format/node.h"
#include "installer/verbs.h"
#include "update/delta_artifact.h"

static struct {
    const char *output, *repository, *auth_file, *config_root, *platform;
    bool json;
} opt = {.config_root = "/"};

const Option image_delta_options[] = {
    {"output", 'o', OPTION_STRING, &opt.output, "DIR", "the image layout that gets the delta", NULL},
    {"repo", 0, OPTION_STRING, &opt.repository, "DIR",
     "an OSTree repository that keeps both images (one that is removed again)", NULL},
    {"arch", 0, OPTION_STRING, &opt.platform, "ARCH", "of images for several machines (this one's)", NULL},
    {"authfile", 0, OPTION_STRING, &opt.auth_file, "FILE", "credentials (the usual places)", NULL},
    {"config-root", 0, OPTION_STRING, &opt.config_root, "DIR", "whose etc/containers counts (/)", NULL},
    {"json", 0, OPTION_FLAG, &opt.json, NULL, "print what was made as JSON", NULL},
    {0},
};

static volatile sig_atomic_t stop;

static void on_signal(int number _unused_)
{
    stop = 1;
}

static bool cancelled(void *context _unused_)
{
    return stop;
}

/* ---- telling ---- */

static void size_text(uint64_t n, char out[16])
{
    snprintf(out, 16, "%.2f MB", (double)n / 1e6);
}

static void print_text(Arena *a, const DeltaArtifact *d, const ImageReference *to)
{
    char size[16], content[16], layers[16];
    size_text(d->counts.size, size);
    size_text(d->counts.content, content);
    size_text(d->layers, layers);
    printf("From %s\n  to %s:\n%s", d->from.text, d->to.text, size);
    if (d->layers)
        printf(" instead of %s of layers", layers);
    printf(", for %llu files of %s (%llu of them out of old ones).\n", (unsigned long long)d->counts.files,
           content, (unsigned long long)d->counts.patched);
    const bool registry = to->transport == TRANSPORT_REGISTRY;
    printf("Next: skopeo copy --all oci:%s:%s docker://%s:%s\n", opt.output, d->tag,
           registry ? arena_printf(a, "%s/%s", to->name.registry, to->name.repository) : "REPOSITORY",
           d->tag);
}

static void print_json(Arena *a, const DeltaArtifact *d)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "from", d->from.text);
    node_set_string(a, n, "to", d->to.text);
    node_set_string(a, n, "digest", d->manifest.text);
    node_set_string(a, n, "tag", d->tag);
    node_set(a, n, "size", node_new_int(a, (int64_t)d->counts.size));
    node_set(a, n, "layers", node_new_int(a, (int64_t)d->layers));
    node_set(a, n, "files", node_new_int(a, (int64_t)d->counts.files));
    node_set(a, n, "patched", node_new_int(a, (int64_t)d->counts.patched));
    node_set(a, n, "content", node_new_int(a, (int64_t)d->counts.content));
    json_write(n, JSON_PRETTY2, &out);
    puts(out.data);
}

/* ---- doing ---- */

static int make(Arena *a, const ImageReference sides[2], DeltaArtifact *ret, Error *e)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_close_ int root = root_open(opt.config_root, e);
    const char *const files[] = {opt.auth_file, NULL};
    const char *https = getenv("https_proxy");
    const Platform platform = {.os = "linux", .architecture = opt.platform, .variant = ""};
    Registries registries;
    if (root < 0)
        return root;
    if (registries_load(a, root, &registries, &r) < 0)
        return error_set(e, EINVAL, "registries.conf: %s", r.n ? r.entries[0].message : "it cannot be read");
    const RegistryOptions registry = {.root = root,
                                      .registries = &registries,
                                      .auth_files = opt.auth_file ? files : NULL,
                                      .http_proxy = getenv("http_proxy"),
                                      .https_proxy = https ? https : getenv("HTTPS_PROXY"),
                                      .cancelled = cancelled};
    const DeltaArtifactOptions o = {.import = {.dirfd = AT_FDCWD,
                                               .repository = opt.repository,
                                               .registry = &registry,
                                               .platform = opt.platform ? &platform : NULL,
                                               .cancelled = cancelled},
                                    .output = opt.output};
    return delta_artifact_make(&o, &sides[0], &sides[1], ret, e);
}

int verb_image_delta(int argc _unused_, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    const struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    ImageReference sides[2];
    DeltaArtifact made;
    Error e = ERROR_INIT;
    if (!opt.output) {
        fprintf(stderr, "basalt image delta: --output says into which directory\n");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < 2; i++)
        if (image_reference_read(a, argv[1 + i], &sides[i], &e) < 0) {
            fprintf(stderr, "basalt image delta: %s\n", e.text);
            return EXIT_USAGE;
        }
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    if (geteuid() != 0)
        error_set(&e, EPERM, "only root may give files the owners that they have in an image");
    else if (make(a, sides, &made, &e) >= 0) {
        opt.json ? print_json(a, &made) : print_text(a, &made, &sides[1]);
        return 0;
    }
    fprintf(stderr, "basalt image delta: %s\n", e.text);
    return e.code == ECANCELED ? 130 : 1;
}
