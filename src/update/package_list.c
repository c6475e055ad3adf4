/* A line is a field, goes on with the one before (it begins with a space or tab), or is empty and ends the
 * paragraph. Four fields are looked at; of the others only that they are fields. */
#include "update/package_list.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

typedef enum Field { FIELD_PACKAGE, FIELD_STATUS, FIELD_ARCHITECTURE, FIELD_VERSION, FIELDS } Field;
static const char *const field_names[FIELDS] = {"Package", "Status", "Architecture", "Version"};

typedef struct Text {
    const char *p;
    size_t n;
} Text;

typedef struct Reader {
    Arena *arena;
    Text values[FIELDS]; /* of this paragraph; p is NULL: not there */
    bool in_paragraph, seen[FIELDS];
    size_t line, size;
    PackageList list;
    Error *error;
} Reader;

static int bad(const Reader *r, const char *what)
{
    return error_set(r->error, EBADMSG, "dpkg's status, line %zu: %s", r->line, what);
}

static Text trimmed(const char *p, size_t n)
{
    while (n > 0 && (*p == ' ' || *p == '\t'))
        p++, n--;
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r'))
        n--;
    return (Text){p, n};
}

/* One word of printable ASCII; *ret is "" for an empty one. */
static bool word_take(Arena *a, Text t, const char **ret)
{
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] <= ' ' || t.p[i] > '~')
            return false;
    *ret = arena_memdup(a, t.n > 0 ? t.p : "", t.n);
    return true;
}

static bool is_word(Text t, const char *word)
{
    return t.n == strlen(word) && memcmp(t.p, word, t.n) == 0;
}

/* "install ok installed": want, flag, status. */
static Text status_word(Text t)
{
    size_t start = t.n;

    while (start > 0 && t.p[start - 1] != ' ' && t.p[start - 1] != '\t')
        start--;
    return (Text){t.p + start, t.n - start};
}

static int paragraph_end(Reader *r)
{
    Package p;

    if (!r->in_paragraph)
        return 0;
    Text status = status_word(r->values[FIELD_STATUS]);
    bool here = status.n > 0 && !is_word(status, "not-installed") && !is_word(status, "config-files");
    if (r->values[FIELD_PACKAGE].n == 0)
        return bad(r, "a package without a name ends here");
    if (here && r->values[FIELD_VERSION].n == 0)
        return bad(r, "an installed package without a version ends here");
    if (here && (!word_take(r->arena, r->values[FIELD_PACKAGE], &p.name) ||
                 !word_take(r->arena, r->values[FIELD_VERSION], &p.version) ||
                 !word_take(r->arena, r->values[FIELD_ARCHITECTURE], &p.architecture) ||
                 !word_take(r->arena, status, &p.status)))
        return bad(r, "a name or version that is not one word ends here");
    if (here && r->list.n >= PACKAGES_MAX)
        return error_set(r->error, E2BIG, "more than %d packages", PACKAGES_MAX);
    if (here && r->list.n == r->size) {
        r->size = r->size ? 2 * r->size : 256;
        r->list.packages = reallocarray(r->list.packages, r->size, sizeof(Package));
        if (!r->list.packages)
            abort();
    }
    if (here)
        r->list.packages[r->list.n++] = p;
    memset(r->values, 0, sizeof(r->values));
    memset(r->seen, 0, sizeof(r->seen));
    r->in_paragraph = false;
    return 0;
}

static int field_read(Reader *r, const char *p, size_t n)
{
    const char *colon = memchr(p, ':', n);

    if (!colon || colon == p)
        return bad(r, "neither a field nor empty");
    Text name = {p, (size_t)(colon - p)};
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~')
            return bad(r, "the name of a field has a character that it cannot have");
    r->in_paragraph = true;
    for (Field f = 0; f < FIELDS; f++) {
        if (name.n != strlen(field_names[f]) || strncasecmp(name.p, field_names[f], name.n) != 0)
            continue;
        if (r->seen[f])
            return bad(r, "a field stands twice");
        r->seen[f] = true;
        r->values[f] = trimmed(colon + 1, n - name.n - 1);
    }
    return 0;
}

static int line_read(Reader *r, const char *p, size_t n)
{
    Text t = trimmed(p, n);

    r->line++;
    if (memchr(p, '\0', n))
        return bad(r, "a NUL character");
    if (t.n == 0)
        return paragraph_end(r);
    if (*p != ' ' && *p != '\t')
        return field_read(r, p, n);
    return r->in_paragraph ? 0 : bad(r, "the continuation of nothing");
}

static int package_order(const void *a, const void *b)
{
    const Package *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->architecture, y->architecture);
}

static int list_end(Reader *r)
{
    PackageList *l = &r->list;

    if (l->n > 1)
        qsort(l->packages, l->n, sizeof(Package), package_order);
    for (size_t i = 1; i < l->n; i++)
        if (package_order(&l->packages[i - 1], &l->packages[i]) == 0)
            return error_set(r->error, EBADMSG, "dpkg's status has the package %s twice",
                             l->packages[i].name);
    return 0;
}

int package_list_read(Arena *a, const char *text, size_t n, PackageList *ret, Error *e)
{
    Reader reader = {.arena = a, .error = e};
    int r = n > PACKAGES_TEXT_MAX
                ? error_set(e, E2BIG, "dpkg's status is larger than %d bytes", PACKAGES_TEXT_MAX)
                : 0;

    for (size_t at = 0; r >= 0 && at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        r = line_read(&reader, text + at, length);
        at += length + 1;
    }
    if (r >= 0)
        r = paragraph_end(&reader);
    if (r >= 0)
        r = list_end(&reader);
    if (r >= 0) {
        ret->n = reader.list.n;
        ret->packages = ARENA_ARRAY(a, Package, reader.list.n + 1);
        if (reader.list.n > 0)
            memcpy(ret->packages, reader.list.packages, reader.list.n * sizeof(Package));
    }
    free(reader.list.packages);
    return r;
}
