/* An install config that nobody wrote: out of options, or by asking when a person sits at the terminal.
 * Whatever is missing is named all at once. What comes out is YAML with every default written out; whether it
 * is valid is decided where every install config is read. */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#include "base/file.h"
#include "format/utf8.h"
#include "installer/generators.h"
#include "installer/install_field.h"
#include "installer/install_log.h"

enum { ANSWER_MAX = 1 << 20, FILE_TEXT_MAX = 1 << 20 };

typedef struct Question {
    const char *path, *option, *prompt; /* prompt NULL: never asked for */
    const char *value, *file;           /* at most one is set */
    bool required, secret, number;
} Question;

static bool person_is_there(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* One line; a secret is not echoed. */
static const char *ask(Arena *a, const char *prompt, bool secret)
{
    struct termios before, quiet;
    char *line = NULL;
    size_t size = 0;
    bool hidden = secret && tcgetattr(STDIN_FILENO, &before) == 0;

    if (hidden) { /* before the prompt: what is typed at it must neither show nor be thrown away */
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON); /* a pull secret is longer than a terminal's line */
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    fprintf(stderr, "? %s ", prompt);
    ssize_t n = getline(&line, &size, stdin);
    if (hidden) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
        fputc('\n', stderr);
    }
    if (n > 0 && line[n - 1] == '\n')
        n--;
    const char *answer = n > 0 && n < ANSWER_MAX ? arena_memdup(a, line, (size_t)n) : NULL;
    if (line)
        explicit_bzero(line, size);
    free(line);
    return answer;
}

/* The public keys of the person who asks are offered by name. */
static const char *ask_ssh_key(Arena *a)
{
    const char *home = getenv("HOME");
    glob_t found = {0};
    const char *file = NULL;

    if (!home || glob(arena_printf(a, "%s/.ssh/*.pub", home), 0, NULL, &found) != 0)
        return NULL;
    for (size_t i = 0; i < found.gl_pathc; i++)
        fprintf(stderr, "  %zu) %s\n", i + 1, found.gl_pathv[i]);
    const char *answer = ask(a, "SSH Public Key [number, <none>]:", false);
    unsigned long number = answer ? strtoul(answer, NULL, 10) : 0;
    if (number >= 1 && number <= found.gl_pathc)
        file = arena_strdup(a, found.gl_pathv[number - 1]);
    globfree(&found);
    return file;
}

static int read_text(Arena *a, const char *path, const char **ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int r = file_read_at(AT_FDCWD, path, FILE_TEXT_MAX, &text, e);
    if (r < 0)
        return r;
    if (!utf8_is_valid(text.data ? text.data : "", text.len) || (text.len && memchr(text.data, 0, text.len)))
        return error_set(e, EINVAL, "'%s' is not text", path);
    while (text.len && strchr("\r\n", text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    *ret = arena_memdup(a, text.data ? text.data : "", text.len);
    return 0;
}

/* What every question still lacks, or -EBADMSG with all that is missing. */
static int answer_all(AssetStore *s, Question *questions, size_t n, Error *e)
{
    Arena *a = asset_store_arena(s);
    _cleanup_buf_ Buf missing = BUF_INIT;
    bool person = person_is_there();

    for (size_t i = 0; i < n; i++) {
        Question *q = &questions[i];
        if (!q->value && !q->file && person && q->prompt) {
            if (strcmp(q->path, "sshKey") == 0)
                q->file = ask_ssh_key(a);
            else
                q->value = ask(a, q->prompt, q->secret);
        }
        if (q->file) {
            int r = read_text(a, q->file, &q->value, e);
            if (r < 0)
                return error_wrap(e, r, "--%s", q->option);
        }
        if (q->required && (!q->value || !*q->value))
            buf_addf(&missing, "%s--%s", missing.len ? ", " : "", q->option);
    }
    if (!missing.len)
        return 0;
    return error_set(e, EBADMSG,
                     "there is no install-config.yaml in %s, and these options are missing to make one: %s",
                     asset_store_options(s)->dir, missing.data);
}

static void put_value(Arena *a, Node *document, const Question *q)
{
    const char *dot = strchr(q->path, '.');
    Node *object = document, *value;

    if (dot) {
        const char *parent = arena_memdup(a, q->path, (size_t)(dot - q->path));
        object = node_get(document, parent);
        if (!object)
            object = node_set(a, document, parent, node_new(a, NODE_OBJECT));
    }
    if (q->number) {
        value = node_new(a, NODE_NUMBER);
        value->string = arena_strdup(a, q->value);
        value->len = strlen(q->value);
    } else
        value = node_new_string(a, q->value);
    node_set(a, object, dot ? dot + 1 : q->path, value);
}

static bool is_number(const char *text)
{
    return *text && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text);
}

int install_config_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    const InstallerOptions *o = asset_store_options(s);
    Arena *a = asset_store_arena(s);
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    Question questions[] = {
        {"sshKey", "ssh-key-file", "SSH Public Key", .file = o->ssh_key_file},
        {"baseDomain", "base-domain", "Base Domain", .value = o->base_domain, .required = true},
        {"metadata.name", "name", "Cluster Name", .value = o->name, .required = true},
        {"pullSecret", "pull-secret-file", "Pull Secret [empty: none]", .file = o->pull_secret_file,
         .secret = true},
        {"additionalTrustBundle", "additional-trust-bundle-file", .file = o->trust_bundle_file},
        {"controlPlane.replicas", "masters", .value = o->control_plane_replicas, .number = true},
    };
    Node *document = node_new(a, NODE_OBJECT), *platform = node_new(a, NODE_OBJECT);

    int r = answer_all(s, questions, ELEMENTS(questions), e);
    if (r < 0)
        return r;
    node_set_string(a, document, "apiVersion", "v1");
    node_set(a, platform, "none", node_new(a, NODE_OBJECT));
    node_set(a, document, "platform", platform);
    for (size_t i = 0; i < ELEMENTS(questions); i++) {
        Question *q = &questions[i];
        if (!q->value || !*q->value)
            continue;
        if (q->number && !is_number(q->value))
            return error_set(e, EBADMSG, "--%s: '%s' is not a number", q->option, q->value);
        put_value(a, document, q);
    }
    install_fields_fill(a, document);
    if (o->compute_replicas) {
        if (!is_number(o->compute_replicas))
            return error_set(e, EBADMSG, "--workers: '%s' is not a number", o->compute_replicas);
        put_value(a, node_get(document, "compute")->first,
                  &(Question){.path = "replicas", .value = o->compute_replicas, .number = true});
    }
    yaml_write(document, true, &text);
    asset_value_add(a, ret, "install-config.yaml", text.data, text.len);
    return 0;
}
