/* Label selectors: the text becomes tokens, the tokens terms, and all terms must hold. `in` and `notin` are
 * words in the place of an operator and values elsewhere. Refused, in the words of a real server: what does
 * not fit the grammar, keys and values that no label can have, numbers that are none after < and >. */
#include "apiserver/selector.h"

#include <string.h>

#include "apiserver/name_check.h"

typedef enum Operator {
    OP_NONE,
    OP_EXISTS,
    OP_NOT_EXISTS,
    OP_IN, /* = and == too */
    OP_NOT_IN,
    OP_GREATER,
    OP_LESS,
} Operator;

typedef struct Value {
    const char *text;
    struct Value *next;
} Value;

typedef struct Term {
    const char *key;
    Operator op;
    Value *values;
    int64_t number;
    struct Term *next;
} Term;

struct Selector {
    Term *terms;
};

typedef enum Token { T_WORD, T_END, T_SYMBOL } Token;

typedef struct Reader {
    Arena *arena;
    const char *at;
    Token token;
    const char *text; /* of the token */
    Error *error;
} Reader;

#define SPACE   " \t\r\n"
#define SYMBOLS "=!(),><"

static const char *const symbols[] = {"==", "!=", "=", "!", "(", ")", ",", ">", "<"};

static void next(Reader *r)
{
    r->at += strspn(r->at, SPACE);
    if (!*r->at) {
        r->token = T_END;
        r->text = "";
        return;
    }
    size_t n = strcspn(r->at, SYMBOLS SPACE);
    if (n) {
        r->token = T_WORD;
        r->text = arena_memdup(r->arena, r->at, n);
        r->at += n;
        return;
    }
    for (size_t i = 0; i < ELEMENTS(symbols); i++)
        if (!strncmp(r->at, symbols[i], strlen(symbols[i]))) {
            r->token = T_SYMBOL;
            r->text = symbols[i];
            r->at += strlen(symbols[i]);
            return;
        }
}

static bool is(const Reader *r, const char *symbol)
{
    return r->token == T_SYMBOL && !strcmp(r->text, symbol);
}

static int requirement_error(Reader *r, const char *expected)
{
    return error_set(r->error, EINVAL, "unable to parse requirement: found '%s', expected: %s", r->text,
                     expected);
}

static const struct {
    const char *text;
    Operator op;
} operators[] = {
    {"in", OP_IN},     {"notin", OP_NOT_IN}, {"=", OP_IN},   {"==", OP_IN},
    {"!=", OP_NOT_IN}, {">", OP_GREATER},    {"<", OP_LESS},
};

static int read_operator(Reader *r, Operator *ret)
{
    for (size_t i = 0; r->token != T_END && i < ELEMENTS(operators); i++)
        if (!strcmp(r->text, operators[i].text)) {
            *ret = operators[i].op;
            return 0;
        }
    return requirement_error(r, "in, notin, =, ==, !=, gt, lt");
}

static int add_value(Reader *r, Term *t, const char *text, size_t *n)
{
    const char *fault = name_check_label_value(text);
    if (fault)
        return error_set(r->error, EINVAL,
                         "unable to parse requirement: values[%zu][%s]: Invalid value: \"%s\": %s", (*n),
                         t->key, text, fault);
    Value *v = ARENA_NEW(r->arena, Value);
    *v = (Value){.text = text, .next = t->values};
    t->values = v;
    (*n)++;
    return 0;
}

/* Behind "(": values and commas; what stands between two commas may be empty. */
static int read_values(Reader *r, Term *t)
{
    size_t n = 0;
    if (!is(r, "("))
        return error_set(r->error, EINVAL, "unable to parse requirement: found '%s' expected: '('", r->text);
    for (;;) {
        const char *text = "";
        next(r);
        if (r->token == T_WORD) {
            text = r->text;
            next(r);
        }
        int k = add_value(r, t, text, &n);
        if (k < 0)
            return k;
        if (is(r, ")")) {
            next(r);
            return 0;
        }
        if (!is(r, ","))
            return requirement_error(r, "',' or ')'");
    }
}

static int read_number(Reader *r, Term *t)
{
    char *end;
    errno = 0;
    t->number = strtoll(t->values->text, &end, 10);
    if (errno || *end || end == t->values->text)
        return error_set(r->error, EINVAL,
                         "unable to parse requirement: values[0]: Invalid value: \"%s\": for 'Gt', 'Lt' "
                         "operators, the value must be an integer",
                         t->values->text);
    return 0;
}

static int read_value(Reader *r, Term *t)
{
    size_t n = 0;
    const char *text = "";
    if (r->token == T_WORD) {
        text = r->text;
        next(r);
    } else if (r->token != T_END && !is(r, ",")) {
        return requirement_error(r, "identifier");
    }
    int k = add_value(r, t, text, &n);
    if (k == 0 && (t->op == OP_GREATER || t->op == OP_LESS))
        k = read_number(r, t);
    return k;
}

static int read_term(Reader *r, Term *t)
{
    bool negated = is(r, "!");
    if (negated)
        next(r);
    if (r->token != T_WORD)
        return requirement_error(r, "identifier");
    t->key = r->text;
    const char *fault = name_check_label_key(t->key);
    if (fault)
        return error_set(r->error, EINVAL, "unable to parse requirement: <nil>: Invalid value: \"%s\": %s",
                         t->key, fault);
    next(r);
    if (negated || r->token == T_END || is(r, ",")) {
        t->op = negated ? OP_NOT_EXISTS : OP_EXISTS;
        return 0;
    }
    int k = read_operator(r, &t->op);
    if (k < 0)
        return k;
    bool set = r->token == T_WORD;
    next(r);
    return set ? read_values(r, t) : read_value(r, t);
}

int selector_read(Arena *a, const char *text, Selector **ret, Error *e)
{
    Reader r = {.arena = a, .at = text ? text : "", .error = e};
    Selector *s = ARENA_NEW(a, Selector);

    if (strlen(r.at) > SELECTOR_TEXT_MAX)
        return error_set(e, EINVAL, "a label selector of more than %d bytes", SELECTOR_TEXT_MAX);
    next(&r);
    while (r.token != T_END) {
        if (r.token != T_WORD && !is(&r, "!"))
            return error_set(e, EINVAL, "found '%s', expected: !, identifier, or 'end of string'", r.text);
        Term *t = ARENA_NEW(a, Term);
        int k = read_term(&r, t);
        if (k < 0)
            return k;
        t->next = s->terms;
        s->terms = t;
        if (r.token == T_END)
            break;
        if (!is(&r, ","))
            return error_set(e, EINVAL, "found '%s', expected: ',' or 'end of string'", r.text);
        next(&r);
        if (r.token != T_WORD && !is(&r, "!"))
            return error_set(e, EINVAL, "found '%s', expected: identifier after ','", r.text);
    }
    *ret = s;
    return 0;
}

static bool term_has(const Term *t, const char *value)
{
    for (const Value *v = t->values; v; v = v->next)
        if (!strcmp(v->text, value))
            return true;
    return false;
}

static bool term_compares(const Term *t, const char *value)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || *end || end == value)
        return false;
    return t->op == OP_GREATER ? n > t->number : n < t->number;
}

static bool term_holds(const Term *t, const char *value)
{
    switch (t->op) {
    case OP_EXISTS:
        return value;
    case OP_NOT_EXISTS:
        return !value;
    case OP_IN:
        return value && term_has(t, value);
    case OP_NOT_IN:
        return !value || !term_has(t, value);
    case OP_GREATER:
    case OP_LESS:
        return value && term_compares(t, value);
    case OP_NONE:
        break;
    }
    return false;
}

bool selector_matches(const Selector *s, const Node *labels)
{
    for (const Term *t = s->terms; t; t = t->next)
        if (!term_holds(t, node_string(node_get(labels, t->key))))
            return false;
    return true;
}
