#pragma once
/* Notices that one of many paths of a root is touched: written, replaced, given other attributes, removed, or
 * that a directory above it is. By inotify on the directories that hold the paths, and not by fanotify: that
 * wants more rights, and a mark on a file system wakes for every file there. Who writes a neighbour of a path
 * wakes us, too, and nothing follows. A file that is held open and written is noticed when it is closed. */
#include "base/arena.h"
#include "base/error.h"

typedef struct DriftWatch DriftWatch;
int drift_watch_new(int root, const char *const *paths, size_t n, DriftWatch **ret, Error *e);
void drift_watch_free(DriftWatch *w);
DEFINE_CLEANUP(DriftWatch *, drift_watch_free);

int drift_watch_fd(const DriftWatch *w); /* readable: drift_watch_read() */
int drift_watch_read(DriftWatch *w, Error *e);
/* How long to wait for what belongs together: -1 nothing was touched, 0 now is the time to ask. */
int drift_watch_timeout_ms(const DriftWatch *w);
/* What was touched since the last time, each path once. */
size_t drift_watch_take(DriftWatch *w, Arena *a, const char ***ret);
