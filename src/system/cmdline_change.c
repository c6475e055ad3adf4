/* A list of words, changed step by step. An argument keeps its place when its value changes; words that no
 * step names keep their spelling. The part before the first '=' is the key; '-' and '_' differ, as they do
 * for libostree (to the kernel's own parameters they are the same, but not to all that reads the command
 * line). */
#include "system/cmdline_change.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "system/cmdline.h"

static size_t key_length(const char *word)
{
    return strcspn(word, "=");
}

static bool has_key(const char *word, const char *argument, size_t n)
{
    return strncmp(word, argument, n) == 0 && (word[n] == '\0' || word[n] == '=');
}

/* How many words are the argument's; *ret_at is the first. Of a whole argument (`exact`) or of its key. */
static size_t count_of(const CmdlineWords *w, const char *argument, bool exact, size_t *ret_at)
{
    size_t found = 0;
    for (size_t i = 0; i < w->n; i++)
        if (exact ? strcmp(w->words[i], argument) == 0 : has_key(w->words[i], argument, key_length(argument)))
            if (found++ == 0)
                *ret_at = i;
    return found;
}

static void take_out(CmdlineWords *w, size_t at)
{
    memmove(w->words + at, w->words + at + 1, (w->n - at - 1) * sizeof *w->words);
    w->n--;
}

static int delete_argument(CmdlineWords *w, const CmdlineStep *step, Error *e)
{
    const char *argument = step->argument;
    size_t at = 0;
    if (count_of(w, argument, true, &at) == 0) {
        const size_t found = strchr(argument, '=') ? 0 : count_of(w, argument, false, &at);
        if (found > 1)
            return error_set(e, EEXIST,
                             "the kernel argument \"%s\" stands %zu times: say which, as KEY=VALUE", argument,
                             found);
        if (found == 0)
            return step->action == CMDLINE_DELETE_IF_PRESENT
                       ? 0
                       : error_set(e, ENOENT, "there is no kernel argument \"%s\"", argument);
    }
    take_out(w, at);
    return 0;
}

/* KEY=OLD=NEW where a word is KEY=OLD, with an OLD that may hold '=' itself (root=UUID=1=/dev/sda); else
 * KEY=NEW where the key stands once, with all after the first '=' as the new value. */
static int replace(Arena *a, CmdlineWords *w, const char *argument, Error *e)
{
    const size_t key = key_length(argument);
    size_t at = 0;
    for (const char *p = argument + key; *p && (p = strchr(p + 1, '='));)
        if (count_of(w, arena_memdup(a, argument, (size_t)(p - argument)), true, &at) > 0) {
            w->words[at] = arena_printf(a, "%.*s=%s", (int)key, argument, p + 1);
            return 0;
        }
    const size_t found = count_of(w, argument, false, &at);
    if (found == 0)
        return error_set(e, ENOENT, "there is no kernel argument \"%.*s\" to replace", (int)key, argument);
    if (found > 1)
        return error_set(e, EEXIST,
                         "the kernel argument \"%.*s\" stands %zu times: say which, as KEY=OLD=NEW", (int)key,
                         argument, found);
    w->words[at] = argument;
    return 0;
}

/* Words only: the room for one more is there. */
static int take_step(Arena *a, CmdlineWords *w, const CmdlineStep *step, Error *e)
{
    size_t at;
    if (cmdline_split(a, step->argument, CMDLINE_QUOTED).n != 1 || step->argument[0] == '=')
        return error_set(e, EINVAL, "\"%s\" is no kernel argument", step->argument);
    switch (step->action) {
    case CMDLINE_APPEND_IF_MISSING:
        if (count_of(w, step->argument, true, &at) > 0)
            return 0;
        w->words[w->n++] = step->argument;
        return 0;
    case CMDLINE_APPEND:
        w->words[w->n++] = step->argument;
        return 0;
    case CMDLINE_DELETE:
    case CMDLINE_DELETE_IF_PRESENT:
        return delete_argument(w, step, e);
    case CMDLINE_REPLACE:
        return replace(a, w, step->argument, e);
    }
    return error_set(e, EINVAL, "no such change of kernel arguments");
}

int cmdline_change(Arena *a, const char *text, const CmdlineStep *steps, size_t n, const char **ret, Error *e)
{
    const CmdlineWords had = cmdline_split(a, text, CMDLINE_QUOTED);
    CmdlineWords w = {.words = ARENA_ARRAY(a, const char *, had.n + n + 1), .n = had.n};
    if (had.n)
        memcpy(w.words, had.words, had.n * sizeof *w.words);
    for (size_t i = 0; i < n; i++) {
        int r = take_step(a, &w, steps + i, e);
        if (r < 0)
            return r;
    }
    const char *before = cmdline_join(a, &had), *after = cmdline_join(a, &w);
    *ret = after;
    return strcmp(before, after) != 0;
}
