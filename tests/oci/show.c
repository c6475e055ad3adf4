/* show: what the readers of src/oci make of a file, for golden tests.
 *   show manifest FILE [MEDIA-TYPE]     show choose FILE MACHINE     show config MANIFEST CONFIG
 *   show registries ROOT NAME...        show auth ROOT NAME...       show certs ROOT REGISTRY...
 *   show layout REFERENCE               one of containers-storage: too
 *   show policy ROOT                    show registries-d ROOT NAME... */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "oci/auth_file.h"
#include "oci/certs.h"
#include "oci/containers_storage.h"
#include "oci/image_config.h"
#include "oci/layout.h"
#include "oci/policy.h"
#include "oci/registries.h"
#include "oci/registries_d.h"

static Arena *arena;

static Buf load(const char *path)
{
    Buf b = BUF_INIT;
    Error e = ERROR_INIT;
    if (file_read_at(AT_FDCWD, path, 64 << 20, &b, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    return b;
}

static int fail(const Error *e)
{
    fprintf(stderr, "%s\n", e->text);
    return 1;
}

static void show_texts(const char *what, const Node *texts)
{
    for (const Node *n = texts ? texts->first : NULL; n; n = n->next)
        printf("  %s %s=%s\n", what, n->key, n->string);
}

static void show_descriptor(const char *what, const Descriptor *d)
{
    printf("%s %s %llu %s%s\n", what, d->digest.text, (unsigned long long)d->size, d->media_type,
           d->urls ? " (with urls)" : "");
    if (d->platform.os)
        printf("  platform %s/%s/%s\n", d->platform.os, d->platform.architecture, d->platform.variant);
    show_texts("annotation", d->annotations);
}

static int read_manifest(const char *path, const char *media_type, Manifest *m)
{
    Error e = ERROR_INIT;
    Buf text = load(path);
    ManifestText t = {.data = text.data, .n = text.len, .media_type = media_type};
    int r = manifest_read(arena, &t, m, &e);
    buf_done(&text);
    return r < 0 ? fail(&e) : 0;
}

static int show_manifest(int argc, char **argv)
{
    Manifest m;
    Error e = ERROR_INIT;
    if (read_manifest(argv[0], argc > 1 ? argv[1] : NULL, &m))
        return 1;
    printf("%s\n%s, %zu bytes\n", m.media_type, m.digest.text, m.n_bytes);
    if (m.kind == MANIFEST_IMAGE)
        show_descriptor("config", &m.config);
    for (size_t i = 0; i < m.n_items; i++)
        show_descriptor(m.kind == MANIFEST_IMAGE ? "layer" : "manifest", &m.items[i]);
    show_texts("annotation", m.annotations);
    if (m.kind == MANIFEST_IMAGE && manifest_check_image(&m, &e) < 0)
        printf("no image: %s\n", e.text);
    return 0;
}

static int show_choose(int argc, char **argv)
{
    Manifest m;
    const Descriptor *d;
    Error e = ERROR_INIT;
    if (read_manifest(argv[0], NULL, &m))
        return 1;
    for (int i = 1; i < argc; i++) {
        Platform want = platform_of_machine(argv[i]);
        if (!want.architecture)
            printf("%s: unknown\n", argv[i]);
        else if (manifest_choose(&m, &want, &d, &e) < 0)
            printf("%s: %s\n", argv[i], e.text);
        else
            printf("%s: %.15s\n", argv[i], d->digest.text);
    }
    return 0;
}

static int show_config(int argc, char **argv)
{
    (void)argc;
    Manifest m;
    ImageConfig c;
    Error e = ERROR_INIT;
    if (read_manifest(argv[0], NULL, &m))
        return 1;
    Buf text = load(argv[1]);
    int r = image_config_read(arena, text.data, text.len, &m, &c, &e);
    buf_done(&text);
    if (r < 0)
        return fail(&e);
    printf("%s/%s/%s, created %s\n", c.platform.os, c.platform.architecture, c.platform.variant,
           c.created ? c.created : "at no time");
    for (size_t i = 0; i < c.n_diff_ids; i++)
        printf("  diff_id %s\n", c.diff_ids[i].text);
    show_texts("label", c.labels);
    printf("  %zu entries of history\n", c.history ? c.history->n : 0);
    return 0;
}

static void show_place(const Registries *from, const char *text)
{
    ImageName name;
    ImagePlace *places;
    size_t n;
    Error e = ERROR_INIT;
    printf("%s\n", text);
    if (image_name_read(arena, text, &name, &e) < 0 ||
        registries_resolve(arena, from, &name, &places, &n, &e) < 0) {
        printf("  %s\n", e.text);
        return;
    }
    for (size_t i = 0; i < n; i++)
        printf("  %s%s%s\n", image_name_text(arena, &places[i].name), places[i].mirror ? " (mirror)" : "",
               places[i].insecure ? " (insecure)" : "");
}

static int show_registries(int argc, char **argv)
{
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_close_ int root = root_open(argv[0], NULL);
    _cleanup_buf_ Buf said = BUF_INIT;
    Registries from;
    int r = registries_load(arena, root, &from, &report);
    report_write(&report, REPORT_TEXT, &said);
    fputs(said.len ? said.data : "", stderr);
    for (int i = 1; r >= 0 && i < argc; i++)
        show_place(&from, argv[i]);
    return r < 0;
}

static int show_auth(int argc, char **argv)
{
    _cleanup_close_ int root = root_open(argv[0], NULL);
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        ImageName name;
        Credentials c;
        Error e = ERROR_INIT;
        int r = image_name_read(arena, argv[i], &name, &e);
        if (r >= 0)
            r = auth_find(arena, root, NULL, &name, &c, &e);
        printf("%s: ", argv[i]);
        if (r < 0)
            bad = !!printf("%s\n", e.text);
        else if (!r)
            printf("nothing\n");
        else
            printf("user %s, password %s, token %s\n", c.user ? c.user : "-", c.password ? c.password : "-",
                   c.identity_token ? c.identity_token : "-");
    }
    return bad;
}

static int show_certs(int argc, char **argv)
{
    _cleanup_close_ int root = root_open(argv[0], NULL);
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        RegistryCerts c;
        Error e = ERROR_INIT;
        int r = registry_certs_load(arena, root, argv[i], &c, &e);
        if (r < 0)
            bad = !!printf("%s: %s\n", argv[i], e.text);
        else
            printf("%s: %d\n%s%s %s%s", argv[i], r, c.authorities ? c.authorities : "",
                   c.certificate_path ? c.certificate_path : "no certificate\n",
                   c.certificate ? c.certificate : "", c.key ? c.key : "");
    }
    return bad;
}

static int count(void *context, const void *data, size_t n)
{
    (void)data;
    *(uint64_t *)context += n;
    return 0;
}

/* An image on disk, whatever reads it. */
typedef struct Disk {
    Layout *layout;
    ContainersStorage *storage;
} Disk;

static int disk_image(const Disk *d, const Platform *want, Manifest *index, Manifest *m, Error *e)
{
    return d->layout ? layout_image(d->layout, arena, want, index, m, e)
                     : containers_storage_image(d->storage, arena, want, index, m, e);
}

static int disk_blob(const Disk *d, const Descriptor *of, const BlobSink *to, Error *e)
{
    return d->layout ? layout_blob(d->layout, of, to, e) : containers_storage_blob(d->storage, of, to, e);
}

static int show_image(const Disk *d, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Platform want = platform_of_machine("x86_64");
    Manifest index, m;
    ImageConfig c;
    int r = disk_image(d, &want, &index, &m, e);
    if (r < 0 || (r = disk_blob(d, &m.config, &(BlobSink){.take = buf_collect, .context = &text}, e)) < 0 ||
        (r = image_config_read(arena, text.data, text.len, &m, &c, e)) < 0)
        return r;
    printf("%s\n%s\n", index.digest.text, m.digest.text);
    for (size_t i = 0; i < m.n_items; i++) {
        uint64_t n = 0;
        if ((r = disk_blob(d, &m.items[i], &(BlobSink){.take = count, .context = &n}, e)) < 0)
            return r;
        printf("layer %zu: %s, %llu bytes\n", i + 1, m.items[i].digest.text, (unsigned long long)n);
    }
    return 0;
}

static int show_layout(int argc, char **argv)
{
    (void)argc;
    ImageReference ref;
    Disk d = {0};
    Error e = ERROR_INIT;
    int r = image_reference_read(arena, argv[0], &ref, &e);
    if (r >= 0)
        r = ref.transport == TRANSPORT_CONTAINERS_STORAGE ? containers_storage_open(&ref, &d.storage, &e)
                                                          : layout_open(&ref, &d.layout, &e);
    if (r < 0 || (r = show_image(&d, &e)) < 0)
        r = -fail(&e);
    layout_free(d.layout);
    containers_storage_free(d.storage);
    return r < 0;
}

static void tell(const Report *r)
{
    _cleanup_buf_ Buf said = BUF_INIT;
    report_write(r, REPORT_TEXT, &said);
    fputs(said.len ? said.data : "", stderr);
}

static void show_scope(const PolicyScope *s)
{
    static const char *const identities[] = {[IDENTITY_REPO_DIGEST_OR_EXACT] =
                                                 "repository of a digest, or exact",
                                             [IDENTITY_EXACT] = "exact",
                                             [IDENTITY_REPOSITORY] = "repository",
                                             [IDENTITY_EXACT_REFERENCE] = "reference",
                                             [IDENTITY_EXACT_REPOSITORY] = "the repository",
                                             [IDENTITY_REMAP] = "remapped"};
    printf("%s '%s'\n", s->transport ? s->transport : "default", s->scope);
    for (size_t i = 0; i < s->n; i++) {
        const PolicyRequirement *q = &s->requirements[i];
        printf("  %s", q->type);
        if (q->kind == REQUIREMENT_UNKNOWN)
            printf(": %s", q->why);
        for (size_t k = 0; k < q->n_keys; k++)
            printf(" %s",
                   q->keys[k].path ? q->keys[k].path : arena_printf(arena, "(%zu bytes)", q->keys[k].n));
        if (q->kind == REQUIREMENT_SIGNED_BY || q->kind == REQUIREMENT_SIGSTORE)
            printf(", %s %s %s", identities[q->identity.kind], q->identity.name ? q->identity.name : "",
                   q->identity.signed_prefix ? q->identity.signed_prefix : "");
        printf("\n");
    }
}

static int show_policy(int argc, char **argv)
{
    (void)argc;
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_close_ int root = root_open(argv[0], NULL);
    Policy p;
    int r = policy_load(arena, root, NULL, &p, &report);
    tell(&report);
    if (r < 0)
        return 1;
    printf("%s\n", p.path);
    show_scope(&p.fallback);
    for (size_t i = 0; i < p.n; i++)
        show_scope(&p.scopes[i]);
    return 0;
}

static int show_registries_d(int argc, char **argv)
{
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_close_ int root = root_open(argv[0], NULL);
    RegistriesD from;
    int r = registries_d_load(arena, root, &from, &report);
    tell(&report);
    for (int i = 1; r >= 0 && i < argc; i++) {
        ImageName name;
        if (image_name_read(arena, argv[i], &name, NULL) >= 0)
            printf("%s: %s%s\n", argv[i], registries_d_lookaside(arena, &from, &name),
                   registries_d_attachments(arena, &from, &name) ? ", attachments" : "");
    }
    return r < 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
        int least;
    } verbs[] = {{"manifest", show_manifest, 1},
                 {"choose", show_choose, 2},
                 {"config", show_config, 2},
                 {"registries", show_registries, 1},
                 {"auth", show_auth, 2},
                 {"certs", show_certs, 2},
                 {"layout", show_layout, 1},
                 {"policy", show_policy, 1},
                 {"registries-d", show_registries_d, 1}};
    for (size_t i = 0; argc > 1 && i < ELEMENTS(verbs); i++)
        if (!strcmp(argv[1], verbs[i].name) && argc - 2 >= verbs[i].least) {
            arena = arena_new();
            int r = verbs[i].run(argc - 2, argv + 2);
            arena_free(arena);
            return r;
        }
    return 2;
}
