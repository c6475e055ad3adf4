/* Programs that end well, badly, late or never, and those that leave somebody behind. */
#include "../scratch.h"

#include <signal.h>
#include <time.h>

#include "base/process.h"

#define SH(...) ((const char *const[]){"sh", "-c", __VA_ARGS__, NULL})

static int run(ProcessRun how, const char *script, Error *e)
{
    how.argv = SH(script);
    return process_run(&how, e);
}

static void test_output_and_input(void **state)
{
    (void)state;
    _cleanup_buf_ Buf out = BUF_INIT;
    assert_int_equal(run((ProcessRun){.output = &out, .input = "fed", .input_len = 3}, "cat; pwd", NULL), 0);
    assert_int_equal(strncmp(out.data, "fed/", 4), 0);
    _cleanup_buf_ Buf none = BUF_INIT;
    assert_int_equal(run((ProcessRun){.output = &none}, "cat", NULL), 0); /* stdin is /dev/null */
    assert_int_equal(none.len, 0);
    _cleanup_buf_ Buf where = BUF_INIT;
    const ProcessRun env = {.output = &where,
                            .chdir = "/usr",
                            .env = (const char *const[]){"BASALT_T=1", "HOME=/x", NULL},
                            .argv = SH("echo $BASALT_T $HOME; pwd")};
    assert_int_equal(process_run(&env, NULL), 0);
    assert_string_equal(where.data, "1 /x\n/usr\n");
}

/* More than any pipe holds, both ways at once; and a child that reads nothing of it. */
static void test_no_deadlock(void **state)
{
    (void)state;
    const size_t size = 1 << 20;
    _cleanup_free_ char *big = calloc(1, size);
    _cleanup_buf_ Buf out = BUF_INIT;
    ProcessRun how = {.output = &out, .output_max = size, .input = big, .input_len = size, .timeout_sec = 60};
    assert_int_equal(run(how, "cat", NULL), 0);
    assert_int_equal(out.len, size);
    assert_int_equal(run((ProcessRun){.input = big, .input_len = size}, "exit 0", NULL), 0);
}

static void test_failures(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    assert_int_equal(run((ProcessRun){0}, "echo first >&2; echo why >&2; exit 3", &e), 3);
    assert_string_equal(e.text, "sh: why");
    assert_int_equal(run((ProcessRun){0}, "exit 130", &e), 130);
    assert_string_equal(e.text, "sh failed with exit status 130");
    assert_int_equal(run((ProcessRun){0}, "kill -9 $$", &e), 128 + 9);
    assert_string_equal(e.text, "sh was ended by signal 9");
    const ProcessRun missing = {.argv = (const char *const[]){"basalt-no-such-program", NULL}};
    assert_int_equal(process_run(&missing, &e), -ENOENT);
    assert_non_null(strstr(e.text, "basalt-no-such-program"));
    assert_int_equal(run((ProcessRun){.chdir = "/nonexistent"}, "true", &e), -ENOENT);
}

static void test_bounds(void **state)
{
    (void)state;
    _cleanup_buf_ Buf out = BUF_INIT, errors = BUF_INIT;
    Error e = ERROR_INIT;
    ProcessRun how = {.output = &out, .output_max = 1000, .errors = &errors};
    assert_int_equal(run(how, "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero", &e), -EFBIG);
    assert_int_equal(out.len, 1000);
    assert_int_equal(errors.len, 64 << 10);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_timeout(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    double start = seconds();
    assert_int_equal(run((ProcessRun){.timeout_sec = 1}, "sleep 60", &e), -ETIMEDOUT);
    assert_string_equal(e.text, "sh did not end within 1 s");
    assert_true(seconds() - start < 2.9); /* SIGTERM was enough */
    start = seconds();
    assert_int_equal(run((ProcessRun){.timeout_sec = 1}, "trap '' TERM; while :; do sleep 1; done", &e),
                     -ETIMEDOUT);
    assert_true(seconds() - start >= 2.9 && seconds() - start < 20);
}

static void test_timeout_takes_the_children(void **state)
{
    (void)state;
    _cleanup_buf_ Buf out = BUF_INIT;
    ProcessRun how = {.timeout_sec = 1, .output = &out};
    assert_int_equal(run(how, "sleep 61 & echo $!; wait", NULL), -ETIMEDOUT);
    char path[64], name[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", atoi(out.data));
    for (int i = 0; i < 100; i++) { /* init may take a moment to reap it */
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            return;
        ssize_t n = read(fd, name, sizeof(name) - 1);
        close(fd);
        name[n > 0 ? n : 0] = '\0';
        if (strcmp(name, "sleep\n") != 0 || kill(atoi(out.data), 0) < 0)
            return;
        _cleanup_buf_ Buf status = BUF_INIT;
        snprintf(path, sizeof(path), "/proc/%d/status", atoi(out.data));
        if (file_read_at(AT_FDCWD, path, 1 << 16, &status, NULL) < 0 || strstr(status.data, "State:\tZ"))
            return;
        snprintf(path, sizeof(path), "/proc/%d/comm", atoi(out.data));
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail();
}

/* A daemon keeps the pipes; it is not waited for. */
static void test_child_left_behind(void **state)
{
    (void)state;
    _cleanup_buf_ Buf out = BUF_INIT;
    double start = seconds();
    assert_int_equal(run((ProcessRun){.output = &out}, "sleep 7 & echo said", NULL), 0);
    assert_string_equal(out.data, "said\n");
    assert_true(seconds() - start < 5);
}

static void test_clean_descriptors(void **state)
{
    (void)state;
    int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library might */
    assert_true(leaked >= 3);
    char script[64];
    snprintf(script, sizeof(script), "test ! -e /proc/self/fd/%d", leaked);
    assert_int_equal(run((ProcessRun){0}, script, NULL), 0);
    close(leaked);
}

static void test_environment_and_files(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    _cleanup_buf_ Buf out = BUF_INIT;
    setenv("BASALT_SECRET", "x", 1);
    const ProcessRun only = {.output = &out,
                             .env = (const char *const[]){"A=1", NULL},
                             .env_only = true,
                             .argv = SH("env | grep -v '^_=\\|^PWD=\\|^SHLVL=\\|^PATH='")};
    assert_int_equal(process_run(&only, NULL), 0);
    assert_string_equal(out.data, "A=1\n");
    const ProcessRun small = {.chdir = s.path,
                              .file_max = 4096,
                              .argv = SH("head -c 4096 /dev/zero >a; head -c 5000 /dev/zero >b")};
    assert_true(process_run(&small, NULL) > 0);
    struct stat st;
    assert_int_equal(fstatat(s.fd, "a", &st, 0), 0);
    assert_int_equal(st.st_size, 4096);
    assert_int_equal(fstatat(s.fd, "b", &st, 0), 0);
    assert_true(st.st_size <= 4096);
    scratch_close(&s);
}

static void test_conversation(void **state)
{
    (void)state;
    ProcessChild c;
    int pipes[2], none = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    ProcessRun how = {.argv = SH("read x; exit $x")};
    assert_int_equal(process_start(&how, pipes[0], none, &c, NULL), 0);
    assert_int_equal(write(pipes[1], "7\n", 2), 2);
    assert_int_equal(process_stop(&c, 10000), 7);
    Scratch s = scratch_open();
    how.chdir = s.path;
    how.argv = SH("trap '' TERM; : >ready; while :; do sleep 0.1; done");
    assert_int_equal(process_start(&how, pipes[0], none, &c, NULL), 0);
    for (unsigned i = 0; i < 1000 && !scratch_count(&s, "."); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    scratch_close(&s);
    assert_int_equal(process_stop(&c, 0), 128 + SIGKILL);
    how = (ProcessRun){.argv = (const char *const[]){"basalt-no-such-program", NULL}};
    assert_int_equal(process_start(&how, pipes[0], none, &c, NULL), -ENOENT);
    close(pipes[0]);
    close(pipes[1]);
    close(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_input),
        cmocka_unit_test(test_no_deadlock),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_timeout_takes_the_children),
        cmocka_unit_test(test_child_left_behind),
        cmocka_unit_test(test_clean_descriptors),
        cmocka_unit_test(test_environment_and_files),
        cmocka_unit_test(test_conversation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
