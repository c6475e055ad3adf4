/* What the kinds of items share. Refusals carry the place in the config; the fetcher and the state are used
 * by one item at a time. */
#include "provision/storage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "format/node.h"

const char *storage_verb_name(StorageVerb v)
{
    static const char *const names[] = {
        [STORAGE_KEEP] = "keep",         [STORAGE_CREATE] = "create", [STORAGE_CHANGE] = "change",
        [STORAGE_RECREATE] = "recreate", [STORAGE_DELETE] = "delete",
    };
    return names[v];
}

bool storage_changes_any(const StorageChanges *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].verb != STORAGE_KEEP)
            return true;
    return false;
}

void storage_change_add(StorageItem *item, StorageChange change)
{
    StorageChanges *l = &item->changes;

    if (l->n == l->size) {
        StorageChange *more = ARENA_ARRAY(item->arena, StorageChange, l->size ? 2 * l->size : 8);
        for (size_t i = 0; i < l->n; i++)
            more[i] = l->items[i];
        l->items = more;
        l->size = l->size ? 2 * l->size : 8;
    }
    change.object = arena_strdup(item->arena, change.object);
    change.detail = arena_strdup(item->arena, change.detail);
    l->items[l->n++] = change;
}

void storage_refuse(StorageItem *item, const char *field, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    const Node *object = *(const Node *const *)item->object, *at = NULL;
    PathStep *at_item = PATH_KEY(NULL, item->json_path + 2); /* behind "$." */
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    if (object && field)
        at = node_get(object, field);
    report_add(&item->report, SEVERITY_ERROR, field ? PATH_KEY(at_item, field) : at_item, at ? at : object,
               "%s", text);
}

void storage_context_init(StorageContext *c)
{
    pthread_mutex_init(&c->lock, NULL);
}

int storage_step(StorageContext *c, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list args;

    if (!c->hooks)
        return 0;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    return c->hooks->step(c->hooks->context, text);
}

int storage_fetch(StorageContext *c, const IgnResource *r, size_t max, Buf *ret, Error *e)
{
    pthread_mutex_lock(&c->lock);
    int k = resource_fetch_buf(c->fetcher, r, max, ret, e);
    pthread_mutex_unlock(&c->lock);
    return k;
}

void storage_keep_key(StorageContext *c, const char *volume, const char *contents)
{
    pthread_mutex_lock(&c->lock);
    state_add_key(c->state, volume, contents);
    pthread_mutex_unlock(&c->lock);
}
