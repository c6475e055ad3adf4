/* `basalt plan`: what objects that are not applied yet would do to the fleet. The state as it is comes from
 * manifests or from a cluster, which is read and never written. Exit codes tell scripts how much would
 * happen. Order: read what is wanted, read what there is, plan (plan.c, memory only), print. */
#include <string.h>

#include "format/json.h"
#include "installer/documents.h"
#include "installer/plan_show.h"
#include "installer/verbs.h"
#include "kube/kube_http.h"
#include "kube/kube_kind.h"

enum { CURRENT_LEVELS = 2, PAGE = 100, OBJECTS_MAX = 200000 };
enum { EXIT_WOULD_CHANGE = 10, EXIT_WOULD_REBOOT = 11, EXIT_REFUSED = 12 };

static struct {
    const char *kubeconfig, *context, *os_image, *format;
    StringList current;
    bool json, lenient;
} opt;

const Option plan_options[] = {
    {"current", 'c', OPTION_LIST, &opt.current, "FILE|DIR",
     "manifests of what there is: configs, pools, nodes; may stand several times", NULL},
    {"kubeconfig", 0, OPTION_STRING, &opt.kubeconfig, "FILE", "or the cluster to read it from ($KUBECONFIG)",
     NULL},
    {"context", 0, OPTION_STRING, &opt.context, "NAME", "of the kubeconfig (its current one)", NULL},
    {"os-image", 0, OPTION_STRING, &opt.os_image, "URL", "the OS image when no MachineConfig names one",
     NULL},
    {"json", 0, OPTION_FLAG, &opt.json, NULL, "the plan as JSON", NULL},
    {"lenient", 0, OPTION_FLAG, &opt.lenient, NULL,
     "a key that stands twice is a warning; the last one counts", NULL},
    {"format", 0, OPTION_CHOICE, &opt.format, "FORM", "of findings: text (default), json, sarif",
     "text json sarif"},
    {0},
};

static void take_object(void *context, const Node *document)
{
    plan_objects_add(context, document);
}

static int read_files(PlanObjects *to, const char *const *paths, size_t n, unsigned below, Report *r,
                      Error *e)
{
    Documents d = {.report = r, .lenient = opt.lenient, .below = below, .take = take_object, .context = to};
    for (size_t i = 0; i < n; i++) {
        int k = documents_take(&d, paths[i], e);
        if (k < 0)
            return k;
    }
    return 0;
}

/* ---- a cluster ---- */

/* Items of a list need not say what they are. */
static void take_items(Arena *a, const KubeKind *kind, const Node *list, PlanObjects *to)
{
    const Node *items = node_get(list, "items");
    char version[128];
    if (!items || items->kind != NODE_ARRAY)
        return;
    NODE_EACH (item, items) {
        node_set_string(a, item, "apiVersion", kube_api_version(kind, version));
        node_set_string(a, item, "kind", kind->kind);
        plan_objects_add(to, item);
    }
}

static int list_kind(Kube *kube, Arena *a, const KubeKind *kind, PlanObjects *to, Error *e)
{
    const char *more = NULL;
    do {
        KubeAnswer answer;
        KubeRequest q = {.verb = KUBE_LIST, .kind = kind, .limit = PAGE, .continue_token = more};
        int r = kube_call(kube, &q, a, &answer, e);
        if (r < 0)
            return r;
        take_items(a, kind, answer.object, to);
        if (to->n > OBJECTS_MAX)
            return error_set(e, EFBIG, "the cluster has more than %d objects", OBJECTS_MAX);
        more = node_string(node_get_path(answer.object, "metadata.continue"));
    } while (more && *more);
    return 0;
}

static int read_cluster(Arena *a, PlanObjects *to, Report *r, Error *e)
{
    static const KubeKind policy = {"operator.openshift.io", "v1", "MachineConfiguration",
                                    "machineconfigurations", false};
    const struct {
        const KubeKind *kind;
        bool optional; /* a cluster need not know it */
    } kinds[] = {{&kube_machine_config_pool, false},
                 {&kube_machine_config, false},
                 {&kube_node, false},
                 {&kube_kubelet_config, true},
                 {&kube_container_runtime_config, true},
                 {&kube_controller_config, true},
                 {&policy, true}};
    const char *path = opt.kubeconfig ? opt.kubeconfig : getenv("KUBECONFIG");
    _cleanup_(kube_freep)
    Kube *kube = NULL;
    KubeConfig config;
    int k = kubeconfig_load(a, path, opt.context, &config, r);
    if (k < 0)
        return error_set(e, -k, "%s cannot be used", path);
    k = kube_http_new(&config, &(KubeHttpOptions){.agent = "basalt"}, &kube, e);
    for (size_t i = 0; i < ELEMENTS(kinds) && k >= 0; i++) {
        k = list_kind(kube, a, kinds[i].kind, to, e);
        if (k == -ENOENT && kinds[i].optional) {
            *e = ERROR_INIT;
            k = 0;
        }
    }
    return k;
}

/* ---- the verb ---- */

static int read_all(Arena *a, PlanInput *in, char **paths, size_t n, Report *r, Error *e)
{
    int k = read_files(&in->wanted, (const char *const *)paths, n, 0, r, e);
    in->whole = !opt.current.n;
    if (k >= 0)
        k = in->whole ? read_cluster(a, &in->current, r, e)
                      : read_files(&in->current, opt.current.items, opt.current.n, CURRENT_LEVELS, r, e);
    return k >= 0 && r->errors ? -EINVAL : k;
}

static void print_findings(Report *r)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    const char *form = opt.format ? opt.format : "text";
    report_sort(r);
    report_write(r,
                 !strcmp(form, "json")    ? REPORT_JSON
                 : !strcmp(form, "sarif") ? REPORT_SARIF
                                          : REPORT_TEXT,
                 &out);
    if (out.len)
        fwrite(out.data, 1, out.len, stderr);
}

static void print_plan(Arena *a, const Plan *p)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    if (opt.json) {
        json_write(plan_to_node(a, p), JSON_PRETTY2, &out);
        buf_add_char(&out, '\n');
    } else {
        plan_print(p, &out);
    }
    fwrite(out.data, 1, out.len, stdout);
}

static int run(Arena *a, PlanInput *in, int argc, char **argv, Report *r)
{
    static const int codes[] = {[PLAN_NOTHING] = 0,
                                [PLAN_CHANGE] = EXIT_WOULD_CHANGE,
                                [PLAN_REBOOT] = EXIT_WOULD_REBOOT,
                                [PLAN_REFUSED] = EXIT_REFUSED};
    _cleanup_(plan_freep)
    Plan *p = NULL;
    Error e = ERROR_INIT;
    int k = read_all(a, in, argv + 1, (size_t)argc - 1, r, &e);
    if (k >= 0)
        k = plan_make(a, in, &p, r);
    print_findings(r);
    if (e.code)
        fprintf(stderr, "basalt plan: %s\n", e.text);
    if (k < 0)
        return 1;
    print_plan(a, p);
    return codes[p->outcome];
}

int verb_plan(int argc, char **argv)
{
    const char *environment = getenv("KUBECONFIG");
    if (opt.current.n && opt.kubeconfig) {
        fprintf(stderr, "basalt plan: --current and --kubeconfig exclude each other\n");
        return EXIT_USAGE;
    }
    if (!opt.current.n && !opt.kubeconfig && (!environment || !*environment)) {
        fprintf(stderr, "basalt plan: say what there is: --kubeconfig FILE or --current DIR\n");
        return EXIT_USAGE;
    }
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    PlanInput in = {.os_image_url = opt.os_image};
    int code = run(a, &in, argc, argv, &r);
    free(in.current.items);
    free(in.wanted.items);
    return code;
}
