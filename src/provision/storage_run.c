/* In order: items from the config, their graph, then each item in the order of the graph is looked at and
 * planned, with what is known of the items before it: a device that one of them takes away or makes anew is
 * taken as blank, one that stays as it is, or only gains neighbours, is looked at now. Refusals of all items
 * are told together, and then nothing is touched.
 * Then threads take items whose predecessors are done, the first of the order first; the caller is one of the
 * threads, so a single item, or a chain of them, costs none. An item whose plan was made while something
 * before it still had to change waits for its devices and is planned again. Two items never use one device:
 * who comes second, by whatever name, is refused. After a failure nothing new is begun; what runs comes to
 * its end. */
#include "provision/storage_run.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "provision/storage_graph.h"
#include "system/device_wait.h"

enum { THREADS_MAX = 16 }; /* programs that mostly wait for their disks */

/* What an item does to the devices that others take from it. */
typedef enum Effect {
    EFFECT_NONE,
    EFFECT_ADDS,    /* what is there stays */
    EFFECT_REPLACES /* what is there may go */
} Effect;

typedef enum ItemState { ITEM_WAITING, ITEM_RUNNING, ITEM_DONE } ItemState;

typedef struct Run {
    StorageContext *c;
    Arena *a;
    StorageItem *items;
    size_t n;
    StorageGraph graph;
    Effect *effects;
    bool *certain; /* the plan was made from devices as they will be */
    bool wait;     /* for devices that no item makes */
    Map reals;     /* while planning: what names stand for; "": nothing */
    /* the threads' */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    ItemState *states;
    size_t n_running, n_done;
    bool failed;
    Error *failure; /* the first one */
    int result;
    Report *report;
    const char **claims; /* real devices in use, with the item of each at the same index */
    size_t *claim_items, n_claims;
} Run;

/* ---- items ---- */

static size_t items_count(const IgnStorage *s)
{
    size_t n = 0;
    for (const StorageKind *const *k = storage_kinds; *k; k++)
        n += (*k)->objects(s)->n;
    return n;
}

static StorageItem *items_make(const IgnStorage *s, size_t n)
{
    StorageItem *items = calloc(n + 1, sizeof(*items)), *item = items;
    if (!items)
        abort();
    for (const StorageKind *const *k = storage_kinds; *k; k++) {
        const IgnList *list = (*k)->objects(s);
        for (size_t i = 0; i < list->n; i++, item++) {
            item->kind = *k;
            item->object = (const char *)list->items + i * (*k)->object_size;
            item->arena = arena_new();
            item->report = REPORT_INIT(item->arena);
            item->json_path = arena_printf(item->arena, "$.%s.%zu", (*k)->section, i);
            (*k)->describe(item);
        }
    }
    return items;
}

void storage_items_free(StorageItem *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        report_done(&items[i].report);
        string_list_done(&items[i].needs);
        string_list_done(&items[i].gives);
        arena_free(items[i].arena);
    }
    free(items);
}

/* ---- planning one ---- */

/* `reals`: the devices that were waited for; a name that nobody made a link for means nothing to the
 * inspector. */
static int item_look(const Run *run, StorageItem *item, const bool *blank, const char *const *reals, Error *e)
{
    item->facts = ARENA_ARRAY(item->arena, DeviceFacts, item->needs.n + 1);
    for (size_t k = 0; k < item->needs.n; k++) {
        const char *name = item->needs.items[k];
        item->facts[k] = (DeviceFacts){.path = name};
        if (blank && blank[k])
            continue;
        int r = inspector_look(run->c->inspector, item->arena, reals ? reals[k] : name, item->kind->look,
                               &item->facts[k], e);
        if (r < 0)
            return r;
        item->facts[k].path = name;
    }
    return 0;
}

static void item_plan(const Run *run, StorageItem *item)
{
    item->changes = (StorageChanges){0};
    report_done(&item->report);
    item->report = REPORT_INIT(item->arena);
    item->kind->plan(run->c, item);
}

/* Refusals outlive the item: copies in the arena of the whole report. */
static void report_take(Report *to, const Report *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const ReportEntry *entry = &from->entries[i];
        report_add_at(to, entry->severity, entry->source, entry->line, entry->column, "%s", entry->message);
        to->entries[to->n - 1].path = arena_strdup(to->arena, entry->path);
        to->entries[to->n - 1].at_container = entry->at_container;
    }
}

/* ---- planning all ---- */

static const char *name_real(void *context, Arena *a, const char *name)
{
    Run *run = context;
    const char *real = map_get(&run->reals, name);
    DeviceFacts d;

    if (!real) {
        int r = inspector_look(run->c->inspector, a, name, 0, &d, NULL);
        real = r >= 0 && d.exists ? d.real : "";
        map_put(&run->reals, arena_strdup(run->a, name), arena_strdup(run->a, real));
    }
    return *real ? real : NULL;
}

/* Whether the change means the device `facts` of a later item. Of a disk's changes one of a single partition
 * means that partition alone; every other means all that the item gives. */
static bool change_replaces(const StorageItem *item, const StorageChange *change, const char *need,
                            const char *real)
{
    unsigned of;
    if (change->verb != STORAGE_RECREATE && change->verb != STORAGE_DELETE)
        return false;
    if (item->needs.n == 0 || !change->partition)
        return true;
    const char *disk = item->facts && item->facts[0].real ? item->facts[0].real : item->needs.items[0];
    of = storage_partition_of(disk, real ? real : need);
    if (!of)
        of = storage_partition_of(item->needs.items[0], need);
    return !of || of == change->partition;
}

/* What the items before this one make of its need. */
static Effect effect_on(Run *run, size_t at, const char *need)
{
    const StorageEdges *after = &run->graph.after[at];
    Effect worst = EFFECT_NONE;
    const char *real = NULL;
    for (size_t k = 0; k < after->n; k++) {
        const StorageItem *before = &run->items[after->items[k]];
        Effect effect = run->effects[after->items[k]];
        if (effect == EFFECT_REPLACES && run->certain[after->items[k]]) {
            real = real ? real : name_real(run, run->a, need);
            effect = EFFECT_ADDS;
            for (size_t i = 0; i < before->changes.n && effect != EFFECT_REPLACES; i++)
                if (change_replaces(before, &before->changes.items[i], need, real))
                    effect = EFFECT_REPLACES;
        }
        worst = effect > worst ? effect : worst;
    }
    return worst;
}

static Effect effect_of(const StorageItem *item, bool certain)
{
    Effect effect = certain ? EFFECT_NONE : EFFECT_ADDS;
    for (size_t i = 0; i < item->changes.n; i++) {
        StorageVerb v = item->changes.items[i].verb;
        if (v == STORAGE_RECREATE || v == STORAGE_DELETE)
            return EFFECT_REPLACES;
        if (v != STORAGE_KEEP)
            effect = EFFECT_ADDS;
    }
    return effect;
}

/* Devices that no item has a hand in come from the hardware, some of it slowly. */
static int wait_for_hardware(const Run *run, size_t at, Error *e)
{
    StorageItem *item = &run->items[at];
    for (size_t k = 0; run->wait && !run->graph.after[at].n && k < item->needs.n; k++) {
        const char *real;
        unsigned sec = run->c->wait_sec ? run->c->wait_sec : DEVICE_WAIT_SEC;
        int r = device_wait(item->arena, item->needs.items[k], sec, &real, e);
        if (r < 0)
            return error_wrap(e, r, "%s", item->name);
    }
    return 0;
}

static int plan_one(Run *run, size_t at, Error *e)
{
    StorageItem *item = &run->items[at];
    bool *blank = ARENA_ARRAY(run->a, bool, item->needs.n + 1), certain = true, any_blank = false;

    int r = wait_for_hardware(run, at, e);
    if (r < 0)
        return r;
    for (size_t k = 0; k < item->needs.n; k++) {
        Effect effect = effect_on(run, at, item->needs.items[k]);
        certain &= effect == EFFECT_NONE;
        blank[k] = effect == EFFECT_REPLACES;
        any_blank |= blank[k];
    }
    r = item_look(run, item, blank, NULL, e);
    if (r < 0)
        return error_wrap(e, r, "%s", item->name);
    for (size_t k = 0; k < item->needs.n; k++)
        certain &= item->facts[k].exists;
    item_plan(run, item);
    run->certain[at] = certain;
    run->effects[at] = any_blank ? EFFECT_REPLACES : effect_of(item, certain);
    return 0;
}

static int plan_all(Run *run, Error *e)
{
    const StorageNames names = {name_real, run};
    size_t n = items_count(&run->c->config->storage);

    run->items = items_make(&run->c->config->storage, n);
    run->n = n;
    run->effects = ARENA_ARRAY(run->a, Effect, n + 1);
    run->certain = ARENA_ARRAY(run->a, bool, n + 1);
    bool ordered = storage_graph_make(storage_kinds, run->a, run->items, n, &names, &run->graph);
    for (size_t i = 0; ordered && i < n; i++) {
        int r = plan_one(run, run->graph.order[i], e);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < n; i++)
        report_take(run->report, &run->items[i].report);
    report_sort(run->report);
    return 0;
}

static void run_init(Run *run, StorageContext *c, Report *report)
{
    *run = (Run){.c = c, .a = arena_new(), .report = report};
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->changed, NULL);
}

static void run_done(Run *run)
{
    storage_items_free(run->items, run->n);
    map_done(&run->reals);
    pthread_cond_destroy(&run->changed);
    pthread_mutex_destroy(&run->lock);
    free(run->failure);
    arena_free(run->a);
}

int storage_plan(StorageContext *c, StorageItem **ret, size_t *ret_n, Report *report, Error *e)
{
    _cleanup_(run_done)
    Run run;
    run_init(&run, c, report);
    int r = plan_all(&run, e);
    if (r < 0)
        return r;
    /* In the order of the graph; without one, when there is a cycle, in that of the config. */
    StorageItem *ordered = calloc(run.n + 1, sizeof(*ordered));
    if (!ordered)
        abort();
    bool *taken = ARENA_ARRAY(run.a, bool, run.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < run.n; i++) {
        size_t at = run.graph.order[i];
        if (!taken[at]) {
            taken[at] = true;
            ordered[n++] = run.items[at];
        }
    }
    for (size_t i = 0; i < run.n; i++)
        if (!taken[i])
            ordered[n++] = run.items[i];
    free(run.items);
    run.items = NULL;
    run.n = 0;
    *ret = ordered;
    *ret_n = n;
    return 0;
}

/* ---- making it real ---- */

/* Who should give it, for whoever waits in vain. */
static const char *giver_text(const Run *run, const StorageItem *item, const char *name)
{
    for (size_t i = 0; i < run->n; i++)
        for (size_t k = 0; k < run->items[i].gives.n; k++)
            if (&run->items[i] != item && strcmp(run->items[i].gives.items[k], name) == 0)
                return arena_printf(item->arena, "it should come with %s", run->items[i].name);
    return "nothing in the config gives it";
}

/* One device is for one item; by different names two may come to it. A disk's partitions, and what is made on
 * what the other gives, are no matter. */
static int claim(Run *run, size_t at, const char *real, Error *e)
{
    int r = 0;
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < run->n_claims && r == 0; i++) {
        size_t other = run->claim_items[i];
        bool after = false;
        for (size_t k = 0; k < run->graph.after[at].n; k++)
            after |= run->graph.after[at].items[k] == other;
        if (other != at && !after && strcmp(run->claims[i], real) == 0)
            r = error_set(e, EBUSY, "%s is used by %s too", real, run->items[other].name);
    }
    if (r == 0) {
        run->claims[run->n_claims] = real;
        run->claim_items[run->n_claims++] = at;
    }
    pthread_mutex_unlock(&run->lock);
    return r;
}

static int item_wait(Run *run, size_t at, const char **reals, Error *e)
{
    StorageItem *item = &run->items[at];
    unsigned sec = run->c->wait_sec ? run->c->wait_sec : DEVICE_WAIT_SEC;
    for (size_t k = 0; k < item->needs.n; k++) {
        const char *name = item->needs.items[k];
        int r = device_wait(item->arena, name, sec, &reals[k], e);
        if (r == -ETIMEDOUT)
            return error_set(e, ETIMEDOUT, "%s did not appear within %u seconds; %s", name, sec,
                             giver_text(run, item, name));
        if (r >= 0)
            r = claim(run, at, reals[k], e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The first refusal of a report that has one. */
static int refusal_error(const Report *r, const char *more, Error *e)
{
    const ReportEntry *first = r->entries;
    while (first->severity != SEVERITY_ERROR)
        first++;
    if (r->errors == 1)
        return error_set(e, EPERM, "%s", first->message);
    return error_set(e, EPERM, "%s (and %zu more refusals%s)", first->message, r->errors - 1, more);
}

static int item_run(Run *run, size_t at, Error *e)
{
    StorageItem *item = &run->items[at];
    int r = 0;

    if (run->certain[at] && !storage_changes_any(&item->changes))
        return 0;
    if (!run->certain[at]) {
        const char **reals = ARENA_ARRAY(item->arena, const char *, item->needs.n + 1);
        r = item_wait(run, at, reals, e);
        if (r >= 0)
            r = item_look(run, item, NULL, reals, e);
        if (r < 0)
            return r;
        item_plan(run, item);
        if (item->report.errors > 0) {
            pthread_mutex_lock(&run->lock);
            report_take(run->report, &item->report);
            pthread_mutex_unlock(&run->lock);
            return refusal_error(&item->report, "", e);
        }
    }
    for (size_t k = 0; run->certain[at] && k < item->needs.n && r >= 0; k++)
        r = claim(run, at, item->facts[k].real, e);
    if (r < 0)
        return r;
    if (!storage_changes_any(&item->changes)) {
        log_info("%s is as declared", item->name);
        return 0;
    }
    r = item->kind->apply(run->c, item, e);
    return r < 0 ? r : device_settle(e);
}

/* Under the lock. SIZE_MAX: none is ready. */
static size_t item_next(const Run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        size_t at = run->graph.order[i], k = 0;
        const StorageEdges *after = &run->graph.after[at];
        while (k < after->n && run->states[after->items[k]] == ITEM_DONE)
            k++;
        if (run->states[at] == ITEM_WAITING && k == after->n)
            return at;
    }
    return SIZE_MAX;
}

static void item_failed(Run *run, const StorageItem *item, int r, Error *e)
{
    error_wrap(e, r, "%s", item->name);
    if (run->failed) {
        log_error("%s", e->text);
        return;
    }
    run->failed = true;
    run->result = r;
    run->failure = malloc(sizeof(*e));
    if (!run->failure)
        abort();
    *run->failure = *e;
}

static void *worker(void *context)
{
    Run *run = context;

    pthread_mutex_lock(&run->lock);
    while (!run->failed && run->n_done < run->n) {
        size_t at = item_next(run);
        if (at == SIZE_MAX) {
            pthread_cond_wait(&run->changed, &run->lock);
            continue;
        }
        Error e = ERROR_INIT;
        run->states[at] = ITEM_RUNNING;
        pthread_mutex_unlock(&run->lock);
        int r = item_run(run, at, &e);
        pthread_mutex_lock(&run->lock);
        if (r < 0)
            item_failed(run, &run->items[at], r, &e);
        run->states[at] = ITEM_DONE;
        run->n_done++;
        pthread_cond_broadcast(&run->changed);
    }
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

/* How many could ever run at the same time: those that change something, at most. */
static size_t threads_wanted(const Run *run)
{
    size_t n = 0;
    for (size_t i = 0; i < run->n; i++)
        n += !run->certain[i] || storage_changes_any(&run->items[i].changes);
    return n < THREADS_MAX ? n : THREADS_MAX;
}

static int run_all(Run *run, Error *e)
{
    pthread_t threads[THREADS_MAX];
    size_t n = 0, want = threads_wanted(run), claims = 0;

    if (want == 0)
        return 0;
    for (size_t i = 0; i < run->n; i++)
        claims += run->items[i].needs.n;
    run->states = ARENA_ARRAY(run->a, ItemState, run->n);
    run->claims = ARENA_ARRAY(run->a, const char *, claims + 1);
    run->claim_items = ARENA_ARRAY(run->a, size_t, claims + 1);
    while (n + 1 < want && pthread_create(&threads[n], NULL, worker, run) == 0)
        n++;
    worker(run);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    if (!run->failed)
        return 0;
    if (e)
        *e = *run->failure;
    return run->result;
}

int storage_run(StorageContext *c, Report *report, Error *e)
{
    _cleanup_(run_done)
    Run run;
    run_init(&run, c, report);
    run.wait = true;
    int r = plan_all(&run, e);
    if (r < 0)
        return r;
    if (report->errors > 0)
        return refusal_error(report, "; nothing was changed", e);
    return run_all(&run, e);
}
