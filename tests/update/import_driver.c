/* import-driver: images into a repository, for import.py, which makes them.
 *   import-driver [OPTION…] import ROOT REPO IMAGE    what came of it, as JSON; exit 1 with the reason
 *   import-driver [OPTION…] check ROOT REPO IMAGE
 * ROOT has etc/containers. --jobs=N, --max=BYTES of a layer, --fail=N: the Nth step is not done, --errno=N:
 * with that code, --kill: the program ends there instead, --cancel=BYTES: cancelled when so many came,
 * --progress: each call, on standard error; --bootable: no other image; --no-delta; --in-process: no other
 * process. */
#include <fcntl.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "update/image_import.h"
#include "update/ostree_ref.h"

typedef struct Driver {
    atomic_ulong steps, bytes;
    unsigned long fail, cancel, jobs, max;
    int code;
    bool kill, progress, bootable, in_process, no_delta;
} Driver;

static int step(void *context, const char *what)
{
    Driver *d = context;
    (void)what;
    if (++d->steps != d->fail)
        return 0;
    if (d->kill)
        _exit(9);
    return -d->code;
}

static void progress(void *context, const ImportProgress *p)
{
    static const char *const states[] = {"waiting", "kept", "fetching", "done"};
    Driver *d = context;
    d->bytes = p->done;
    if (d->progress)
        fprintf(stderr, "layer %zu %s %llu: %llu of %llu, layers %zu, kept %zu, fetched %zu\n", p->layer,
                states[p->state], (unsigned long long)p->layer_done, (unsigned long long)p->done,
                (unsigned long long)p->total, p->layers, p->kept, p->fetched);
}

static void warn(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "warning: %s\n", text);
}

static bool cancelled(void *context)
{
    const Driver *d = context;
    return d->cancel > 0 && d->bytes >= d->cancel;
}

static void set_number(Arena *a, Node *to, const char *key, uint64_t v)
{
    node_set(a, to, key, node_new_int(a, (int64_t)v));
}

static void set_checksum(Arena *a, Node *to, const char *key, const uint8_t checksum[OSTREE_CHECKSUM])
{
    char hex[OSTREE_CHECKSUM_TEXT];
    hex_encode(checksum, OSTREE_CHECKSUM, hex);
    node_set_string(a, to, key, hex);
}

static int print(const Node *n)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    json_write(n, JSON_COMPACT, &out);
    puts(out.data);
    return fflush(stdout) ? -EIO : 0;
}

static int run_import(const ImportOptions *o, const ImageReference *reference, Arena *a, Error *e)
{
    Node *n = node_new(a, NODE_OBJECT);
    ImportResult result;
    int r = image_import(o, reference, &result, e);
    if (r < 0)
        return r;
    node_set(a, n, "changed", node_new_bool(a, r > 0));
    set_checksum(a, n, "commit", result.commit);
    if (result.has_base)
        set_checksum(a, n, "base", result.base);
    node_set_string(a, n, "manifest", result.manifest.text);
    node_set_string(a, n, "ref", image_import_ref(a, reference));
    set_number(a, n, "layers", result.layers);
    set_number(a, n, "kept", result.kept);
    set_number(a, n, "fetched", result.fetched);
    set_number(a, n, "fetched_bytes", result.fetched_bytes);
    node_set(a, n, "delta", node_new_bool(a, result.delta));
    set_number(a, n, "delta_instead", result.delta_instead);
    set_number(a, n, "objects", result.written.objects);
    set_number(a, n, "bytes", result.written.bytes);
    set_number(a, n, "devices", result.dropped.devices);
    set_number(a, n, "fifos", result.dropped.fifos);
    set_number(a, n, "xattrs", result.dropped.xattrs);
    set_number(a, n, "runtime", result.dropped.runtime);
    set_number(a, n, "repository", result.dropped.repository);
    set_number(a, n, "other", result.dropped.other);
    node_set_string(a, n, "kernel", result.kernel);
    node_set(a, n, "label", node_new_bool(a, result.label));
    node_set(a, n, "bootable", node_new_bool(a, result.bootable));
    set_number(a, n, "steps", ((Driver *)o->step_context)->steps);
    return print(n);
}

static int run_check(const ImportOptions *o, const ImageReference *reference, Arena *a, Error *e)
{
    Node *n = node_new(a, NODE_OBJECT);
    ImportCheck check;
    int r = image_import_check(o, reference, a, &check, e);
    if (r < 0)
        return r;
    node_set_string(a, n, "index", check.index.digest.text);
    node_set_string(a, n, "manifest", check.manifest.digest.text);
    node_set_string(a, n, "config", check.config_text);
    node_set(a, n, "changed", node_new_bool(a, check.changed));
    set_number(a, n, "layers", check.layers);
    set_number(a, n, "missing", check.missing);
    set_number(a, n, "missing_bytes", check.missing_bytes);
    set_number(a, n, "delta_bytes", check.delta_bytes);
    return print(n);
}

static bool options_read(int argc, char **argv, Driver *d)
{
    static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                            {"max", required_argument, NULL, 'm'},
                                            {"fail", required_argument, NULL, 'f'},
                                            {"errno", required_argument, NULL, 'e'},
                                            {"no-delta", no_argument, NULL, 'n'},
                                            {"kill", no_argument, NULL, 'k'},
                                            {"cancel", required_argument, NULL, 'c'},
                                            {"progress", no_argument, NULL, 'p'},
                                            {"in-process", no_argument, NULL, 'i'},
                                            {"bootable", no_argument, NULL, 'r'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        unsigned long v = optarg ? strtoul(optarg, NULL, 10) : 0;
        switch (c) {
        case 'j':
            d->jobs = v;
            break;
        case 'm':
            d->max = v;
            break;
        case 'f':
            d->fail = v;
            break;
        case 'e':
            d->code = (int)v;
            break;
        case 'c':
            d->cancel = v;
            break;
        case 'n':
            d->no_delta = true;
            break;
        case 'k':
            d->kill = true;
            break;
        case 'p':
            d->progress = true;
            break;
        case 'i':
            d->in_process = true;
            break;
        case 'r':
            d->bootable = true;
            break;
        default:
            return false;
        }
    }
    return argc - optind == 4;
}

int main(int argc, char **argv)
{
    Driver d = {.code = EINTR};
    if (!options_read(argc, argv, &d))
        return 2;
    argv += optind;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_close_ int root = root_open(argv[1], NULL);
    const Platform platform = platform_of_machine("x86_64");
    Registries registries;
    ImageReference reference;
    Error e = ERROR_INIT;
    if (root < 0 || registries_load(a, root, &registries, &report) < 0)
        return 2;
    _cleanup_(worker_host_freep)
    WorkerHost *http = NULL;
    if (!d.in_process && http_host_new(65534, 65534, &http, &e) < 0)
        return 2;
    const RegistryOptions registry = {
        .http = http, .root = root, .registries = &registries, .attempts = 2, .stall_ms = 3000};
    const ImportOptions o = {.dirfd = AT_FDCWD,
                             .repository = argv[2],
                             .registry = &registry,
                             .platform = &platform,
                             .jobs = (unsigned)d.jobs,
                             .layer_max = d.max,
                             .no_delta = d.no_delta,
                             .in_process = d.in_process,
                             .warn = warn,
                             .bootable = d.bootable,
                             .progress = progress,
                             .cancelled = cancelled,
                             .context = &d,
                             .step = step,
                             .step_context = &d};
    int r = image_reference_read(a, argv[3], &reference, &e);
    if (r >= 0)
        r = strcmp(argv[0], "check") == 0 ? run_check(&o, &reference, a, &e)
                                          : run_import(&o, &reference, a, &e);
    if (r < 0)
        fprintf(stderr, "%s\n", e.text);
    return r < 0;
}
