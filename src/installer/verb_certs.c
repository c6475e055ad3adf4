/* `basalt certs show|renew|recover`: the certificate clock, and certificates issued again from the keys of
 * their signers. `renew` does what is due and can be done; `recover` makes all of a directory good, however
 * long it has been expired, or changes nothing. */
#include <stdio.h>
#include <string.h>

#include "installer/certificate_clock.h"
#include "installer/certificate_renewal.h"
#include "installer/verbs.h"

static struct {
    StringList dirs;
    const char *dir, *now;
    unsigned scale;
    bool json, all;
} opt = {.scale = 1};

#define NOW_OPTION                                                                                           \
    {                                                                                                        \
        "now", 0, OPTION_STRING, &opt.now, "TIME", "for tests: as if it were TIME (2020-01-31T12:00:00Z)",   \
            NULL                                                                                             \
    }
#define DIR_OPTION                                                                                           \
    {                                                                                                        \
        "dir", 0, OPTION_STRING, &opt.dir, "DIR", "has NAME.crt and NAME.key, or has them in tls/ (.)", NULL \
    }
#define SCALE_OPTION                                                                                         \
    {                                                                                                        \
        "lifetime-scale", 0, OPTION_UINT, &opt.scale, "N", "for tests: divide every lifetime by N", NULL     \
    }

const Option certs_show_options[] = {
    {"dir", 0, OPTION_LIST, &opt.dirs, "DIR",
     "an install directory, or one with certificates below it; may be repeated (.)", NULL},
    {"json", 0, OPTION_FLAG, &opt.json, NULL, "for programs", NULL},
    NOW_OPTION,
    {0},
};
const Option certs_renew_options[] = {
    DIR_OPTION,
    {"all", 0, OPTION_FLAG, &opt.all, NULL, "also what is not due yet", NULL},
    NOW_OPTION,
    SCALE_OPTION,
    {0}};
const Option certs_recover_options[] = {DIR_OPTION, NOW_OPTION, SCALE_OPTION, {0}};

static bool now_is(time_t *ret)
{
    struct tm tm = {0};
    *ret = time(NULL);
    if (!opt.now)
        return true;
    const char *end = strptime(opt.now, "%Y-%m-%dT%H:%M:%SZ", &tm);
    *ret = timegm(&tm);
    return end && !*end;
}

static int usage(const char *what)
{
    fprintf(stderr, "basalt certs: %s\n", what);
    return EXIT_USAGE;
}

int verb_certs_show(int argc _unused_, char **argv _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(certificate_clock_done)
    CertificateClock clock = {0};
    _cleanup_buf_ Buf out = BUF_INIT;
    time_t now;
    bool unreadable = false;
    if (!now_is(&now))
        return usage("--now: not a time");
    if (!opt.dirs.n)
        string_list_add(&opt.dirs, ".");
    for (size_t i = 0; i < opt.dirs.n; i++) {
        Error e = ERROR_INIT;
        if (certificate_clock_add(&clock, a, opt.dirs.items[i], now, &e) < 0) {
            fprintf(stderr, "basalt certs show: %s\n", e.text);
            unreadable = true;
        }
    }
    if (opt.json) {
        json_write(certificate_clock_node(&clock, a), JSON_PRETTY2, &out);
        buf_add_char(&out, '\n');
    } else if (clock.n)
        certificate_clock_text(&clock, now, &out);
    fwrite(out.data ? out.data : "", 1, out.len, stdout);
    return unreadable || clock.expired ? 1 : 0;
}

static int renew(const char *verb, bool whole)
{
    _cleanup_arena_ Arena *a = arena_new();
    RenewalOptions o = {
        .dir = opt.dir ? opt.dir : ".", .lifetime_scale = opt.scale, .all = opt.all, .whole = whole};
    RenewalResult done = {0};
    Error e = ERROR_INIT;
    if (!now_is(&o.now))
        return usage("--now: not a time");
    if (!opt.scale)
        return usage("--lifetime-scale is 1 at least");
    int r = certificate_renewal(a, &o, &done, &e);
    if (done.completed)
        fprintf(stderr, "basalt certs %s: completed what a former run had begun\n", verb);
    for (size_t i = 0; i < done.n_left; i++)
        fprintf(stderr, "basalt certs %s: %s\n", verb, done.left[i]);
    if (r < 0) {
        fprintf(stderr, "basalt certs %s: %s\n", verb, e.text);
        return 1;
    }
    for (size_t i = 0; i < done.n; i++)
        printf("%s\n", done.files[i]);
    if (done.former)
        printf("What was there is in %s. Whoever has read these files has to read them again.\n",
               done.former);
    else if (!done.n_left)
        printf("Nothing is due.\n");
    return done.n_left ? 1 : 0;
}

int verb_certs_renew(int argc _unused_, char **argv _unused_)
{
    return renew("renew", false);
}

int verb_certs_recover(int argc _unused_, char **argv _unused_)
{
    return renew("recover", true);
}
