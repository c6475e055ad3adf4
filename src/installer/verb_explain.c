/* `basalt explain installconfig.PATH`: the rows of the field table, in words. */
#include <stdio.h>
#include <string.h>

#include "installer/install_field.h"
#include "installer/verbs.h"

#define ROOT "installconfig"

static const char *const kind_names[] = {
    [FIELD_STRING] = "string", [FIELD_INT] = "integer",      [FIELD_BOOL] = "boolean",
    [FIELD_OBJECT] = "object", [FIELD_OBJECTS] = "[]object", [FIELD_STRINGS] = "[]string",
    [FIELD_ANY] = "any value",
};

static void print_field(const InstallField *f)
{
    printf("KIND:     InstallConfig\nVERSION:  v1\n\nFIELD:    %s <%s>\n", install_field_name(f),
           kind_names[f->kind]);
    if (f->required)
        printf("  Required.\n");
    if (f->otherwise)
        printf("  Default: %s\n", f->otherwise);
    if (f->choices)
        printf("  Values:  %s\n", f->choices);
    if (f->instead)
        printf("  Deprecated: write %s.\n", f->instead);
    printf("\nDESCRIPTION:\n  %s\n", f->help);
}

static void print_children(const char *parent)
{
    bool any = false;

    for (const InstallField *f = install_fields; f->path; f++) {
        if (!install_field_is_child(f, parent) || f->instead)
            continue;
        if (!any)
            printf("\nFIELDS:\n");
        any = true;
        printf("    %s <%s>%s\n      %s\n", install_field_name(f), kind_names[f->kind],
               f->required ? " -required-" : "", f->help);
    }
}

/* "compute.name" for "compute[].name": people do not write the brackets. */
static const InstallField *find(const char *path)
{
    for (const InstallField *f = install_fields; f->path; f++) {
        const char *a = f->path, *b = path;
        while (*a && (*a == *b || strncmp(a, "[]", 2) == 0)) {
            if (strncmp(a, "[]", 2) == 0) {
                a += 2;
                b += strncmp(b, "[]", 2) == 0 ? 2 : 0;
            } else {
                a++;
                b++;
            }
        }
        if (!*a && (!*b || strcmp(b, "[]") == 0))
            return f;
    }
    return NULL;
}

int verb_explain(int argc _unused_, char **argv)
{
    const char *path = argv[1];
    size_t n = strlen(ROOT);

    if (strcasecmp(path, ROOT) == 0) {
        printf("KIND:     InstallConfig\nVERSION:  v1\n\nDESCRIPTION:\n  What a cluster is to be: "
               "install-config.yaml.\n");
        print_children("");
        return 0;
    }
    const InstallField *f = strncasecmp(path, ROOT ".", n + 1) == 0 ? find(path + n + 1) : NULL;
    if (!f) {
        fprintf(stderr, "basalt explain: there is no field \"%s\"; start at \"%s\"\n", path, ROOT);
        return 1;
    }
    char list[256];
    snprintf(list, sizeof(list), "%s[]", f->path);
    print_field(f);
    print_children(f->kind == FIELD_OBJECTS ? list : f->path);
    return 0;
}
