/* The writing side (lookaside-staging) is read over: nothing is signed here. `sigstore` is the old word for
 * `lookaside` and counts where that does not stand. */
#include "oci/registries_d.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/source.h"
#include "format/yaml.h"
#include "oci/policy_scope.h"

#define DEFAULT_LOOKASIDE "file:///var/lib/containers/sigstore"

static const char *const directories[] = {"root/.config/containers/registries.d",
                                          "etc/containers/registries.d"};

typedef struct Reading {
    Arena *arena;
    Report *report;
    RegistriesD *to;
} Reading;

/* ---- one section ---- */

static const char *text_of(const Reading *d, const PathStep *at, const Node *n)
{
    if (n->kind == NODE_NULL || (n->kind == NODE_STRING && !n->len))
        return NULL;
    if (n->kind == NODE_STRING && strlen(n->string) == n->len)
        return n->string;
    report_add(d->report, SEVERITY_ERROR, at, n, "expected a text, found %s", node_kind_name(n->kind));
    return NULL;
}

/* What stands behind the URL is put at its end, so that it must end in its path. */
static bool is_base(const char *url)
{
    size_t scheme = !strncmp(url, "https://", 8) ? 8 : !strncmp(url, "http://", 7) ? 7 : 0;
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr("?#\\\"", *p))
            return false;
    if (!strncmp(url, "file:///", 8))
        return !strchr(url, '%');
    return scheme && url[scheme] && url[scheme] != '/' &&
           !memchr(url + scheme, '@', strcspn(url + scheme, "/"));
}

static const char *lookaside_of(const Reading *d, const PathStep *at, const Node *n)
{
    const char *url = text_of(d, at, n);
    if (url && !is_base(url))
        report_add(d->report, SEVERITY_ERROR, at, n,
                   "expected a URL of https, http or file, without user, query and fragment");
    return url;
}

static Attachments attachments_of(const Reading *d, const PathStep *at, const Node *n)
{
    if (n->kind == NODE_NULL)
        return ATTACHMENTS_UNSAID;
    if (n->kind == NODE_BOOL)
        return n->boolean ? ATTACHMENTS_USED : ATTACHMENTS_UNUSED;
    report_add(d->report, SEVERITY_ERROR, at, n, "expected true or false, found %s", node_kind_name(n->kind));
    return ATTACHMENTS_UNSAID;
}

static void read_section(const Reading *d, const PathStep *up, const Node *section, const char *scope)
{
    SignatureSettings s = {.scope = scope};
    const char *old = NULL;
    RegistriesD *to = d->to;
    if (section->kind != NODE_OBJECT && section->kind != NODE_NULL) {
        report_add(d->report, SEVERITY_ERROR, up, section, "expected a mapping");
        return;
    }
    for (const Node *n = section->kind == NODE_OBJECT ? section->first : NULL; n; n = n->next) {
        const PathStep *at = PATH_KEY(up, n->key);
        if (!strcmp(n->key, "lookaside"))
            s.lookaside = lookaside_of(d, at, n);
        else if (!strcmp(n->key, "sigstore"))
            old = lookaside_of(d, at, n);
        else if (!strcmp(n->key, "use-sigstore-attachments"))
            s.attachments = attachments_of(d, at, n);
        else if (strcmp(n->key, "lookaside-staging") && strcmp(n->key, "sigstore-staging"))
            report_add_key(d->report, SEVERITY_WARNING, at, n, "unknown setting, not used");
    }
    if (!s.lookaside)
        s.lookaside = old;
    for (size_t i = 0; i < to->n; i++)
        if (!strcmp(to->scopes[i].scope, scope)) {
            report_add_key(d->report, SEVERITY_ERROR, up, section, "it stands in another file too");
            return;
        }
    if (to->n == REGISTRIES_D_SCOPES_MAX)
        report_add_key(d->report, SEVERITY_ERROR, up, section, "there are more than %d sections",
                       REGISTRIES_D_SCOPES_MAX);
    else
        to->scopes[to->n++] = s;
}

/* ---- files ---- */

static void read_registries(const Reading *d, const PathStep *up, const Node *map)
{
    if (map->kind == NODE_NULL)
        return;
    if (map->kind != NODE_OBJECT) {
        report_add(d->report, SEVERITY_ERROR, up, map, "expected a mapping");
        return;
    }
    NODE_EACH (n, map) {
        if (*n->key)
            read_section(d, PATH_KEY(up, n->key), n, n->key);
        else
            report_add_key(d->report, SEVERITY_ERROR, up, n, "it is written default-docker");
    }
}

int registries_d_read(Arena *a, const Source *source, RegistriesD *to, Report *report)
{
    const Reading d = {.arena = a, .report = report, .to = to};
    size_t before = report->errors;
    Node *documents;
    int r = yaml_read_all(a, source, SEVERITY_ERROR, &documents, report);
    if (r < 0)
        return r;
    const Node *root = documents->first; /* NULL: comments alone */
    if (!to->scopes)
        to->scopes = ARENA_ARRAY(a, SignatureSettings, REGISTRIES_D_SCOPES_MAX);
    if (root && (root->kind != NODE_OBJECT || documents->n > 1))
        report_add(report, SEVERITY_ERROR, NULL, root, "expected one mapping");
    for (const Node *n = root && root->kind == NODE_OBJECT ? root->first : NULL; n; n = n->next) {
        const PathStep *at = PATH_KEY(NULL, n->key);
        if (!strcmp(n->key, "docker"))
            read_registries(&d, at, n);
        else if (!strcmp(n->key, "default-docker"))
            read_section(&d, at, n, "");
        else
            report_add_key(report, SEVERITY_WARNING, at, n, "unknown setting, not used");
    }
    return report->errors > before ? -EINVAL : 0;
}

static int load_file(Arena *a, int root, const char *path, RegistriesD *to, Report *report)
{
    const Source *source;
    int r = source_load(a, root, path, REGISTRIES_D_FILE_MAX, &source, report);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return source->len ? registries_d_read(a, source, to, report) : 0;
}

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && !strcmp(entry->d_name + n - 5, ".yaml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_directory(Arena *a, int root, const char *path, int fd, RegistriesD *to, Report *report)
{
    struct dirent **names = NULL;
    int r = 0, n = scandirat(fd, ".", &names, is_yaml, by_name);
    if (n < 0)
        return -errno;
    if (n > REGISTRIES_D_FILES_MAX) {
        report_add_at(report, SEVERITY_ERROR, NULL, 0, 0, "/%s has more than %d files", path,
                      REGISTRIES_D_FILES_MAX);
        r = -EINVAL;
    }
    for (int i = 0; i < n; i++) {
        int k = n > REGISTRIES_D_FILES_MAX
                    ? 0
                    : load_file(a, root, arena_printf(a, "%s/%s", path, names[i]->d_name), to, report);
        if (k < 0)
            r = k;
        free(names[i]);
    }
    free(names);
    return r;
}

int registries_d_load(Arena *a, int root, RegistriesD *ret, Report *report)
{
    RegistriesD loaded = {0};
    for (size_t i = 0; i < ELEMENTS(directories); i++) {
        _cleanup_close_ int fd = root_openat(root, directories[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (fd == -ENOENT)
            continue;
        int r = fd < 0 ? fd : load_directory(a, root, directories[i], fd, &loaded, report);
        if (r < 0 && r != -EINVAL)
            report_add_at(report, SEVERITY_ERROR, NULL, 0, 0, "/%s cannot be read: %s", directories[i],
                          strerror(-r));
        if (r < 0)
            return r;
        break;
    }
    *ret = loaded;
    return 0;
}

/* ---- what they say of an image ---- */

static bool says_lookaside(const SignatureSettings *s)
{
    return s->lookaside;
}

static bool says_attachments(const SignatureSettings *s)
{
    return s->attachments != ATTACHMENTS_UNSAID;
}

static const SignatureSettings *find(Arena *a, const RegistriesD *from, const ImageName *name,
                                     bool (*says)(const SignatureSettings *s))
{
    const SignatureSettings *fallback = NULL;
    for (const char *const *scope = policy_scope_names_of(a, name); *scope; scope++)
        for (size_t i = 0; i < from->n; i++)
            if (!strcmp(from->scopes[i].scope, *scope) && says(&from->scopes[i]))
                return &from->scopes[i];
    for (size_t i = 0; i < from->n; i++)
        if (!*from->scopes[i].scope && says(&from->scopes[i]))
            fallback = &from->scopes[i];
    return fallback;
}

const char *registries_d_lookaside(Arena *a, const RegistriesD *from, const ImageName *name)
{
    const SignatureSettings *s = find(a, from, name, says_lookaside);
    return s ? s->lookaside : DEFAULT_LOOKASIDE;
}

bool registries_d_attachments(Arena *a, const RegistriesD *from, const ImageName *name)
{
    const SignatureSettings *s = find(a, from, name, says_attachments);
    return s && s->attachments == ATTACHMENTS_USED;
}
