/* Hyper-V: the config is one of the key-value pairs of the host (kvp.c). The host gives them once a boot and
 * this program is the first to ask, so it keeps for hv_kvp_daemon what that would have written: the pool
 * files, readable by root alone since the config is in them. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "format/data_url.h"
#include "provision/kvp.h"
#include "provision/platform.h"

/* The kernel's device; in a test a socket stands in its place. */
static int device_open(const char *path, Error *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    _cleanup_close_ int fd = -EBADF;

    if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
            return TAKE_FD(fd);
    } else {
        fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            return TAKE_FD(fd);
    }
    return error_errno(e, -errno, "opening '%s'", path);
}

static const char pool_path[] = "/var/lib/hyperv/.kvp_pool_";

/* What an earlier stage of this boot was told. */
static void pairs_remember(const State *s, KvpPairs *pairs)
{
    const IgnList *files = &s->provider_output_files;

    IGN_EACH (const IgnFile, f, *files) {
        _cleanup_(buf_done_secret)
        Buf text = BUF_INIT;
        const char *path = f->base.path, *source = f->contents.source;
        if (path && source && strncmp(path, pool_path, sizeof(pool_path) - 1) == 0 &&
            data_url_decode(source, &text, NULL) >= 0)
            kvp_pool_read((unsigned)(path[sizeof(pool_path) - 1] - '0'), &text, pairs);
    }
}

static void pool_files_add(State *s, const KvpPairs *pairs)
{
    IgnFile *files = ARENA_ARRAY(s->arena, IgnFile, KVP_POOLS);

    for (unsigned pool = 0; pool < KVP_POOLS; pool++) {
        _cleanup_(buf_done_secret)
        Buf text = BUF_INIT, url = BUF_INIT;
        kvp_pool_file(pairs, pool, &text);
        data_url_encode_base64("application/octet-stream", text.data, text.len, &url);
        files[pool].base.path = arena_printf(s->arena, "%s%u", pool_path, pool);
        files[pool].base.overwrite = BOOL_TRUE;
        files[pool].mode = (OptInt){.set = true, .value = 0600};
        files[pool].contents.source = arena_strdup(s->arena, url.data);
    }
    s->provider_output_files.items = files;
    s->provider_output_files.n = KVP_POOLS;
}

int hyperv_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    const char *driver = platform_path(p->arena, "BASALT_SYSFS", "/sys", "bus/vmbus/drivers/hv_utils");
    KvpPairs pairs = {.arena = p->arena};
    int r = platform_modprobe(p, "hv_utils", driver, e);

    if (r < 0)
        return r;
    _cleanup_close_ int fd = device_open(platform_path(p->arena, "BASALT_DEV", "/dev", "vmbus/hv_kvp"), e);
    if (fd < 0)
        return fd;
    r = kvp_receive(fd, &pairs, e);
    if (r < 0)
        return error_wrap(e, r, "reading key-value pairs");
    if (pairs.n > 0)
        pool_files_add(p->state, &pairs);
    else
        pairs_remember(p->state, &pairs);
    if (p->state->provider_output_files.n == 0)
        pool_files_add(p->state, &pairs); /* empty ones */
    r = kvp_config(&pairs, ret);
    if (r == -ENODATA)
        log_info("the host's key-value pairs have no config");
    return r;
}
