/* The flag syntax of the programs that this one takes the place of. A flag is a row; the value is taken from
 * behind the '=' or from the next argument, a boolean never from the next argument. "--" ends the flags, "-"
 * is an argument (stdin). The first thing that is wrong ends the parsing: the caller prints it and the usage.
 */
#include "provision/go_flags.h"

#include <stdint.h>
#include <string.h>

static const struct {
    const char *unit;
    int64_t ns;
} units[] = {
    /* the longer name first where one starts another */
    {"ns", 1},
    {"us", 1000},
    {"µs", 1000},
    {"μs", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60 * 1000000000LL},
    {"h", 3600 * 1000000000LL},
};

/* One number and its unit. The fraction is kept to the nanosecond. */
static int duration_term(const char **s, int64_t *sum)
{
    const char *start = *s;
    int64_t whole = 0, frac = 0, scale = 1, v;

    for (; **s >= '0' && **s <= '9'; (*s)++)
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, **s - '0', &whole))
            return -ERANGE;
    size_t digits = (size_t)(*s - start);
    if (**s == '.') {
        for ((*s)++; **s >= '0' && **s <= '9'; (*s)++, digits++)
            if (scale < 1000000000) {
                frac = frac * 10 + (**s - '0');
                scale *= 10;
            }
    }
    if (digits == 0)
        return -EINVAL;
    for (size_t i = 0; i < ELEMENTS(units); i++) {
        size_t n = strlen(units[i].unit);
        if (strncmp(*s, units[i].unit, n) != 0)
            continue;
        *s += n;
        if (__builtin_mul_overflow(whole, units[i].ns, &v) ||
            __builtin_add_overflow(v, (int64_t)((double)frac / (double)scale * (double)units[i].ns), &v) ||
            __builtin_add_overflow(*sum, v, sum))
            return -ERANGE;
        return 0;
    }
    return -EINVAL;
}

int go_duration_parse(const char *text, int64_t *ret_ns)
{
    const char *s = text;
    bool negative = *s == '-';
    int64_t sum = 0;

    if (*s == '-' || *s == '+')
        s++;
    if (strcmp(s, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    if (!*s)
        return -EINVAL;
    while (*s) {
        int r = duration_term(&s, &sum);
        if (r < 0)
            return r;
    }
    *ret_ns = negative ? -sum : sum;
    return 0;
}

static int bool_parse(const char *text, bool *ret)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"1", true},    {"t", true},      {"T", true},      {"true", true},
                 {"TRUE", true}, {"True", true},   {"0", false},     {"f", false},
                 {"F", false},   {"false", false}, {"FALSE", false}, {"False", false}};

    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (strcmp(text, words[i].text) == 0) {
            *ret = words[i].value;
            return 0;
        }
    return -EINVAL;
}

static int flag_set(const GoFlag *f, const char *value, Error *e)
{
    int r = 0;

    switch (f->kind) {
    case GO_FLAG_BOOL:
        r = bool_parse(value, f->to);
        break;
    case GO_FLAG_STRING:
        *(const char **)f->to = value;
        break;
    case GO_FLAG_DURATION:
        r = go_duration_parse(value, f->to);
        break;
    }
    if (r < 0)
        return error_set(e, EINVAL, "invalid value \"%s\" for flag -%s: parse error", value, f->name);
    return 0;
}

static const GoFlag *flag_find(const GoFlag *flags, const char *name, size_t n)
{
    for (const GoFlag *f = flags; f->name; f++)
        if (strlen(f->name) == n && strncmp(f->name, name, n) == 0)
            return f;
    return NULL;
}

/* One argument that starts with a dash; *i is moved on when the value is the next argument. */
static int flag_take(const GoFlag *flags, char **argv, int argc, int *i, Error *e)
{
    const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
    size_t n = strcspn(name, "=");

    if (n == 0 || name[0] == '-')
        return error_set(e, EINVAL, "bad flag syntax: %s", argv[*i]);
    const GoFlag *f = flag_find(flags, name, n);
    if (!f) {
        if ((n == 4 && strncmp(name, "help", n) == 0) || (n == 1 && *name == 'h'))
            return -ECANCELED;
        return error_set(e, EINVAL, "flag provided but not defined: -%.*s", (int)n, name);
    }
    if (name[n] == '=')
        return flag_set(f, name + n + 1, e);
    if (f->kind == GO_FLAG_BOOL) {
        *(bool *)f->to = true;
        return 0;
    }
    if (*i + 1 >= argc)
        return error_set(e, EINVAL, "flag needs an argument: -%s", f->name);
    return flag_set(f, argv[++*i], e);
}

int go_flags_parse(const GoFlag *flags, GoFlagsMode mode, int argc, char **argv, Error *e)
{
    int n = 0, i;

    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            int r = flag_take(flags, argv, argc, &i, e);
            if (r < 0)
                return r;
        } else {
            argv[n++] = argv[i];
            if (mode == GO_FLAGS_LEADING) {
                i++;
                break;
            }
        }
    }
    while (i < argc)
        argv[n++] = argv[i++];
    return n;
}

void go_flags_print(const GoFlag *flags, FILE *to)
{
    static const char *const values[] = {
        [GO_FLAG_BOOL] = "", [GO_FLAG_STRING] = " string", [GO_FLAG_DURATION] = " duration"};

    for (const GoFlag *f = flags; f->name; f++)
        fprintf(to, "  -%s%s\n    \t%s\n", f->name, values[f->kind], f->help);
}
