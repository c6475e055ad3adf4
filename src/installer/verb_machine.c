/* `basalt machine list | shell | log`: a look into the machines of `basalt up`. */
#include <fcntl.h>
#include <string.h>

#include "base/command.h"
#include "base/file.h"
#include "format/json.h"
#include "installer/verbs.h"
#include "machine/machine.h"

#define DEFAULT_STATE "/var/lib/basalt/up"
enum { LOG_SIZE_MAX = 64 << 20, CONFIG_SIZE_MAX = 8 << 20 };

static struct {
    const char *state;
    bool json;
} opt = {.state = DEFAULT_STATE};

const Option machine_list_options[] = {
    {"state", 's', OPTION_STRING, &opt.state, "DIR", "where the machines live (" DEFAULT_STATE ")", NULL},
    {"json", 0, OPTION_FLAG, &opt.json, NULL, "as JSON", NULL},
    {0},
};
const Option machine_options[] = {
    {"state", 's', OPTION_STRING, &opt.state, "DIR", "where the machines live (" DEFAULT_STATE ")", NULL},
    {0},
};

/* The rendered config that the machine has, as its daemon keeps it, or as it was given; NULL: none. */
static const char *config_of(Arena *a, const Machine *m)
{
    static const char *const places[][2] = {
        {"currentconfig", "metadata.name"},
        {"node-annotations.json", NULL}, /* the annotation's name has dots in it */
    };
    for (size_t i = 0; i < ELEMENTS(places); i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        _cleanup_report_ Report r = REPORT_INIT(a);
        Node *n;
        const char *path = arena_printf(a, "%s/root/etc/machine-config-daemon/%s", m->dir, places[i][0]);
        if (file_read_at(AT_FDCWD, path, CONFIG_SIZE_MAX, &text, NULL) < 0)
            continue;
        Source *source = ARENA_NEW(a, Source);
        *source = (Source){.name = path, .text = arena_memdup(a, text.data, text.len), .len = text.len};
        if (json_read(a, source, SEVERITY_WARNING, &n, &r) < 0)
            continue;
        const Node *name = places[i][1] ? node_get_path(n, places[i][1])
                                        : node_get(n, "machineconfiguration.openshift.io/currentConfig");
        if (node_string(name))
            return node_string(name);
    }
    return NULL;
}

static const char *state_of(Arena *a, const Machine *m)
{
    if (process_id_alive(&m->init))
        return "running";
    return access(arena_printf(a, "%s/root/etc/.ignition-result.json", m->dir), F_OK) == 0
               ? "stopped"
               : "not provisioned";
}

static void print_json(Arena *a, const Machine *machines, size_t n)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < n; i++) {
        Node *row = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, row, "name", machines[i].name);
        node_set_string(a, row, "role", machines[i].role);
        node_set_string(a, row, "address", machines[i].address);
        node_set_string(a, row, "state", state_of(a, &machines[i]));
        node_set_string(a, row, "config", config_of(a, &machines[i]));
        node_set_string(a, row, "root", arena_printf(a, "%s/root", machines[i].dir));
    }
    json_write(list, JSON_PRETTY2, &out);
    puts(out.data);
}

static int complain(const Error *e)
{
    fprintf(stderr, "basalt machine: %s\n", e->text);
    return 1;
}

int verb_machine_list(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    _cleanup_arena_ Arena *a = arena_new();
    Machine *machines;
    size_t n;
    Error e = ERROR_INIT;
    if (machine_list(a, opt.state, &machines, &n, &e) < 0)
        return complain(&e);
    if (opt.json) {
        print_json(a, machines, n);
        return 0;
    }
    if (!n) {
        printf("no machines in %s; start some with: basalt up --state %s\n", opt.state, opt.state);
        return 0;
    }
    printf("%-12s %-10s %-12s %-16s %s\n", "NAME", "ROLE", "ADDRESS", "STATE", "CONFIG");
    for (size_t i = 0; i < n; i++) {
        const char *config = config_of(a, &machines[i]);
        printf("%-12s %-10s %-12s %-16s %s\n", machines[i].name, machines[i].role, machines[i].address,
               state_of(a, &machines[i]), config ? config : "-");
    }
    return 0;
}

int verb_machine_shell(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    static char *const shell[] = {(char *)"/bin/bash", (char *)"--norc", NULL};
    Machine m;
    Error e = ERROR_INIT;
    if (machine_load(a, opt.state, argv[1], &m, &e) < 0)
        return complain(&e);
    int r = machine_enter(&m, argc > 2 ? argv + 2 : shell, &e);
    return r < 0 ? complain(&e) : r;
}

int verb_machine_log(int argc, char **argv)
{
    (void)argc;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    Machine m;
    Error e = ERROR_INIT;
    if (machine_load(a, opt.state, argv[1], &m, &e) < 0 ||
        file_read_at(AT_FDCWD, arena_printf(a, "%s/log", m.dir), LOG_SIZE_MAX, &text, &e) < 0)
        return complain(&e);
    fwrite(text.data, 1, text.len, stdout);
    return 0;
}
