/* Read, parse, validate; then what it refers to, merged; then the whole validated again. No excerpt of the
 * text is kept for messages: it may hold secrets. */
#include "provision/config_load.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "provision/config_chain.h"
#include "provision/engine.h"
#include "provision/platform.h"
#include "provision/system_config.h"

static int config_read(Arena *a, const char *path, IgnConfig **ret, Report *report, Error *e)
{
    Buf *text = ARENA_NEW(a, Buf); /* positions point into the source as long as the arena lives */
    int r = file_read_at(AT_FDCWD, path, PLATFORM_CONFIG_MAX, text, e);

    if (r < 0)
        return error_wrap(e, r, "couldn't read config");
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = arena_strdup(a, path), .len = text->len, .secret = true};
    source->text = arena_memdup(a, text->data ? text->data : "", text->len);
    buf_done_secret(text);
    r = ign_config_parse_newest(a, source, IGN_PARSE_DUPLICATE_KEYS_OK, ret, report);
    if (r == -ENODATA)
        return error_set(e, ENODATA, "%s: not a config (empty)", path);
    return r < 0 ? error_set(e, EINVAL, "%s is not valid", path) : 0;
}

int config_load(Arena *a, const ConfigLoad *l, IgnConfig **ret, Report *report, Error *e)
{
    IgnConfig *config, *whole, *base;
    bool merged;
    int r = config_read(a, l->path, &config, report, e);

    if (r < 0)
        return r;
    state_add_config(l->state, "user", l->path, false);
    r = fetcher_configure(l->fetcher, &config->ignition, e);
    if (r >= 0)
        r = config_chain_render(a, l->fetcher, l->state, config, &whole, &merged, e);
    if (r >= 0 && merged)
        r = engine_validate_merged(a, whole, e);
    if (r < 0)
        return r;
    *ret = whole;
    if (!l->platform)
        return 0;
    r = system_config_base(a, l->platform, &base, e);
    if (r >= 0)
        *ret = ign_config_merge(a, base, whole);
    return r < 0 ? r : 0;
}
