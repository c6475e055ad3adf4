#pragma once
/* How tables are made inside: columns, and what prints a row of them. */
#include "apiserver/table.h"

typedef struct Row {
    Arena *arena;
    int64_t now;
    Node *cells;
    const char *condition, *condition_text; /* of a row that is done: "Succeeded"; NULL: none */
} Row;

typedef struct TableColumn {
    const char *name, *type, *format, *text;
    int priority;
} TableColumn;

struct TableColumns {
    const TableColumn *columns;
    size_t n;
    void (*print)(Row *row, const Node *object); /* NULL: by paths */
    struct JsonPath **paths;                     /* of columns[1] and on */
};

typedef struct TableBuiltin {
    const char *group, *kind;
    TableColumns columns;
} TableBuiltin;
extern const TableBuiltin table_builtins[];
extern const size_t table_builtins_n;
extern const TableColumns table_plain;

void cell_text(Row *row, const char *s); /* NULL: "" */
void cell_int(Row *row, int64_t v);
void cell_number(Row *row, const Node *object, const char *path); /* missing: 0 */
void cell_name(Row *row, const Node *object);
void cell_age(Row *row, const Node *object);
/* "5m", or "<unknown>" without a time. */
const char *age_of(Row *row, const char *time);
const char *text_at(const Node *object, const char *path, const char *otherwise);
int64_t number_at(const Node *object, const char *path);
const char *labels_text(Arena *a, const Node *labels);     /* "a=b,c=d" or "<none>" */
const char *selector_text(Arena *a, const Node *selector); /* a LabelSelector */
void cells_of_containers(Row *row, const Node *containers);

/* table_pod.c */
void print_pod(Row *row, const Node *pod);
