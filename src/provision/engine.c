/* Acquiring: kernel command line, then the system's user.ign, then the platform; the first that has a
 * provider wins, even with an empty config. What it gives is rendered (config_chain.c), its authorities
 * become data: URLs, and all of that is the cache: whole or not there, on the disk before anything is done by
 * it. The base configs are not in it; every stage reads them again and lays the cached config over them. A
 * failure names what failed and never shows the config, which may be full of secrets. */
#include "provision/engine.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/validate.h"
#include "provision/config_chain.h"
#include "provision/config_positions.h"
#include "provision/config_text.h"
#include "provision/system_config.h"

enum { CACHE_SIZE_MAX = 1024 * 1024 * 1024 };
static const char fetched_config_message_id[] = "57124006b5c94805b77ce473e92a8aeb";

typedef struct Engine {
    const EngineOptions *options;
    Arena *arena;
    Fetcher *fetcher;
    State *state;
} Engine;

int engine_validate_merged(Arena *a, const IgnConfig *config, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(a);

    ign_config_validate(config, NULL, &report);
    if (report.errors == 0)
        return 0; /* warnings were told when the single configs were read */
    for (size_t i = 0; i < report.n; i++) {
        report.entries[i].line = report.entries[i].column = 0;
        report.entries[i].source = NULL; /* of several configs together */
    }
    config_report_log(&report);
    return error_set(e, EINVAL, "merging configs resulted in an invalid config");
}

static int parent_make(const char *path, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    _cleanup_buf_ Buf dir = BUF_INIT;

    if (!slash || slash == path)
        return 0;
    buf_add(&dir, path, (size_t)(slash - path));
    return dir_make_all_at(AT_FDCWD, dir.data, mode);
}

static int neednet_signal(const Engine *g, Error *e)
{
    const char *path = g->options->neednet;
    int r = parent_make(path, 0755);

    log_info("the config needs the network, making %s", path);
    if (r >= 0)
        r = file_write_at(AT_FDCWD, path, "", 0, FILE_WRITE(.mode = 0644));
    if (r < 0)
        return error_errno(e, r, "failed to signal neednet by '%s'", path);
    return 0;
}

/* The text of the user's config and the name of who gave it. -ENODATA: it is empty. */
static int provider_text(Engine *g, Buf *text, const char **ret_source, Error *e)
{
    int r;

    *ret_source = "cmdline";
    r = cmdline_fetch(g->fetcher, text, e);
    if (r == -ENOENT && (!e || e->code == 0)) {
        *ret_source = "system";
        r = system_config_user(text, e);
    }
    if (r == -ENOENT && (!e || e->code == 0)) {
        *ret_source = g->options->platform->id;
        r = platform_fetch(g->options->platform, g->fetcher, g->state, text, e);
    }
    if (r >= 0 && text->len == 0)
        return -ENODATA;
    return r;
}

static int provider_config(Engine *g, IgnConfig **ret, bool *ret_merged, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    const char *source;
    IgnConfig *config;
    int r;

    r = fetcher_set_total_timeout(g->fetcher, g->options->fetch_timeout_ns, e);
    if (r >= 0)
        r = provider_text(g, &text, &source, e);
    if (r >= 0)
        r = config_text_read(g->arena, source, &text, &config, e);
    if (r < 0)
        return r;
    state_add_config(g->state, "user", source, false);
    r = fetcher_configure(g->fetcher, &config->ignition, e);
    if (r >= 0)
        r = config_chain_render(g->arena, g->fetcher, g->state, config, ret, ret_merged, e);
    return r;
}

static int cache_write(const Engine *g, const IgnConfig *config, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    const char *path = g->options->config_cache;
    const Node *tree = ign_config_to_node(g->arena, config);
    int r = parent_make(path, 0755);

    json_write(tree, JSON_COMPACT, &text);
    if (r >= 0)
        r = config_positions_write(path, tree, text.len, NULL);
    if (r >= 0)
        r = file_write_at(AT_FDCWD, path, text.data, text.len, FILE_WRITE(.mode = 0640, .sync = true));
    if (r < 0)
        return error_errno(e, r, "failed to write cached config '%s'", path);
    return 0;
}

static void fetched_configs_log(const State *s)
{
    for (size_t i = 0; i < s->n_fetched_configs; i++) {
        const FetchedConfig *c = &s->fetched_configs[i];
        const LogField fields[] = {{"MESSAGE_ID", fetched_config_message_id},
                                   {"IGNITION_CONFIG_TYPE", c->kind},
                                   {"IGNITION_CONFIG_SRC", c->source},
                                   {"IGNITION_CONFIG_REFERENCED", c->referenced ? "true" : "false"},
                                   {NULL, NULL}};
        log_structured(LOG_LEVEL_INFO, fields, "fetched %s%s config from \"%s\"",
                       c->referenced ? "referenced " : "", c->kind, c->source);
    }
}

static int config_fetch(Engine *g, IgnConfig **ret, Error *e)
{
    bool merged = false;
    IgnConfig *config = NULL;
    int r;

    r = provider_config(g, &config, &merged, e);
    if (r == -ENODATA) {
        log_info("not a config (empty): provider config was empty, continuing with empty cache config");
        if (e)
            *e = ERROR_INIT;
        config = ign_config_empty(g->arena);
        r = 0;
    }
    if (r >= 0)
        r = fetcher_configure(g->fetcher, &config->ignition, e);
    if (r >= 0)
        r = fetcher_inline_authorities(g->fetcher, g->arena,
                                       &config->ignition.security.tls.certificate_authorities, e);
    if (r >= 0 && merged)
        r = engine_validate_merged(g->arena, config, e);
    if (r >= 0)
        r = cache_write(g, config, e);
    if (r < 0)
        return r;
    fetched_configs_log(g->state);
    *ret = config;
    return 0;
}

static int config_from_cache(Engine *g, IgnConfig **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int r;

    r = file_read_at(AT_FDCWD, g->options->config_cache, CACHE_SIZE_MAX, &text, NULL);
    if (r < 0)
        return error_errno(e, r, "failed to read cached config '%s'", g->options->config_cache);
    r = config_text_read(g->arena, g->options->config_cache, &text, ret, e);
    if (r < 0)
        return error_wrap(e, r, "failed to parse cached config");
    if ((*ret)->node)
        config_positions_read(g->arena, g->options->config_cache, text.len, (*ret)->node);
    return fetcher_configure(g->fetcher, &(*ret)->ignition, e);
}

static int stage_run(Engine *g, const IgnConfig *config, Error *e)
{
    const EngineOptions *o = g->options;
    _cleanup_close_ int root = -EBADF;

    if (*o->root)
        root = root_open(o->root, NULL);
    StageContext c = {
        .stage = o->stage->name,
        .platform = o->platform->id,
        .root_path = o->root,
        .root = root,
        .arena = g->arena,
        .config = config,
        .fetcher = g->fetcher,
        .state = g->state,
    };
    int r = o->stage->needs_root ? stage_root(&c, e) : 0;
    if (r >= 0)
        r = o->stage->run(&c, e);
    if (r < 0)
        return error_wrap(e, r, "%s", o->stage->name);
    return 0;
}

/* What the platform is told of it; that it cannot be told is no failure of the stage. */
static void outcome_report(const Engine *g, int r, const Error *e)
{
    const Platform *p = g->options->platform;
    Error why = ERROR_INIT;

    if (p->report &&
        p->report(g->fetcher, g->options->stage->name, r < 0 ? (e ? e->text : "failed") : NULL, &why) < 0)
        log_warning("telling the platform how the stage ended: %s", why.text);
}

int engine_run(const EngineOptions *o, State *state, Error *e)
{
    _cleanup_(fetcher_freep)
    Fetcher *fetcher = NULL;
    Engine g = {.options = o, .arena = state->arena, .state = state};
    bool offline = strcmp(o->stage->name, "fetch-offline") == 0;
    IgnConfig *base, *user;
    int r;

    r = fetcher_new(&fetcher, e);
    if (r < 0)
        return r;
    g.fetcher = fetcher;
    fetcher_set_platform(fetcher, o->platform->id);
    r = system_config_base(g.arena, o->platform->id, &base, e);
    if (r < 0)
        return error_wrap(e, r, "failed to acquire system base config");
    state_add_config(state, "base", "system", false);
    fetcher_set_offline(fetcher, offline);
    r = strncmp(o->stage->name, "fetch", 5) == 0 ? config_fetch(&g, &user, e)
                                                 : config_from_cache(&g, &user, e);
    if (r >= 0)
        r = stage_run(&g, ign_config_merge(g.arena, base, user), e);
    else if (!(offline && r == -ENETDOWN))
        error_wrap(e, r, "failed to acquire config");
    if (offline && r == -ENETDOWN) {
        if (e)
            *e = ERROR_INIT;
        return neednet_signal(&g, e);
    }
    if (r >= 0)
        log_info("%s: %s passed", o->stage->name, o->stage->name);
    outcome_report(&g, r, e);
    return r < 0 ? r : 0;
}
