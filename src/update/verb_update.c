/* upgrade, switch and deploy: an image is asked for, checked against the system's policy, imported, and made
 * the next deployment. Order: the lock of the system first, so that what is compared stays so; the manifest,
 * which most often says that there is nothing to do; then layers, objects, the deployment. Cancelled or
 * failing before the last step it leaves the system as it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/file.h"
#include "update/events.h"
#include "update/image_kargs.h"
#include "update/ostree_ref.h"
#include "update/program.h"
#include "update/progress.h"
#include "update/status_node.h"

static struct {
    bool check, stage, reboot, lock, unchanged_77, signed_only, no_merge, force, no_delta,
        passes_over; /* what did not boot is no news; asked for by name it is an error */
    unsigned jobs;
    StringList kargs;
} opt;

#define FETCH_OPTIONS                                                                                        \
    {"stage",    0,    OPTION_FLAG,                                                                          \
     &opt.stage, NULL, "put it in place at shutdown (always so of the running system)",                      \
     NULL},                                                                                                  \
        {"lock", 0, OPTION_FLAG, &opt.lock, NULL, "not before `finalize --unlock`", NULL},                   \
        {"force", 0, OPTION_FLAG, &opt.force, NULL, "also what was tried and did not boot", NULL},           \
        {"reboot", 'r', OPTION_FLAG, &opt.reboot, NULL, "and start it now", NULL},                           \
        {"unchanged-exit-77",                                                                                \
         0,                                                                                                  \
         OPTION_FLAG,                                                                                        \
         &opt.unchanged_77,                                                                                  \
         NULL,                                                                                               \
         "exit with 77 when there is nothing new",                                                           \
         NULL},                                                                                              \
        {"no-delta", 0, OPTION_FLAG, &opt.no_delta, NULL, "fetch layers, never a delta", NULL},              \
    {                                                                                                        \
        "jobs", 'j', OPTION_UINT, &opt.jobs, "N", "layers at once (3)", NULL                                 \
    }

const Option upgrade_options[] = {
    {"check", 0, OPTION_FLAG, &opt.check, NULL, "only say whether there is something new", NULL},
    FETCH_OPTIONS,
    {0},
};
const Option switch_options[] = {
    {"enforce-container-sigpolicy", 0, OPTION_FLAG, &opt.signed_only, NULL,
     "now and later only what the policy wants signed", NULL},
    {"karg", 0, OPTION_LIST, &opt.kargs, "KEY[=VALUE]", "add a kernel argument", NULL},
    FETCH_OPTIONS,
    {0},
};
const Option deploy_options[] = {
    {"no-merge", 0, OPTION_FLAG, &opt.no_merge, NULL,
     "/etc as the version has it, no kernel arguments carried over", NULL},
    {"karg", 0, OPTION_LIST, &opt.kargs, "KEY[=VALUE]", "add a kernel argument", NULL},
    FETCH_OPTIONS,
    {0},
};

typedef struct Fetch {
    Session *s;
    Registries registries;
    WorkerHost *http;
    RegistryOptions registry;
    Policy policy;
    RegistriesD registries_d;
    PolicyOptions policy_options;
    ImportOptions import;
    Progress progress;
    const char *auth_files[2];
} Fetch;

static void fetch_done(Fetch *f)
{
    progress_end(&f->progress);
    worker_host_free(f->http);
    if (f->registry.root >= 0)
        close(f->registry.root);
}

static void warn(void *context, const char *text)
{
    progress_end(context);
    events_send_text("warning", text);
    if (!events_wanted())
        fprintf(stderr, "basalt-os: warning: %s\n", text);
}

static int fetcher_start(Fetch *f, Error *e)
{
    char lacks[SANDBOX_LACKS_TEXT_MAX], text[SANDBOX_LACKS_TEXT_MAX + 100];
    int r = http_host_new(SANDBOX_NOBODY, SANDBOX_NOBODY, &f->http, e);

    if (r < 0 || !worker_host_lacks(f->http))
        return r;
    sandbox_lacks_text(worker_host_lacks(f->http), lacks);
    snprintf(text, sizeof(text),
             "images are fetched by a process that lacks %s: this system does not let us have it", lacks);
    warn(&f->progress, text);
    return 0;
}

/* The administrator's configuration: mirrors, credentials, certificates, proxies. */
static int fetch_open(Fetch *f, Session *s, const ImageReference *image, Error *e)
{
    _cleanup_report_ Report r = REPORT_INIT(s->arena);
    f->s = s;
    int n = image->transport == TRANSPORT_REGISTRY ? fetcher_start(f, e) : 0; /* before we know secrets */
    f->registry.root = n < 0 ? -EBADF : root_open(options.config_root ? options.config_root : "/", e);
    if (f->registry.root < 0)
        return n < 0 ? n : f->registry.root;
    n = registries_load(s->arena, f->registry.root, &f->registries, &r);
    if (n >= 0)
        n = registries_d_load(s->arena, f->registry.root, &f->registries_d, &r);
    if (n >= 0)
        n = policy_load(s->arena, f->registry.root, getenv("CONTAINERS_POLICY_JSON"), &f->policy, &r);
    if (n < 0) {
        _cleanup_buf_ Buf findings = BUF_INIT;
        report_write(&r, REPORT_TEXT, &findings);
        fwrite(findings.data ? findings.data : "", 1, findings.len, stderr);
        return error_set(e, -n, "the configuration below %s/etc/containers cannot be used",
                         options.config_root ? options.config_root : "");
    }
    f->policy_options =
        (PolicyOptions){.policy = &f->policy, .registries_d = &f->registries_d, .registry = &f->registry};
    f->registry.registries = &f->registries;
    f->registry.http = f->http;
    f->registry.cancelled = cancel_asked;
    f->registry.http_proxy = getenv("http_proxy");
    f->registry.https_proxy = getenv("https_proxy") ? getenv("https_proxy") : getenv("HTTPS_PROXY");
    f->auth_files[0] = options.auth_file;
    if (options.auth_file)
        f->registry.auth_files = f->auth_files;
    f->import = (ImportOptions){.dirfd = sysroot_fd(s->sysroot),
                                .repository = "ostree/repo",
                                .registry = &f->registry,
                                .policy = &f->policy_options,
                                .arena = s->arena,
                                .bootable = true,
                                .jobs = opt.jobs,
                                .no_delta = opt.no_delta,
                                .warn = warn,
                                .progress = progress_show,
                                .cancelled = cancel_asked,
                                .context = &f->progress};
    progress_begin(&f->progress, options.quiet);
    return 0;
}

/* ---- telling ---- */

static Node *image_node(Arena *a, const char *image, const ContentDigest *digest, bool changed)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set(a, n, "changed", node_new_bool(a, changed));
    node_set_string(a, n, "image", image);
    node_set_string(a, n, "digest", digest->text);
    return n;
}

static const char *commit_name(Session *s, const ImportResult *r)
{
    char *text = arena_alloc(s->arena, OSTREE_CHECKSUM_TEXT);
    hex_encode(r->commit, OSTREE_CHECKSUM, text);
    return text;
}

static int tell_fetched(Session *s, const char *image, const ImportResult *r, int changed)
{
    char fetched[16], written[16], instead[16];
    bytes_text(r->fetched_bytes, fetched);
    bytes_text(r->written.bytes, written);
    if (!options.json) {
        verb_say("%s is at %s.", image, r->manifest.text);
        if (r->delta) {
            bytes_text(r->delta_instead, instead);
            verb_say("A delta from %.19s was fetched, %s instead of %s: %s in %llu new objects.",
                     r->delta_from.text, fetched, instead, written, (unsigned long long)r->written.objects);
        }
        if (r->fetched)
            verb_say("%zu of %zu layers were new: %s fetched, %s in %llu new objects.", r->fetched, r->layers,
                     fetched, written, (unsigned long long)r->written.objects);
        return changed || !opt.unchanged_77 ? EXIT_DONE : EXIT_UNCHANGED;
    }
    Node *n = image_node(s->arena, image, &r->manifest, changed > 0);
    node_set_string(s->arena, n, "commit", commit_name(s, r));
    node_set(s->arena, n, "layers", node_new_int(s->arena, (int64_t)r->layers));
    node_set(s->arena, n, "layers-fetched", node_new_int(s->arena, (int64_t)r->fetched));
    if (r->delta)
        node_set_string(s->arena, n, "delta-from", r->delta_from.text);
    node_set(s->arena, n, "bytes-fetched", node_new_int(s->arena, (int64_t)r->fetched_bytes));
    node_set(s->arena, n, "objects-written", node_new_int(s->arena, (int64_t)r->written.objects));
    node_set(s->arena, n, "bytes-written", node_new_int(s->arena, (int64_t)r->written.bytes));
    node_set(s->arena, n, "staged",
             node_new_bool(s->arena, sysroot_find(s->sysroot, DEPLOYMENT_STAGED, NULL) != NULL));
    verb_json(n);
    return changed || !opt.unchanged_77 ? EXIT_DONE : EXIT_UNCHANGED;
}

static void tell_next(const Session *s, int changed)
{
    if (!changed)
        verb_say("That is what the next boot starts already.");
    else if (s->live && opt.lock)
        verb_say("It is staged and locked. Next: basalt-os finalize --unlock");
    else if (s->live && !opt.reboot)
        verb_say("It takes the place at the next shutdown. Next: systemctl reboot");
    else if (!s->live)
        verb_say("It boots next. Next: basalt-os --sysroot %s status", options.sysroot);
}

/* ---- doing ---- */

/* Those of the deployment that it follows, as the image changes them, and what was asked for. */
static int next_kargs(Session *s, const char *commit, const Deployment *merge, const char **ret, Error *e)
{
    uint8_t from[OSTREE_CHECKSUM], to[OSTREE_CHECKSUM];
    struct utsname machine;
    ImageKargs old = {0}, new;
    const char *text = merge && !opt.no_merge ? merge->options : "";
    if (uname(&machine) < 0 || !ostree_checksum_read(commit, to))
        return error_set(e, EINVAL, "the kernel arguments of %s", commit);
    int r = image_kargs_read(s->repo, s->arena, to, machine.machine, &new, e);
    if (r >= 0 && *text && ostree_checksum_read(merge->checksum, from))
        (void)image_kargs_read(s->repo, s->arena, from, machine.machine, &old, NULL);
    if (r < 0)
        return r;
    text = image_kargs_update(s->arena, text, &old, &new);
    for (size_t i = 0; i < opt.kargs.n; i++)
        text = arena_printf(s->arena, "%s%s%s", text, *text ? " " : "", opt.kargs.items[i]);
    *ret = text;
    return 0;
}

/* 1: a new deployment; 0: the newest one is of this commit, origin and arguments already. */
static int make_next(Session *s, const char *commit, const Origin *origin, Error *e)
{
    const Deployment *newest = session_newest(s),
                     *merge = sysroot_find(s->sysroot, DEPLOYMENT_MERGE, options.stateroot);
    const char *was = newest ? origin_get(&newest->origin, ORIGIN_GROUP, ORIGIN_IMAGE) : NULL;
    const char *is = origin_get(origin, ORIGIN_GROUP, ORIGIN_IMAGE);
    if (newest && strcmp(newest->checksum, commit) == 0 && opt.kargs.n == 0 && !opt.no_merge &&
        strcmp(was ? was : "", is ? is : "") == 0)
        return 0;
    const char *kargs = NULL;
    int r = opt.force ? 0 : boot_failure_check(s, commit, e);
    if (r >= 0)
        r = next_kargs(s, commit, merge, &kargs, e);
    if (r < 0)
        return r;
    const DeploymentMake m = {
        .checksum = commit, .origin = origin, .options = kargs, .no_merge = opt.no_merge, .locked = opt.lock};
    r = session_deploy(s, &m, s->live || opt.stage || opt.lock, e);
    return r < 0 ? r : 1;
}

/* "sigstoreSigned /etc/pki/os.pub quay.io/project/os". What is here already keeps what was said of it. */
static const char *signed_by(Session *s, const ImportResult *r, const Deployment *newest)
{
    if (r->verdict.n == 0)
        return newest && strcmp(newest->checksum, commit_name(s, r)) == 0
                   ? origin_get(&newest->origin, ORIGIN_BASALT, ORIGIN_SIGNED)
                   : NULL;
    const char *text = NULL;
    for (size_t i = 0; i < r->verdict.n; i++) {
        const PolicyProof *p = r->verdict.proofs + i;
        if (p->key)
            text = arena_printf(s->arena, "%s%s%s %s %s", text ? text : "", text ? ", " : "", p->requirement,
                                p->key, p->identity ? p->identity : "");
    }
    return text;
}

/* `image` is fetched, `follow` is what later upgrades ask for. */
static int import_and_make(Session *s, const ImageReference *image, const ImageReference *follow,
                           ImportResult *ret, Error *e)
{
    _cleanup_(fetch_done)
    Fetch f = {.registry.root = -EBADF};
    const Deployment *newest = session_newest(s);
    int r = fetch_open(&f, s, image, e);
    if (r >= 0)
        r = image_import(&f.import, image, ret, e);
    if (r < 0)
        return r;
    Origin origin = newest ? origin_copy(s->arena, &newest->origin) : (Origin){.arena = s->arena};
    origin_forget_transient(&origin);
    origin_set(&origin, ORIGIN_GROUP, ORIGIN_REFSPEC, NULL);
    r = origin_set(&origin, ORIGIN_GROUP, ORIGIN_IMAGE, image_reference_text(s->arena, follow));
    if (r >= 0)
        r = origin_set(&origin, ORIGIN_BASALT, ORIGIN_SIGNED, signed_by(s, ret, newest));
    if (r < 0)
        return error_errno(e, r, "the origin of the new deployment");
    return make_next(s, commit_name(s, ret), &origin, e);
}

int session_install(Session *s, const SessionInstall *how, ImportResult *ret, Error *e)
{
    opt.kargs = how->kargs;
    opt.jobs = how->jobs;
    return import_and_make(s, how->image, how->follow, ret, e);
}

int session_install_check(Session *s, const ImageReference *image, ImportCheck *ret, Error *e)
{
    _cleanup_(fetch_done)
    Fetch f = {.registry.root = -EBADF};
    int r = fetch_open(&f, s, image, e);
    f.import.check_refuses = true;
    return r < 0 ? r : image_import_check(&f.import, image, s->arena, ret, e);
}

int session_refetch(Session *s, const SessionRefetch *how, ImportResult *ret, Error *e)
{
    _cleanup_(fetch_done)
    Fetch f = {.registry.root = -EBADF};
    int r = fetch_open(&f, s, how->image, e);
    f.import.suspects = how->suspects;
    f.import.only = how->only;
    return r < 0 ? r : image_import(&f.import, how->image, ret, e);
}

static int update_to(Session *s, const char *verb, const ImageReference *image, const ImageReference *follow)
{
    Error e = ERROR_INIT;
    ImportResult result = {0};
    int r = import_and_make(s, image, follow, &result, &e);
    if (r == -EALREADY && opt.passes_over) {
        report_add(&s->report, SEVERITY_WARNING, NULL, NULL, "nothing new: %s", e.text);
        r = 0;
    }
    if (r < 0)
        return session_failed(s, verb, &e);
    update_seen_forget(sysroot_fd(s->sysroot)); /* it is here, or passed over */
    verb_findings(verb, &s->report);
    int code = tell_fetched(s, image_reference_plain(s->arena, image), &result, r);
    if (e.code == 0)
        tell_next(s, r);
    return opt.reboot && r > 0 ? verb_reboot(verb) : code;
}

/* The image that the newest deployment follows. */
static int followed(Session *s, ImageReference *ret, Error *e)
{
    const Deployment *newest = session_newest(s);
    const char *image = newest ? origin_get(&newest->origin, ORIGIN_GROUP, ORIGIN_IMAGE) : NULL;
    if (!newest)
        return error_set(e, ENOENT, "nothing is deployed in %s: `switch IMAGE` comes first", options.sysroot);
    if (!image)
        return error_set(e, ENOENT, "deployment %s.%u follows no image: `switch IMAGE` comes first",
                         newest->checksum, newest->serial);
    int r = image_reference_read(s->arena, image, ret, e);
    return r < 0 ? error_wrap(e, r, "%s.origin", newest->path) : r;
}

/* For `status`. Who may only look does without. */
static void seen_note(Session *s, const ImageReference *image, const ImportCheck *c, const char *version)
{
    Error why = ERROR_INIT;
    const UpdateSeen u = {.image = image_reference_text(s->arena, image),
                          .digest = c->manifest.digest.text,
                          .version = version,
                          .bytes = c->delta_bytes ? c->delta_bytes : c->missing_bytes,
                          .time = (uint64_t)time(NULL)};
    if (!c->changed)
        update_seen_forget(sysroot_fd(s->sysroot));
    else if (update_seen_write(sysroot_fd(s->sysroot), &u, &why) < 0)
        fprintf(stderr, "basalt-os: warning: `status` will not know of this: %s\n", why.text);
}

static int check(Session *s, const ImageReference *image, Error *e)
{
    _cleanup_(fetch_done)
    Fetch f = {.registry.root = -EBADF};
    ImportCheck c;
    int r = fetch_open(&f, s, image, e);
    if (r >= 0)
        r = image_import_check(&f.import, image, s->arena, &c, e);
    if (r < 0)
        return r;
    const char *name = image_reference_plain(s->arena, image);
    const char *version = image_config_label(&c.config, "org.opencontainers.image.version");
    seen_note(s, image, &c, version);
    if (options.json) {
        Node *n = image_node(s->arena, name, &c.manifest.digest, c.changed);
        node_set_string(s->arena, n, "version", version);
        node_set(s->arena, n, "layers", node_new_int(s->arena, (int64_t)c.layers));
        node_set(s->arena, n, "layers-missing", node_new_int(s->arena, (int64_t)c.missing));
        node_set(s->arena, n, "bytes-missing", node_new_int(s->arena, (int64_t)c.missing_bytes));
        if (c.delta_bytes)
            node_set(s->arena, n, "bytes-delta", node_new_int(s->arena, (int64_t)c.delta_bytes));
        verb_json(n);
        return c.changed;
    }
    char bytes[16], delta[16];
    bytes_text(c.missing_bytes, bytes);
    bytes_text(c.delta_bytes, delta);
    if (!c.changed)
        verb_say("No update: %s is at %s.", name, c.manifest.digest.text);
    else
        verb_say("%s has%s%s %s: %zu of %zu layers to fetch, %s%s%s%s.\nNext: basalt-os upgrade", name,
                 version ? " version " : "", version ? version : "", c.manifest.digest.text, c.missing,
                 c.layers, bytes, c.delta_bytes ? " (" : "", c.delta_bytes ? delta : "",
                 c.delta_bytes ? " as a delta)" : "");
    return c.changed;
}

int verb_upgrade(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    ImageReference image;
    Error e = ERROR_INIT;
    if (verb_reboot_refused(argv[0], opt.reboot))
        return EXIT_USAGE;
    cancel_catch();
    opt.passes_over = true;
    int r = session_open(&s, !opt.check, &e);
    if (r >= 0)
        r = followed(&s, &image, &e);
    if (r >= 0 && opt.check)
        r = check(&s, &image, &e);
    if (r < 0)
        return session_failed(&s, argv[0], &e);
    if (opt.check)
        return r || !opt.unchanged_77 ? EXIT_DONE : EXIT_UNCHANGED;
    return update_to(&s, argv[0], &image, &image);
}

int verb_switch(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    _cleanup_arena_ Arena *a = arena_new();
    ImageReference image;
    Error e = ERROR_INIT;
    if (verb_reboot_refused(argv[0], opt.reboot))
        return EXIT_USAGE;
    cancel_catch();
    if (image_reference_read(a, argv[1], &image, &e) < 0) {
        fprintf(stderr, "basalt-os %s: %s\n", argv[0], e.text);
        return EXIT_USAGE;
    }
    if (opt.signed_only)
        image.scheme = SCHEME_SIGNED;
    else if (image.scheme == SCHEME_PLAIN)
        image.scheme = SCHEME_UNVERIFIED;
    if (session_open(&s, true, &e) < 0)
        return session_failed(&s, argv[0], &e);
    return update_to(&s, argv[0], &image, &image);
}

/* ---- a certain version ---- */

/* The image that is followed, at this digest; the name stays what is followed. */
static int deploy_digest(Session *s, const char *verb, const char *text)
{
    Error e = ERROR_INIT;
    ImageReference image, follow;
    ContentDigest digest;
    int r = followed(s, &follow, &e);
    if (r >= 0 && follow.transport != TRANSPORT_REGISTRY)
        r = error_set(&e, EINVAL, "%s: only an image of a registry has other versions",
                      image_reference_plain(s->arena, &follow));
    if (r >= 0)
        r = content_digest_read(text, strlen(text), &digest, &e);
    if (r < 0)
        return session_failed(s, verb, &e);
    image = follow;
    image.name.digest = &digest;
    return update_to(s, verb, &image, &follow);
}

/* A commit that is here already, by checksum or by ref. */
static int deploy_commit(Session *s, const char *verb, const char *text)
{
    Error e = ERROR_INIT;
    uint8_t commit[OSTREE_CHECKSUM];
    char checksum[OSTREE_CHECKSUM_TEXT];
    const Deployment *newest = session_newest(s);
    int r = ostree_checksum_read(text, commit) ? 1 : ostree_ref_read(s->repo, text, commit, &e);
    if (r < 0)
        return session_failed(s, verb, &e);
    const bool by_ref = r == 0;
    hex_encode(commit, OSTREE_CHECKSUM, checksum);
    Origin origin = newest && !by_ref ? origin_copy(s->arena, &newest->origin) : (Origin){.arena = s->arena};
    origin_forget_transient(&origin);
    if (by_ref || origin.n == 0)
        origin_set(&origin, ORIGIN_GROUP, ORIGIN_REFSPEC, text);
    r = make_next(s, checksum, &origin, &e);
    if (r < 0)
        return session_failed(s, verb, &e);
    verb_findings(verb, &s->report);
    if (options.json) {
        Node *n = status_node(s->arena, s);
        node_set(s->arena, n, "changed", node_new_bool(s->arena, r > 0));
        verb_json(n);
    }
    tell_next(s, r);
    return opt.reboot && r > 0 ? verb_reboot(verb) : r || !opt.unchanged_77 ? EXIT_DONE : EXIT_UNCHANGED;
}

int verb_deploy(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    if (verb_reboot_refused(argv[0], opt.reboot))
        return EXIT_USAGE;
    cancel_catch();
    if (session_open(&s, true, &e) < 0)
        return session_failed(&s, argv[0], &e);
    return strchr(argv[1], ':') && strncmp(argv[1], "sha", 3) == 0 ? deploy_digest(&s, argv[0], argv[1])
                                                                   : deploy_commit(&s, argv[0], argv[1]);
}
