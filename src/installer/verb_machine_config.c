/* `basalt create machine-config`: a directory tree, a base Ignition config and a few names become one
 * MachineConfig, as YAML. Files keep their permissions and their path below the tree; a unit that is named by
 * --enable becomes a unit, so that it is enabled when the config is applied (an instance of a template needs
 * no file of its own). What comes out is read back by the rules of MachineConfigs before it is printed.
 * Refused: links (unless --dereference), devices, sockets, files that are too large, paths that are no text.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/command.h"
#include "base/file.h"
#include "format/data_url.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/translate.h"
#include "installer/verbs.h"
#include "machineconfig/machine_config.h"

enum { TREE_FILES_MAX = 10000, TREE_DEPTH_MAX = 64 };
#define UNIT_DIR "/etc/systemd/system/"

static struct {
    const char *name, *role, *tree, *base, *version, *output;
    StringList enable, kernel_arguments;
    bool dereference;
} opt = {.version = "3.2.0"};

const Option machine_config_options[] = {
    {"name", 'n', OPTION_STRING, &opt.name, "NAME", "metadata.name, such as 10-worker-chrony", NULL},
    {"role", 'r', OPTION_STRING, &opt.role, "ROLE", "the pool that it is for: master, worker, ...", NULL},
    {"tree", 't', OPTION_STRING, &opt.tree, "DIR", "a directory whose files are to be on the machine", NULL},
    {"base", 'b', OPTION_STRING, &opt.base, "FILE", "an Ignition config to start from, of any version", NULL},
    {"enable", 'e', OPTION_LIST, &opt.enable, "UNIT", "a systemd unit to enable; may stand several times",
     NULL},
    {"kernel-argument", 'k', OPTION_LIST, &opt.kernel_arguments, "ARG", "may stand several times", NULL},
    {"dereference", 0, OPTION_FLAG, &opt.dereference, NULL, "take what links of the tree point at", NULL},
    {"ignition-version", 0, OPTION_STRING, &opt.version, "VERSION", "of the Ignition part (3.2.0)", NULL},
    {"output", 'o', OPTION_STRING, &opt.output, "FILE", "write there instead of standard output", NULL},
    {0},
};

typedef struct Tree {
    Arena *arena;
    IgnFile *files;
    size_t n, size;
} Tree;

static void add_file(Tree *t, const char *path, const Buf *text, mode_t mode)
{
    _cleanup_buf_ Buf percent = BUF_INIT, base64 = BUF_INIT;
    data_url_encode_percent(text->data, text->len, &percent);
    data_url_encode_base64("", text->data, text->len, &base64);
    const Buf *url = base64.len < percent.len ? &base64 : &percent;
    if (t->n == t->size) {
        t->size = t->size ? t->size * 2 : 16;
        t->files = realloc(t->files, t->size * sizeof(*t->files));
        if (!t->files)
            abort();
    }
    t->files[t->n++] = (IgnFile){.base = {.path = arena_strdup(t->arena, path), .overwrite = BOOL_TRUE},
                                 .mode = {.set = true, .value = mode & 0777},
                                 .contents = {.source = arena_memdup(t->arena, url->data, url->len)}};
}

static int take_directory(Tree *t, int fd, const char *path, unsigned depth, Error *e);

static int take_entry(Tree *t, int dir, const char *name, const char *path, unsigned depth, Error *e)
{
    _cleanup_close_ int fd =
        openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | (opt.dereference ? 0 : O_NOFOLLOW));
    struct stat st;
    if (fd < 0 && errno == ELOOP)
        return error_set(e, ELOOP, "%s%s is a link; --dereference takes what it points at", opt.tree, path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(e, -errno, "%s%s", opt.tree, path);
    if (S_ISDIR(st.st_mode))
        return take_directory(t, TAKE_FD(fd), path, depth + 1, e);
    if (!S_ISREG(st.st_mode))
        return error_set(e, EINVAL, "%s%s is neither a file nor a directory", opt.tree, path);
    if (t->n == TREE_FILES_MAX)
        return error_set(e, EFBIG, "%s has more than %d files", opt.tree, TREE_FILES_MAX);
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = file_read_fd(fd, MACHINE_CONFIG_SIZE_MAX, &text);
    if (r < 0)
        return error_errno(e, r, "%s%s", opt.tree, path);
    add_file(t, path, &text, st.st_mode);
    return 0;
}

static int is_name(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

/* Takes fd. In the order of names, so that the same tree gives the same text. */
static int take_directory(Tree *t, int fd, const char *path, unsigned depth, Error *e)
{
    _cleanup_close_ int dir = fd;
    struct dirent **names;
    if (depth > TREE_DEPTH_MAX)
        return error_set(e, ELOOP, "%s%s is nested too deep", opt.tree, path);
    int n = scandirat(dir, ".", &names, is_name, alphasort), r = 0;
    if (n < 0)
        return error_errno(e, -errno, "%s%s", opt.tree, path);
    for (int i = 0; i < n; i++) {
        if (r >= 0)
            r = take_entry(t, dir, names[i]->d_name, arena_printf(t->arena, "%s/%s", path, names[i]->d_name),
                           depth, e);
        free(names[i]);
    }
    free(names);
    return r;
}

/* The unit's own file becomes its contents: as a file it would collide with the unit. */
static const char *take_unit_file(Tree *t, const char *unit)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *path = t->files[i].base.path;
        if (strncmp(path, UNIT_DIR, strlen(UNIT_DIR)) || strcmp(path + strlen(UNIT_DIR), unit))
            continue;
        _cleanup_buf_ Buf text = BUF_INIT;
        if (data_url_decode(t->files[i].contents.source, &text, NULL) < 0)
            return NULL;
        memmove(&t->files[i], &t->files[i + 1], (t->n - i - 1) * sizeof(*t->files));
        t->n--;
        return arena_memdup(t->arena, text.data, text.len);
    }
    return NULL;
}

static IgnConfig *own_part(Tree *t)
{
    IgnConfig *c = ign_config_empty(t->arena);
    IgnUnit *units = ARENA_ARRAY(t->arena, IgnUnit, opt.enable.n + 1);
    for (size_t i = 0; i < opt.enable.n; i++)
        units[i] = (IgnUnit){.name = opt.enable.items[i],
                             .enabled = BOOL_TRUE,
                             .contents = take_unit_file(t, opt.enable.items[i])};
    c->systemd.units = (IgnList){.items = units, .n = opt.enable.n};
    IgnFile *files = ARENA_ARRAY(t->arena, IgnFile, t->n + 1);
    if (t->n)
        memcpy(files, t->files, t->n * sizeof(*files));
    c->storage.files = (IgnList){.items = files, .n = t->n};
    return c;
}

static int read_base(Arena *a, IgnConfig **ret, Report *report, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = file_read_at(AT_FDCWD, opt.base, 16 << 20, &text, e);
    if (r < 0)
        return r;
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = opt.base, .text = arena_memdup(a, text.data, text.len), .len = text.len};
    r = ign_config_parse_newest(a, source, IGN_PARSE_STRICT, ret, report);
    return r < 0 ? error_set(e, EINVAL, "%s cannot be used", opt.base) : 0;
}

static Node *make_object(Arena *a, const IgnConfig *config)
{
    Node *object = node_new(a, NODE_OBJECT), *meta, *spec, *arguments;
    node_set_string(a, object, "apiVersion", MACHINE_CONFIG_API);
    node_set_string(a, object, "kind", "MachineConfig");
    meta = node_set(a, object, "metadata", node_new(a, NODE_OBJECT));
    node_set_string(a, meta, "name", opt.name);
    node_set_string(a, node_set(a, meta, "labels", node_new(a, NODE_OBJECT)), MACHINE_CONFIG_ROLE_LABEL,
                    opt.role);
    spec = node_set(a, object, "spec", node_new(a, NODE_OBJECT));
    node_set(a, spec, "config", ign_config_to_node(a, config));
    if (!opt.kernel_arguments.n)
        return object;
    arguments = node_set(a, spec, "kernelArguments", node_new(a, NODE_ARRAY));
    for (size_t i = 0; i < opt.kernel_arguments.n; i++)
        node_append(arguments, node_new_string(a, opt.kernel_arguments.items[i]));
    return object;
}

static int make(Tree *t, Node **ret, Report *report, Error *e)
{
    Arena *a = t->arena;
    IgnConfig *base = ign_config_empty(a), *config;
    IgnVersion version;
    int r = ign_version_parse(opt.version, &version, e);
    if (r >= 0 && opt.base)
        r = read_base(a, &base, report, e);
    if (r >= 0 && opt.tree) {
        int fd = open(opt.tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? error_errno(e, -errno, "%s", opt.tree) : take_directory(t, fd, "", 0, e);
    }
    if (r < 0)
        return r;
    if (ign_config_lower(a, ign_config_merge(a, base, own_part(t)), version, &config, report) < 0)
        return error_set(e, EINVAL, "spec %s cannot say this", opt.version);
    MachineConfig *checked;
    *ret = make_object(a, config);
    return machine_config_read(a, *ret, &checked, report) < 0
               ? error_set(e, EINVAL, "the MachineConfig is not valid")
               : 0;
}

static int put(const Node *object, Error *e)
{
    _cleanup_buf_ Buf yaml = BUF_INIT;
    yaml_write(object, false, &yaml);
    if (!opt.output) {
        fwrite(yaml.data, 1, yaml.len, stdout);
        return 0;
    }
    int r = file_write_at(AT_FDCWD, opt.output, yaml.data, yaml.len, FILE_WRITE(.mode = 0600, .sync = true));
    return r < 0 ? error_errno(e, r, "writing %s", opt.output) : 0;
}

int verb_machine_config(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (!opt.name || !opt.role || (!opt.tree && !opt.base && !opt.enable.n && !opt.kernel_arguments.n)) {
        fprintf(stderr,
                "basalt create machine-config: wants --name, --role, and something to say: --tree, --base, "
                "--enable or --kernel-argument\n");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < opt.enable.n; i++)
        if (!strchr(opt.enable.items[i], '.')) {
            fprintf(stderr,
                    "basalt create machine-config: --enable: '%s' has no type; did you mean '%s.service'?\n",
                    opt.enable.items[i], opt.enable.items[i]);
            return EXIT_USAGE;
        }
    _cleanup_arena_ Arena *arena = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(arena);
    _cleanup_buf_ Buf findings = BUF_INIT;
    Tree tree = {.arena = arena};
    Error e = ERROR_INIT;
    Node *object = NULL;
    int r = make(&tree, &object, &report, &e);
    report_write(&report, REPORT_TEXT, &findings);
    if (findings.len)
        fwrite(findings.data, 1, findings.len, stderr);
    if (r >= 0)
        r = put(object, &e);
    if (r < 0)
        fprintf(stderr, "basalt create machine-config: %s\n", e.text);
    free(tree.files);
    string_list_done(&opt.enable);
    string_list_done(&opt.kernel_arguments);
    return r < 0 ? 1 : 0;
}
