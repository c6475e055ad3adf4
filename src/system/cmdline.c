/* Words of a kernel command line are compared as they are written: `a="b c"` is one argument, and only the
 * very same text is the same argument. Nothing is unescaped, because the kernel knows no escapes: a quote
 * without its partner runs to the end of the line. Arguments that an edit does not name keep their place and
 * spelling, a text that needs no edit is given back as it came, spaces included. */
#include "system/cmdline.h"

#include <stdbool.h>
#include <string.h>

#define SPACES " \t\n\v\f\r"

/* Length of the word at `p`. */
static size_t word_length(const char *p, CmdlineSplit how)
{
    if (how == CMDLINE_PLAIN)
        return strcspn(p, SPACES);
    bool quoted = false;
    size_t n = 0;
    for (; p[n] && (quoted || !strchr(SPACES, p[n])); n++)
        if (p[n] == '"')
            quoted = !quoted;
    return n;
}

static size_t split_into(Arena *a, const char *text, CmdlineSplit how, const char **words)
{
    size_t count = 0;
    for (const char *p = text + strspn(text, SPACES); *p; p += strspn(p, SPACES)) {
        size_t n = word_length(p, how);
        if (words)
            words[count] = arena_memdup(a, p, n);
        count++;
        p += n;
    }
    return count;
}

CmdlineWords cmdline_split(Arena *a, const char *text, CmdlineSplit how)
{
    CmdlineWords w = {.n = split_into(a, text, how, NULL)};
    w.words = ARENA_ARRAY(a, const char *, w.n + 1);
    split_into(a, text, how, w.words);
    return w;
}

/* Takes a quote off the front, and with it the one at the end. */
static const char *unquoted(Arena *a, const char *s)
{
    if (s[0] != '"')
        return s;
    size_t n = strlen(++s);
    return arena_memdup(a, s, n && s[n - 1] == '"' ? n - 1 : n);
}

const char *cmdline_last(Arena *a, const char *text, CmdlineSplit how, const char *key)
{
    CmdlineWords w = cmdline_split(a, text, how);
    const size_t n = strlen(key);
    for (size_t i = w.n; i-- > 0;) {
        const char *word = how == CMDLINE_QUOTED ? unquoted(a, w.words[i]) : w.words[i];
        if (strncmp(word, key, n) != 0 || (word[n] && word[n] != '='))
            continue;
        const char *value = word[n] ? word + n + 1 : "";
        return how == CMDLINE_QUOTED ? unquoted(a, value) : value;
    }
    return NULL;
}

static bool has_word(const CmdlineWords *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->words[i], word) == 0)
            return true;
    return false;
}

/* All the arguments of a list, those that share an element taken apart. */
static CmdlineWords flatten(Arena *a, const char *const *items, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += split_into(a, items[i], CMDLINE_QUOTED, NULL);
    CmdlineWords w = {.words = ARENA_ARRAY(a, const char *, total + 1)};
    for (size_t i = 0; i < n; i++)
        w.n += split_into(a, items[i], CMDLINE_QUOTED, w.words + w.n);
    return w;
}

char *cmdline_join(Arena *a, const CmdlineWords *w)
{
    size_t size = 0;
    for (size_t i = 0; i < w->n; i++)
        size += strlen(w->words[i]) + 1;
    char *text = arena_alloc(a, size + 1), *p = text;
    for (size_t i = 0; i < w->n; i++) {
        if (i > 0)
            *p++ = ' ';
        p = stpcpy(p, w->words[i]);
    }
    return text;
}

int cmdline_edit(Arena *a, const char *text, const CmdlineEdit *edit, const char **ret)
{
    CmdlineWords had = cmdline_split(a, text, CMDLINE_QUOTED);
    CmdlineWords add = flatten(a, edit->should_exist, edit->n_should_exist);
    CmdlineWords drop = flatten(a, edit->should_not_exist, edit->n_should_not_exist);
    CmdlineWords result = {.words = ARENA_ARRAY(a, const char *, had.n + add.n + 1)};

    for (size_t i = 0; i < had.n; i++)
        if (!has_word(&drop, had.words[i]))
            result.words[result.n++] = had.words[i];
    const size_t kept = result.n;
    for (size_t i = 0; i < add.n; i++)
        if (!has_word(&result, add.words[i]))
            result.words[result.n++] = add.words[i];
    if (kept == had.n && result.n == kept) {
        *ret = text;
        return 0;
    }
    *ret = cmdline_join(a, &result);
    return 1;
}
