/* `basalt render`: MachineConfigs in, what a pool's machines are to be out. Reads every YAML and JSON file of
 * the directories (files may be named too), takes the MachineConfigs and pools among the documents, and those
 * that a bootstrap.ign carries for the bootstrap machine, which renders the same from the same; reports
 * all findings of all files, and prints the rendered object, or the Ignition config that a machine would get,
 * or who says what about a path. With --bootstrap it writes the directory that machine-config-server reads in
 * bootstrap mode, every pool that was declared, each file whole. Order: read everything, parse everything,
 * render everything, only then write. */
#include <fcntl.h>
#include <string.h>

#include "base/command.h"
#include "base/file.h"
#include "format/json.h"
#include "format/yaml.h"
#include "ignition/parse.h"
#include "installer/documents.h"
#include "installer/verbs.h"
#include "machineconfig/rendered_config.h"

static struct {
    const char *pool, *explain, *output, *os_image, *destination, *format;
    bool bootstrap, lenient, json;
} opt;

const Option render_options[] = {
    {"pool", 'p', OPTION_STRING, &opt.pool, "NAME", "the pool to render", NULL},
    {"explain", 'e', OPTION_STRING, &opt.explain, "PATH", "who says what about a path, a unit or user:NAME",
     NULL},
    {"output", 'o', OPTION_CHOICE, &opt.output, "FORM",
     "yaml (default), json, name, or ignition: what a machine gets", "yaml json name ignition"},
    {"json", 0, OPTION_FLAG, &opt.json, NULL, "with --explain: as JSON", NULL},
    {"os-image", 0, OPTION_STRING, &opt.os_image, "URL", "the OS image when no MachineConfig names one",
     NULL},
    {"bootstrap", 0, OPTION_FLAG, &opt.bootstrap, NULL, "render every declared pool for the config server",
     NULL},
    {"dest-dir", 0, OPTION_STRING, &opt.destination, "DIR", "with --bootstrap: where to write", NULL},
    {"lenient", 0, OPTION_FLAG, &opt.lenient, NULL,
     "a key that stands twice is a warning; the last one counts", NULL},
    {"format", 0, OPTION_CHOICE, &opt.format, "FORM", "of findings: text (default), json, sarif",
     "text json sarif"},
    {0},
};

typedef struct Inputs {
    Arena *arena;
    Report report;
    MachineConfig **configs;
    size_t n_configs, size_configs;
    MachineConfigPool **pools;
    size_t n_pools, size_pools;
} Inputs;

static void *grow(void *items, size_t n, size_t *size)
{
    if (n < *size)
        return items;
    *size = *size ? *size * 2 : 16;
    items = realloc(items, *size * sizeof(void *));
    if (!items)
        abort();
    return items;
}

static void take_object(void *context, const Node *document)
{
    Inputs *in = context;
    MachineConfig *mc;
    MachineConfigPool *pool;
    if (machine_config_is(document)) {
        if (machine_config_read(in->arena, document, &mc, &in->report) < 0)
            return;
        in->configs = grow(in->configs, in->n_configs, &in->size_configs);
        in->configs[in->n_configs++] = mc;
    } else if (machine_config_pool_is(document)) {
        if (machine_config_pool_read(in->arena, document, &pool, &in->report) < 0)
            return;
        in->pools = grow(in->pools, in->n_pools, &in->size_pools);
        in->pools[in->n_pools++] = pool;
    }
}

static const MachineConfigPool *find_pool(Inputs *in, const char *name)
{
    for (size_t i = 0; i < in->n_pools; i++)
        if (!strcmp(in->pools[i]->name, name))
            return in->pools[i];
    return machine_config_pool_of_role(in->arena, name);
}

static int render_pool(Inputs *in, const MachineConfigPool *pool, RenderedConfig **ret)
{
    RenderInput input = {
        .pool = pool, .configs = in->configs, .n_configs = in->n_configs, .os_image_url = opt.os_image};
    return rendered_config_make(in->arena, &input, ret, &in->report);
}

/* ---- output ---- */

static void print_explanation_json(Inputs *in, const MachineConfig **who, const Node **at, size_t n)
{
    Node *list = node_new(in->arena, NODE_ARRAY);
    for (size_t i = 0; i < n; i++) {
        Node *row = node_append(list, node_new(in->arena, NODE_OBJECT));
        node_set_string(in->arena, row, "name", who[i]->name);
        node_set_string(in->arena, row, "file", at[i]->source ? at[i]->source->name : NULL);
        node_set(in->arena, row, "line", node_new_int(in->arena, at[i]->line));
        node_set(in->arena, row, "wins", node_new_bool(in->arena, i + 1 == n));
    }
    _cleanup_buf_ Buf out = BUF_INIT;
    json_write(list, JSON_PRETTY2, &out);
    puts(out.data);
}

static int explain(Inputs *in, const RenderedConfig *rc)
{
    const MachineConfig **who;
    const Node **at;
    size_t n = rendered_config_explain(in->arena, rc, opt.explain, &who, &at);
    if (opt.json) {
        print_explanation_json(in, who, at, n);
        return n ? 0 : 1;
    }
    if (!n) {
        fprintf(stderr, "%s: no MachineConfig of pool '%s' says anything about it\n", opt.explain, opt.pool);
        return 1;
    }
    for (size_t i = n; i-- > 0;)
        printf("%-9s %s  (%s:%u)\n", i + 1 == n ? "wins" : "covered", who[i]->name,
               at[i]->source ? at[i]->source->name : "?", at[i]->line);
    return 0;
}

static void print_rendered(Inputs *in, const RenderedConfig *rc)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    const char *form = opt.output ? opt.output : "yaml";
    if (!strcmp(form, "name"))
        buf_add_str(&out, rc->name);
    else if (!strcmp(form, "json"))
        json_write(rc->node, JSON_PRETTY, &out);
    else if (!strcmp(form, "ignition"))
        json_write(ign_config_to_node(in->arena, rc->merged.config), JSON_PRETTY, &out);
    else
        yaml_write(rc->node, true, &out);
    if (out.len && out.data[out.len - 1] != '\n')
        buf_add_char(&out, '\n');
    fwrite(out.data, 1, out.len, stdout);
}

static int write_object(Inputs *in, int dir, const char *sub, const char *name, const Node *object, Error *e)
{
    _cleanup_buf_ Buf yaml = BUF_INIT;
    yaml_write(object, true, &yaml);
    const char *path = arena_printf(in->arena, "%s/%s.yaml", sub, name);
    int r = file_write_at(dir, path, yaml.data, yaml.len, FILE_WRITE(.mode = 0640, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s/%s", opt.destination, path) : 0;
}

/* The one place of this verb that changes the machine. Configs first: a pool never names what is not there.
 */
static int write_bootstrap(Inputs *in, RenderedConfig **rendered, Error *e)
{
    _cleanup_close_ int dir = -EBADF;
    int r = dir_make_all_at(AT_FDCWD, opt.destination, 0750);
    if (r >= 0)
        dir = open(opt.destination, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r < 0 || dir < 0 || (r = dir_make_all_at(dir, "machine-configs", 0750)) < 0 ||
        (r = dir_make_all_at(dir, "machine-pools", 0750)) < 0)
        return error_errno(e, r < 0 ? r : -errno, "making %s", opt.destination);
    for (size_t i = 0; i < in->n_pools; i++)
        if ((r = write_object(in, dir, "machine-configs", rendered[i]->name, rendered[i]->node, e)) < 0)
            return r;
    for (size_t i = 0; i < in->n_pools; i++) {
        Node *pool = machine_config_pool_to_node(in->arena, in->pools[i], rendered[i]->name);
        if ((r = write_object(in, dir, "machine-pools", in->pools[i]->name, pool, e)) < 0)
            return r;
        printf("%s\n", rendered[i]->name);
    }
    return 0;
}

static int render_bootstrap(Inputs *in, Error *e)
{
    RenderedConfig **rendered = ARENA_ARRAY(in->arena, RenderedConfig *, in->n_pools + 1);
    bool all = true;
    for (size_t i = 0; i < in->n_pools; i++)
        all = render_pool(in, in->pools[i], &rendered[i]) >= 0 && all;
    if (!in->n_pools)
        return error_set(e, ENOENT, "no MachineConfigPool among the inputs");
    return all ? write_bootstrap(in, rendered, e) : 0;
}

static int render_one(Inputs *in)
{
    RenderedConfig *rc;
    if (render_pool(in, find_pool(in, opt.pool), &rc) < 0)
        return 1;
    if (opt.explain)
        return explain(in, rc);
    print_rendered(in, rc);
    return 0;
}

static void print_report(Inputs *in)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    const char *form = opt.format ? opt.format : "text";
    report_sort(&in->report);
    report_write(&in->report,
                 !strcmp(form, "json")    ? REPORT_JSON
                 : !strcmp(form, "sarif") ? REPORT_SARIF
                                          : REPORT_TEXT,
                 &out);
    if (out.len)
        fwrite(out.data, 1, out.len, stderr);
}

static int run(Inputs *in, int argc, char **argv, Error *e)
{
    Documents documents = {.report = &in->report, .lenient = opt.lenient, .take = take_object, .context = in};
    for (int i = 1; i < argc; i++) {
        int r = documents_take(&documents, argv[i], e);
        if (r < 0)
            return r;
    }
    if (in->report.errors)
        return 0;
    if (!in->n_configs)
        return error_set(
            e, ENOENT,
            "there is no MachineConfig in what was named; name files or directories with some, or "
            "a bootstrap.ign");
    return opt.bootstrap ? render_bootstrap(in, e) : render_one(in);
}

int verb_render(int argc, char **argv)
{
    if (opt.bootstrap ? !opt.destination || opt.pool : !opt.pool) {
        fprintf(stderr, opt.bootstrap ? "basalt render: --bootstrap goes with --dest-dir and without --pool\n"
                                      : "basalt render: say which pool: --pool NAME\n");
        return EXIT_USAGE;
    }
    _cleanup_arena_ Arena *arena = arena_new();
    Inputs in = {.arena = arena, .report = REPORT_INIT(arena)};
    Error e = ERROR_INIT;
    int r = run(&in, argc, argv, &e);
    print_report(&in);
    if (r < 0)
        fprintf(stderr, "basalt render: %s\n", e.text);
    bool failed = r != 0 || in.report.errors;
    report_done(&in.report);
    free(in.configs);
    free(in.pools);
    return failed ? 1 : 0;
}
