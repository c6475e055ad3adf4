/* /api/v1/namespaces/x is the namespace x itself, /api/v1/namespaces/x/pods are pods in it; the subresources
 * of namespaces are the exception. */
#include "apiserver/route.h"

#include <string.h>

enum { PARTS_MAX = 10, PATH_LENGTH_MAX = 4096 };

static bool has_subresource(const Route *r, const char *name)
{
    size_t n = strlen(name);
    if (!strcmp(name, "status"))
        return r->version->status;
    for (const char *p = r->kind->subresources; (p = strstr(p, name)); p += n)
        if ((p == r->kind->subresources || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

static int find(const KindTable *t, const char *group, const char *version, char **parts, size_t n,
                Route *ret)
{
    size_t at = 0;
    if (n >= 3 && !strcmp(parts[0], "namespaces") && strcmp(parts[2], "status") &&
        strcmp(parts[2], "finalize")) {
        ret->namespace = parts[1];
        at = 2;
    }
    ret->kind = at < n ? kind_table_find(t, group, parts[at]) : NULL;
    ret->version = ret->kind ? api_kind_version(ret->kind, version) : NULL;
    if (!ret->version || n - at > 3)
        return -ENOENT;
    if (n - at > 1)
        ret->name = parts[at + 1];
    if (n - at > 2)
        ret->subresource = parts[at + 2];
    if (ret->namespace && !ret->kind->kube.namespaced)
        return -ENOENT;
    if (!ret->namespace && ret->kind->kube.namespaced && ret->name)
        return -ENOENT;
    return ret->subresource && !has_subresource(ret, ret->subresource) ? -ENOENT : 0;
}

int route_read(Arena *a, const KindTable *t, const char *path, Route *ret)
{
    char *save = NULL, *parts[PARTS_MAX + 1];
    size_t n = 0;
    *ret = (Route){0};
    if (strlen(path) > PATH_LENGTH_MAX)
        return -ENOENT;
    for (char *p = strtok_r(arena_strdup(a, path), "/", &save); p && n <= PARTS_MAX;
         p = strtok_r(NULL, "/", &save))
        parts[n++] = p;
    if (n > PARTS_MAX)
        return -ENOENT;
    if (n >= 3 && !strcmp(parts[0], "api"))
        return find(t, "", parts[1], parts + 2, n - 2, ret);
    if (n >= 4 && !strcmp(parts[0], "apis") && *parts[1])
        return find(t, parts[1], parts[2], parts + 3, n - 3, ret);
    return -ENOENT;
}
