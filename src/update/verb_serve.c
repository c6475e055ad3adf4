/* `basalt-os serve`: one request from the socket that is its standard input, answered by a verb of this same
 * program. systemd accepts the connections (basalt-os.socket) and starts one of us for each, so that nothing
 * runs while nobody asks, and a verb that fails takes nobody along. Order: who is it; one line, a JSON
 * object; a command line made of it; the verb, whose words go to the events. A request:
 *   {"verb": "upgrade", "options": {"check": true, "karg": ["quiet"]}, "arguments": []}
 * Hanging up cancels what can be cancelled. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/file.h"
#include "format/json.h"
#include "update/events.h"
#include "update/program.h"

enum { REQUEST_MAX = 64 << 10, REQUEST_GIVE_UP = 4 << 20, REQUEST_WORDS_MAX = 256, SAID_MAX = 64 << 10 };

/* `init`, `install` and `serve` are for people, and of the program's own options none can be set from
 * outside. */
static const char *const served[] = {"status", "upgrade", "switch",  "deploy", "rollback", "pin",   "kargs",
                                     "diff",   "cleanup", "overlay", "repair", "finalize", "reset", "verify"};
static const char *const not_options[] = {"sysroot", "json", "quiet", "config-root", "authfile", "help"};

/* ---- the request ---- */

static int read_line(int fd, Buf *ret, Error *e)
{
    size_t length = 0;
    for (;;) {
        char *to = buf_reserve(ret, 4096);
        ssize_t n = recv(fd, to, 4096, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? error_errno(e, -errno, "the request")
                         : error_set(e, EBADMSG, "the request has no end");
        /* What is too long is read to its end all the same: who hangs up on unread words takes the answer
         * with it. */
        const bool whole = memchr(to, '\n', (size_t)n);
        length += (size_t)n;
        if (length <= REQUEST_MAX)
            ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        if (length > REQUEST_MAX && (whole || length > REQUEST_GIVE_UP))
            return error_set(e, EMSGSIZE, "the request is too long");
        if (whole)
            return 0;
    }
}

typedef struct Words {
    char *items[REQUEST_WORDS_MAX + 1];
    int n;
} Words;

static int add_word(Words *w, char *word, Error *e)
{
    if (w->n == REQUEST_WORDS_MAX)
        return error_set(e, E2BIG, "the request has too many words");
    w->items[w->n++] = word;
    return 0;
}

static bool among(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

static int add_option(Arena *a, Words *w, const char *name, const Node *value, Error *e)
{
    int r = 0;
    if (!*name || *name == '-' || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name) ||
        among(not_options, ELEMENTS(not_options), name))
        return error_set(e, EINVAL, "there is no option \"%s\" for programs", name);
    switch (value->kind) {
    case NODE_BOOL:
        return value->boolean ? add_word(w, arena_printf(a, "--%s", name), e) : 0;
    case NODE_STRING:
    case NODE_NUMBER:
        return add_word(w, arena_printf(a, "--%s=%s", name, value->string), e);
    case NODE_ARRAY:
        NODE_EACH (item, value)
            if (r >= 0)
                r = item->kind == NODE_STRING
                        ? add_word(w, arena_printf(a, "--%s=%s", name, item->string), e)
                        : error_set(e, EINVAL, "the option \"%s\" takes a list of texts", name);
        return r;
    default:
        return error_set(e, EINVAL, "the option \"%s\" has %s", name, node_kind_name(value->kind));
    }
}

static int command_line(Arena *a, const Node *request, Words *w, Error *e)
{
    const char *verb = node_string(node_get(request, "verb"));
    const Node *chosen = node_get(request, "options"), *arguments = node_get(request, "arguments");
    if (!verb || !among(served, ELEMENTS(served), verb))
        return error_set(e, EINVAL, "a request names one of the verbs that programs may ask for");
    if ((chosen && chosen->kind != NODE_OBJECT) || (arguments && arguments->kind != NODE_ARRAY))
        return error_set(e, EINVAL, "\"options\" is an object, \"arguments\" is a list");
    int r = add_word(w, arena_strdup(a, "basalt-os"), e);
    if (r >= 0)
        r = add_word(w, arena_strdup(a, verb), e);
    if (chosen)
        NODE_EACH (option, chosen)
            if (r >= 0)
                r = add_option(a, w, option->key, option, e);
    if (r >= 0)
        r = add_word(w, arena_strdup(a, "--"), e);
    if (arguments)
        NODE_EACH (argument, arguments)
            if (r >= 0)
                r = argument->kind == NODE_STRING && strlen(argument->string) == argument->len
                        ? add_word(w, arena_strdup(a, argument->string), e)
                        : error_set(e, EINVAL, "\"arguments\" is a list of texts");
    return r;
}

static int request_read(Arena *a, int fd, Words *w, Error *e)
{
    _cleanup_buf_ Buf line = BUF_INIT;
    _cleanup_report_ Report r = REPORT_INIT(a);
    Node *request;
    int n = read_line(fd, &line, e);
    if (n < 0)
        return n;
    const Source source = {.name = "request", .text = line.data, .len = line.len};
    if (json_read(a, &source, SEVERITY_ERROR, &request, &r) < 0)
        return error_set(e, EBADMSG, "%s", r.n ? r.entries[0].message : "the request is no JSON");
    return command_line(a, request, w, e);
}

/* ---- the answer ---- */

/* The connection is root's alone by its mode; this is for a socket that somebody opened wider. */
static int who_is_it(int fd, Error *e)
{
    struct ucred who;
    socklen_t n = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
        return error_errno(e, -errno, "standard input is no socket");
    return who.uid == 0 || who.uid == geteuid() ? 0 : error_set(e, EPERM, "only root may ask");
}

static int quiet_descriptor(int fd, int flags)
{
    _cleanup_close_ int null = open("/dev/null", flags | O_CLOEXEC);
    return null < 0 || dup2(null, fd) < 0 ? -errno : 0;
}

static void send_exit(int code)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *n = node_new(a, NODE_OBJECT);
    node_set(a, n, "exit", node_new_int(a, code));
    events_send(n);
}

/* What the command line's reader said of an option that is none stands on standard error. */
static void send_said(int fd)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    fflush(stderr);
    if (lseek(fd, 0, SEEK_SET) < 0 || file_read_fd(fd, SAID_MAX, &text) < 0 || text.len == 0)
        return;
    text.data[strcspn(text.data, "\n")] = '\0';
    Error e = ERROR_INIT;
    error_set(&e, EINVAL, "%s", text.data);
    (void)verb_failed("serve", &e);
}

int verb_serve(int argc _unused_, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    Error e = ERROR_INIT;
    Words words = {.n = 0};
    _cleanup_close_ int socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    _cleanup_close_ int said = memfd_create("said", MFD_CLOEXEC);
    int r = socket < 0 || said < 0 ? error_errno(&e, -errno, "standard input") : who_is_it(socket, &e);
    if (r < 0)
        return verb_failed(argv[0], &e);
    if (quiet_descriptor(STDIN_FILENO, O_RDONLY) < 0 || quiet_descriptor(STDOUT_FILENO, O_WRONLY) < 0 ||
        dup2(said, STDERR_FILENO) < 0)
        return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN);
    events_to(socket);
    options.json = true;
    r = request_read(a, socket, &words, &e);
    if (r < 0) {
        int code = verb_failed("serve", &e);
        send_exit(code);
        return EXIT_DONE;
    }
    int code = program_main(&basalt_os_program, words.n, words.items);
    if (code == EXIT_USAGE)
        send_said(said);
    send_exit(code);
    return EXIT_DONE;
}
