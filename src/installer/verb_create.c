/* `basalt create TARGET`: options become InstallerOptions, then the store does the work. Errors of the
 * install config have an exit code of their own, so that scripts can tell them from a full disk. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "installer/asset_store.h"
#include "installer/install_log.h"
#include "installer/verbs.h"
#include "net/pki.h"

static struct {
    const char *dir, *level, *reuse, *ignition_version, *now, *seed;
    InstallerOptions o;
} opt = {
    .dir = ".",
    .level = "info",
    .reuse = "auto",
    .ignition_version = "2.2.0",
    .o = {.key_type = "p256", .lifetime_scale = 1, .token_hours = 24},
};

const Option create_options[] = {
    {"dir", 'd', OPTION_STRING, &opt.dir, "DIR", "the cluster's directory (default: this one)", NULL},
    {"log-level", 0, OPTION_STRING, &opt.level, "LEVEL", "debug, info (default), warn or error", NULL},
    {"reuse-state", 0, OPTION_CHOICE, &opt.reuse, "WHEN",
     "auto (default): keys and certificates of former runs stay; never: all are made anew", "auto never"},
    {"ignition-version", 0, OPTION_STRING, &opt.ignition_version, "VERSION",
     "spec of the written Ignition configs (default: 2.2.0)", NULL},
    {"key-type", 0, OPTION_CHOICE, &opt.o.key_type, "TYPE", "of new keys: p256 (default) or rsa2048",
     "p256 rsa2048"},
    {"token-hours", 0, OPTION_UINT, &opt.o.token_hours, "N", "life of the provisioning tokens (default: 24)",
     NULL},
    {"lenient", 0, OPTION_FLAG, &opt.o.lenient, NULL,
     "a YAML key that stands twice is a warning; the last one counts", NULL},
    {"name", 0, OPTION_STRING, &opt.o.name, "NAME", "for a new install config: the cluster's name", NULL},
    {"base-domain", 0, OPTION_STRING, &opt.o.base_domain, "DOMAIN", "for a new install config: its domain",
     NULL},
    {"ssh-key-file", 0, OPTION_STRING, &opt.o.ssh_key_file, "FILE", "for a new install config: public keys",
     NULL},
    {"pull-secret-file", 0, OPTION_STRING, &opt.o.pull_secret_file, "FILE",
     "for a new install config: credentials for registries", NULL},
    {"additional-trust-bundle-file", 0, OPTION_STRING, &opt.o.trust_bundle_file, "FILE",
     "for a new install config: certificates to trust", NULL},
    {"masters", 0, OPTION_STRING, &opt.o.control_plane_replicas, "N", "for a new install config (default: 3)",
     NULL},
    {"workers", 0, OPTION_STRING, &opt.o.compute_replicas, "N", "for a new install config (default: 3)",
     NULL},
    {"lifetime-scale", 0, OPTION_UINT, &opt.o.lifetime_scale, "N", "for tests: divide every lifetime by N",
     NULL},
    {"seed", 0, OPTION_STRING, &opt.seed, "TEXT",
     "for tests: random bytes that follow from TEXT; nothing is secret", NULL},
    {"now", 0, OPTION_STRING, &opt.now, "TIME", "for tests: as if it were TIME (2020-01-31T12:00:00Z)", NULL},
    {0},
};

static bool parse_now(time_t *ret)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    struct tm tm = {0};

    if (opt.now) {
        const char *end = strptime(opt.now, "%Y-%m-%dT%H:%M:%SZ", &tm);
        *ret = timegm(&tm);
        return end && !*end;
    }
    if (epoch) {
        char *end;
        errno = 0;
        *ret = (time_t)strtoll(epoch, &end, 10);
        return *epoch && !*end && errno == 0 && *ret >= 0;
    }
    *ret = time(NULL);
    return true;
}

/* 0, or the exit code. */
static int parse_options(InstallerOptions *o)
{
    InstallLogLevel level;
    Error e = ERROR_INIT;

    *o = opt.o;
    o->dir = opt.dir;
    o->reuse_state = strcmp(opt.reuse, "never") != 0;
    if (install_log_level_parse(opt.level, &level) < 0) {
        install_log(INSTALL_LOG_FATAL, "invalid log-level: not a valid level: \"%s\"", opt.level);
        return EXIT_USAGE;
    }
    install_log_set_level(level);
    if (ign_version_parse(opt.ignition_version, &o->ignition_version, &e) < 0 ||
        o->ignition_version < IGN_2_2 || o->ignition_version > IGN_NEWEST) {
        install_log(INSTALL_LOG_FATAL, "--ignition-version: \"%s\" is none of 2.2.0 to %s",
                    opt.ignition_version, ign_version_text(IGN_NEWEST));
        return EXIT_USAGE;
    }
    if (!parse_now(&o->now)) {
        install_log(INSTALL_LOG_FATAL, "--now, SOURCE_DATE_EPOCH: not a time");
        return EXIT_USAGE;
    }
    if (o->lifetime_scale == 0 || o->token_hours == 0 || o->token_hours > 24 * 365) {
        install_log(INSTALL_LOG_FATAL, "--lifetime-scale is at least 1, --token-hours 1 to 8760");
        return EXIT_USAGE;
    }
    if (opt.seed)
        pki_seed(opt.seed);
    return 0;
}

static const AssetTarget *target_find(const char *name)
{
    for (const AssetTarget *t = asset_targets; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    abort(); /* the verb table has one more than the targets */
}

static const char *place(Arena *a, const char *dir, const char *sub)
{
    return !*sub ? dir : strcmp(dir, ".") == 0 ? sub : arena_printf(a, "%s/%s", dir, sub);
}

/* The line that ends a run, as scripts of openshift-install's users know it. */
static void tell_where(Arena *a, const char *target, const char *dir)
{
    static const struct {
        const char *target, *what, *first, *second;
    } rows[] = {{"install-config", "Install-Config", "", NULL},
                {"manifests", "Manifests", "manifests", "openshift"},
                {"ignition-configs", "Ignition-Configs", "", "auth"}};

    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (strcmp(rows[i].target, target) == 0)
            install_log(INSTALL_LOG_INFO, "%s created in: %s%s%s", rows[i].what, place(a, dir, rows[i].first),
                        rows[i].second ? " and " : "", rows[i].second ? place(a, dir, rows[i].second) : "");
}

int verb_create(int argc _unused_, char **argv)
{
    _cleanup_(asset_store_freep)
    AssetStore *s = NULL;
    InstallerOptions o;
    Error e = ERROR_INIT;

    int code = parse_options(&o);
    if (code)
        return code;
    umask(027); /* files have modes of their own; this is for directories */
    int r = asset_store_open(&o, &s, &e);
    if (r >= 0)
        r = asset_store_create(s, target_find(argv[0]), &e);
    if (r >= 0) {
        tell_where(asset_store_arena(s), argv[0], o.dir);
        return 0;
    }
    install_log(INSTALL_LOG_FATAL, "%s", e.text);
    return r == -EBADMSG ? EXIT_INSTALL_CONFIG : 1;
}
