/* Every field of the config language as ignition-config(5) has to have it, one line a field: made by a walk
 * over the schema's tables. What stands in many places (contents, references, owners) is printed once, under
 * its own name. */
#include <stdio.h>
#include <string.h>

#include "ignition/schema.h"

static const struct {
    const IgnType *type;
    const char *name;
} shared[] = {
    {&ign_resource_type, "resource"},
    {&ign_reference_type, "reference"},
    {&ign_owner_type, "owner"},
    {&ign_dropin_type, "drop-in"},
};

static const char *shared_name(const IgnType *type)
{
    for (size_t i = 0; i < ELEMENTS(shared); i++)
        if (shared[i].type == type)
            return shared[i].name;
    return NULL;
}

static const char *number(IgnVersion v)
{
    static char text[2][16];
    static unsigned turn;
    char *t = text[turn++ % 2];

    snprintf(t, sizeof(text[0]), "%s", ign_version_text(v));
    *strrchr(t, '.') = '\0'; /* "3.4" */
    return t;
}

static void print_range(unsigned since, unsigned until, const char *first)
{
    if (since == until)
        printf("%s%s", first, number((IgnVersion)since));
    else if (until == IGN_3_7_EXP)
        printf("%sfrom %s", first, number((IgnVersion)since));
    else if (since == IGN_2_0)
        printf("%sto %s", first, number((IgnVersion)until));
    else
        printf("%s%s to %s", first, number((IgnVersion)since), number((IgnVersion)until));
}

static void print_kind(const IgnField *f)
{
    static const char *const names[] = {[IGN_KIND_STRING] = "text",
                                        [IGN_KIND_INT] = "number",
                                        [IGN_KIND_BOOL] = "boolean",
                                        [IGN_KIND_OBJECT] = "object",
                                        [IGN_KIND_OBJECTS] = "list of objects",
                                        [IGN_KIND_STRINGS] = "list of texts"};
    const char *s = f->type ? shared_name(f->type) : NULL;

    if (s)
        printf("%s%s%s", f->kind == IGN_KIND_OBJECTS ? "list of " : "", s,
               f->kind == IGN_KIND_OBJECTS ? "s" : "");
    else
        printf("%s", names[f->kind]);
}

static bool is_again(const IgnType *type, const IgnField *f)
{
    for (const IgnField *g = type->fields; g < f; g++)
        if (strcmp(g->name, f->name) == 0 && g->kind == f->kind)
            return true;
    return false;
}

static void walk(const IgnType *type, const char *path, unsigned since, unsigned until)
{
    for (const IgnField *f = type->fields; f->name; f++) {
        char at[512];
        const char *before = ", ";
        if (is_again(type, f))
            continue;
        snprintf(at, sizeof(at), "%s%s%s", path, *path ? "." : "", f->name);
        printf(".It Va %s Pq ", at);
        print_kind(f);
        unsigned low = IGN_3_7_EXP, high = 0;
        for (const IgnField *g = f; g->name; g++) {
            if (strcmp(g->name, f->name) != 0 || g->kind != f->kind)
                continue;
            unsigned s = g->since > since ? g->since : since, u = g->until < until ? g->until : until;
            if (s > u)
                continue;
            if (s != IGN_2_0 || u != IGN_3_7_EXP) {
                print_range(s, u, before);
                before = " and ";
            }
            low = s < low ? s : low;
            high = u > high ? u : high;
        }
        putchar('\n');
        if (f->type && !shared_name(f->type))
            walk(f->type, at, low, high);
    }
}

int main(void)
{
    walk(&ign_config_type, "", IGN_2_0, IGN_3_7_EXP);
    for (size_t i = 0; i < ELEMENTS(shared); i++)
        walk(shared[i].type, shared[i].name, IGN_2_0, IGN_3_7_EXP);
    return 0;
}
