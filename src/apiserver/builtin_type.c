/* Look-ups in the lines of builtin_type_*.c. A line is walked each time: it has a few dozen fields, and no
 * state is kept. */
#include "apiserver/builtin_type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_NAME_MAX = 160 };

static const struct {
    const BuiltinType *types;
    const size_t *n;
} tables[] = {
    {builtin_types_core, &builtin_types_core_n},
    {builtin_types_groups, &builtin_types_groups_n},
};

bool span_is(Span s, const char *text)
{
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

static int compare(const void *key, const void *type)
{
    return strcmp(key, ((const BuiltinType *)type)->name);
}

const BuiltinType *builtin_type_get(const char *name)
{
    const BuiltinType *found = NULL;
    for (size_t i = 0; i < ELEMENTS(tables) && !found; i++)
        found = bsearch(name, tables[i].types, *tables[i].n, sizeof(BuiltinType), compare);
    return found;
}

const BuiltinType *builtin_type_at(size_t n)
{
    for (size_t i = 0; i < ELEMENTS(tables); i++) {
        if (n < *tables[i].n)
            return &tables[i].types[n];
        n -= *tables[i].n;
    }
    return NULL;
}

const BuiltinType *builtin_type_of_kind(const KubeKind *kind)
{
    char name[TYPE_NAME_MAX];
    const char *group = *kind->group ? kind->group : "core";
    const char *versions[] = {kind->version, "v1"};
    const BuiltinType *found = NULL;
    /* Groups of others may start with the same word. */
    if (strchr(group, '.') && !strstr(group, ".k8s.io"))
        return NULL;
    for (size_t i = 0; i < ELEMENTS(versions) && !found; i++) {
        int n = snprintf(name, sizeof(name), "%.*s.%s.%s", (int)strcspn(group, "."), group, versions[i],
                         kind->kind);
        found = n < TYPE_NAME_MAX ? builtin_type_get(name) : NULL;
    }
    return found;
}

static Span until(const char **at, const char *stops)
{
    Span s = {*at, strcspn(*at, stops)};
    *at += s.n;
    return s;
}

bool builtin_field_next(const char **at, BuiltinField *ret)
{
    const char *p = *at + strspn(*at, " ");
    if (!*p)
        return false;
    *ret = (BuiltinField){.name = until(&p, ":")};
    p++;
    ret->type = until(&p, " !@^=|%#");
    while (*p && *p != ' ') {
        char mark = *p++;
        switch (mark) {
        case '!':
            ret->required = true;
            break;
        case '@':
            ret->merges = true;
            ret->merge_key = until(&p, " !@^=|%#");
            break;
        case '^':
            ret->retain_keys = true;
            break;
        case '=':
            ret->replaces = true;
            break;
        case '|':
            ret->list_keys = until(&p, " !@^|%#");
            break;
        case '%':
            ret->set = true;
            break;
        case '#':
            ret->atomic = true;
            break;
        }
    }
    *at = p;
    return true;
}

bool builtin_field_get(const BuiltinType *type, const char *name, BuiltinField *ret)
{
    const char *at = type ? type->fields : "";
    while (builtin_field_next(&at, ret))
        if (span_is(ret->name, name))
            return true;
    return false;
}

const BuiltinType *builtin_type_within(const BuiltinType *of, Span type)
{
    char name[TYPE_NAME_MAX];
    while (type.n && strchr("[{", type.s[0]))
        type = (Span){type.s + 1, type.n - 2};
    bool own = !memchr(type.s, '.', type.n);
    const char *dot = strrchr(of->name, '.');
    snprintf(name, sizeof(name), "%.*s%.*s", own ? (int)(dot + 1 - of->name) : 0, of->name, (int)type.n,
             type.s);
    return builtin_type_get(name);
}
