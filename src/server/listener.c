/* Order: listen, load what must be loaded from files (libcrypto), give up every right, then take the first
 * snapshot and answer. A snapshot that cannot be used leaves the former one in place. */
#include "server/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fd_pass.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "format/digest.h"
#include "net/http_server.h"
#include "server/site.h"

enum { SNAPSHOT_MAX = 256 << 20, FILES_MAX = 4 * HTTP_SERVER_CONNECTIONS };

typedef struct Listener {
    const ListenerOptions *options;
    Site *site;
    HttpServer *secure, *plain;
} Listener;

int listener_send(int snapshots, const char *text, size_t n, Error *e)
{
    _cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)n) < 0 || pwrite(fd, text, n, 0) != (ssize_t)n)
        return error_errno(e, -errno, "handing the files over");
    int r = fd_send(snapshots, "s", 1, &fd, 1);
    return r < 0 ? error_errno(e, r, "handing the files over") : 0;
}

static int receive(int snapshots)
{
    char byte;
    int fd;
    return fd_receive(snapshots, &byte, 1, &fd, 1) > 0 ? fd : -EPIPE;
}

static int read_site(int fd, Site **ret, Error *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > SNAPSHOT_MAX)
        return error_set(e, EBADMSG, "a snapshot of no sensible size");
    char *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return error_errno(e, -errno, "reading a snapshot");
    int r = site_new(text, (size_t)st.st_size, ret, e);
    munmap(text, (size_t)st.st_size);
    return r;
}

/* < 0 only when the other side is gone. */
static int take_snapshot(Listener *l, int snapshots)
{
    _cleanup_close_ int fd = receive(snapshots);
    if (fd < 0)
        return -EPIPE;
    _cleanup_(site_freep)
    Site *site = NULL;
    Error e = ERROR_INIT;
    int r = read_site(fd, &site, &e);
    bool same = r >= 0 && l->site && !strcmp(site_certificate(l->site), site_certificate(site)) &&
                !strcmp(site_key(l->site), site_key(site));
    if (r >= 0 && !same)
        r = http_server_set_certificate(l->secure, site_certificate(site), site_key(site), &e);
    if (r < 0) {
        log_error(l->site ? "what changed is not used: %s" : "%s", e.text);
        return 0;
    }
    log_info(l->site ? "serving what changed%s" : "serving configs%s",
             same ? "" : ", with a new certificate");
    site_free(l->site);
    l->site = TAKE_PTR(site);
    return 0;
}

static int give_up_rights(const ListenerOptions *o, Error *e)
{
    char hex[2 * DIGEST_SIZE_MAX + 1];
    int r = digest_hex(DIGEST_SHA256, "", 0, hex, e); /* what it loads stays loaded in the empty root */
    const Sandbox rights = {.become = o->drop, .uid = o->uid, .gid = o->gid, .empty_root = o->drop};
    return r < 0 ? r : sandbox_enter(&rights, NULL, e);
}

static int open_servers(Listener *l, Error *e)
{
    const ListenerOptions *o = l->options;
    /* Half of the places: all machines may come through one load balancer, and it is not the only one. */
    HttpServerOptions h = {.address = o->address,
                           .port = o->port,
                           .tls = true,
                           .per_address = HTTP_SERVER_CONNECTIONS / 2,
                           .handler = site_answer,
                           .context = &l->site};
    int r = http_server_new(&h, &l->secure, e);
    if (r >= 0 && o->plain_port) {
        h.tls = false;
        h.port = o->plain_port;
        r = http_server_new(&h, &l->plain, e);
    }
    return r;
}

static void serve(Listener *l, int snapshots)
{
    for (;;) {
        struct pollfd p[] = {{.fd = snapshots, .events = POLLIN},
                             {.fd = http_server_fd(l->secure), .events = POLLIN},
                             {.fd = l->plain ? http_server_fd(l->plain) : -1, .events = POLLIN}};
        int wait = http_server_timeout_ms(l->secure),
            other = l->plain ? http_server_timeout_ms(l->plain) : -1;
        if (other >= 0 && (wait < 0 || other < wait))
            wait = other;
        if (poll(p, ELEMENTS(p), wait) < 0 && errno != EINTR)
            return;
        if (p[0].revents && take_snapshot(l, snapshots) < 0)
            return;
        http_server_work(l->secure);
        if (l->plain)
            http_server_work(l->plain);
    }
}

void listener_run(const ListenerOptions *o, int snapshots)
{
    Listener l = {.options = o};
    Error e = ERROR_INIT;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* the other process re-reads */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int r = open_servers(&l, &e);
    if (r >= 0)
        r = give_up_rights(o, &e);
    if (r >= 0 && take_snapshot(&l, snapshots) >= 0 && l.site) {
        log_info("listening on %s port %u", o->address, http_server_port(l.secure));
        serve(&l, snapshots);
    }
    if (r < 0)
        log_error("%s", e.text);
    http_server_free(l.secure);
    http_server_free(l.plain);
    site_free(l.site);
    _exit(r < 0 || !l.site ? 1 : 0);
}
