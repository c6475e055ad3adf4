/* The first line is "positions 1 SIZE NODES SOURCES": the cache's size, and how many nodes and sources there
 * are. Then the sources' names, one a line, then a line for each node of the tree from the top, in the order
 * of the text: "SOURCE LINE COLUMN", or nothing for the same as the line before. Node for node the two trees
 * are alike, since one is written from the other; if anything does not fit, the positions stay those of the
 * cache. What stands in no text has the position of what it is part of. */
#include "provision/config_positions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { NODES_MAX = 4 << 20, SOURCES_MAX = 4096, FILE_MAX = 256 << 20 };

typedef struct Positions {
    Buf lines;
    const Source *sources[SOURCES_MAX];
    size_t n_sources, n_nodes;
    const Node *last; /* what the line before says */
} Positions;

static const char *file_name(Arena *a, const char *cache)
{
    return arena_printf(a, "%s.positions", cache);
}

static bool is_container(const Node *n)
{
    return n->kind == NODE_ARRAY || n->kind == NODE_OBJECT;
}

/* ---- writing ---- */

static size_t source_number(Positions *p, const Source *s)
{
    size_t i = p->n_sources;

    while (i > 0 && p->sources[i - 1] != s) /* nearly always the last one */
        i--;
    if (i > 0)
        return i - 1;
    if (p->n_sources == SOURCES_MAX)
        return 0;
    p->sources[p->n_sources] = s;
    return p->n_sources++;
}

static void write_node(Positions *p, const Node *n, const Node *around)
{
    const Node *at = n->source && n->line > 0 ? n : around;

    p->n_nodes++;
    if (at && at != p->last)
        buf_addf(&p->lines, "%zu %u %u", source_number(p, at->source), at->line, at->column);
    buf_add_char(&p->lines, '\n');
    p->last = at ? at : p->last;
    if (is_container(n))
        NODE_EACH (child, n)
            write_node(p, child, at);
}

int config_positions_write(const char *cache, const Node *tree, size_t len, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    Positions *p = ARENA_NEW(a, Positions);

    write_node(p, tree, NULL);
    buf_addf(&text, "positions 1 %zu %zu %zu\n", len, p->n_nodes, p->n_sources);
    for (size_t i = 0; i < p->n_sources; i++)
        buf_addf(&text, "%.*s\n", (int)strcspn(p->sources[i]->name, "\n"), p->sources[i]->name);
    buf_add(&text, p->lines.data, p->lines.len);
    buf_done(&p->lines);
    int r = file_write_at(AT_FDCWD, file_name(a, cache), text.data, text.len, FILE_WRITE(.mode = 0640));
    return r < 0 ? error_errno(e, r, "writing '%s.positions'", cache) : 0;
}

/* ---- reading ---- */

typedef struct Position {
    size_t source;
    unsigned line, column;
} Position;

/* NULL: there is no further line. */
static char *next_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');

    if (!end)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return line;
}

static Source *sources_read(Arena *a, char **text, size_t n)
{
    Source *sources = ARENA_ARRAY(a, Source, n + 1);

    for (size_t i = 0; i < n; i++) {
        const char *name = next_line(text);
        if (!name)
            return NULL;
        sources[i] = (Source){.name = arena_strdup(a, name), .secret = true};
    }
    return sources;
}

static bool positions_parse(char *text, Position *list, size_t n, size_t n_sources)
{
    for (size_t i = 0; i < n; i++) {
        char *line = next_line(&text), end;
        if (!line)
            return false;
        if (!*line)
            list[i] = i > 0 ? list[i - 1] : (Position){0};
        else if (sscanf(line, "%zu %u %u%c", &list[i].source, &list[i].line, &list[i].column, &end) != 3 ||
                 list[i].source >= n_sources)
            return false;
    }
    return *text == '\0';
}

static size_t count(const Node *n)
{
    size_t all = 1;

    if (is_container(n))
        NODE_EACH (child, n)
            all += count(child);
    return all;
}

static const Position *give(Node *n, const Position *p, const Source *sources)
{
    if (p->line > 0) {
        n->source = &sources[p->source];
        n->line = p->line;
        n->column = p->column;
    }
    p++;
    if (is_container(n))
        NODE_EACH (child, n)
            p = give(child, p, sources);
    return p;
}

void config_positions_read(Arena *a, const char *cache, size_t len, const Node *tree)
{
    _cleanup_buf_ Buf file = BUF_INIT;
    size_t size, nodes, n_sources;
    char end;

    if (file_read_at(AT_FDCWD, file_name(a, cache), FILE_MAX, &file, NULL) < 0 || !file.data)
        return;
    char *text = file.data, *head = next_line(&text);
    if (!head || sscanf(head, "positions 1 %zu %zu %zu%c", &size, &nodes, &n_sources, &end) != 3 ||
        size != len || nodes > NODES_MAX || n_sources > SOURCES_MAX || count(tree) != nodes)
        return;
    const Source *sources = sources_read(a, &text, n_sources);
    _cleanup_free_ Position *list = calloc(nodes + 1, sizeof(*list));
    if (!list)
        abort();
    if (sources && positions_parse(text, list, nodes, n_sources))
        give((Node *)tree, list, sources); /* the tree is the reader's own, made a moment ago */
}
