/* Definitions, rows, and the cells of custom resources. A cell that a path does not find, or whose value has
 * another type than the column, is null, which kubectl shows as "<none>". */
#include <string.h>

#include "apiserver/field_error.h"
#include "apiserver/human_duration.h"
#include "apiserver/json_path.h"
#include "apiserver/table_row.h"
#include "apiserver/value.h"

enum { COLUMNS_MAX = 100 };

void cell_text(Row *row, const char *s)
{
    node_append(row->cells, node_new_string(row->arena, s ? s : ""));
}

void cell_int(Row *row, int64_t v)
{
    node_append(row->cells, node_new_int(row->arena, v));
}

const char *text_at(const Node *object, const char *path, const char *otherwise)
{
    const char *s = node_string(node_get_path(object, path));
    return s && *s ? s : otherwise;
}

int64_t number_at(const Node *object, const char *path)
{
    int64_t v = 0;
    (void)node_int(node_get_path(object, path), &v);
    return v;
}

void cell_number(Row *row, const Node *object, const char *path)
{
    cell_int(row, number_at(object, path));
}

void cell_name(Row *row, const Node *object)
{
    cell_text(row, text_at(object, "metadata.name", ""));
}

const char *age_of(Row *row, const char *time)
{
    int64_t t;
    if (!time || time_read(time, &t) < 0)
        return "<unknown>";
    return human_duration(row->arena, row->now - t);
}

void cell_age(Row *row, const Node *object)
{
    cell_text(row, age_of(row, text_at(object, "metadata.creationTimestamp", NULL)));
}

const TableColumns *table_columns_builtin(const KubeKind *kind)
{
    for (size_t i = 0; i < table_builtins_n; i++)
        if (!strcmp(table_builtins[i].group, kind->group) && !strcmp(table_builtins[i].kind, kind->kind))
            return &table_builtins[i].columns;
    return &table_plain;
}

/* ---- custom resources ---- */

static const char *const column_types[] = {"integer", "number", "string", "boolean", "date"};

static const char *need(const Node *n, const char *key, const PathStep *path, Report *r)
{
    const Node *m = node_get(n, key);
    if (node_string(m) && *node_string(m))
        return node_string(m);
    field_error_add(r, FIELD_REQUIRED, PATH_KEY(path, key), m, "%s", "");
    return NULL;
}

static void read_column(Arena *a, const Node *n, const PathStep *path, TableColumn *c, JsonPath **ret,
                        Report *r)
{
    int64_t priority = 0;
    bool known = false;
    Error e = ERROR_INIT;
    const char *name = need(n, "name", path, r), *type = need(n, "type", path, r);
    const char *json_path = need(n, "jsonPath", path, r);
    for (size_t i = 0; type && i < ELEMENTS(column_types); i++)
        known = known || !strcmp(type, column_types[i]);
    if (type && !known)
        field_error_add(r, FIELD_INVALID, PATH_KEY(path, "type"), node_get(n, "type"),
                        "must be one of boolean,date,integer,number,string");
    if (json_path && (*json_path != '.' || json_path_read(a, json_path, ret, &e) < 0))
        field_error_add(r, FIELD_INVALID, PATH_KEY(path, "jsonPath"), node_get(n, "jsonPath"), "%s",
                        e.code ? e.text : "must be a simple json path starting with .");
    (void)node_int(node_get(n, "priority"), &priority);
    *c = (TableColumn){
        .name = name,
        .type = type,
        .format = text_at(n, "format", ""),
        .text =
            text_at(n, "description",
                    arena_printf(a, "Custom resource definition column (in JSONPath format): %s", json_path)),
        .priority = (int)priority,
    };
}

int table_columns_read(Arena *a, const Node *list, TableColumns **ret, Report *r)
{
    size_t before = r->errors, n = list && list->kind == NODE_ARRAY ? list->n : 0, i = 0;
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "additionalPrinterColumns");
    if (n > COLUMNS_MAX) {
        field_error_add(r, FIELD_TOO_MANY, path, node_new_int(a, (int64_t)n), "must have at most %d items",
                        COLUMNS_MAX);
        return -EINVAL;
    }
    TableColumn *columns = ARENA_ARRAY(a, TableColumn, n + 2);
    TableColumns *made = ARENA_NEW(a, TableColumns);
    made->paths = ARENA_ARRAY(a, JsonPath *, n + 1);
    columns[0] = table_plain.columns[0];
    if (!n) {
        columns[1] = (TableColumn){"Age", "date", "", "Time since the object was created.", 0};
        (void)json_path_read(a, ".metadata.creationTimestamp", &made->paths[0], NULL);
    }
    for (const Node *c = n ? list->first : NULL; c; c = c->next, i++)
        read_column(a, c, PATH_INDEX(path, i), &columns[i + 1], &made->paths[i], r);
    if (r->errors != before)
        return -EINVAL;
    made->columns = columns;
    made->n = n ? n + 1 : 2;
    *ret = made;
    return 0;
}

static Node *cell_of(Row *row, const char *type, const Node *v)
{
    Arena *a = row->arena;
    int64_t t;
    if (!v || v->kind == NODE_NULL)
        return node_new(a, NODE_NULL);
    if (!strcmp(type, "string")) {
        _cleanup_buf_ Buf b = BUF_INIT;
        if (v->kind == NODE_STRING)
            return node_new_string_n(a, v->string, v->len);
        json_write(v, JSON_COMPACT, &b);
        return node_new_string(a, b.data);
    }
    if (!strcmp(type, "integer") && v->kind == NODE_NUMBER)
        return node_int(v, &t) == 0 ? node_new_int(a, t) : node_new_int(a, (int64_t)value_double(v));
    if ((!strcmp(type, "number") && v->kind == NODE_NUMBER) ||
        (!strcmp(type, "boolean") && v->kind == NODE_BOOL)) {
        Node *copy = node_copy(a, v);
        copy->key = NULL;
        return copy;
    }
    if (!strcmp(type, "date") && v->kind == NODE_STRING)
        return node_new_string(a,
                               time_read(v->string, &t) < 0 ? "<invalid>" : human_duration(a, row->now - t));
    return node_new(a, NODE_NULL);
}

static void print_by_paths(const TableColumns *columns, Row *row, const Node *object)
{
    cell_name(row, object);
    for (size_t i = 1; i < columns->n; i++)
        node_append(row->cells,
                    cell_of(row, columns->columns[i].type, json_path_first(columns->paths[i - 1], object)));
}

/* ---- the table ---- */

static Node *definitions(Arena *a, const TableColumns *columns)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < columns->n; i++) {
        const TableColumn *c = &columns->columns[i];
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "name", c->name);
        node_set_string(a, n, "type", c->type);
        node_set_string(a, n, "format", c->format ? c->format : "");
        node_set_string(a, n, "description", c->text);
        node_set(a, n, "priority", node_new_int(a, c->priority));
    }
    return list;
}

/* A node that has the value of another without being its copy. */
static Node *alias(Arena *a, const Node *n)
{
    Node *made = ARENA_NEW(a, Node);
    *made = *n;
    made->next = NULL;
    made->key = NULL;
    return made;
}

static Node *row_object(Arena *a, const Node *object, TableObjects objects)
{
    if (objects == TABLE_OBJECT)
        return alias(a, object);
    Node *partial = node_new(a, NODE_OBJECT);
    const Node *metadata = node_get(object, "metadata");
    node_set_string(a, partial, "kind", "PartialObjectMetadata");
    node_set_string(a, partial, "apiVersion", "meta.k8s.io/v1");
    node_set(a, partial, "metadata", metadata ? alias(a, metadata) : node_new(a, NODE_OBJECT));
    return partial;
}

static Node *make_row(Arena *a, const TableColumns *columns, const Node *object, int64_t now,
                      TableObjects objects)
{
    Row row = {.arena = a, .now = now, .cells = node_new(a, NODE_ARRAY)};
    Node *made = node_new(a, NODE_OBJECT);
    if (columns->print)
        columns->print(&row, object);
    else
        print_by_paths(columns, &row, object);
    node_set(a, made, "cells", row.cells);
    if (row.condition) {
        Node *list = node_set(a, made, "conditions", node_new(a, NODE_ARRAY));
        Node *c = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, c, "type", "Completed");
        node_set_string(a, c, "status", "True");
        node_set_string(a, c, "reason", row.condition);
        node_set_string(a, c, "message", row.condition_text);
    }
    if (objects != TABLE_NONE)
        node_set(a, made, "object", row_object(a, object, objects));
    return made;
}

Node *table_make(Arena *a, const TableColumns *columns, const Node *n, int64_t now, TableObjects objects)
{
    static const char *const kept[] = {"resourceVersion", "continue", "remainingItemCount"};
    const Node *items = node_get(n, "items"), *metadata = node_get(n, "metadata");
    bool is_list = items && items->kind == NODE_ARRAY;
    Node *table = node_new(a, NODE_OBJECT), *meta = node_new(a, NODE_OBJECT), *rows;

    node_set_string(a, table, "kind", "Table");
    node_set_string(a, table, "apiVersion", "meta.k8s.io/v1");
    node_set(a, table, "metadata", meta);
    for (size_t i = 0; i < (is_list ? ELEMENTS(kept) : 1); i++)
        if (node_get(metadata, kept[i]))
            node_set(a, meta, kept[i], alias(a, node_get(metadata, kept[i])));
    node_set(a, table, "columnDefinitions", definitions(a, columns));
    rows = node_set(a, table, "rows", node_new(a, NODE_ARRAY));
    for (const Node *item = is_list ? items->first : n; item; item = is_list ? item->next : NULL)
        node_append(rows, make_row(a, columns, item, now, objects));
    return table;
}
