/* The platforms by id. `file` is for tests: $IGNITION_CONFIG_FILE or ./config.ign. `metal` has nothing but
 * the kernel command line. `qemu` reads the firmware's file, through sysfs. The others are known by name, so
 * that a config from the kernel command line or the system works on them; asking them for one is a failure.
 */
#include "provision/platform.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "system/cmdline.h"

enum { CMDLINE_SIZE_MAX = 1024 * 1024, FW_CFG_SIZE_TEXT_MAX = 4096 /* what sysfs says of each of its files */ };

static int file_fetch(Fetcher *f _unused_, Buf *ret, Error *e)
{
    const char *path = getenv("IGNITION_CONFIG_FILE");

    if (!path || !*path)
        path = "config.ign";
    log_info("using config file at \"%s\"", path);
    int r = file_read_at(AT_FDCWD, path, PLATFORM_CONFIG_MAX, ret, NULL);
    if (r < 0)
        return error_errno(e, r, "couldn't read config \"%s\"", path);
    return 0;
}

static int metal_fetch(Fetcher *f _unused_, Buf *ret _unused_, Error *e _unused_)
{
    return -ENODATA;
}

/* The kernel's fw_cfg driver starts each read(2) at the front again, so the file is read in as few as can be:
 * one, of the size that the firmware says. */
static int fw_cfg_read(int dir, size_t size, Buf *ret, Error *e)
{
    _cleanup_close_ int fd = openat(dir, "raw", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_errno(e, -errno, "couldn't open QEMU firmware config");
    char *to = buf_reserve(ret, size + 1);
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, to + have, size + 1 - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(e, -errno, "couldn't read QEMU firmware config");
        if (n == 0)
            return error_set(e, EIO, "couldn't read QEMU firmware config: it is shorter than it says");
        have += (size_t)n;
    }
    if (have > size)
        return error_set(e, EIO, "couldn't read QEMU firmware config: it is longer than it says");
    ret->len += size;
    ret->data[ret->len] = '\0';
    return 0;
}

static int qemu_fetch(Fetcher *f _unused_, Buf *ret, Error *e)
{
    _cleanup_buf_ Buf path = BUF_INIT, text = BUF_INIT;
    const char *sysfs = getenv("BASALT_SYSFS");
    char *end;
    int r;

    buf_addf(&path, "%s/firmware/qemu_fw_cfg", sysfs && *sysfs ? sysfs : "/sys");
    if (access(path.data, F_OK) < 0) {
        const char *const argv[] = {"modprobe", "qemu_fw_cfg", NULL};
        r = process_run(&(ProcessRun){.argv = argv}, e);
        if (r != 0)
            return error_wrap(e, r < 0 ? r : -EIO, "loading QEMU firmware config module");
    }
    buf_add_str(&path, "/by_name/opt/com.coreos/config");
    _cleanup_close_ int dir = open(path.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT) {
        log_info("QEMU firmware config was not found. Ignoring...");
        return -ENODATA;
    }
    if (dir < 0)
        return error_errno(e, -errno, "couldn't open '%s'", path.data);
    r = file_read_at(dir, "size", FW_CFG_SIZE_TEXT_MAX, &text, NULL);
    if (r < 0)
        return error_errno(e, r, "couldn't read QEMU firmware config size");
    errno = 0;
    unsigned long long size = text.len > 0 ? strtoull(text.data, &end, 10) : 0;
    if (text.len == 0 || errno || end == text.data || (*end && *end != '\n'))
        return error_set(e, EIO, "couldn't parse QEMU firmware config size");
    if (size > PLATFORM_CONFIG_MAX)
        return error_set(e, EFBIG, "QEMU firmware config has %llu bytes, more than %d", size,
                         PLATFORM_CONFIG_MAX);
    return fw_cfg_read(dir, (size_t)size, ret, e);
}

static const Platform platforms[] = {
    {.id = "akamai"},
    {.id = "aliyun"},
    {.id = "applehv"},
    {.id = "aws"},
    {.id = "azure"},
    {.id = "azurestack"},
    {.id = "brightbox"},
    {.id = "cloudstack"},
    {.id = "digitalocean"},
    {.id = "exoscale"},
    {.id = "file", .fetch = file_fetch},
    {.id = "gcp"},
    {.id = "hetzner"},
    {.id = "hyperv"},
    {.id = "ibmcloud"},
    {.id = "kubevirt"},
    {.id = "metal", .fetch = metal_fetch},
    {.id = "nutanix"},
    {.id = "nvidiabluefield"},
    {.id = "openstack"},
    {.id = "oraclecloud"},
    {.id = "packet"},
    {.id = "powervs"},
    {.id = "proxmoxve"},
    {.id = "qemu", .fetch = qemu_fetch},
    {.id = "scaleway"},
    {.id = "upcloud"},
    {.id = "virtualbox"},
    {.id = "vmware"},
    {.id = "vultr"},
    {.id = "zvm"},
};

const Platform *platform_find(const char *id)
{
    for (size_t i = 0; i < ELEMENTS(platforms); i++)
        if (strcmp(platforms[i].id, id) == 0)
            return &platforms[i];
    return NULL;
}

void platform_names(Buf *out)
{
    for (size_t i = 0; i < ELEMENTS(platforms); i++)
        buf_addf(out, "%s%s", i > 0 ? " " : "", platforms[i].id);
}

int platform_fetch(const Platform *p, Fetcher *f, Buf *ret, Error *e)
{
    if (!p->fetch)
        return error_set(e, EOPNOTSUPP, "platform %s: not supported yet", p->id);
    return p->fetch(f, ret, e);
}

/* Split at each space, quotes mean nothing, as Ignition reads it. The last URL that is not empty counts. */
static const char *cmdline_url(Arena *a, const char *text)
{
    static const char key[] = "ignition.config.url=";
    CmdlineWords words = cmdline_split(a, text, CMDLINE_PLAIN);

    for (size_t i = words.n; i > 0; i--)
        if (strncmp(words.words[i - 1], key, sizeof(key) - 1) == 0 && words.words[i - 1][sizeof(key) - 1])
            return words.words[i - 1] + sizeof(key) - 1;
    return NULL;
}

int cmdline_fetch(Fetcher *f, Buf *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    const char *path = getenv("IGNITION_KERNEL_CMDLINE_PATH");
    int r;

    if (!path || !*path)
        path = "/proc/cmdline";
    r = file_read_at(AT_FDCWD, path, CMDLINE_SIZE_MAX, &text, NULL);
    if (r < 0)
        return error_errno(e, r, "couldn't read cmdline '%s'", path);
    const char *url = text.len > 0 ? cmdline_url(a, text.data) : NULL;
    if (!url)
        return -ENOENT;
    r = resource_fetch_buf(f, &(IgnResource){.source = url}, PLATFORM_CONFIG_MAX, ret, e);
    if (r < 0)
        return error_wrap(e, r, "ignition.config.url");
    return 0;
}
