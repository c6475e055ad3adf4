/* Listing: part after part, each entry that is seen gets the mark of this list; what has an older mark at the
 * end is gone. A list whose token has grown too old starts again with a new mark. Watching: from the version
 * of the list or of the last event or bookmark. A watch that ends is taken up again where it was; one that
 * ends as soon as it began, or breaks, after a pause. Only "too old" (410) leads to a new list, the first at
 * once, further ones after a pause. A part that is too long for the client is asked for again in halves. */
#include "kube/informer.h"

#include <string.h>

#include "kube/kube_kind.h"
#include "kube/name_table.h"

enum { PAGE = 500, EVENTS_MAX = 256, SHORT_MS = 1000, VERSION_MAX = 128, TOKEN_MAX = 16 << 10 };

typedef enum Doing { DOING_LIST, DOING_WATCH } Doing;

struct Informer {
    Kube *kube;
    InformerOptions options;
    const KubeTime *time;
    Doing doing;
    unsigned page;
    char *token; /* of the list's next part; NULL: at its start */
    char version[VERSION_MAX];
    uint32_t mark;
    NameTable names;
    KubeWatch *watch;
    int64_t watch_began, not_before; /* 0: at once */
    bool synced, more;               /* more: the last step left events */
    KubeBackoff backoff;
};

Informer *informer_new(Kube *kube, const InformerOptions *options)
{
    Informer *i = calloc(1, sizeof(*i));
    if (!i)
        abort();
    *i = (Informer){.kube = kube, .options = *options, .time = options->time ? options->time : &kube_time};
    i->page = options->page ? options->page : PAGE;
    i->mark = 1;
    return i;
}

void informer_free(Informer *i)
{
    if (!i)
        return;
    kube_unwatch(i->watch);
    name_table_done(&i->names);
    free(i->token);
    free(i);
}

bool informer_synced(const Informer *i)
{
    return i->synced;
}

size_t informer_count(const Informer *i)
{
    return i->names.n;
}

static int64_t now_ms(const Informer *i)
{
    return kube_monotonic_ms(i->time);
}

int informer_timeout_ms(const Informer *i)
{
    int64_t left = i->not_before ? i->not_before - now_ms(i) : 0;
    if (i->not_before)
        return left > 0 ? (int)left : 0;
    return i->more || !i->watch ? 0 : -1;
}

static void wait_out(Informer *i, unsigned at_least_sec)
{
    int64_t wait = kube_backoff(&i->backoff, i->time);
    if (wait < at_least_sec * INT64_C(1000))
        wait = kube_chance(i->time, at_least_sec * INT64_C(1000), 1000);
    i->not_before = now_ms(i) + wait;
}

/* ---- objects ---- */

/* Versions are compared for equality alone, so any text becomes a number. */
static uint64_t version_of(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; text && *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h ? h : 1;
}

static bool names_of(const Node *object, const char **namespace, const char **name)
{
    *name = kube_name(object);
    *namespace = kube_namespace_of(object);
    if (!*namespace)
        *namespace = "";
    return *name && **name && strlen(*name) + strlen(*namespace) <= NAME_TABLE_MAX;
}

static void see(Informer *i, const Node *object)
{
    const char *namespace, *name;
    uint64_t version = version_of(kube_resource_version(object));
    if (!names_of(object, &namespace, &name))
        return;
    NameEntry *entry = name_table_get(&i->names, namespace, name);
    bool same = entry->version == version;
    entry->version = version;
    entry->mark = i->mark;
    if (!same)
        i->options.handler.seen(i->options.handler.context, object);
}

static void lose(Informer *i, const Node *object)
{
    const char *namespace, *name;
    if (names_of(object, &namespace, &name) && name_table_remove(&i->names, namespace, name))
        i->options.handler.gone(i->options.handler.context, namespace, name, object);
}

static void lose_unmarked(Informer *i)
{
    size_t at = 0;
    for (NameEntry *entry; (entry = name_table_take_other(&i->names, i->mark, &at));) {
        i->options.handler.gone(i->options.handler.context, entry->text, name_entry_name(entry), NULL);
        free(entry);
    }
}

/* ---- listing ---- */

static void start_list(Informer *i)
{
    free(TAKE_PTR(i->token));
    i->mark++;
    i->doing = DOING_LIST;
}

static void end_list(Informer *i)
{
    lose_unmarked(i);
    i->doing = DOING_WATCH;
    i->synced = true;
    if (i->options.handler.synced)
        i->options.handler.synced(i->options.handler.context);
}

static int set_version(Informer *i, const char *version, Error *e)
{
    if (!version || !*version || strlen(version) >= VERSION_MAX)
        return error_set(e, EBADMSG, "the answer has no resourceVersion, or one that is too long");
    strcpy(i->version, version);
    return 0;
}

static int take_part(Informer *i, const Node *list, Error *e)
{
    const Node *items = node_get(list, "items");
    const char *token = node_string(node_get_path(list, "metadata.continue"));
    int r = set_version(i, node_string(node_get_path(list, "metadata.resourceVersion")), e);
    if (r >= 0 && token && strlen(token) > TOKEN_MAX)
        r = error_set(e, EBADMSG, "the answer's token is too long");
    if (r < 0)
        return r;
    for (const Node *n = items && items->kind == NODE_ARRAY ? items->first : NULL; n; n = n->next)
        see(i, n);
    free(i->token);
    i->token = token && *token ? strdup(token) : NULL;
    if (!i->token)
        end_list(i);
    return 0;
}

static void list_failed(Informer *i, int r, const KubeStatus *status)
{
    if (r == -EFBIG && i->page > 1)
        i->page /= 2;
    else if (r == -ESTALE && i->token) {
        start_list(i);
        wait_out(i, 0);
    } else
        wait_out(i, status->retry_after_sec);
}

static int list(Informer *i, Error *e)
{
    const KubeRequest q = {.verb = KUBE_LIST,
                           .kind = i->options.kind,
                           .namespace = i->options.namespace,
                           .label_selector = i->options.label_selector,
                           .field_selector = i->options.field_selector,
                           .limit = i->page,
                           .continue_token = i->token};
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    int r = kube_call(i->kube, &q, a, &answer, e);
    if (r >= 0)
        r = take_part(i, answer.object, e);
    if (r < 0)
        list_failed(i, r, &answer.status);
    return r;
}

/* ---- watching ---- */

static int watch(Informer *i, Error *e)
{
    const KubeRequest q = {.kind = i->options.kind,
                           .namespace = i->options.namespace,
                           .label_selector = i->options.label_selector,
                           .field_selector = i->options.field_selector,
                           .resource_version = i->version};
    int r = kube_watch(i->kube, &q, &i->watch, e);
    i->watch_began = now_ms(i);
    if (r < 0)
        wait_out(i, 0);
    return r;
}

static int take_event(Informer *i, const KubeEvent *event, Error *e)
{
    int r = set_version(i, kube_resource_version(event->object), e);
    if (r < 0)
        return r;
    if (event->kind == KUBE_DELETED)
        lose(i, event->object);
    else if (event->kind != KUBE_BOOKMARK)
        see(i, event->object);
    return 0;
}

static int watch_ended(Informer *i, int r)
{
    bool brief = now_ms(i) - i->watch_began < SHORT_MS;
    kube_unwatch(TAKE_PTR(i->watch));
    if (r == -ESTALE) {
        start_list(i);
        if (!kube_backoff_quiet(&i->backoff, i->time))
            wait_out(i, 0);
        else
            (void)kube_backoff(&i->backoff, i->time); /* the first time at once; a second would wait */
    } else if (r != -EPIPE || brief)
        wait_out(i, 0);
    return r == -EPIPE && !brief ? 0 : r;
}

static int take_events(Informer *i, Error *e)
{
    int r = 1;
    for (unsigned n = 0; r == 1 && n < EVENTS_MAX; n++) {
        _cleanup_arena_ Arena *a = arena_new();
        KubeEvent event;
        r = kube_watch_next(i->watch, a, &event, e);
        int k = r == 1 ? take_event(i, &event, e) : 0;
        r = k < 0 ? k : r;
    }
    i->more = r == 1;
    return r < 0 ? watch_ended(i, r) : 0;
}

int informer_step(Informer *i, Error *e)
{
    if (i->not_before && now_ms(i) < i->not_before)
        return 0;
    i->not_before = 0;
    i->more = false;
    if (i->doing == DOING_LIST)
        return list(i, e);
    if (!i->watch) {
        int r = watch(i, e);
        if (r < 0)
            return r;
    }
    return take_events(i, e);
}
