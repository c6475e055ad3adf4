/* `basalt-os boot-complete`, which units of the system call: the boot went well, or (--failed) it did not.
 * And what `status` says of trials and failures. A failed boot is started anew only where GRUB counts it:
 * else the machine would start for ever. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "update/boot_counting.h"
#include "update/program.h"
#include "update/status_node.h"

static struct {
    bool failed;
} opt;

const Option boot_complete_options[] = {
    {"failed", 0, OPTION_FLAG, &opt.failed, NULL, "it is not: start the machine anew while this is a trial",
     NULL},
    {0},
};

static const char *reason(Arena *a, const BootFailure *f)
{
    return arena_printf(a, "deployment %s did not reach boot-complete.target in %u %s", f->deployment,
                        f->tries, f->tries == 1 ? "try" : "tries");
}

static const char *day(Arena *a, uint64_t seconds)
{
    char text[32] = "";
    const time_t t = (time_t)seconds;
    struct tm tm;
    if (seconds == 0 || !gmtime_r(&t, &tm) ||
        strftime(text, sizeof text, " on %Y-%m-%d at %H:%M:%SZ", &tm) == 0)
        return "";
    return arena_strdup(a, text);
}

void boot_state_show(Arena *a, const Session *s)
{
    BootFailure f;
    BootTrial trial;
    if (boot_fell_back(s->sysroot, &f))
        printf("The boot loader went back to this system%s: %s.\n", day(a, f.time), reason(a, &f));
    else if (boot_trial_read(s->sysroot, &trial) > 0)
        printf("Deployment %s is on trial: %u of %u tries left.\n", trial.deployment, trial.left,
               trial.tries);
}

void boot_state_node(Arena *a, const Session *s, Node *n)
{
    BootFailure f;
    BootTrial trial;
    Node *fallback = node_new(a, NODE_NULL), *on_trial = node_new(a, NODE_NULL);
    if (boot_trial_read(s->sysroot, &trial) > 0) {
        on_trial = node_new(a, NODE_OBJECT);
        node_set_string(a, on_trial, "deployment", trial.deployment);
        node_set(a, on_trial, "tries", node_new_int(a, trial.tries));
        node_set(a, on_trial, "tries-left", node_new_int(a, trial.left));
        node_set(a, on_trial, "counted", node_new_bool(a, trial.counted));
    }
    if (boot_fell_back(s->sysroot, &f)) {
        fallback = node_new(a, NODE_OBJECT);
        node_set_string(a, fallback, "failed", f.deployment);
        node_set_string(a, fallback, "checksum", f.checksum);
        node_set_string(a, fallback, "instead", f.instead);
        node_set(a, fallback, "tries", node_new_int(a, f.tries));
        if (f.time)
            node_set(a, fallback, "timestamp", node_new_int(a, (int64_t)f.time));
        node_set_string(a, fallback, "reason", reason(a, &f));
    }
    node_set(a, n, "boot-trial", on_trial);
    node_set(a, n, "boot-fallback", fallback);
}

int boot_failure_check(Session *s, const char *checksum, Error *e)
{
    BootFailures all;
    boot_failures_read(s->sysroot, &all);
    const BootFailure *f = boot_failure_of(&all, checksum);
    if (!f)
        return 0;
    return error_set(e, EALREADY, "commit %.12s was tried%s: %s; --force tries it once more", checksum,
                     day(s->arena, f->time), reason(s->arena, f));
}

/* 75 stays for others: whether the machine starts anew is what the text says. */
static int failed(Session *s, const char *verb)
{
    const Deployment *d = sysroot_find(s->sysroot, DEPLOYMENT_BOOTED, NULL);
    BootTrial trial;
    if (!d || boot_trial_read(s->sysroot, &trial) == 0 || !trial.counted ||
        !deployment_is_named(d, trial.deployment)) {
        verb_say("The running system is not on trial: nothing is done.");
        return EXIT_DONE;
    }
    if (verb_reboot_refused(verb, true))
        return EXIT_USAGE;
    verb_say("The boot failed, %u of %u tries are left: starting %s.", trial.left, trial.tries,
             trial.left ? "anew" : "the former system");
    return verb_reboot(verb);
}

int verb_boot_complete(int argc _unused_, char **argv)
{
    _cleanup_session_ Session s = SESSION_INIT;
    Error e = ERROR_INIT;
    BootFailure f;
    int r = session_open(&s, !opt.failed, &e);
    if (r >= 0 && opt.failed)
        return failed(&s, argv[0]);
    if (r >= 0)
        r = boot_complete(s.sysroot, &s.tree, &e);
    if (r < 0)
        return verb_failed(argv[0], &e);
    if (options.json)
        return verb_json(status_node(s.arena, &s));
    if (r == BOOT_GOOD)
        verb_say("The running system boots well: its trial is over.");
    else if (r == BOOT_FELL_BACK && boot_fell_back(s.sysroot, &f))
        verb_say("The running system is the default one again: %s.", reason(s.arena, &f));
    else
        verb_say("Nothing was on trial.");
    return EXIT_DONE;
}
