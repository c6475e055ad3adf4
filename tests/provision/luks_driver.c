/* luks-driver VERB CONFIG [IMAGE]: parts of the work on the first volume of a config, on an image file.
 *   check    what is missing for its binding
 *   bind     makes a container with the key "first", binds it, takes the first key away
 *   unlock   asks Clevis for the key, and says how the header's policy compares */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "ignition/parse.h"
#include "provision/clevis.h"
#include "provision/fetcher.h"
#include "provision/luks_item.h"
#include "system/luks_device.h"
#include "system/luks_header.h"

static int check(StorageContext *c, Arena *a)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf out = BUF_INIT;
    storage_luks_prepare(c, &report);
    report_write(&report, REPORT_IGNITION, &out);
    fputs(out.data ? out.data : "", stdout);
    return report.errors ? -1 : 0;
}

static int bind(StorageContext *c, const IgnLuks *l, const char *image, Error *e)
{
    const Buf first = {.data = (char *)"first", .len = 5};
    int r = luks_device_format(image, &(LuksOptions){.subsystem = LUKS_UNFINISHED}, &first, true, e);
    if (r >= 0)
        r = clevis_bind(c, l, image, &first, e);
    return r < 0 ? r : luks_device_remove_key(image, &first, e);
}

static int unlock(Arena *a, const IgnLuks *l, const char *image, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf key = BUF_INIT;
    LuksFacts f;
    int r = luks_header_look(a, image, &f, e);
    if (r < 0)
        return r;
    printf("%s\n%s\n", f.policy ? f.policy : "none", clevis_policy_wanted(a, l));
    r = clevis_unlock(image, &key, e);
    return r < 0 ? r : luks_device_key_fits(image, &key, e) == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_(fetcher_freep)
    Fetcher *fetcher = NULL;
    _cleanup_buf_ Buf text = BUF_INIT;
    Error e = ERROR_INIT;
    IgnConfig *config = NULL;
    if (argc < 3)
        return 2;
    log_open(LOG_TARGET_STDERR, "luks-driver", LOG_LEVEL_INFO);
    int r = file_read_at(AT_FDCWD, argv[2], 1 << 20, &text, &e);
    const Source source = {.name = argv[2], .text = text.data, .len = text.len};
    if (r >= 0 && ign_config_parse_newest(a, &source, IGN_PARSE_STRICT, &config, &report) < 0)
        return 2;
    if (r >= 0)
        r = fetcher_new(&fetcher, &e);
    if (r >= 0)
        r = fetcher_configure(fetcher, &config->ignition, &e);
    if (r >= 0) {
        StorageContext c = {.config = config, .fetcher = fetcher};
        const IgnLuks *l = IGN_AT(config->storage.luks, IgnLuks, 0);
        storage_context_init(&c);
        r = !strcmp(argv[1], "check")              ? check(&c, a)
            : argc > 3 && !strcmp(argv[1], "bind") ? bind(&c, l, argv[3], &e)
            : argc > 3                             ? unlock(a, l, argv[3], &e)
                                                   : -1;
    }
    if (e.code)
        printf("%s\n", e.text);
    return r < 0;
}
