/* `basalt validate FILE...`: what a file is, is seen from what stands in it: an object with `ignition` is an
 * Ignition config, one with `kind` a Kubernetes object, one with `baseDomain` or `metadata` an install
 * config. Kubernetes objects that Basalt does not know are no concern of it. All findings of all files are
 * printed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "format/yaml.h"
#include "ignition/parse.h"
#include "installer/install_config.h"
#include "installer/verbs.h"
#include "machineconfig/machine_config.h"
#include "machineconfig/machine_config_pool.h"

enum { FILE_SIZE_MAX = 64 << 20 };

static struct {
    const char *format;
    bool lenient, strict;
} opt;

const Option validate_options[] = {
    {"format", 0, OPTION_CHOICE, &opt.format, "FORM", "of findings: text (default), json, sarif, ignition",
     "text json sarif ignition"},
    {"lenient", 0, OPTION_FLAG, &opt.lenient, NULL,
     "a key that stands twice is a warning; the last one counts", NULL},
    {"strict", 0, OPTION_FLAG, &opt.strict, NULL, "warnings fail too", NULL},
    {0},
};

static ReportFormat report_format(void)
{
    static const struct {
        const char *name;
        ReportFormat format;
    } formats[] = {{"json", REPORT_JSON}, {"sarif", REPORT_SARIF}, {"ignition", REPORT_IGNITION}};

    for (size_t i = 0; opt.format && i < ELEMENTS(formats); i++)
        if (strcmp(opt.format, formats[i].name) == 0)
            return formats[i].format;
    return REPORT_TEXT;
}

static void validate_object(Arena *a, const Node *document, Report *r)
{
    MachineConfig *mc;
    MachineConfigPool *pool;

    if (machine_config_is(document))
        machine_config_read(a, document, &mc, r);
    else if (machine_config_pool_is(document))
        machine_config_pool_read(a, document, &pool, r);
}

static void validate_ignition(Arena *a, const Source *source, Report *r)
{
    IgnConfig *config;
    ign_config_parse_newest(a, source, opt.lenient ? IGN_PARSE_DUPLICATE_KEYS_OK : IGN_PARSE_STRICT, &config,
                            r);
}

/* Is one of the documents a secret as such? */
static bool has_secret(const Node *documents)
{
    NODE_EACH (document, documents) {
        const char *kind = node_string(node_get(document, "kind"));
        if (kind && strcmp(kind, "Secret") == 0)
            return true;
    }
    return false;
}

static void validate_text(Arena *a, Source *source, Report *r)
{
    Severity duplicates = opt.lenient ? SEVERITY_WARNING : SEVERITY_ERROR;
    _cleanup_report_ Report own = REPORT_INIT(a);
    Node *documents;
    InstallConfig *config;

    /* The first reading only finds out what it is; each kind is then read by its own rules. */
    if (yaml_read_all(a, source, SEVERITY_WARNING, &documents, &own) < 0) {
        source->secret = true; /* nobody knows what it is: its lines are not shown */
        yaml_read_all(a, source, duplicates, &documents, r);
        return;
    }
    const Node *first = documents->first;
    bool install_config =
        !node_get(first, "kind") && (node_get(first, "baseDomain") || node_get(first, "metadata"));
    source->secret = install_config || has_secret(documents);
    if (!first || node_get(first, "ignition"))
        validate_ignition(a, source, r);
    else if (install_config)
        install_config_read(a, source, duplicates, &config, r);
    else if (node_get(first, "kind")) {
        if (yaml_read_all(a, source, duplicates, &documents, r) == 0)
            NODE_EACH (document, documents)
                validate_object(a, document, r);
    } else
        report_add_at(r, SEVERITY_ERROR, source, first->line, first->column,
                      "neither an install config nor a Kubernetes object nor an Ignition config");
}

int verb_validate(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf out = BUF_INIT;
    bool unreadable = false;

    for (int i = 1; i < argc; i++) {
        _cleanup_buf_ Buf text = BUF_INIT;
        Source *source = ARENA_NEW(a, Source);
        Error e = ERROR_INIT;
        if (file_read_at(AT_FDCWD, argv[i], FILE_SIZE_MAX, &text, &e) < 0) {
            fprintf(stderr, "basalt validate: %s\n", e.text);
            unreadable = true;
            continue;
        }
        *source = (Source){.name = argv[i], .len = text.len};
        source->text = arena_memdup(a, text.data ? text.data : "", text.len);
        validate_text(a, source, &r);
    }
    report_write(&r, report_format(), &out);
    fwrite(out.data ? out.data : "", 1, out.len, stdout);
    return unreadable || r.errors || (opt.strict && r.warnings) ? 1 : 0;
}
