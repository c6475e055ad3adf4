/* Config drives: a filesystem with a known label is waited for, opened, and read at a known path. Where there
 * may be a metadata service as well, it is asked while the drive is waited for, over each address family, and
 * the first answer counts: "no user data" is an answer, a failure is none. When all have failed the machine
 * does not go on: nobody can know whether there was a config. */
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/drive.h"
#include "provision/platform.h"
#include "provision/platform_http.h"

enum { RACERS_MAX = 16, LEASE_MAX = 64 * 1024 };

/* The first path with something in it: 0, or -ENODATA. */
static int drive_read(const PlatformFetch *p, int root, const Drive *d, Buf *ret, Error *e)
{
    static const char cloud[] = "#cloud-config\n";

    for (size_t i = 0; i < ELEMENTS(d->paths) && d->paths[i]; i++) {
        _cleanup_(buf_done_secret)
        Buf text = BUF_INIT;
        int r = root_read(root, d->paths[i], PLATFORM_CONFIG_MAX, &text);
        if (r == -ENOENT || (r >= 0 && text.len == 0))
            continue;
        if (r < 0)
            return error_errno(e, r, "reading %s of the filesystem %s", d->paths[i], d->label);
        if (p->platform->skip_cloud_config && strncmp(text.data, cloud, sizeof(cloud) - 1) == 0) {
            log_info("%s of the filesystem %s is for cloud-init, passing over it", d->paths[i], d->label);
            continue;
        }
        log_info("config has been read from %s of the filesystem %s", d->paths[i], d->label);
        buf_add(ret, text.data, text.len);
        return 0;
    }
    log_info("the filesystem %s has no config", d->label);
    return -ENODATA;
}

int drive_try(const PlatformFetch *p, Buf *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new(); /* it may be tried for a long time */

    for (size_t i = 0; i < ELEMENTS(p->platform->drives) && p->platform->drives[i].label; i++) {
        const Drive *d = &p->platform->drives[i];
        _cleanup_close_ int root = drive_open_label(a, d->label, e);
        if (root == -ENOENT)
            continue;
        return root < 0 ? root : drive_read(p, root, d, ret, e);
    }
    return -ENOENT;
}

int drive_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    const Platform *platform = p->platform;
    PlatformFetch own = *p;
    int r;

    if (platform->drive_wait_ms) {
        int64_t until = monotonic_ms() + platform->drive_wait_ms;
        own.deadline_ms = p->deadline_ms && p->deadline_ms < until ? p->deadline_ms : until;
    }
    r = drive_try(&own, ret, e);
    if (r == -ENOENT)
        log_info("waiting for a filesystem with the label %s", platform->drives[0].label);
    while (r == -ENOENT && platform_pause(&own))
        r = drive_try(&own, ret, e);
    if (r != -ENOENT)
        return r;
    if (!platform->drive_wait_ms)
        return error_set(e, ETIMEDOUT, "no filesystem with the label %s appeared in time",
                         platform->drives[0].label);
    log_info("no filesystem with the label %s appeared in time, continuing without a config",
             platform->drives[0].label);
    return -ENODATA;
}

/* ---- all at the same time ---- */

typedef struct Race Race;

typedef struct Racer {
    Race *race;
    pthread_t thread;
    PlatformFetch fetch; /* with a fetcher of its own */
    const char *name, *url;
    int (*run)(struct Racer *r, Buf *ret, Error *e);
} Racer;

struct Race {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Racer racers[RACERS_MAX];
    size_t n, running;
    bool won;
    int result; /* of the winner */
    Buf text;
    Error failure; /* of the last that failed */
};

static int race_drives(Racer *r, Buf *ret, Error *e)
{
    return drive_fetch(&r->fetch, ret, e);
}

static int race_metadata(Racer *r, Buf *ret, Error *e)
{
    int k = metadata_get(&r->fetch, r->url, ret, e);

    return k == -ENOENT ? -ENODATA : k;
}

DEFINE_CLEANUP(struct if_nameindex *, if_freenameindex);

/* The address of the DHCP server, which is where CloudStack's metadata are, out of systemd-networkd's lease.
 */
static int lease_server(Buf *ret)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(if_freenameindexp)
    struct if_nameindex *names = if_nameindex();

    for (struct if_nameindex *i = names; i && i->if_index; i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        const char *rest = arena_printf(a, "systemd/netif/leases/%u", i->if_index), *at;
        if (file_read_at(AT_FDCWD, platform_path(a, "BASALT_RUN", "/run", rest), LEASE_MAX, &text, NULL) <
                0 ||
            text.len == 0)
            continue;
        static const char key[] = "\nSERVER_ADDRESS=";
        at = strncmp(text.data, key + 1, sizeof(key) - 2) == 0 ? text.data - 1 : strstr(text.data, key);
        if (!at)
            continue;
        at += sizeof(key) - 1;
        buf_add(ret, at, strspn(at, "0123456789abcdefABCDEF.:"));
        return ret->len > 0 ? 0 : -ENOENT;
    }
    return -ENOENT;
}

static int race_dhcp_server(Racer *r, Buf *ret, Error *e)
{
    _cleanup_buf_ Buf server = BUF_INIT;
    int k = lease_server(&server);

    if (k == -ENOENT)
        log_info("waiting for a DHCP lease");
    while (k == -ENOENT && platform_pause(&r->fetch))
        k = lease_server(&server);
    if (k < 0)
        return error_set(e, ETIMEDOUT, "no DHCP lease appeared in time");
    r->url = arena_printf(r->fetch.arena, "http://%s%s", server.data, strstr(r->url, "/latest"));
    return race_metadata(r, ret, e);
}

static void *racer_main(void *context)
{
    Racer *r = context;
    Race *race = r->race;
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    Error e = ERROR_INIT;
    int k = r->run(r, &text, &e);

    pthread_mutex_lock(&race->lock);
    race->running--;
    if (!race->won && (k >= 0 || k == -ENODATA)) {
        race->won = true;
        race->result = k;
        race->text = text;
        text = BUF_INIT;
    } else if (!race->won) {
        log_error("failed to fetch the config from %s: %s", r->name, e.text);
        race->failure = e;
    }
    pthread_cond_signal(&race->changed);
    pthread_mutex_unlock(&race->lock);
    return NULL;
}

static void racer_add(Race *race, const PlatformFetch *p, const Racer *model)
{
    if (race->n == RACERS_MAX)
        return;
    Racer *r = &race->racers[race->n];
    *r = *model;
    r->race = race;
    r->fetch = *p;
    r->fetch.fetcher = fetcher_snapshot(p->fetcher);
    r->fetch.arena = arena_new();
    race->n++;
}

static void race_line_up(Race *race, const PlatformFetch *p)
{
    const char *url = p->platform->metadata.url;
    struct ifaddrs *list = NULL;
    static const char v4[] = "http://169.254.169.254/";

    racer_add(race, p, &(Racer){.name = "a config drive", .run = race_drives});
    if (strncmp(url, v4, sizeof(v4) - 1) != 0) {
        racer_add(race, p, &(Racer){.name = "the metadata service", .url = url, .run = race_dhcp_server});
        return;
    }
    racer_add(race, p, &(Racer){.name = "the metadata service", .url = url, .run = race_metadata});
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        bool known = false;
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET6 || (i->ifa_flags & IFF_LOOPBACK) ||
            !(i->ifa_flags & IFF_UP))
            continue;
        const char *own =
            arena_printf(p->arena, "http://[fe80::a9fe:a9fe%%25%s]/%s", i->ifa_name, url + sizeof(v4) - 1);
        for (size_t k = 0; k < race->n; k++)
            known = known || (race->racers[k].url && strcmp(race->racers[k].url, own) == 0);
        if (!known)
            racer_add(race, p,
                      &(Racer){.name = "the metadata service over IPv6", .url = own, .run = race_metadata});
    }
    freeifaddrs(list);
}

static int race_run(Race *race, Buf *ret, Error *e)
{
    size_t started = 0;
    int r = 0;

    pthread_mutex_lock(&race->lock);
    for (; started < race->n && r == 0; started++) {
        r = -pthread_create(&race->racers[started].thread, NULL, racer_main, &race->racers[started]);
        if (r < 0)
            break;
        race->running++;
    }
    while (race->running > 0 && !race->won && r == 0)
        pthread_cond_wait(&race->changed, &race->lock);
    pthread_mutex_unlock(&race->lock);
    for (size_t i = 0; i < started; i++)
        fetcher_cancel(race->racers[i].fetch.fetcher);
    for (size_t i = 0; i < started; i++)
        pthread_join(race->racers[i].thread, NULL);
    if (race->won) {
        buf_add(ret, race->text.data, race->text.len);
        return race->result;
    }
    if (r < 0)
        return error_errno(e, r, "starting a thread");
    return error_set(e, race->failure.code ? race->failure.code : EIO, "%s", race->failure.text);
}

int race_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    Race race = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

    if (fetcher_offline(p->fetcher))
        return error_set(e, ENETDOWN, "resource requires networking");
    race_line_up(&race, p);
    int r = race_run(&race, ret, e);
    for (size_t i = 0; i < race.n; i++) {
        fetcher_free(race.racers[i].fetch.fetcher);
        arena_free(race.racers[i].fetch.arena);
    }
    buf_done_secret(&race.text);
    return r;
}
