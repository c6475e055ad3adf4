/* `basalt-os status`: what is booted, what comes next, what is the way back, and what is wrong. Reads only,
 * takes no lock. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "update/program.h"
#include "update/progress.h"
#include "update/status_node.h"

static struct {
    bool verbose, booted;
} opt;

const Option status_options[] = {
    {"verbose", 'v', OPTION_FLAG, &opt.verbose, NULL, "kernel arguments and checksums of kernels too", NULL},
    {"booted", 'b', OPTION_FLAG, &opt.booted, NULL, "only the booted deployment", NULL},
    {0},
};

static const char *time_text(Arena *a, uint64_t seconds)
{
    char text[32];
    const time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &tm) == 0)
        return "";
    return arena_strdup(a, text);
}

/* "booted, pinned": what a person would say of it. */
static const char *states(Arena *a, const Session *s, const Deployment *d)
{
    const char *stateroot = options.stateroot;
    const struct {
        bool is;
        const char *word;
    } all[] = {
        {d->booted, "booted"},
        {d->staged, d->finalization_locked ? "staged, locked" : "staged"},
        {!d->staged && !d->booted && d == sysroot_find(s->sysroot, DEPLOYMENT_PENDING, stateroot),
         "next boot"},
        {d == sysroot_find(s->sysroot, DEPLOYMENT_ROLLBACK, stateroot), "rollback"},
        {d->pinned, "pinned"},
    };
    const char *text = "";
    for (size_t i = 0; i < ELEMENTS(all); i++)
        if (all[i].is)
            text = arena_printf(a, "%s%s%s", text, *text ? ", " : "", all[i].word);
    return text;
}

static void field(const char *name, const char *value)
{
    if (value && *value)
        printf("    %-10s %s\n", name, value);
}

static void show(Arena *a, const Session *s, const Deployment *d, size_t index)
{
    const char *image = origin_get(&d->origin, ORIGIN_GROUP, ORIGIN_IMAGE);
    const char *ref = image ? image : origin_get(&d->origin, ORIGIN_GROUP, ORIGIN_REFSPEC);
    const char *state = states(a, s, d);
    printf("%c %zu  %s%s%s%s\n", d->booted ? '*' : ' ', index, ref ? ref : d->checksum, *state ? "  (" : "",
           state, *state ? ")" : "");
    field("version", d->version);
    field("digest", commit_text(a, s->repo, d->checksum, "ostree.manifest-digest"));
    field("signed by", origin_get(&d->origin, ORIGIN_BASALT, ORIGIN_SIGNED));
    field("commit", arena_printf(a, "%s.%u", d->checksum, d->serial));
    if (d->timestamp)
        field("made", time_text(a, d->timestamp));
    field("kernel", d->kernel_version);
    if (d->unlocked)
        field("/usr", arena_printf(a, "writable (%s)", d->unlocked));
    if (!opt.verbose)
        return;
    field("stateroot", d->stateroot);
    field("arguments", d->options);
    field("boot", d->boot_checksum);
}

static void show_update(Arena *a, const Session *s)
{
    UpdateSeen u;
    char bytes[16];
    if (status_update(a, s, &u) <= 0)
        return;
    bytes_text(u.bytes, bytes);
    printf("Update available: %s%s%s, %s to fetch, seen %s. Next: basalt-os upgrade\n",
           u.version ? "version " : "", u.version ? u.version : "",
           u.version ? arena_printf(a, " (%s)", u.digest) : u.digest, bytes, time_text(a, u.time));
}

static void advise(const Session *s)
{
    const DeploymentList *all = sysroot_deployments(s->sysroot);
    if (options.quiet)
        return;
    if (all->n == 0)
        printf("Nothing is deployed yet. Next: basalt-os%s%s switch IMAGE\n", s->live ? "" : " --sysroot ",
               s->live ? "" : options.sysroot);
    else if (s->live && !all->items[0]->booted && sysroot_find(s->sysroot, DEPLOYMENT_BOOTED, NULL))
        printf("The next boot starts deployment 0. Next: systemctl reboot\n");
}

int verb_status(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    if (session_open(&s, false, &e) < 0)
        return verb_failed(argv[0], &e);
    if (options.json)
        return verb_json(status_node(s.arena, &s));
    const DeploymentList *all = sysroot_deployments(s.sysroot);
    for (size_t i = 0; i < all->n; i++)
        if (!opt.booted || all->items[i]->booted)
            show(s.arena, &s, all->items[i], i);
    if (sysroot_failure(s.sysroot))
        printf("The staged deployment did not take its place at shutdown: %s\n", sysroot_failure(s.sysroot));
    boot_state_show(s.arena, &s);
    show_update(s.arena, &s);
    verb_findings(argv[0], sysroot_problems(s.sysroot));
    advise(&s);
    return EXIT_DONE;
}
