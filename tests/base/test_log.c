/* Where lines go. The journal is played by a socket of the test in a /run of its own. */
#include "../scratch.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/log.h"

#define REQUIRE(what)                                                                                        \
    if (!(what))                                                                                             \
    _exit(__LINE__ % 200 + 1)

enum { CANNOT = 250 };

/* Runs in a child, so that the log's state and stderr are its own; gives its exit status. */
static int in_child(const Scratch *s, void (*body)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        REQUIRE(fchdir(s->fd) == 0);
        REQUIRE(freopen("stderr", "w", stderr));
        body();
        fflush(stderr);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void say_all(void)
{
    int tee = open("tee", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_open(LOG_TARGET_STDERR, "t", LOG_LEVEL_INFO);
    log_tee(tee);
    log_error("e%d", 1);
    log_warning("w");
    log_info("i");
    log_debug("d");
    log_tee(-EBADF);
    log_structured(LOG_LEVEL_INFO, (const LogField[]){{"MESSAGE_ID", "x"}, {NULL, NULL}}, "last");
    close(tee);
}

static void test_stderr_and_tee(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    assert_int_equal(in_child(&s, say_all), 0);
    scratch_expect(&s, "stderr", "error: e1\nwarning: w\ni\nlast\n");
    scratch_expect(&s, "tee", "error: e1\nwarning: w\ni\ndebug: d\n");
    scratch_close(&s);
}

static void talk_to_journal(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
        _exit(CANNOT);
    log_open(LOG_TARGET_JOURNAL, "prov", LOG_LEVEL_INFO); /* before anybody listens */
    REQUIRE(dir_make_all_at(AT_FDCWD, "/run/systemd/journal", 0755) == 1);
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);

    log_structured(LOG_LEVEL_WARNING, (const LogField[]){{"USER_NAME", "core"}, {NULL, NULL}}, "a\nb");
    static const char expected[] = "MESSAGE\n\3\0\0\0\0\0\0\0a\nb\nPRIORITY=4\nSYSLOG_IDENTIFIER=prov\n"
                                   "USER_NAME=core\n";
    char packet[512];
    ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
    REQUIRE(n == (ssize_t)sizeof(expected) - 1);
    REQUIRE(memcmp(packet, expected, sizeof(expected) - 1) == 0);
    log_debug("not wanted");
    REQUIRE(recv(fd, packet, sizeof(packet), MSG_DONTWAIT) < 0);
}

static void test_journal(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    int status = in_child(&s, talk_to_journal);
    if (status != CANNOT)
        scratch_expect(&s, "stderr", "");
    scratch_close(&s);
    if (status == CANNOT)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stderr_and_tee), cmocka_unit_test(test_journal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
