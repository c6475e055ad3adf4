#pragma once
/* Who fetches resources: what a config says of timeouts, proxies and authorities is put here before the fetch
 * that it holds for. One a process. */
#include <stdbool.h>
#include <stdint.h>

#include "provision/resource.h"
#include "provision/resource_http.h"

int fetcher_new(Fetcher **ret, Error *e);
void fetcher_free(Fetcher *f);
DEFINE_CLEANUP(Fetcher *, fetcher_free);

/* Where the machine is: a cloud gives it credentials for its own stores. Not asked: anonymous. */
void fetcher_set_platform(Fetcher *f, const char *platform);
/* Then whatever needs a network is refused with -ENETDOWN ("resource requires networking"). */
void fetcher_set_offline(Fetcher *f, bool offline);
bool fetcher_offline(const Fetcher *f);
bool source_needs_net(const char *source);

/* The provider's config is fetched before any config can say how long that may take; 0: for ever. */
int fetcher_set_total_timeout(Fetcher *f, int64_t ns, Error *e);
int64_t fetcher_total_timeout(const Fetcher *f);
/* What this config says from now on. Fetches its authorities; without any the ones of before stay. */
int fetcher_configure(Fetcher *f, const IgnMeta *meta, Error *e);
/* One with the settings of now, for another thread; it may fetch and be asked, nothing else, and `f` must
 * outlive it. fetcher_cancel() on it ends what it is fetching with -ECANCELED, soon. */
Fetcher *fetcher_snapshot(const Fetcher *f);
bool fetcher_same_settings(const Fetcher *a, const Fetcher *b);
void fetcher_cancel(Fetcher *snapshot);
bool fetcher_cancelled(const Fetcher *snapshot);
/* The settings, for requests that are no resource of a config. */
const ResourceHttp *fetcher_http(const Fetcher *f);

/* Each authority as a data: URL, so that later stages need no network to trust a server. `list` is replaced.
 */
int fetcher_inline_authorities(Fetcher *f, Arena *a, IgnList *list, Error *e);

/* A URL as messages may show it: no user, no query, and of a data: URL nothing. */
const char *source_redacted(Arena *a, const char *source);
