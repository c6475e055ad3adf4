/* One line, one write, so that lines of two programs do not mix. The log file takes every level; stderr only
 * what was asked for. Failing to write a log never fails the work. */
#include "installer/install_log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

#define LOG_NAME ".openshift_install.log"

static InstallLogLevel threshold = INSTALL_LOG_INFO;
static int log_fd = -EBADF;

static const char *const names[] = {
    [INSTALL_LOG_FATAL] = "FATAL", [INSTALL_LOG_ERROR] = "ERROR", [INSTALL_LOG_WARNING] = "WARNING",
    [INSTALL_LOG_INFO] = "INFO",   [INSTALL_LOG_DEBUG] = "DEBUG",
};

int install_log_level_parse(const char *word, InstallLogLevel *ret)
{
    static const struct {
        const char *word;
        InstallLogLevel level;
    } words[] = {{"debug", INSTALL_LOG_DEBUG},  {"info", INSTALL_LOG_INFO},
                 {"warn", INSTALL_LOG_WARNING}, {"warning", INSTALL_LOG_WARNING},
                 {"error", INSTALL_LOG_ERROR},  {"fatal", INSTALL_LOG_FATAL}};

    for (size_t i = 0; i < ELEMENTS(words); i++)
        if (strcmp(word, words[i].word) == 0) {
            *ret = words[i].level;
            return 0;
        }
    return -EINVAL;
}

void install_log_set_level(InstallLogLevel level)
{
    threshold = level;
}

void install_log_open(int dirfd)
{
    install_log_close();
    log_fd = openat(dirfd, LOG_NAME, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void install_log_close(void)
{
    closep(&log_fd);
    log_fd = -EBADF;
}

static void put(int fd, const Buf *line)
{
    if (fd >= 0 && write(fd, line->data, line->len) < 0)
        return;
}

void install_log(InstallLogLevel level, const char *format, ...)
{
    _cleanup_buf_ Buf text = BUF_INIT, stamped = BUF_INIT;
    _cleanup_free_ char *message = NULL;
    char when[32];
    time_t now = time(NULL);
    struct tm tm;
    va_list args;

    va_start(args, format);
    if (vasprintf(&message, format, args) < 0)
        message = NULL;
    va_end(args);
    buf_addf(&text, "%s %s\n", names[level], message ? message : format);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    buf_addf(&stamped, "%s %s", when, text.data);
    put(log_fd, &stamped);
    if (level <= threshold)
        put(STDERR_FILENO, &text);
}

void install_log_text(const char *shown, const char *logged)
{
    put(log_fd, &(Buf){.data = (char *)logged, .len = strlen(logged)});
    put(STDERR_FILENO, &(Buf){.data = (char *)shown, .len = strlen(shown)});
}
