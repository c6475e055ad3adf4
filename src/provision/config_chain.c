/* Depth first: a child is rendered completely before it is merged over what stands so far, then comes the
 * next one. The timeouts, authorities and proxies that hold for a fetch are those of the configs met up to
 * then, the child's own included once it is there. A replacing config leaves nothing of the one that named
 * it. Refused: a config that leads back to itself, chains deeper than CONFIG_CHAIN_DEPTH_MAX, more than
 * CONFIG_CHAIN_TOTAL_MAX configs in all. */
#include "provision/config_chain.h"

#include <string.h>

#include "base/log.h"
#include "format/data_url.h"
#include "ignition/merge.h"
#include "provision/config_text.h"
#include "provision/fetch_pool.h"

typedef struct Chain {
    Arena *arena;
    Fetcher *fetcher;
    State *state;
    FetchPool *pool; /* of the siblings in hand */
    unsigned total;
    bool merged;
} Chain;

/* The configs that led to the one in hand. */
typedef struct Link {
    const struct Link *up;
    const char *source;
    unsigned depth;
} Link;

static int render(Chain *c, const Link *link, IgnConfig *config, IgnConfig **ret, Error *e);

/* As Ignition notes it: the path of the URL, which of a data: URL is nothing. */
static const char *source_path(Arena *a, const char *source)
{
    const char *p = strstr(source, "://");

    if (data_url_is(source) || !p)
        return "";
    p = strchr(p + 3, '/');
    return p ? arena_printf(a, "%.*s", (int)strcspn(p, "?#"), p) : "";
}

static int link_check(const Chain *c, const Link *up, const char *source, Error *e)
{
    for (const Link *l = up; l; l = l->up)
        if (l->source && !data_url_is(source) && strcmp(l->source, source) == 0)
            return error_set(e, ELOOP, "the config at %s leads back to itself",
                             source_redacted(c->arena, source));
    if (up->depth >= CONFIG_CHAIN_DEPTH_MAX)
        return error_set(e, ELOOP, "configs refer to configs more than %d deep", CONFIG_CHAIN_DEPTH_MAX);
    if (c->total >= CONFIG_CHAIN_TOTAL_MAX)
        return error_set(e, E2BIG, "the config refers to more than %d configs", CONFIG_CHAIN_TOTAL_MAX);
    return 0;
}

/* Of data: URLs there may be many: each is named by where it stands. */
static const char *child_name(Arena *a, const IgnResource *r)
{
    const Node *at = r->node;
    const char *name = source_redacted(a, r->source);

    if (!data_url_is(r->source) || !at || !at->source || !at->line)
        return name;
    return arena_printf(a, "%s at %s:%u:%u", name, at->source->name, at->line, at->column);
}

static int child_fetch(Chain *c, const Link *up, const IgnResource *r, IgnConfig **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    const char *name = child_name(c->arena, r);
    int k;

    k = link_check(c, up, r->source, e);
    if (k >= 0)
        k = fetch_pool_buf(c->pool, c->fetcher, r, CONFIG_CHAIN_SIZE_MAX, &text, e);
    if (k >= 0) {
        c->total++;
        log_debug("fetched referenced config from %s, %zu bytes", name, text.len);
        k = config_text_read(c->arena, name, &text, ret, e);
    }
    if (k == -ENODATA) {
        /* An empty child is a broken server, not a wish for nothing. */
        k = error_set(e, EINVAL, "config %s is not valid: not a config (empty)", name);
    }
    if (k < 0)
        return error_wrap(e, k, "referenced config");
    state_add_config(c->state, "user", source_path(c->arena, r->source), true);
    return 0;
}

static int replace(Chain *c, const Link *up, const IgnResource *r, IgnConfig **ret, Error *e)
{
    IgnConfig *child;
    int k = child_fetch(c, up, r, &child, e);

    if (k >= 0)
        k = fetcher_configure(c->fetcher, &child->ignition, e);
    if (k < 0)
        return k;
    return render(c, &(Link){.up = up, .source = r->source, .depth = up->depth + 1}, child, ret, e);
}

static int merge(Chain *c, const Link *up, const IgnResource *r, IgnConfig **sum, Error *e)
{
    IgnConfig *child, *rendered;
    int k = child_fetch(c, up, r, &child, e);

    if (k < 0)
        return k;
    const IgnConfig *settings = ign_config_merge(c->arena, *sum, child);
    k = fetcher_configure(c->fetcher, &settings->ignition, e);
    if (k >= 0)
        k = render(c, &(Link){.up = up, .source = r->source, .depth = up->depth + 1}, child, &rendered, e);
    if (k < 0)
        return k;
    *sum = ign_config_merge(c->arena, *sum, rendered);
    c->merged = true;
    return 0;
}

/* Siblings are fetched at the same time, by the settings of now; should one of them change those, the ones
 * behind it are fetched anew. Nothing is fetched ahead that may turn out to be one too many, or to lead back
 * to where it came from: of that the ordinary way has to tell. */
static FetchPool *siblings_pool(const Chain *c, const Link *link, const IgnList *merge)
{
    const IgnResource **list = ARENA_ARRAY(c->arena, const IgnResource *, merge->n + 1);
    size_t n = 0;

    if (!fetch_pool_idle(c->pool) || c->total + merge->n > CONFIG_CHAIN_TOTAL_MAX)
        return NULL;
    IGN_EACH (const IgnResource, r, *merge) {
        if (!r->source || link_check(c, link, r->source, NULL) < 0)
            break;
        list[n++] = r;
    }
    return fetch_pool_new(
        &(FetchPoolOptions){.fetcher = c->fetcher, .dirfd = -EBADF, .max = CONFIG_CHAIN_SIZE_MAX}, list, n);
}

static int merge_all(Chain *c, const Link *link, const IgnList *refs, IgnConfig **sum, Error *e)
{
    IGN_EACH (const IgnResource, r, *refs) {
        if (!r->source)
            return error_set(e, EINVAL, "invalid referenced config: source is required");
        int k = merge(c, link, r, sum, e);
        if (k < 0)
            return k;
    }
    return 0;
}

static int render(Chain *c, const Link *link, IgnConfig *config, IgnConfig **ret, Error *e)
{
    const IgnChain *refs = &config->ignition.config;
    IgnConfig *sum = config;

    if (refs->replace.source)
        return replace(c, link, &refs->replace, ret, e);
    FetchPool *outer = c->pool, *own = siblings_pool(c, link, &refs->merge);
    if (own)
        c->pool = own;
    int k = merge_all(c, link, &refs->merge, &sum, e);
    c->pool = outer;
    fetch_pool_free(own);
    if (k < 0)
        return k;
    *ret = sum;
    return 0;
}

int config_chain_render(Arena *a, Fetcher *f, State *s, IgnConfig *config, IgnConfig **ret, bool *ret_merged,
                        Error *e)
{
    Chain c = {.arena = a, .fetcher = f, .state = s};
    int r = render(&c, &(Link){0}, config, ret, e);

    if (r < 0)
        return r;
    *ret_merged = c.merged;
    return 0;
}
