/* Command lines as rows: words in, exit code, values and text out. */
#include "../scratch.h"

#include <sys/mman.h>

#include "base/command.h"

static struct {
    bool force;
    const char *root, *format;
    StringList sets;
    unsigned retries;
    char ran[256]; /* the verb's words, joined */
} got;

static int record(int argc, char **argv)
{
    got.ran[0] = '\0';
    for (int i = 0; i < argc; i++) {
        strcat(got.ran, i ? " " : "");
        strcat(got.ran, argv[i]);
    }
    return 0;
}

static int seven(int argc, char **argv)
{
    record(argc, argv);
    return 7;
}

static const Option program_options[] = {
    {"root", 'r', OPTION_STRING, &got.root, "DIR", "where the machine is", NULL},
    {"force", 'f', OPTION_FLAG, &got.force, NULL, "do it anyway", NULL},
    {NULL},
};
static const Option render_options[] = {
    {"format", 0, OPTION_CHOICE, &got.format, "FORMAT", "how it is written", "json yaml"},
    {"set", 's', OPTION_LIST, &got.sets, "K=V",
     "a value for the template, which may be said as often as there are values to say, each in its turn",
     NULL},
    {"retries", 0, OPTION_UINT, &got.retries, "N", "how often", NULL},
    {NULL},
};
static const Verb create_verbs[] = {
    {"manifests", "DIR", "the manifests", NULL, record, NULL, 1, 1},
    {"ignition-configs", NULL, "the configs", NULL, record, NULL, 0, 0},
    {NULL},
};
static const Verb verbs[] = {
    {"render", "FILE…", "renders", render_options, record, NULL, 0, 3},
    {"create", NULL, "creates", NULL, NULL, create_verbs, 0, 0},
    {"fail", NULL, "fails", NULL, seven, NULL, 0, 0},
    {NULL},
};
static const Program program = {.name = "tool",
                                .summary = "a tool",
                                .version = "1.2",
                                .man = "tool(1)",
                                .options = program_options,
                                .verbs = verbs};
static const Program go_like = {.name = "prov",
                                .summary = "one dash",
                                .version = "1",
                                .options = program_options,
                                .run = record,
                                .max_args = 2,
                                .single_dash_long = true};

typedef struct Result {
    int code;
    char out[8192]; /* stdout and stderr */
} Result;

static Result run(const Program *p, const char *line)
{
    Result r = {0};
    char words[256], *argv[20] = {(char *)p->name}, *save = NULL;
    int argc = 1, fd = memfd_create("output", 0), former[2] = {dup(1), dup(2)};
    snprintf(words, sizeof(words), "%s", line);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = strcmp(w, "''") == 0 ? (char *)"" : w;
    string_list_done(&got.sets);
    memset(&got, 0, sizeof(got));
    fflush(NULL);
    dup2(fd, 1);
    dup2(fd, 2);
    r.code = program_main(p, argc, argv);
    fflush(NULL);
    dup2(former[0], 1);
    dup2(former[1], 2);
    close(former[0]);
    close(former[1]);
    assert_true(pread(fd, r.out, sizeof(r.out) - 1, 0) >= 0);
    close(fd);
    return r;
}

typedef struct Good {
    const Program *program;
    const char *line, *ran, *root;
    bool force;
} Good;

static const Good good[] = {
    {&program, "render", "render", NULL, false},
    {&program, "-r /x render a", "render a", "/x", false},
    {&program, "render a -r/x -f b", "render a b", "/x", true},
    {&program, "render -r=/x", "render", "/x", false},
    {&program, "--root=/x render --root /y", "render", "/y", false},
    {&program, "--root= render", "render", "", false},
    {&program, "render -- --force -x", "render --force -x", NULL, false},
    {&program, "render -", "render -", NULL, false},
    {&program, "create manifests d --force", "manifests d", NULL, true},
    {&program, "--force create ignition-configs", "ignition-configs", NULL, true},
    {&program, "--force --force=false fail", "fail", NULL, false},
    {&go_like, "-root /x -force a", "a", "/x", true},
    {&go_like, "--root=/x -force=false", "", "/x", false},
    {&go_like, "-root=/x --force=true a b", "a b", "/x", true},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(good); i++) {
        Result r = run(good[i].program, good[i].line);
        if (r.code != (strcmp(good[i].ran, "fail") == 0 ? 7 : 0))
            fail_msg("'%s': %d: %s", good[i].line, r.code, r.out);
        assert_string_equal(got.ran, good[i].ran);
        assert_int_equal(got.force, good[i].force);
        if (good[i].root)
            assert_string_equal(got.root, good[i].root);
        else
            assert_null(got.root);
    }
    run(&program, "render --set a=1 -s b=2 --format yaml --retries 5");
    assert_int_equal(got.sets.n, 2);
    assert_string_equal(got.sets.items[1], "b=2");
    assert_string_equal(got.format, "yaml");
    assert_int_equal(got.retries, 5);
    string_list_done(&got.sets);
}

typedef struct Bad {
    const Program *program;
    const char *line, *said;
} Bad;

static const Bad bad[] = {
    {&program, "", "usage: tool VERB"},
    {&program, "rendr", "unknown verb 'rendr'; did you mean 'render'?"},
    {&program, "xyzzy", "unknown verb 'xyzzy'\n"},
    {&program, "create manifest", "unknown verb 'manifest'; did you mean 'manifests'?"},
    {&program, "create", "tool create: say which verb"},
    {&program, "create manifests", "missing argument: DIR"},
    {&program, "fail more", "unexpected argument 'more'"},
    {&program, "render a b c d", "unexpected argument 'd'"},
    {&program, "render --frmat json", "unknown option '--frmat'; did you mean '--format'?"},
    {&program, "fail --format json", "unknown option '--format'"}, /* another verb's */
    {&program, "render --quux", "unknown option '--quux'\n"},
    {&program, "render -q", "unknown option '-q'"},
    {&program, "render --root", "--root wants a value: --root DIR"},
    {&program, "render --format xml", "--format is one of: json yaml; not 'xml'"},
    {&program, "render --format js", "--format is one of"}, /* no prefix */
    {&program, "render --retries -1", "wants a number"},
    {&program, "render --retries 4294967296", "wants a number"},
    {&program, "render --retries 5x", "wants a number"},
    {&program, "render --force=maybe", "true or false"},
    {&go_like, "-forc", "did you mean '--force'?"},
    {&go_like, "a b c", "unexpected argument 'c'"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        Result r = run(bad[i].program, bad[i].line);
        if (r.code != EXIT_USAGE || !strstr(r.out, bad[i].said))
            fail_msg("'%s': %d: %s", bad[i].line, r.code, r.out);
        assert_string_equal(got.ran, "");
    }
}

static void test_help(void **state)
{
    (void)state;
    static const char *const lines[] = {"--help", "render --help", "create --help", "--help render"};
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        Result r = run(&program, lines[i]);
        assert_int_equal(r.code, 0);
        assert_non_null(strstr(r.out, "usage: tool"));
        assert_non_null(strstr(r.out, "--root DIR"));
        for (char *save = NULL, *l = strtok_r(r.out, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
            if (strlen(l) > 80 && !strstr(l, "…"))
                fail_msg("more than 80 columns: %s", l);
    }
    assert_string_equal(run(&program, "--version").out, "tool 1.2\n");
    assert_int_equal(run(&go_like, "-version").code, 0);
    assert_int_equal(run(&go_like, "-help").code, 0);
}

static void test_complete(void **state)
{
    (void)state;
    assert_string_equal(run(&program, "__complete ''").out, "render\ncreate\nfail\n");
    assert_string_equal(run(&program, "__complete create ''").out, "manifests\nignition-configs\n");
    assert_string_equal(run(&program, "__complete render --format ''").out, "json\nyaml\n");
    assert_string_equal(run(&program, "__complete render --root ''").out, "@file\n");
    assert_string_equal(run(&program, "__complete render -r ''").out, "@file\n");
    assert_string_equal(run(&program, "__complete render ''").out, "@file\n");
    Result r = run(&program, "__complete render --");
    assert_non_null(strstr(r.out, "--format\n"));
    assert_non_null(strstr(r.out, "--root\n"));
    assert_null(strstr(r.out, "json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_help), cmocka_unit_test(test_complete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
