/* Parse, then dispatch. Words are read from left to right; options may stand anywhere before "--". An option
 * is looked up in the verb's table, then in the program's. Findings about the command line are all of one
 * kind: one line on stderr, a hint where to look, EXIT_USAGE. */
#include "base/command.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

enum { HELP_COLUMN = 28, LINE_WIDTH = 80, NAME_MAX_LEN = 64 };

typedef struct Parse {
    const Program *program;
    const Verb *verb; /* the innermost one that was named */
    char title[128];  /* "basalt create manifests" */
    char **words;     /* positional, after the verbs */
    int n_words;
    bool help, version;
} Parse;

void string_list_add(StringList *l, const char *s)
{
    const char **items = realloc(l->items, (l->n + 1) * sizeof(*items));
    if (!items)
        abort();
    l->items = items;
    l->items[l->n++] = s;
}

void string_list_done(StringList *l)
{
    free(l->items);
    *l = (StringList){0};
}

/* ---- usage ---- */

static void print_wrapped(FILE *f, const char *text)
{
    size_t column = HELP_COLUMN;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");
        if (column > HELP_COLUMN && column + 1 + n > LINE_WIDTH) {
            fprintf(f, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            fputc(' ', f);
            column++;
        }
        fprintf(f, "%.*s", (int)n, p);
        column += n;
        p += n + strspn(p + n, " ");
    }
    fputc('\n', f);
}

static void print_row(FILE *f, const char *left, const char *help)
{
    int n = fprintf(f, "  %s", left);
    if (n > HELP_COLUMN - 2) {
        fputc('\n', f);
        n = 0;
    }
    fprintf(f, "%*s", HELP_COLUMN - n, "");
    print_wrapped(f, help);
}

static void print_options(FILE *f, const char *title, const Option *o)
{
    if (!o || !o->name)
        return;
    fprintf(f, "\n%s:\n", title);
    for (; o->name; o++) {
        char left[128];
        snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        print_row(f, left, o->help);
    }
}

static void print_usage(FILE *f, const Parse *p)
{
    const Verb *v = p->verb, *sub = v ? v->verbs : p->program->verbs;
    const char *arguments = v ? v->arguments : p->program->arguments;
    fprintf(f, "usage: %s%s%s%s%s\n", p->title, sub ? " VERB" : "", " [OPTION…]", arguments ? " " : "",
            arguments ? arguments : "");
    fprintf(f, "%s\n", v ? v->help : p->program->summary);
    if (sub) {
        fprintf(f, "\nverbs:\n");
        for (; sub->name; sub++)
            print_row(f, sub->name, sub->help);
    }
    print_options(f, "options", v ? v->options : NULL);
    print_options(f, v ? "options of every verb" : "options", p->program->options);
    if (!(v && v->options) && !p->program->options)
        fprintf(f, "\noptions:\n");
    print_row(f, "    --help", "this text");
    if (!v)
        print_row(f, "    --version", "the version");
    if (p->program->man)
        fprintf(f, "\nMore: man %s\n", p->program->man);
}

/* ---- what was meant ---- */

static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1], n = strlen(b);
    if (n > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (up + 1 < best)
                best = up + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = up;
            row[j] = best;
        }
    }
    return row[n];
}

static void nearest(const char *word, const char *candidate, const char **best, size_t *best_distance)
{
    size_t d = distance(word, candidate);
    if (d < *best_distance && d <= 1 + strlen(candidate) / 4) {
        *best = candidate;
        *best_distance = d;
    }
}

static int usage_error(const Parse *p, const char *format, ...) _printf_(2, 3);
static int usage_error(const Parse *p, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fprintf(stderr, "%s: ", p->title);
    vfprintf(stderr, format, ap);
    fprintf(stderr, "\nTry: %s --help\n", p->title);
    va_end(ap);
    return -EINVAL;
}

static int unknown_option(const Parse *p, const char *name)
{
    const char *best = NULL;
    size_t d = SIZE_MAX;
    for (const Option *o = p->verb ? p->verb->options : NULL; o && o->name; o++)
        nearest(name, o->name, &best, &d);
    for (const Option *o = p->program->options; o && o->name; o++)
        nearest(name, o->name, &best, &d);
    if (best)
        return usage_error(p, "unknown option '--%s'; did you mean '--%s'?", name, best);
    return usage_error(p, "unknown option '--%s'", name);
}

static int unknown_verb(const Parse *p, const Verb *verbs, const char *name)
{
    const char *best = NULL;
    size_t d = SIZE_MAX;
    for (const Verb *v = verbs; v->name; v++)
        nearest(name, v->name, &best, &d);
    if (best)
        return usage_error(p, "unknown verb '%s'; did you mean '%s'?", name, best);
    return usage_error(p, "unknown verb '%s'", name);
}

/* ---- options ---- */

static const Option *find_in(const Option *o, const char *name, size_t n, char letter)
{
    for (; o && o->name; o++)
        if (letter ? o->letter == letter : strlen(o->name) == n && !memcmp(o->name, name, n))
            return o;
    return NULL;
}

static const Option *find_option(const Parse *p, const char *name, size_t n, char letter)
{
    const Option *o = find_in(p->verb ? p->verb->options : NULL, name, n, letter);
    return o ? o : find_in(p->program->options, name, n, letter);
}

/* The next word of a list, NULL at its end. */
static const char *next_choice(const char **list, size_t *ret_length)
{
    const char *word = *list ? *list + strspn(*list, " ") : "";
    *ret_length = strcspn(word, " ");
    *list = word + *ret_length;
    return *ret_length ? word : NULL;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n;
    for (const char *c; (c = next_choice(&choices, &n));)
        if (strlen(value) == n && memcmp(c, value, n) == 0)
            return true;
    return false;
}

static int set_flag(const Parse *p, const Option *o, const char *value)
{
    bool on = !value || !strcmp(value, "true") || !strcmp(value, "1");
    if (value && !on && strcmp(value, "false") && strcmp(value, "0"))
        return usage_error(p, "--%s takes no value but true or false", o->name);
    *(bool *)o->to = on;
    return 0;
}

static int set_uint(const Parse *p, const Option *o, const char *value)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(value, &end, 10);
    if (errno || *end || end == value || *value == '-' || v > UINT32_MAX)
        return usage_error(p, "--%s wants a number, not '%s'", o->name, value);
    *(unsigned *)o->to = (unsigned)v;
    return 0;
}

static int set_option(const Parse *p, const Option *o, const char *value)
{
    switch (o->kind) {
    case OPTION_FLAG:
        return set_flag(p, o, value);
    case OPTION_UINT:
        return set_uint(p, o, value);
    case OPTION_LIST:
        string_list_add(o->to, value);
        return 0;
    case OPTION_CHOICE:
        if (!is_choice(o->choices, value))
            return usage_error(p, "--%s is one of: %s; not '%s'", o->name, o->choices, value);
        break;
    case OPTION_STRING:
        break;
    }
    *(const char **)o->to = value;
    return 0;
}

/* Takes the option that argv[*i] is, and the word behind it when it wants one. */
static int take_option(Parse *p, int argc, char **argv, int *i)
{
    char *word = argv[*i];
    bool letters = word[1] != '-' && !p->program->single_dash_long;
    char *name = word + (word[1] == '-' ? 2 : 1), *equals = letters ? NULL : strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    if (!strcmp(name, "help") || (letters && !strcmp(name, "h"))) {
        p->help = true;
        return 0;
    }
    if (!strcmp(name, "version") && !find_option(p, name, n, 0)) {
        p->version = true;
        return 0;
    }
    const Option *o = find_option(p, name, n, letters || (n == 1 && word[1] != '-') ? name[0] : 0);
    if (!o) {
        char shown[NAME_MAX_LEN + 1];
        snprintf(shown, sizeof(shown), "%.*s", (int)n, name);
        return letters ? usage_error(p, "unknown option '-%c'", name[0]) : unknown_option(p, shown);
    }
    const char *value = equals ? equals + 1 : letters && name[1] ? name + 1 + (name[1] == '=') : NULL;
    if (o->kind == OPTION_FLAG && letters && value && name[1] != '=')
        return usage_error(p, "'%s': write short options one by one", word);
    if (o->kind != OPTION_FLAG && !value) {
        if (*i + 1 >= argc)
            return usage_error(p, "--%s wants a value: --%s %s", o->name, o->name,
                               o->argument ? o->argument : "VALUE");
        value = argv[++*i];
    }
    return set_option(p, o, value);
}

/* ---- words ---- */

static int take_word(Parse *p, char *word)
{
    const Verb *verbs = p->verb ? p->verb->verbs : p->program->verbs;
    if (!verbs) {
        p->words[p->n_words++] = word;
        return 0;
    }
    for (const Verb *v = verbs; v->name; v++)
        if (!strcmp(v->name, word)) {
            size_t used = strlen(p->title);
            snprintf(p->title + used, sizeof(p->title) - used, " %s", word);
            p->verb = v;
            p->words[0] = word;
            p->n_words = 1;
            return 0;
        }
    return unknown_verb(p, verbs, word);
}

static int parse_words(Parse *p, int argc, char **argv)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        int r = 0;
        if (!only_words && !strcmp(argv[i], "--"))
            only_words = true;
        else if (!only_words && argv[i][0] == '-' && argv[i][1])
            r = take_option(p, argc, argv, &i);
        else
            r = take_word(p, argv[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_words(const Parse *p)
{
    const Verb *v = p->verb, *sub = v ? v->verbs : p->program->verbs;
    unsigned min = v ? v->min_args : p->program->min_args, max = v ? v->max_args : p->program->max_args;
    unsigned n = (unsigned)(p->n_words - (v != NULL));
    const char *arguments = v ? v->arguments : p->program->arguments;
    if (sub)
        return usage_error(p, "say which verb");
    if (n < min)
        return usage_error(p, "missing argument: %s", arguments ? arguments : "");
    if (n > max)
        return usage_error(p, "unexpected argument '%s'", p->words[max + (v != NULL)]);
    return 0;
}

/* ---- completion ---- */

static void complete_options(const Option *o)
{
    for (; o && o->name; o++)
        printf("--%s\n", o->name);
}

static void complete_words(const char *list)
{
    size_t n;
    for (const char *word; (word = next_choice(&list, &n));)
        printf("%.*s\n", (int)n, word);
}

static const Option *waits_for_value(const Parse *p, const char *word)
{
    if (word[0] != '-' || strchr(word, '='))
        return NULL;
    const char *name = word + (word[1] == '-' ? 2 : 1);
    const bool letter = word[1] != '-' && name[0] && !name[1];
    if (word[1] != '-' && !letter && !p->program->single_dash_long)
        return NULL;
    const Option *o = find_option(p, name, strlen(name), letter ? name[0] : 0);
    return o && o->kind != OPTION_FLAG ? o : NULL;
}

/* argv: the words so far, the last one being typed (maybe empty). */
static int complete(Parse *p, int argc, char **argv)
{
    const char *last = argc > 0 ? argv[argc - 1] : "";
    for (int i = 0; i + 1 < argc; i++) {
        const Verb *verbs = p->verb ? p->verb->verbs : p->program->verbs;
        for (const Verb *v = verbs; v && v->name; v++)
            if (!strcmp(v->name, argv[i])) {
                p->verb = v;
                break;
            }
    }
    const Option *o = argc > 1 ? waits_for_value(p, argv[argc - 2]) : NULL;
    const Verb *sub = p->verb ? p->verb->verbs : p->program->verbs;
    if (o && o->kind == OPTION_CHOICE)
        complete_words(o->choices);
    else if (!o && last[0] == '-') {
        complete_options(p->verb ? p->verb->options : NULL);
        complete_options(p->program->options);
        puts("--help");
    } else if (!o && sub)
        for (; sub->name; sub++)
            puts(sub->name);
    else if (!o && p->verb && p->verb->words)
        complete_words(p->verb->words);
    else if (o || !p->verb || p->verb->max_args)
        puts("@file");
    return 0;
}

static int dispatch(Parse *p)
{
    if (p->help) {
        print_usage(stdout, p);
        return 0;
    }
    if (p->version) {
        printf("%s %s\n", p->program->name, p->program->version);
        return 0;
    }
    if (check_words(p) < 0)
        return EXIT_USAGE;
    return (p->verb ? p->verb->run : p->program->run)(p->n_words, p->words);
}

int command_flush(const char *name)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) < 0)
        failed = true;
    if (!failed)
        return 0;
    fprintf(stderr, "%s: writing to standard output: %s\n", name,
            errno ? strerror(errno) : "not all of it was taken");
    clearerr(stdout);
    return 1;
}

/* A closed descriptor of these three would be given to the next file that is opened, and what is printed
 * would land in that file. Opened for the wrong direction, so that using one is still an error. */
static void fill_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return;
}

int program_main(const Program *program, int argc, char **argv)
{
    Parse p = {.program = program};
    fill_standard_fds();
    snprintf(p.title, sizeof(p.title), "%s", program->name);
    if (argc > 1 && !strcmp(argv[1], "__complete"))
        return complete(&p, argc - 2, argv + 2);
    _cleanup_free_ char **words = calloc((size_t)argc + 2, sizeof(*words));
    if (!words)
        abort();
    p.words = words;
    if (argc == 1 && program->verbs) {
        print_usage(stderr, &p);
        return EXIT_USAGE;
    }
    int code = parse_words(&p, argc, argv) < 0 ? EXIT_USAGE : dispatch(&p);
    int flushed = command_flush(p.title);
    return code ? code : flushed;
}
