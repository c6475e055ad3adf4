/* Fields are a table; what one of them is worth is checked where it is read, so that a fault has its place in
 * the file. Names are put together as texts, prefix taken off and location put on, and read again as names:
 * no rewrite makes what the grammar refuses. */
#include "oci/registries.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/source.h"
#include "format/toml.h"

/* Of the user that an engine runs as, then the system's: the first that is there. Its directory is read after
 * the system's, or alone beside its own file. */
static const char *const main_files[] = {"root/.config/containers/registries.conf",
                                         "etc/containers/registries.conf"};
static const char *const drop_ins[] = {"etc/containers/registries.conf.d",
                                       "root/.config/containers/registries.conf.d"};

typedef struct Reading {
    Arena *arena;
    Report *report;
    Registries *to;
    size_t first; /* rules from here on are of this file */
} Reading;

/* ---- one entry ---- */

static const char *text_of(const Reading *d, const PathStep *at, const Node *n)
{
    const char *text = node_string(n);
    if (!text || strlen(text) != n->len) {
        report_add(d->report, SEVERITY_ERROR, at, n, "expected a string, found %s", node_kind_name(n->kind));
        return NULL;
    }
    return text;
}

/* host[:port][/path], such as stands before a name; and for prefixes also the end of one. */
static bool is_location(const char *text, bool whole)
{
    size_t host = strcspn(text, "/@");
    const char *path = text + host;
    if (!image_registry_valid(text, host))
        return false;
    if (*path != '/')
        return !*path;
    size_t n = whole ? strcspn(path + 1, ":@") : strlen(path + 1);
    const char *rest = path + 1 + n;
    ContentDigest digest;
    if (!image_repository_valid(path + 1, n))
        return false;
    return !*rest || (*rest == ':' && image_tag_valid(rest + 1, strlen(rest + 1))) ||
           (*rest == '@' && content_digest_read(rest + 1, strlen(rest + 1), &digest, NULL) >= 0);
}

typedef enum Form { FORM_PREFIX, FORM_LOCATION, FORM_MIRROR } Form;

static const char *location_of(const Reading *d, const PathStep *at, const Node *n, Form form)
{
    const char *text = text_of(d, at, n);
    if (!text)
        return NULL;
    size_t len = strlen(text);
    char *copy = arena_memdup(d->arena, text, len && text[len - 1] == '/' ? len - 1 : len);
    bool wild = form == FORM_PREFIX && !strncmp(copy, "*.", 2);
    if (is_location(wild ? copy + 2 : copy, form != FORM_MIRROR) && !(wild && strpbrk(copy, ":/@")))
        return copy;
    report_add(d->report, SEVERITY_ERROR, at, n, "it is written host, host:port or host/path%s",
               strstr(text, "://")   ? ", without a scheme"
               : form == FORM_PREFIX ? "; before a host alone may stand '*.'"
                                     : "");
    return NULL;
}

static bool flag_of(const Reading *d, const PathStep *at, const Node *n)
{
    if (n->kind == NODE_BOOL)
        return n->boolean;
    report_add(d->report, SEVERITY_ERROR, at, n, "expected true or false, found %s", node_kind_name(n->kind));
    return false;
}

static MirrorUse use_of(const Reading *d, const PathStep *at, const Node *n)
{
    static const struct {
        const char *word;
        MirrorUse use;
    } words[] = {{"all", MIRROR_ALWAYS}, {"digest-only", MIRROR_BY_DIGEST}, {"tag-only", MIRROR_BY_TAG}};
    const char *text = text_of(d, at, n);
    for (size_t i = 0; text && i < ELEMENTS(words); i++)
        if (!strcmp(words[i].word, text))
            return words[i].use;
    if (text)
        report_add(d->report, SEVERITY_ERROR, at, n, "it is one of all, digest-only, tag-only");
    return MIRROR_ALWAYS;
}

static void unknown(const Reading *d, const PathStep *at, const Node *n)
{
    report_add_key(d->report, SEVERITY_WARNING, at, n, "unknown setting, not used");
}

static void read_mirror(const Reading *d, const PathStep *up, const Node *table, RegistryPlace *ret)
{
    if (table->kind != NODE_OBJECT) {
        report_add(d->report, SEVERITY_ERROR, up, table, "expected a table");
        return;
    }
    NODE_EACH (n, table) {
        const PathStep *at = PATH_KEY(up, n->key);
        if (!strcmp(n->key, "location"))
            ret->location = location_of(d, at, n, FORM_MIRROR);
        else if (!strcmp(n->key, "insecure"))
            ret->insecure = flag_of(d, at, n);
        else if (!strcmp(n->key, "pull-from-mirror"))
            ret->use = use_of(d, at, n);
        else
            unknown(d, at, n);
    }
    if (!node_get(table, "location"))
        report_add(d->report, SEVERITY_ERROR, up, table, "a mirror needs a location");
}

static void read_mirrors(const Reading *d, const PathStep *up, const Node *list, RegistryRule *rule)
{
    size_t i = 0;
    if (list->kind != NODE_ARRAY || list->n > REGISTRY_MIRRORS_MAX) {
        report_add(d->report, SEVERITY_ERROR, up, list, "expected at most %d tables", REGISTRY_MIRRORS_MAX);
        return;
    }
    rule->mirrors = ARENA_ARRAY(d->arena, RegistryPlace, list->n + 1);
    rule->n_mirrors = list->n;
    NODE_EACH (n, list) {
        read_mirror(d, PATH_INDEX(up, i), n, &rule->mirrors[i]);
        i++;
    }
}

/* mirror-by-digest-only is pull-from-mirror for all; both together are a contradiction in waiting. */
static void limit_mirrors(const Reading *d, const PathStep *up, const Node *table, RegistryRule *rule)
{
    const Node *flag = node_get(table, "mirror-by-digest-only");
    if (!flag || !flag_of(d, PATH_KEY(up, flag->key), flag))
        return;
    for (size_t i = 0; i < rule->n_mirrors; i++) {
        if (rule->mirrors[i].use != MIRROR_ALWAYS)
            report_add(d->report, SEVERITY_ERROR, PATH_KEY(up, flag->key), flag,
                       "it cannot stand beside pull-from-mirror");
        rule->mirrors[i].use = MIRROR_BY_DIGEST;
    }
}

static void read_entry(const Reading *d, const PathStep *up, const Node *table, RegistryRule *rule)
{
    NODE_EACH (n, table) {
        const PathStep *at = PATH_KEY(up, n->key);
        if (!strcmp(n->key, "prefix"))
            rule->prefix = location_of(d, at, n, FORM_PREFIX);
        else if (!strcmp(n->key, "location"))
            rule->own.location = location_of(d, at, n, FORM_LOCATION);
        else if (!strcmp(n->key, "insecure"))
            rule->own.insecure = flag_of(d, at, n);
        else if (!strcmp(n->key, "blocked"))
            rule->blocked = flag_of(d, at, n);
        else if (!strcmp(n->key, "mirror"))
            read_mirrors(d, at, n, rule);
        else if (!strcmp(n->key, "pull-from-mirror"))
            report_add_key(d->report, SEVERITY_ERROR, at, n, "it is a setting of mirrors");
        else if (strcmp(n->key, "mirror-by-digest-only") != 0)
            unknown(d, at, n);
    }
    limit_mirrors(d, up, table, rule);
    if (!rule->prefix && !node_get(table, "prefix"))
        rule->prefix = rule->own.location;
    if (!rule->prefix && !node_get(table, "location"))
        report_add(d->report, SEVERITY_ERROR, up, table, "it needs a prefix or a location");
}

/* ---- one file ---- */

static void put_rule(const Reading *d, const PathStep *up, const Node *table, const RegistryRule *rule)
{
    Registries *to = d->to;
    for (size_t i = 0; i < to->n; i++) {
        if (strcmp(to->rules[i].prefix, rule->prefix))
            continue;
        if (i >= d->first)
            report_add(d->report, SEVERITY_ERROR, up, table, "the prefix '%s' stands twice", rule->prefix);
        to->rules[i] = *rule;
        return;
    }
    if (to->n == REGISTRIES_MAX) {
        report_add(d->report, SEVERITY_ERROR, up, table, "there are more than %d entries", REGISTRIES_MAX);
        return;
    }
    to->rules[to->n++] = *rule;
}

static void read_entries(const Reading *d, const PathStep *up, const Node *list)
{
    size_t i = 0;
    if (list->kind != NODE_ARRAY) {
        report_add(d->report, SEVERITY_ERROR, up, list, "it is written [[registry]]");
        return;
    }
    NODE_EACH (n, list) {
        RegistryRule rule = {0};
        const PathStep *at = PATH_INDEX(up, i++);
        if (n->kind != NODE_OBJECT)
            report_add(d->report, SEVERITY_ERROR, at, n, "expected a table");
        else
            read_entry(d, at, n, &rule);
        if (rule.prefix)
            put_rule(d, at, n, &rule);
    }
}

static void read_global(const Reading *d, const PathStep *at, const Node *n)
{
    static const char *const short_names[] = {"unqualified-search-registries", "short-name-mode", "aliases",
                                              "additional-layer-store-auth-helper"};
    if (!strcmp(n->key, "registry")) {
        read_entries(d, at, n);
        return;
    }
    if (!strcmp(n->key, "registries")) {
        report_add_key(d->report, SEVERITY_ERROR, at, n,
                       "this is version 1 of the format; write an entry [[registry]] for each");
        return;
    }
    if (!strcmp(n->key, "credential-helpers")) {
        report_add_key(d->report, SEVERITY_WARNING, at, n, "helpers are not run, only auth.json is used");
        return;
    }
    for (size_t i = 0; i < ELEMENTS(short_names); i++)
        if (!strcmp(n->key, short_names[i])) {
            report_add_key(d->report, SEVERITY_INFO, at, n, "not used: images are named in full");
            return;
        }
    unknown(d, at, n);
}

int registries_read(Arena *a, const Source *source, Registries *to, Report *report)
{
    Node *root;
    size_t before = report->errors;
    int r = toml_read(a, source, &root, report);
    if (r < 0)
        return r;
    if (!to->rules)
        to->rules = ARENA_ARRAY(a, RegistryRule, REGISTRIES_MAX);
    const Reading d = {.arena = a, .report = report, .to = to, .first = to->n};
    NODE_EACH (n, root)
        read_global(&d, PATH_KEY(NULL, n->key), n);
    return report->errors > before ? -EINVAL : 0;
}

/* ---- all files ---- */

static int load_file(Arena *a, int root, const char *path, Registries *to, Report *report)
{
    const Source *source;
    int r = source_load(a, root, path, REGISTRIES_FILE_MAX, &source, report);
    return r == 0 ? registries_read(a, source, to, report) : r == -ENOENT ? r : -EINVAL;
}

static int is_drop_in(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && entry->d_name[0] != '.' && !strcmp(entry->d_name + n - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_drop_ins(Arena *a, int root, const char *path, Registries *to, Report *report)
{
    struct dirent **names = NULL;
    _cleanup_close_ int directory = root_openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int r = 0, n = directory < 0 ? 0 : scandirat(directory, ".", &names, is_drop_in, by_name);
    for (int i = 0; i < n; i++) {
        int k = load_file(a, root, arena_printf(a, "%s/%s", path, names[i]->d_name), to, report);
        if (k < 0 && k != -ENOENT)
            r = k;
        free(names[i]);
    }
    free(names);
    return r;
}

int registries_load(Arena *a, int root, Registries *ret, Report *report)
{
    Registries loaded = {0};
    int first = load_file(a, root, main_files[0], &loaded, report), r = first;
    if (first == -ENOENT)
        r = load_file(a, root, main_files[1], &loaded, report);
    r = r == -ENOENT ? 0 : r;
    for (size_t i = first == -ENOENT ? 0 : 1; i < ELEMENTS(drop_ins); i++) {
        int k = load_drop_ins(a, root, drop_ins[i], &loaded, report);
        r = k < 0 ? k : r;
    }
    if (r < 0)
        return r;
    *ret = loaded;
    return 0;
}

/* ---- what it says of an image ---- */

/* How much of the name the prefix is; 0: it is not. Behind it ends a host, a part of the path, or the name.
 */
static size_t matches(const char *prefix, const char *name)
{
    size_t n = strlen(prefix);
    if (!strncmp(prefix, "*.", 2)) { /* of any port */
        size_t host = strcspn(name, ":/"), domain = n - 1;
        return host > domain && !strncmp(name + host - domain, prefix + 1, domain) ? host : 0;
    }
    if (strncmp(prefix, name, n))
        return 0;
    return !name[n] || name[n] == '/' || (strchr(prefix, '/') && (name[n] == ':' || name[n] == '@')) ? n : 0;
}

static const RegistryRule *find_rule(const Registries *from, const char *name, size_t *ret_matched)
{
    const RegistryRule *best = NULL;
    for (size_t i = 0; i < from->n; i++) {
        const RegistryRule *rule = &from->rules[i];
        size_t matched = matches(rule->prefix, name), length = strlen(rule->prefix);
        if (!matched)
            continue;
        size_t former = best ? strlen(best->prefix) : 0;
        if (length > former || (length == former && best->prefix[0] == '*')) {
            best = rule;
            *ret_matched = matched;
        }
    }
    return best;
}

/* A prefix may be the whole of a name, and its location then one with a tag of its own. */
static int rewrite(Arena *a, const RegistryPlace *to, const char *name, size_t matched, ImagePlace *ret,
                   Error *e)
{
    const char *text = to->location ? arena_printf(a, "%s%s", to->location, name + matched) : name;
    int r = image_name_read(a, text, &ret->name, e);
    if (r < 0)
        return error_wrap(e, r, "registries.conf makes '%s' of '%s'", text, name);
    ret->insecure = to->insecure;
    return 0;
}

static bool usable(MirrorUse use, const ImageName *name)
{
    return use == MIRROR_ALWAYS || (use == MIRROR_BY_DIGEST) == (name->digest != NULL);
}

int registries_resolve(Arena *a, const Registries *from, const ImageName *name, ImagePlace **ret,
                       size_t *ret_n, Error *e)
{
    const char *text = image_name_text(a, name);
    size_t matched = 0, n = 0;
    const RegistryRule *rule = find_rule(from, text, &matched);
    ImagePlace *places = ARENA_ARRAY(a, ImagePlace, rule ? rule->n_mirrors + 1 : 1);
    if (rule && rule->blocked)
        return error_set(e, EACCES, "registries.conf blocks '%s'", rule->prefix);
    for (size_t i = 0; rule && i < rule->n_mirrors; i++) {
        if (!usable(rule->mirrors[i].use, name))
            continue;
        int r = rewrite(a, &rule->mirrors[i], text, matched, &places[n], e);
        if (r < 0)
            return r;
        places[n++].mirror = true;
    }
    if (!rule)
        places[n++].name = *name;
    else {
        int r = rewrite(a, &rule->own, text, matched, &places[n++], e);
        if (r < 0)
            return r;
    }
    *ret = places;
    *ret_n = n;
    return 0;
}
