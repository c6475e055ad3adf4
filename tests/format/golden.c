/* Prints what a reader makes of a file: the tree with the position of every key and value, then the findings.
 * The name decides the reader. golden.sh compares it with what is expected. */
#include <string.h>

#include "format/json.h"
#include "format/toml.h"
#include "format/yaml.h"

static void dump(const Node *n, unsigned depth)
{
    _cleanup_buf_ Buf value = BUF_INIT;
    bool collection = n->kind == NODE_ARRAY || n->kind == NODE_OBJECT;
    if (!collection)
        json_write(n, JSON_COMPACT, &value);
    printf("%*s", (int)depth * 2, "");
    if (n->key)
        printf("%s (%u:%u): ", n->key, n->key_line, n->key_column);
    printf("%u:%u %s %s\n", n->line, n->column, node_kind_name(n->kind), value.len ? value.data : "");
    if (collection)
        NODE_EACH (child, n) {
            dump(child, depth + 1);
        }
}

static void read_file(const char *path, Buf *out)
{
    char piece[4096];
    _cleanup_(fclosep)
    FILE *f = fopen(path, "re");
    if (!f) {
        perror(path);
        exit(2);
    }
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        buf_add(out, piece, n);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    _cleanup_buf_ Buf text = BUF_INIT, findings = BUF_INIT;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    const char *name = strrchr(argv[1], '/');
    bool yaml = strstr(argv[1], ".yaml") != NULL, toml = strstr(argv[1], ".toml") != NULL;
    Node *tree = NULL;
    read_file(argv[1], &text);
    Source source = {.name = name ? name + 1 : argv[1], .text = text.len ? text.data : "", .len = text.len};
    int r = toml ? toml_read(a, &source, &tree, &report)
                 : (yaml ? yaml_read : json_read)(a, &source, SEVERITY_ERROR, &tree, &report);
    if (r >= 0)
        dump(tree, 0);
    report_write(&report, REPORT_TEXT, &findings);
    fputs(findings.len ? findings.data : "", stdout);
    return 0;
}
