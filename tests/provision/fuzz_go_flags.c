/* Any bytes as a command line, one argument a line (the first byte says whether flags may stand anywhere),
 * and each of its lines as a duration. What comes out is of the arguments that went in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provision/go_flags.h"

enum { ARGUMENTS_MAX = 64 };

static bool is_one_of(char *const *list, int n, const char *s)
{
    for (int i = 0; i < n; i++)
        if (list[i] == s)
            return true;
    return false;
}

static void parse(GoFlagsMode mode, int argc, char **argv)
{
    bool yes = false;
    const char *name = NULL;
    int64_t timeout = 0;
    const GoFlag flags[] = {
        {"yes", GO_FLAG_BOOL, &yes, "a boolean"},
        {"name", GO_FLAG_STRING, &name, "a string"},
        {"timeout", GO_FLAG_DURATION, &timeout, "a duration"},
        {.name = NULL},
    };
    char *before[ARGUMENTS_MAX + 2];
    Error e = ERROR_INIT;

    memcpy(before, argv, sizeof(char *) * (size_t)(argc + 1));
    int n = go_flags_parse(flags, mode, argc, argv, &e);
    if (n >= argc || (n < 0 && n != -ECANCELED && !e.text[0]))
        abort();
    for (int i = 0; i < n; i++)
        if (!is_one_of(before, argc, argv[i]))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = strndup((const char *)data + 1, size - 1), *rest = text, *line;
    char program[] = "ignition", *argv[ARGUMENTS_MAX + 2] = {program};
    int argc = 1;
    int64_t ns;

    if (!text)
        abort();
    while (argc <= ARGUMENTS_MAX && (line = strsep(&rest, "\n"))) {
        argv[argc++] = line;
        (void)go_duration_parse(line, &ns);
    }
    parse(data[0] & 1 ? GO_FLAGS_INTERSPERSED : GO_FLAGS_LEADING, argc, argv);
    free(text);
    return 0;
}
