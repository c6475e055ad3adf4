#pragma once
/* Who watches what, and what there is to tell. A watch has a place in the order of changes and takes the next
 * one that it wants from there: from memory (the newest ones), from the store's past, or it hears that its
 * place is forgotten (410). Each change is kept once, whoever wants it; a watch that waits costs its
 * selectors. What was not committed is told to nobody. */
#include "apiserver/kind_table.h"
#include "apiserver/store.h"
#include "base/buf.h"

enum { WATCH_RECENT_MAX = 4096, WATCH_RECENT_BYTES = 4 << 20, WATCH_BOOKMARK_SEC = 60 };

typedef enum WatchForm { WATCH_PLAIN, WATCH_TABLE, WATCH_TABLE_WITH_OBJECTS, WATCH_TABLE_BARE } WatchForm;

typedef struct Watch Watch;
typedef struct WatchHub WatchHub;

typedef struct WatchSpec {
    const ApiKind *kind;
    const KindVersion *version;
    const char *namespace, *name, *label_selector, *field_selector; /* NULL: all */
    int64_t after; /* changes from here on; 0: first what there is, then changes */
    bool bookmarks;
    unsigned timeout_sec;
    WatchForm form;
} WatchSpec;

WatchHub *watch_hub_new(Store *s, int64_t (*now)(void));
void watch_hub_free(WatchHub *h);
DEFINE_CLEANUP(WatchHub *, watch_hub_free);

/* -EINVAL for a selector, with the message that a real server has. */
int watch_new(WatchHub *h, const WatchSpec *spec, Watch **ret, Error *e);
void watch_free(Watch *w);
/* Appends one event as a line of JSON: 1; 0: nothing now; < 0: that was all. */
int watch_next(Watch *w, Buf *out);
/* Called when a watch that had nothing may have something. */
void watch_on_wake(Watch *w, void (*wake)(void *context), void *context);

/* A change that was made, in order; told after watch_hub_publish(). */
void watch_hub_add(WatchHub *h, const StoreObject *change);
size_t watch_hub_pending(const WatchHub *h);
void watch_hub_forget(WatchHub *h, size_t down_to); /* what was undone */
void watch_hub_publish(WatchHub *h);
void watch_hub_tick(WatchHub *h);                  /* once a second or so */
void watch_hub_end(WatchHub *h, const ApiKind *k); /* of a kind that is gone */
