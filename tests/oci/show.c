/* show: what the readers of src/oci make of a file, for golden tests.
 *   show manifest FILE [MEDIA-TYPE]     show choose FILE MACHINE     show config MANIFEST CONFIG */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "oci/image_config.h"

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

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
        int least;
    } verbs[] = {{"manifest", show_manifest, 1}, {"choose", show_choose, 2}, {"config", show_config, 2}};
    for (size_t i = 0; argc > 1 && i < ELEMENTS(verbs); i++)
        if (!strcmp(argv[1], verbs[i].name) && argc - 2 >= verbs[i].least) {
            arena = arena_new();
            int r = verbs[i].run(argc - 2, argv + 2);
            arena_free(arena);
            return r;
        }
    return 2;
}
