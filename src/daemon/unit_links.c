/* WantedBy, RequiredBy, UpheldBy give links in NAME.wants and its kin, Alias a link beside the unit. Refused:
 * names with a slash, more links than anybody means, specifiers that depend on the machine (%H, %m …): where
 * a unit goes must be told from its text alone. */
#include "daemon/unit_links.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

static const char *const unit_dirs[] = {UNIT_LINKS_DIR, "/run/systemd/system",
                                        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                        "/lib/systemd/system"};

const char *unit_file_name(Arena *a, const char *unit)
{
    const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');
    return at && dot && dot > at + 1 ? arena_printf(a, "%.*s%s", (int)(at + 1 - unit), unit, dot) : unit;
}

int unit_file_find(Arena *a, int root, const char *unit, const char **ret_path, const char **ret_text,
                   Error *e)
{
    const char *names[] = {unit, unit_file_name(a, unit)};
    for (size_t i = 0; i < ELEMENTS(unit_dirs); i++)
        for (size_t k = 0; k < ELEMENTS(names); k++) {
            _cleanup_buf_ Buf text = BUF_INIT;
            const char *path = arena_printf(a, "%s/%s", unit_dirs[i], names[k]);
            int r = root_read(root, path, UNIT_TEXT_MAX, &text);
            if (r == -ENOENT || r == -ENOTDIR)
                continue;
            if (r == -EINVAL) /* a link to /dev/null */
                return 0;
            if (r < 0)
                return error_errno(e, r, "%s", path);
            *ret_path = path;
            *ret_text = arena_memdup(a, text.data ? text.data : "", text.len);
            return 1;
        }
    return 0;
}

/* ---- what is wanted ---- */

typedef struct Wanted {
    Arena *arena;
    const char *unit, *file;
    const char *link_name; /* the unit, or its default instance; NULL: a template without one */
    UnitLinks *links;
    StringList *also;
} Wanted;

static int expand(const Wanted *w, const char *word, size_t n, const char **ret, Error *e)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    const char *name = w->link_name ? w->link_name : w->unit, *at = strchr(name, '@'),
               *dot = strrchr(name, '.');
    const char *end = dot ? dot : name + strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (word[i] != '%') {
            buf_add_char(&b, word[i]);
            continue;
        }
        switch (i + 1 < n ? word[++i] : '\0') {
        case '%':
            buf_add_char(&b, '%');
            break;
        case 'n':
            buf_add_str(&b, name);
            break;
        case 'N':
            buf_add(&b, name, (size_t)(end - name));
            break;
        case 'p':
            buf_add(&b, name, (size_t)((at ? at : end) - name));
            break;
        case 'i':
            if (at && at < end)
                buf_add(&b, at + 1, (size_t)(end - at - 1));
            break;
        default:
            return error_set(e, EOPNOTSUPP,
                             "%s: the [Install] section has a specifier that is not known here: %.*s",
                             w->unit, (int)n, word);
        }
    }
    *ret = arena_memdup(w->arena, b.data ? b.data : "", b.len);
    if (!**ret || strchr(*ret, '/') || !strcmp(*ret, ".") || !strcmp(*ret, ".."))
        return error_set(e, EINVAL, "%s: the [Install] section has a name that is none: %.*s", w->unit,
                         (int)n, word);
    return 0;
}

static int add_link(Wanted *w, const char *path, Error *e)
{
    for (size_t i = 0; i < w->links->n; i++)
        if (!strcmp(w->links->items[i].path, path))
            return 0;
    if (w->links->n == UNIT_LINKS_MAX)
        return error_set(e, E2BIG, "%s: the [Install] section has too many names", w->unit);
    w->links->items[w->links->n++] = (UnitLink){path, w->file};
    return 0;
}

static int add_word(Wanted *w, const char *key, const char *suffix, const char *word, size_t n, Error *e)
{
    const char *name = NULL;
    int r = expand(w, word, n, &name, e);
    if (r < 0)
        return r;
    if (!strcmp(key, "Also")) {
        if (w->also)
            string_list_add(w->also, name);
        return 0;
    }
    if (!suffix)
        return add_link(w, arena_printf(w->arena, UNIT_LINKS_DIR "/%s", name), e);
    return w->link_name
               ? add_link(w, arena_printf(w->arena, UNIT_LINKS_DIR "/%s.%s/%s", name, suffix, w->link_name),
                          e)
               : 0;
}

static const struct {
    const char *key, *suffix;
} install_keys[] = {{"WantedBy", "wants"},
                    {"RequiredBy", "requires"},
                    {"UpheldBy", "upholds"},
                    {"Alias", NULL},
                    {"Also", NULL}};

static int add_value(Wanted *w, const char *key, const char *value, size_t n, Error *e)
{
    int r = 0;
    for (size_t i = 0; i < ELEMENTS(install_keys); i++) {
        if (strcmp(key, install_keys[i].key))
            continue;
        for (size_t at = 0; at < n && r >= 0;) {
            at += strspn(value + at, " \t");
            size_t k = strcspn(value + at, " \t");
            k = k < n - at ? k : n - at;
            if (k)
                r = add_word(w, key, install_keys[i].suffix, value + at, k, e);
            at += k;
        }
    }
    return r;
}

typedef int (*OnValue)(void *context, const char *key, const char *value, size_t n, Error *e);

/* The assignments of [Install]; a line that ends in a backslash goes on in the next. */
static int each_install(Arena *a, const char *text, OnValue on, void *context, Error *e)
{
    bool install = false;
    int r = 0;
    for (const char *p = text; *p && r >= 0;) {
        _cleanup_buf_ Buf line = BUF_INIT;
        for (bool more = true; more && *p;) {
            size_t n = strcspn(p, "\n");
            more = n && p[n - 1] == '\\';
            buf_add(&line, p, more ? n - 1 : n);
            if (more)
                buf_add_char(&line, ' ');
            p += n + (p[n] == '\n');
        }
        char *s = arena_memdup(a, line.data ? line.data : "", line.len);
        s += strspn(s, " \t\r");
        for (size_t n = strlen(s); n && strchr(" \t\r", s[n - 1]);)
            s[--n] = '\0';
        char *equals = strchr(s, '=');
        if (*s == '[')
            install = !strcmp(s, "[Install]");
        else if (install && *s != '#' && *s != ';' && equals) {
            char *end = equals;
            while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            *end = '\0';
            const char *value = equals + 1 + strspn(equals + 1, " \t");
            r = on(context, s, value, strlen(value), e);
        }
    }
    return r;
}

static int on_default_instance(void *context, const char *key, const char *value, size_t n, Error *e _unused_)
{
    const char **ret = context;
    if (!strcmp(key, "DefaultInstance"))
        *ret = n ? value : NULL;
    return 0;
}

static int on_install(void *context, const char *key, const char *value, size_t n, Error *e)
{
    return add_value(context, key, value, n, e);
}

int unit_links_wanted(Arena *a, const char *unit, const char *file, const char *text, UnitLinks *ret,
                      StringList *also, Error *e)
{
    const char *at = strchr(unit, '@'), *instance = NULL;
    UnitLinks links = {.items = ARENA_ARRAY(a, UnitLink, UNIT_LINKS_MAX)};
    Wanted w = {.arena = a, .unit = unit, .file = file, .link_name = unit, .links = &links, .also = also};
    if (at && at[1] == '.') {
        (void)each_install(a, text, on_default_instance, &instance, NULL);
        w.link_name =
            instance ? arena_printf(a, "%.*s%s%s", (int)(at + 1 - unit), unit, instance, at + 1) : NULL;
    }
    int r = each_install(a, text, on_install, &w, e);
    if (r >= 0)
        *ret = links;
    return r < 0 ? r : 0;
}

/* ---- what is there ---- */

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && !strcmp(name + n - k, end);
}

static void present_add(Arena *a, int dir, const char *name, const char *path, const char *unit,
                        UnitLinks *to)
{
    char target[4096];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
    if (n <= 0 || to->n == UNIT_LINKS_MAX)
        return;
    target[n] = '\0';
    const char *base = strrchr(target, '/');
    base = base ? base + 1 : target;
    /* In a directory of wants the name says it; an alias leads to the unit. */
    if (unit && strcmp(base, unit))
        return;
    to->items[to->n++] = (UnitLink){path, arena_strdup(a, target)};
}

static int by_path(const void *x, const void *y)
{
    return strcmp(((const UnitLink *)x)->path, ((const UnitLink *)y)->path);
}

int unit_links_present(Arena *a, int root, const char *dir, const char *unit, UnitLinks *ret, Error *e)
{
    UnitLinks links = {.items = ARENA_ARRAY(a, UnitLink, UNIT_LINKS_MAX)};
    int fd = root_openat(root, dir, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (fd < 0 && fd != -ENOENT)
        return error_errno(e, fd, "%s", dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        const char *name = entry->d_name;
        if (ends_in(name, ".wants") || ends_in(name, ".requires") || ends_in(name, ".upholds")) {
            _cleanup_close_ int sub = openat(dirfd(d), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (sub >= 0)
                present_add(a, sub, unit, arena_printf(a, "%s/%s/%s", dir, name, unit), NULL, &links);
        } else if (strcmp(name, unit) != 0) {
            present_add(a, dirfd(d), name, arena_printf(a, "%s/%s", dir, name), unit, &links);
        }
    }
    if (links.n)
        qsort(links.items, links.n, sizeof(*links.items), by_path);
    *ret = links;
    return 0;
}
