/* What is on trial is a matter of the loader's directory and changes with its rename, so that a cut leaves
 * the old order without, or the new one with its trial. GRUB's counter is another file and is never reset
 * here: a count belongs to the token of a trial, and of a token that it does not know GRUB begins to count
 * anew. A trial ends well by the removal of trial.cfg. It ends badly when GRUB has started the second entry:
 * the system that runs then writes down what failed, and puts itself first. */
#include "update/boot_counting.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/file.h"
#include "system/cmdline.h"
#include "system/grub_env.h"
#include "update/boot_esp.h"
#include "update/boot_swap.h"
#include "update/deployment_edit.h"
#include "update/sysroot_state.h"

#define GRUBENV   "grub/grubenv"
#define TRIAL     "trial.cfg"
#define FAILURES  "failed-boots" /* of ostree/ */
#define ENV_TRIAL "basalt_trial" /* the names in grubenv, as data/grub.cfg has them */
#define ENV_LEFT  "basalt_left"
enum { TRIAL_SIZE_MAX = 4096, FAILURES_SIZE_MAX = 64 << 10, TOKEN_BYTES = 8 };

static const char *name_of(Arena *a, const Deployment *d)
{
    return arena_printf(a, "%s/%s.%u", d->stateroot, d->checksum, d->serial);
}

bool deployment_is_named(const Deployment *d, const char *name)
{
    char text[SYSROOT_NAME_MAX + 100];
    snprintf(text, sizeof(text), "%s/%s.%u", d->stateroot, d->checksum, d->serial);
    return strcmp(text, name) == 0;
}

/* "STATEROOT/CHECKSUM.SERIAL"; the checksum in *ret. */
static bool name_read(Arena *a, const char *name, const char **ret)
{
    const char *slash = strchr(name, '/');
    char checksum[65];
    unsigned serial;

    if (!slash || slash == name || !deployment_name_read(slash + 1, checksum, &serial))
        return false;
    *ret = arena_strdup(a, checksum);
    return true;
}

/* ---- trial.cfg ---- */

/* The value of `set NAME="VALUE"`. */
static const char *assigned(Arena *a, const char *text, const char *name)
{
    const char *start = arena_printf(a, "set %s=\"", name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, start, strlen(start)) != 0)
            continue;
        const char *value = line + strlen(start);
        size_t n = strcspn(value, "\"\n");
        return value[n] == '"' ? arena_memdup(a, value, n) : NULL;
    }
    return NULL;
}

static bool tries_read(const char *text, unsigned *ret)
{
    if (!text || text[0] < '0' || text[0] > '0' + BOOT_TRIES_MAX || text[1])
        return false;
    *ret = (unsigned)(text[0] - '0');
    return true;
}

int boot_trial_parse(Arena *a, const char *text, BootTrial *ret)
{
    BootTrial t = {.token = assigned(a, text, "trial"), .deployment = assigned(a, text, "trial_of")};
    const char *checksum;

    if (!t.token || !t.token[0] || !t.deployment || !name_read(a, t.deployment, &checksum) ||
        !tries_read(assigned(a, text, "trial_tries"), &t.tries) || t.tries == 0)
        return -EBADMSG;
    t.left = t.tries;
    *ret = t;
    return 0;
}

const char *boot_trial_now(Sysroot *s)
{
    const char *path = arena_printf(s->arena, "loader.%u/" TRIAL, s->bootversion);
    _cleanup_buf_ Buf text = BUF_INIT;

    if (!s->has_loader || s->boot < 0 || root_read(s->boot, path, TRIAL_SIZE_MAX, &text) < 0)
        return NULL;
    return arena_memdup(s->arena, text.data ? text.data : "", text.len);
}

static unsigned tries_wanted(Arena *a, const Deployment *d)
{
    const char *text = cmdline_last(a, d->options ? d->options : "", CMDLINE_QUOTED, BOOT_TRIES_ARGUMENT);
    unsigned tries = BOOT_TRIES;
    (void)tries_read(text, &tries);
    return tries;
}

static const char *trial_new(Arena *a, const Deployment *d, unsigned tries)
{
    uint64_t token = 0;
    if (getrandom(&token, sizeof(token), 0) != sizeof(token))
        token = (uint64_t)time(NULL);
    return arena_printf(a,
                        "# This deployment is on trial: GRUB counts the boots of it.\n"
                        "set trial=\"%016" PRIx64 "\"\n"
                        "set trial_tries=\"%u\"\n"
                        "set trial_of=\"%s\"\n",
                        token, tries, name_of(a, d));
}

const char *boot_trial_plan(Sysroot *s, const Deployment *first, size_t n)
{
    const char *now = boot_trial_now(s);
    const Deployment *was = NULL;
    BootTrial trial;

    if (n < 2 || s->boot < 0 || (faccessat(s->boot, GRUBENV, F_OK, 0) < 0 && !boot_esp_is_there(s)))
        return NULL;
    if (now && boot_trial_parse(s->arena, now, &trial) == 0 && deployment_is_named(first, trial.deployment))
        return now; /* it goes on: whoever writes the entries anew at each boot does not prolong it */
    for (size_t i = 0; !was && i < s->list.n; i++)
        if (!s->list.items[i]->staged)
            was = s->list.items[i];
    if (first->booted || (was && deployment_is_same(was, first)))
        return NULL;
    unsigned tries = tries_wanted(s->arena, first);
    return tries > 0 ? trial_new(s->arena, first, tries) : NULL;
}

int boot_trial_read(Sysroot *s, BootTrial *ret)
{
    const char *text = boot_trial_now(s);
    _cleanup_buf_ Buf env = BUF_INIT;

    if (!text || boot_trial_parse(s->arena, text, ret) < 0)
        return 0;
    if (boot_esp_tries(s, &ret->left, &ret->counted) > 0)
        return 1;
    if (grub_env_read(s->boot, GRUBENV, &env, NULL) < 0)
        return 1;
    const char *token = grub_env_get(s->arena, env.data, env.len, ENV_TRIAL);
    ret->counted = token && strcmp(token, ret->token) == 0 &&
                   tries_read(grub_env_get(s->arena, env.data, env.len, ENV_LEFT), &ret->left);
    return 1;
}

/* ---- what failed ---- */

/* "TIME TRIES DEPLOYMENT INSTEAD" */
static bool failure_read(Arena *a, const char *line, size_t n, BootFailure *ret)
{
    char *save, *words[4], *end;
    char *text = arena_memdup(a, line, n);

    for (size_t i = 0; i < ELEMENTS(words); i++, text = NULL)
        if (!(words[i] = strtok_r(text, " ", &save)))
            return false;
    *ret = (BootFailure){.deployment = words[2], .instead = words[3]};
    errno = 0;
    ret->time = strtoull(words[0], &end, 10);
    return errno == 0 && words[0][0] >= '0' && words[0][0] <= '9' && *end == '\0' &&
           tries_read(words[1], &ret->tries) && name_read(a, ret->deployment, &ret->checksum);
}

void boot_failures_parse(Arena *a, const char *text, BootFailures *ret)
{
    ret->n = 0;
    for (const char *line = text; *line && ret->n < BOOT_FAILURES_MAX;) {
        size_t n = strcspn(line, "\n");
        ret->n += failure_read(a, line, n, &ret->items[ret->n]);
        line += n + (line[n] == '\n');
    }
}

void boot_failures_read(Sysroot *s, BootFailures *ret)
{
    _cleanup_buf_ Buf text = BUF_INIT;

    ret->n = 0;
    if (file_read_at(s->ostree, FAILURES, FAILURES_SIZE_MAX, &text, NULL) >= 0 && text.data)
        boot_failures_parse(s->arena, text.data, ret);
}

const BootFailure *boot_failure_of(const BootFailures *f, const char *checksum)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].checksum, checksum) == 0)
            return &f->items[i];
    return NULL;
}

static int failures_write(Sysroot *s, const BootFailures *f, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = sysroot_step(s, "the list of what did not boot", e);

    for (size_t i = 0; i < f->n; i++)
        buf_addf(&text, "%" PRIu64 " %u %s %s\n", f->items[i].time, f->items[i].tries, f->items[i].deployment,
                 f->items[i].instead);
    if (r >= 0 && (r = file_write_at(s->ostree, FAILURES, text.data ? text.data : "", text.len,
                                     FILE_WRITE(.sync = true))) < 0)
        error_errno(e, r, "ostree/" FAILURES);
    return r;
}

/* Once, though boot_complete() may come here again. */
static int failure_add(Sysroot *s, const BootTrial *trial, const Deployment *instead, Error *e)
{
    BootFailures f;
    BootFailure fresh = {.deployment = trial->deployment,
                         .instead = name_of(s->arena, instead),
                         .tries = trial->tries,
                         .time = (uint64_t)time(NULL)};

    boot_failures_read(s, &f);
    if (f.n > 0 && strcmp(f.items[0].deployment, fresh.deployment) == 0 &&
        strcmp(f.items[0].instead, fresh.instead) == 0)
        return 0;
    size_t kept = f.n < BOOT_FAILURES_MAX ? f.n : BOOT_FAILURES_MAX - 1;
    memmove(&f.items[1], &f.items[0], kept * sizeof(f.items[0]));
    f.items[0] = fresh;
    f.n = kept + 1;
    return failures_write(s, &f, e);
}

/* It boots after all. */
static int failures_forget(Sysroot *s, const Deployment *d, Error *e)
{
    BootFailures f;
    size_t kept = 0;

    boot_failures_read(s, &f);
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.items[i].checksum, d->checksum) != 0)
            f.items[kept++] = f.items[i];
    if (kept == f.n)
        return 0;
    f.n = kept;
    return failures_write(s, &f, e);
}

/* ---- how it went ---- */

static const Deployment *running(const Sysroot *s)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (s->list.items[i]->booted)
            return s->list.items[i];
    return NULL;
}

bool boot_fell_back(Sysroot *s, BootFailure *ret)
{
    const Deployment *d = running(s);
    BootFailures f;
    BootTrial trial;

    /* Before boot_complete() has written it down. */
    if (d && boot_trial_read(s, &trial) > 0 && trial.counted && trial.left == 0 &&
        !deployment_is_named(d, trial.deployment)) {
        *ret = (BootFailure){
            .deployment = trial.deployment, .instead = name_of(s->arena, d), .tries = trial.tries};
        return name_read(s->arena, trial.deployment, &ret->checksum);
    }
    if (!d)
        d = sysroot_find(s, DEPLOYMENT_PENDING, NULL);
    boot_failures_read(s, &f);
    if (!d || f.n == 0 || !deployment_is_named(d, f.items[0].instead))
        return false;
    *ret = f.items[0];
    return true;
}

static int trial_end(Sysroot *s, Error *e)
{
    const char *path = arena_printf(s->arena, "loader.%u/" TRIAL, s->bootversion);
    int r = sysroot_step(s, "the end of the trial", e);

    if (r >= 0 && unlinkat(s->boot, path, 0) < 0)
        r = error_errno(e, -errno, "boot/%s", path);
    if (r >= 0)
        r = boot_sync(s, e);
    return r < 0 ? r : boot_esp_sync(s, e);
}

int boot_complete(Sysroot *s, const DeploymentTree *t, Error *e)
{
    const Deployment *d = running(s);
    BootTrial trial;
    int r = sysroot_need_write(s, e);

    if (r < 0)
        return r;
    if (!d)
        return error_set(e, ENOENT, "no deployment of this system runs");
    if (boot_trial_read(s, &trial) == 0) {
        r = failures_forget(s, d, e);
        return r < 0 ? r : BOOT_UNCHANGED;
    }
    if (deployment_is_named(d, trial.deployment)) {
        r = trial_end(s, e);
        if (r >= 0)
            r = failures_forget(s, d, e);
        return r < 0 ? r : BOOT_GOOD;
    }
    if (!trial.counted || trial.left > 0)
        return BOOT_UNCHANGED; /* somebody chose it in the boot loader's menu */
    r = failure_add(s, &trial, d, e);
    if (r >= 0)
        r = deployment_set_first(s, t, d, e);
    return r < 0 ? r : BOOT_FELL_BACK;
}
