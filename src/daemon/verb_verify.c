/* `verify` and `status`: what a machine is, held against what it is to be. Neither changes it. */
#include <stdio.h>
#include <string.h>

#include "daemon/config_file.h"
#include "daemon/node_verify.h"
#include "daemon/program.h"

static int verify(MachineHere *h, const char *file, MachineConfig **ret, Report *findings, Error *e)
{
    _cleanup_report_ Report unused = REPORT_INIT(h->arena);
    NodeRepair repair;
    int r = file ? config_file_read(h->arena, file, ret, &unused, e)
                 : config_file_current(h->arena, h->m.root, ret, e);
    if (r < 0)
        program_report(&unused);
    if (r < 0 || !*ret)
        return r;
    return node_verify(&h->m, h->arena, *ret, NULL, findings, &repair, e);
}

int verb_verify(int argc, char **argv)
{
    _cleanup_machine_ MachineHere h = MACHINE_HERE_INIT;
    Error e = ERROR_INIT;
    MachineConfig *mc = NULL;
    if (machine_open(&h, false, &e) < 0)
        return program_failed(&e);
    _cleanup_report_ Report r = REPORT_INIT(h.arena);
    int k = verify(&h, argc > 1 ? argv[1] : NULL, &mc, &r, &e);
    if (k >= 0 && !mc)
        k = error_set(&e, ENOENT, "nothing was applied to this machine yet");
    if (k < 0)
        return program_failed(&e);
    if (options.json) {
        _cleanup_buf_ Buf out = BUF_INIT;
        report_write(&r, REPORT_JSON, &out);
        fwrite(out.data, 1, out.len, stdout);
    } else {
        for (size_t i = 0; i < r.n; i++)
            printf("%s\n", r.entries[i].message);
    }
    return r.n ? EXIT_DIFFERENT : EXIT_DONE;
}

static Node *status_node(MachineHere *h, Error *e)
{
    Arena *a = h->arena;
    _cleanup_report_ Report r = REPORT_INIT(a);
    MachineConfig *mc = NULL;
    FailedConfig failed;
    OsState os;
    Node *journal = NULL, *n = node_new(a, NODE_OBJECT), *list = node_new(a, NODE_ARRAY);
    int k = verify(h, NULL, &mc, &r, e);
    if (k >= 0)
        k = node_apply_failed(&h->m, a, &failed, e);
    if (k >= 0)
        k = h->m.os->state(h->m.os->context, a, &os, e);
    if (k < 0)
        return NULL;
    (void)config_file_json(a, h->m.root, TRANSACTION_JOURNAL, &journal, NULL);
    node_set_string(a, n, "currentConfig", mc ? mc->name : NULL);
    node_set_string(a, n, "osImage", os.image);
    node_set_string(a, n, "osDigest", os.digest);
    if (journal) {
        Node *open = node_set(a, n, "change", node_new(a, NODE_OBJECT));
        node_set_string(a, open, "to", node_string(node_get_path(journal, "note.to")));
        node_set_string(a, open, "phase", node_string(node_get_path(journal, "note.phase")));
    }
    if (failed.config) {
        Node *f = node_set(a, n, "failed", node_new(a, NODE_OBJECT));
        node_set_string(a, f, "config", failed.config);
        node_set_string(a, f, "reason", failed.why);
    }
    for (size_t i = 0; i < r.n; i++)
        node_append(list, node_new_string(a, r.entries[i].message));
    node_set(a, n, "differences", list);
    return n;
}

static void status_print(const Node *n)
{
    const char *current = node_string(node_get(n, "currentConfig")),
               *image = node_string(node_get(n, "osImage"));
    const Node *change = node_get(n, "change"), *failed = node_get(n, "failed");
    printf("config   %s\n", current ? current : "(none yet)");
    if (image)
        printf("system   %s\n", image);
    if (change)
        printf("change   to %s, phase %s\n", node_string(node_get(change, "to")),
               node_string(node_get(change, "phase")));
    if (failed)
        printf("failed   %s: %s\n", node_string(node_get(failed, "config")),
               node_string(node_get(failed, "reason")));
    NODE_EACH (d, node_get(n, "differences"))
        printf("differs  %s\n", d->string);
}

int verb_status(int argc _unused_, char **argv _unused_)
{
    _cleanup_machine_ MachineHere h = MACHINE_HERE_INIT;
    Error e = ERROR_INIT;
    if (machine_open(&h, false, &e) < 0)
        return program_failed(&e);
    const Node *n = status_node(&h, &e);
    if (!n)
        return program_failed(&e);
    if (options.json)
        program_print(n);
    else
        status_print(n);
    return EXIT_DONE;
}
