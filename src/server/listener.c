/* Order: listen, load what must be loaded from files (libcrypto), give up every right, then take the first
 * snapshot and answer. A snapshot that cannot be used leaves the former one in place. */
#include "server/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
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
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec byte = {.iov_base = (void *)"s", .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(snapshots, &m, MSG_NOSIGNAL) == 1 ? 0 : error_errno(e, -errno, "handing the files over");
}

static int receive(int snapshots)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec v = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space)};
    if (recvmsg(snapshots, &m, MSG_CMSG_CLOEXEC) <= 0)
        return -EPIPE;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int fd = -EBADMSG;
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
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

/* A directory that stays empty for ever: a helper that shares this process's root takes it to its own
 * directory below /proc, and ends, and that directory with it. */
static int enter_empty_root(Error *e)
{
    int status = 0;
    long pid = syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0 ? errno : 0);
    if (pid < 0)
        return error_errno(e, -errno, "entering an empty root");
    while (waitpid((pid_t)pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_errno(e, -errno, "entering an empty root");
    if (status)
        return error_errno(e, WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO, "entering an empty root");
    return 0;
}

static int drop_capabilities(Error *e)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &header, none) < 0)
        return error_errno(e, -errno, "giving up capabilities");
    return 0;
}

static int become(const ListenerOptions *o, Error *e)
{
    for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
            return error_errno(e, -errno, "giving up capabilities");
    if (setgroups(0, NULL) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 ||
        setresuid(o->uid, o->uid, o->uid) < 0)
        return error_errno(e, -errno, "giving up the rights of root");
    return 0;
}

static int give_up_rights(const ListenerOptions *o, Error *e)
{
    char hex[2 * DIGEST_SIZE_MAX + 1];
    int r = digest_hex(DIGEST_SHA256, "", 0, hex, e); /* what it loads stays loaded in the empty root */
    if (r >= 0 && o->drop)
        r = enter_empty_root(e);
    if (r >= 0 && o->drop)
        r = become(o, e);
    if (r >= 0)
        r = drop_capabilities(e);
    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return error_errno(e, -errno, "giving up rights");
    return 0;
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
