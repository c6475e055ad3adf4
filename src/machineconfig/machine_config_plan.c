/* One walk makes the tree, the text is made of the same differences in the same order. */
#include "machineconfig/machine_config_plan.h"

#include <string.h>

#include "format/text_diff.h"

static const char *change_name(bool from, bool to)
{
    return !from ? "add" : !to ? "remove" : "change";
}

static const char *enabled_name(const ManagedUnit *u)
{
    return !u ? "as the system has it" : u->enabled ? "enabled" : "disabled";
}

static const char *kind_name(const ManagedPath *m)
{
    static const char *const names[] = {[MANAGED_FILE] = "file",
                                        [MANAGED_UNIT] = "unit",
                                        [MANAGED_DROPIN] = "drop-in",
                                        [MANAGED_MASK] = "mask"};
    return names[m->kind];
}

static void print_words(Buf *out, const char *sign, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "    %s %s\n", sign, words[i]);
}

static void print_text(Buf *out, const char *what, const TextChange *c)
{
    if (c->changed)
        buf_addf(out, "  %s: %s -> %s\n", what, *c->from ? c->from : "(as it is)",
                 *c->to ? c->to : "(as it is)");
}

/* ---- contents ---- */

static bool is_secret(const PathChange *c)
{
    return (c->from && managed_path_is_secret(c->from)) || (c->to && managed_path_is_secret(c->to));
}

static DiffText text_of(const ManagedPath *m)
{
    return m && m->data ? (DiffText){m->data, m->len} : (DiffText){"", 0};
}

/* Nothing where nothing is to be shown: of masks, of what only a first boot can make, of the same bytes. */
static void contents_diff(const PathChange *c, Buf *out)
{
    DiffText from = text_of(c->from), to = text_of(c->to);
    if (from.len != to.len || memcmp(from.data, to.data, to.len))
        text_diff(from, to, out);
}

static void print_contents(const PathChange *c, Buf *out)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    contents_diff(c, &text);
    if (text.len && is_secret(c)) {
        buf_add_str(out, "    contents differ (not shown)\n");
        return;
    }
    for (const char *line = text.data; line && *line;) {
        size_t n = strcspn(line, "\n");
        buf_addf(out, "    %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* ---- text ---- */

static void print_differences(const MachineConfigDiff *d, PlanDetail detail, Buf *out)
{
    print_text(out, "osImageURL", &d->os_image);
    print_text(out, "kernelType", &d->kernel_type);
    if (d->kernel_arguments) {
        buf_add_str(out, "  kernelArguments\n");
        print_words(out, "-", d->from->kernel_arguments, d->from->n_kernel_arguments);
        print_words(out, "+", d->to->kernel_arguments, d->to->n_kernel_arguments);
    }
    if (d->extensions) {
        buf_add_str(out, "  extensions\n");
        print_words(out, "-", d->from->extensions, d->from->n_extensions);
        print_words(out, "+", d->to->extensions, d->to->n_extensions);
    }
    for (size_t i = 0; i < d->n_paths; i++) {
        const PathChange *c = &d->paths[i];
        const ManagedPath *m = c->to ? c->to : c->from;
        buf_addf(out, "  %s %s %s\n", change_name(c->from, c->to), kind_name(m), m->path);
        if (c->from && c->to && c->from->mode != c->to->mode)
            buf_addf(out, "    mode %04o -> %04o\n", c->from->mode, c->to->mode);
        if (detail == PLAN_CONTENTS)
            print_contents(c, out);
    }
    for (size_t i = 0; i < d->n_units; i++)
        buf_addf(out, "  %s: %s -> %s\n", d->units[i].name, enabled_name(d->units[i].from),
                 enabled_name(d->units[i].to));
    if (d->keys)
        buf_addf(out, "  ssh keys of core: %zu -> %zu\n", d->state_from->n_keys, d->state_to->n_keys);
    if (d->password)
        buf_add_str(out, "  password of core\n");
}

void machine_config_plan_print(const MachineConfigDiff *d, const Disruption *x, PlanDetail detail, Buf *out)
{
    buf_addf(out, "%s -> %s\n", *d->from->name ? d->from->name : "(nothing)", d->to->name);
    if (machine_config_diff_empty(d)) {
        buf_add_str(out, "  no difference\n");
        return;
    }
    print_differences(d, detail, out);
    buf_addf(out, "asks for%s\n", x->n ? "" : " nothing");
    for (size_t i = 0; i < x->n; i++) {
        const DisruptionEntry *e = &x->entries[i];
        buf_addf(out, "  %s%s%s:", disruption_kind_name(e->action.kind), e->action.service ? " " : "",
                 e->action.service ? e->action.service : "");
        for (size_t k = 0; k < e->n; k++)
            buf_addf(out, "%s %s", k ? "," : "", e->asked_by[k]);
        buf_add_char(out, '\n');
    }
}

/* ---- JSON ---- */

static Node *words_node(Arena *a, const char *const *words, size_t n)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < n; i++)
        node_append(list, node_new_string(a, words[i]));
    return list;
}

static void add_text(Arena *a, Node *to, const char *key, const TextChange *c)
{
    if (!c->changed)
        return;
    Node *n = node_set(a, to, key, node_new(a, NODE_OBJECT));
    node_set_string(a, n, "from", c->from);
    node_set_string(a, n, "to", c->to);
}

static void add_words(Arena *a, Node *to, const char *key, const Node *from_words, const Node *to_words)
{
    Node *n = node_set(a, to, key, node_new(a, NODE_OBJECT));
    node_set(a, n, "from", node_copy(a, from_words));
    node_set(a, n, "to", node_copy(a, to_words));
}

static void add_contents(Arena *a, Node *to, const PathChange *c)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    contents_diff(c, &text);
    if (text.len && is_secret(c))
        node_set(a, to, "secret", node_new_bool(a, true));
    else if (text.len)
        node_set_string(a, to, "difference", text.data);
}

static Node *paths_node(Arena *a, const MachineConfigDiff *d, PlanDetail detail)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < d->n_paths; i++) {
        const PathChange *c = &d->paths[i];
        const ManagedPath *m = c->to ? c->to : c->from;
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "path", m->path);
        node_set_string(a, n, "kind", kind_name(m));
        node_set_string(a, n, "change", change_name(c->from, c->to));
        node_set_string(a, n, "unit", m->unit);
        if (detail == PLAN_CONTENTS)
            add_contents(a, n, c);
    }
    return list;
}

static Node *units_node(Arena *a, const MachineConfigDiff *d)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < d->n_units; i++) {
        const UnitChange *c = &d->units[i];
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "name", c->name);
        if (c->from)
            node_set(a, n, "from", node_new_bool(a, c->from->enabled));
        if (c->to)
            node_set(a, n, "to", node_new_bool(a, c->to->enabled));
    }
    return list;
}

static Node *disruption_node(Arena *a, const Disruption *x)
{
    Node *n = node_new(a, NODE_OBJECT), *list = node_new(a, NODE_ARRAY);
    node_set(a, n, "drain", node_new_bool(a, x->drain));
    node_set(a, n, "reboot", node_new_bool(a, x->reboot));
    node_set(a, n, "actions", list);
    for (size_t i = 0; i < x->n; i++) {
        const DisruptionEntry *e = &x->entries[i];
        Node *item = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, item, "type", disruption_kind_name(e->action.kind));
        node_set_string(a, item, "service", e->action.service);
        node_set(a, item, "askedBy", words_node(a, e->asked_by, e->n));
    }
    return n;
}

Node *machine_config_plan_to_node(Arena *a, const MachineConfigDiff *d, const Disruption *x,
                                  PlanDetail detail)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "from", d->from->name);
    node_set_string(a, n, "to", d->to->name);
    add_text(a, n, "osImageURL", &d->os_image);
    add_text(a, n, "kernelType", &d->kernel_type);
    if (d->kernel_arguments)
        add_words(a, n, "kernelArguments",
                  words_node(a, d->from->kernel_arguments, d->from->n_kernel_arguments),
                  words_node(a, d->to->kernel_arguments, d->to->n_kernel_arguments));
    if (d->extensions)
        add_words(a, n, "extensions", words_node(a, d->from->extensions, d->from->n_extensions),
                  words_node(a, d->to->extensions, d->to->n_extensions));
    node_set(a, n, "paths", paths_node(a, d, detail));
    node_set(a, n, "units", units_node(a, d));
    node_set(a, n, "sshKeys", node_new_bool(a, d->keys));
    node_set(a, n, "password", node_new_bool(a, d->password));
    node_set(a, n, "disruption", disruption_node(a, x));
    return n;
}
