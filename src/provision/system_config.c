/* Base configs: all files of base.d in the order of their names, then those of base.platform.d/ID, each
 * merged over what came before. They are read anew in each stage, so nothing of them is in the cache. What
 * cannot be read or is not valid fails the stage: the image is broken then. */
#include "provision/system_config.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "ignition/merge.h"
#include "provision/config_text.h"

enum { SYSTEM_CONFIG_MAX = 64 * 1024 * 1024 };

static const struct {
    const char *env, *path;
} dirs[] = {
    {"IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", "/run/ignition"},
    {"IGNITION_SYSTEM_LOCAL_CONFIG_DIR", "/etc/ignition"},
    {"IGNITION_SYSTEM_CONFIG_DIR", "/usr/lib/ignition"},
};

static const char *dir_path(size_t i)
{
    const char *path = getenv(dirs[i].env);
    return path && *path ? path : dirs[i].path;
}

typedef struct Found {
    const char *name, *path;
} Found;

typedef struct FoundList {
    Found *items;
    size_t n, size;
} FoundList;

static void found_list_done(FoundList *l)
{
    free(l->items);
}

static void found_add(FoundList *l, Found f)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].name, f.name) == 0)
            return; /* a directory of higher priority has it */
    if (l->n == l->size) {
        l->size = l->size ? 2 * l->size : 16;
        l->items = reallocarray(l->items, l->size, sizeof(Found));
        if (!l->items)
            abort();
    }
    l->items[l->n++] = f;
}

static int found_compare(const void *a, const void *b)
{
    return strcmp(((const Found *)a)->name, ((const Found *)b)->name);
}

static int dir_scan(Arena *a, const char *path, FoundList *l, Error *e)
{
    _cleanup_closedir_ DIR *d = opendir(path);
    struct dirent *entry;

    if (!d && errno == ENOENT) {
        log_info("no config dir at \"%s\"", path);
        return 0;
    }
    if (!d)
        return error_errno(e, -errno, "couldn't read config dir \"%s\"", path);
    while ((errno = 0, entry = readdir(d)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            found_add(l, (Found){.name = arena_strdup(a, entry->d_name),
                                 .path = arena_printf(a, "%s/%s", path, entry->d_name)});
    if (errno)
        return error_errno(e, -errno, "couldn't read config dir \"%s\"", path);
    return 0;
}

static int merge_dir(Arena *a, const char *below, IgnConfig **config, Error *e)
{
    _cleanup_(found_list_done)
    FoundList found = {0};
    int r;

    for (size_t i = 0; i < ELEMENTS(dirs); i++) {
        r = dir_scan(a, arena_printf(a, "%s/%s", dir_path(i), below), &found, e);
        if (r < 0)
            return r;
    }
    if (found.n > 0)
        qsort(found.items, found.n, sizeof(Found), found_compare);
    for (size_t i = 0; i < found.n; i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        IgnConfig *one;
        log_info("reading system config file \"%s\"", found.items[i].path);
        r = file_read_at(AT_FDCWD, found.items[i].path, SYSTEM_CONFIG_MAX, &text, NULL);
        if (r < 0)
            return error_errno(e, r, "couldn't read config \"%s\"", found.items[i].path);
        r = config_text_read(a, found.items[i].path, &text, &one, e);
        if (r < 0)
            return error_wrap(e, r, "%s", found.items[i].path);
        *config = ign_config_merge(a, *config, one);
    }
    return 0;
}

int system_config_base(Arena *a, const char *platform, IgnConfig **ret, Error *e)
{
    IgnConfig *config = ign_config_empty(a);
    int r;

    r = merge_dir(a, "base.d", &config, e);
    if (r >= 0)
        r = merge_dir(a, arena_printf(a, "base.platform.d/%s", platform), &config, e);
    if (r < 0)
        return r;
    *ret = config;
    return 0;
}

int system_config_user(Buf *ret, Error *e)
{
    for (size_t i = 0; i < ELEMENTS(dirs); i++) {
        _cleanup_buf_ Buf path = BUF_INIT;
        buf_addf(&path, "%s/user.ign", dir_path(i));
        log_info("reading system config file \"%s\"", path.data);
        int r = file_read_at(AT_FDCWD, path.data, SYSTEM_CONFIG_MAX, ret, NULL);
        if (r >= 0)
            return 0;
        if (r != -ENOENT)
            return error_errno(e, r, "couldn't read config \"%s\"", path.data);
        log_info("no config at \"%s\"", path.data);
    }
    return -ENOENT;
}
