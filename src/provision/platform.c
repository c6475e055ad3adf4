/* The platforms by id. `file` is for tests: $IGNITION_CONFIG_FILE or ./config.ign. `metal` has the kernel
 * command line and the boot partition. The rest is facts: addresses, headers and labels are those that the
 * platforms document and that coreos/ignition internal/providers/ asks by; what is more than facts has a
 * function in one of the platform_*.c. */
#include "provision/platform.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "provision/user_data.h"
#include "system/cmdline.h"

enum { CMDLINE_SIZE_MAX = 1024 * 1024, CIDATA_WAIT_MS = 30000, PAUSE_MS = 1000, PIECE_MS = 20 };

static int file_fetch(const PlatformFetch *p _unused_, Buf *ret, Error *e)
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

/* An installer leaves the config in the boot partition. A system that was started from a disk has one, which
 * may still be on its way; a live system has none to wait for. */
static int metal_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    if (cmdline_has("ostree="))
        return drive_fetch(p, ret, e);
    int r = drive_try(p, ret, e);
    return r == -ENOENT ? -ENODATA : r;
}

#define LINK_LOCAL     "http://169.254.169.254/"
#define OPENSTACK_PATH "/openstack/latest/user_data"
#define DRIVE(name, ...)                                                                                     \
    {                                                                                                        \
        .label = name, .paths = { __VA_ARGS__ }                                                              \
    }
#define AZURE_USER_DATA "metadata/instance/compute/userData?api-version=2021-01-01&format=text"
#define OPENSTACK_METADATA                                                                                   \
    {                                                                                                        \
        .url = LINK_LOCAL "openstack/latest/user_data"                                                       \
    }
#define OPENSTACK_DRIVES                                                                                     \
    {                                                                                                        \
        DRIVE("config-2", OPENSTACK_PATH), DRIVE("CONFIG-2", OPENSTACK_PATH)                                 \
    }
#define AKAMAI_TOKEN_HEADERS                                                                                 \
    {                                                                                                        \
        {"Accept", "text/plain"},                                                                            \
        {                                                                                                    \
            "Metadata-Token-Expiry-Seconds", "300"                                                           \
        }                                                                                                    \
    }
#define AWS_TOKEN_HEADERS                                                                                    \
    {                                                                                                        \
        {                                                                                                    \
            "X-aws-ec2-metadata-token-ttl-seconds", "21600"                                                  \
        }                                                                                                    \
    }

static const Platform platforms[] = {
    {.id = "akamai",
     .fetch = metadata_fetch,
     .metadata = {.url = LINK_LOCAL "v1/user-data",
                  .headers = {{"Accept", "*/*"}},
                  .token_url = LINK_LOCAL "v1/token",
                  .token_headers = AKAMAI_TOKEN_HEADERS,
                  .token_to = "Metadata-Token",
                  .required = true,
                  .base64 = true}},
    {.id = "aliyun", .fetch = metadata_fetch, .metadata = {.url = "http://100.100.100.200/latest/user-data"}},
    {.id = "applehv", .fetch = applehv_fetch},
    {.id = "aws",
     .fetch = metadata_fetch,
     .metadata = {.url = LINK_LOCAL "2019-10-01/user-data",
                  .token_url = LINK_LOCAL "latest/api/token",
                  .token_headers = AWS_TOKEN_HEADERS,
                  .token_to = "X-aws-ec2-metadata-token",
                  .token_optional = true}},
    {.id = "azure",
     .fetch = azure_fetch,
     .metadata = {.url = LINK_LOCAL AZURE_USER_DATA,
                  .headers = {{"Metadata", "true"}},
                  .base64 = true,
                  .retry = {404, 410, 429}}},
    {.id = "azurestack", .fetch = azurestack_fetch},
    {.id = "brightbox", .fetch = race_fetch, .metadata = OPENSTACK_METADATA, .drives = OPENSTACK_DRIVES},
    {.id = "cloudstack",
     .fetch = race_fetch,
     .metadata = {.url = "http://DHCP-SERVER/latest/user-data"},
     .drives = {DRIVE("config-2", "/cloudstack/userdata/user_data.txt"),
                DRIVE("CONFIG-2", "/cloudstack/userdata/user_data.txt")}},
    {.id = "digitalocean",
     .fetch = metadata_fetch,
     .metadata = {.url = LINK_LOCAL "metadata/v1/user-data", .required = true}},
    {.id = "exoscale", .fetch = metadata_fetch, .metadata = {.url = LINK_LOCAL "1.0/user-data"}},
    {.id = "file", .fetch = file_fetch},
    {.id = "gcp",
     .fetch = metadata_fetch,
     .metadata = {.url = LINK_LOCAL "computeMetadata/v1/instance/attributes/user-data",
                  .headers = {{"Metadata-Flavor", "Google"}}}},
    {.id = "hetzner", .fetch = metadata_fetch, .metadata = {.url = LINK_LOCAL "hetzner/v1/userdata"}},
    {.id = "hyperv", .fetch = hyperv_fetch},
    {.id = "ibmcloud",
     .fetch = drive_fetch,
     .drives = {DRIVE("cidata", "/user-data")},
     .drive_wait_ms = CIDATA_WAIT_MS},
    {.id = "kubevirt",
     .fetch = drive_fetch,
     .drives = {DRIVE("cidata", "/user-data"), DRIVE("config-2", OPENSTACK_PATH)}},
    {.id = "metal",
     .fetch = metal_fetch,
     .drives = {DRIVE("boot", "/ignition/config.ign")},
     .drive_wait_ms = 10000},
    {.id = "nutanix", .fetch = drive_fetch, .drives = {DRIVE("config-2", OPENSTACK_PATH)}},
    {.id = "nvidiabluefield", .fetch = bluefield_fetch},
    {.id = "openstack", .fetch = race_fetch, .metadata = OPENSTACK_METADATA, .drives = OPENSTACK_DRIVES},
    {.id = "oraclecloud",
     .fetch = metadata_fetch,
     .metadata = {.url = LINK_LOCAL "opc/v2/instance/metadata/user_data",
                  .headers = {{"Authorization", "Bearer Oracle"}},
                  .base64 = true,
                  .retry = {429}}},
    {.id = "packet",
     .fetch = metadata_fetch,
     .metadata = {.url = "https://metadata.packet.net/userdata",
                  .headers = {{"Accept", "*/*"}},
                  .required = true},
     .report = packet_report},
    {.id = "powervs", .fetch = drive_fetch, .drives = {DRIVE("config-2", OPENSTACK_PATH)}},
    {.id = "proxmoxve",
     .fetch = drive_fetch,
     .drives = {DRIVE("cidata", "/user-data", "/vendor-data")},
     .skip_cloud_config = true,
     .drive_wait_ms = CIDATA_WAIT_MS},
    {.id = "qemu", .fetch = qemu_fetch},
    {.id = "scaleway",
     .fetch = metadata_fetch,
     .metadata = {.url = "http://169.254.42.42/user_data/cloud-init", .low_port = true}},
    {.id = "upcloud", .fetch = metadata_fetch, .metadata = {.url = LINK_LOCAL "metadata/v1/user_data"}},
    {.id = "virtualbox", .fetch = virtualbox_fetch, .remove = virtualbox_remove},
    {.id = "vmware", .fetch = vmware_fetch, .remove = vmware_remove},
    {.id = "vultr",
     .fetch = metadata_fetch,
     .metadata = {.url = LINK_LOCAL "user-data/user-data", .required = true}},
    {.id = "zvm", .fetch = zvm_fetch},
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

int platform_fetch(const Platform *platform, Fetcher *f, State *state, Buf *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    int64_t total_ms = fetcher_http(f)->total_ms;
    const PlatformFetch p = {
        .platform = platform,
        .fetcher = f,
        .arena = a,
        .deadline_ms = total_ms > 0 ? monotonic_ms() + total_ms : 0,
        .state = state,
    };
    int r = platform->fetch(&p, ret, e);

    if (r >= 0)
        r = user_data_unpack(ret, e);
    return r < 0 ? r : 0;
}

const char *platform_path(Arena *a, const char *variable, const char *fallback, const char *rest)
{
    const char *to = getenv(variable);

    return arena_printf(a, "%s/%s", to && *to ? to : fallback, rest);
}

int platform_run(const PlatformFetch *p, const char *const *argv, Buf *output, Error *e)
{
    int64_t left = p->deadline_ms ? p->deadline_ms - monotonic_ms() : 0;
    const ProcessRun run = {
        .argv = argv,
        .output = output,
        .timeout_sec = p->deadline_ms ? (left > 1000 ? (unsigned)((left + 999) / 1000) : 1) : 0,
    };
    int r = process_run(&run, e);

    return r > 0 ? -EIO : r;
}

int platform_modprobe(const PlatformFetch *p, const char *module, const char *present, Error *e)
{
    const char *const argv[] = {"modprobe", module, NULL};

    if (present && access(present, F_OK) == 0)
        return 0;
    int r = platform_run(p, argv, NULL, e);
    return r < 0 ? error_wrap(e, r, "loading the kernel module %s", module) : 0;
}

/* In pieces: in a race somebody else may have the answer meanwhile. */
bool platform_pause(const PlatformFetch *p)
{
    int64_t now = monotonic_ms(), end = now + PAUSE_MS;

    if (p->deadline_ms && now >= p->deadline_ms)
        return false;
    if (p->deadline_ms && end > p->deadline_ms)
        end = p->deadline_ms;
    for (int64_t left; (left = end - monotonic_ms()) > 0 && !fetcher_cancelled(p->fetcher);)
        nanosleep(&(struct timespec){.tv_nsec = (left < PIECE_MS ? left : PIECE_MS) * 1000000}, NULL);
    return !fetcher_cancelled(p->fetcher);
}

static int cmdline_read(Buf *text, Error *e)
{
    const char *path = getenv("IGNITION_KERNEL_CMDLINE_PATH");

    if (!path || !*path)
        path = "/proc/cmdline";
    int r = file_read_at(AT_FDCWD, path, CMDLINE_SIZE_MAX, text, NULL);
    if (r < 0)
        return error_errno(e, r, "couldn't read cmdline '%s'", path);
    return 0;
}

bool cmdline_has(const char *start)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;

    if (cmdline_read(&text, NULL) < 0 || text.len == 0)
        return false;
    CmdlineWords words = cmdline_split(a, text.data, CMDLINE_PLAIN);
    for (size_t i = 0; i < words.n; i++)
        if (strncmp(words.words[i], start, strlen(start)) == 0)
            return true;
    return false;
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
    int r = cmdline_read(&text, e);

    if (r < 0)
        return r;
    const char *url = text.len > 0 ? cmdline_url(a, text.data) : NULL;
    if (!url)
        return -ENOENT;
    r = resource_fetch_buf(f, &(IgnResource){.source = url}, PLATFORM_CONFIG_MAX, ret, e);
    if (r < 0)
        return error_wrap(e, r, "ignition.config.url");
    return 0;
}
