/* One line a message. The journal's native protocol: a field a line, "NAME=value", and for values of several
 * lines "NAME", a little-endian 64-bit length, the bytes. Each message is addressed anew, because journald
 * comes after us in an early initramfs and may be restarted under us; while it does not listen the kernel's
 * log takes the lines, one record each, and when that is not there either, stderr does. The configuration is
 * the one piece of process-wide state here; it is set once by main(). */
#include "base/log.h"

#include <endian.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"

static struct {
    LogTarget target;
    LogLevel level;
    const char *identifier;
    int journal, kernel, tee; /* descriptors */
} log_state = {
    .level = LOG_LEVEL_INFO, .identifier = "basalt", .journal = -EBADF, .kernel = -EBADF, .tee = -EBADF};

static const int priorities[] = {3, 4, 6, 7};
static const char *const prefixes[] = {"error: ", "warning: ", "", "debug: "};

void log_open(LogTarget target, const char *identifier, LogLevel level)
{
    log_state.target = target;
    log_state.identifier = identifier;
    log_state.level = level;
    if (target != LOG_TARGET_JOURNAL)
        return;
    if (log_state.journal < 0)
        log_state.journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (log_state.kernel < 0)
        log_state.kernel = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
}

void log_tee(int fd)
{
    log_state.tee = fd;
}

static void add_field(Buf *b, const char *name, const char *value)
{
    if (!strchr(value, '\n')) {
        buf_addf(b, "%s=%s\n", name, value);
        return;
    }
    uint64_t size = htole64((uint64_t)strlen(value));
    buf_addf(b, "%s\n", name);
    buf_add(b, &size, sizeof(size));
    buf_addf(b, "%s\n", value);
}

static bool send_journal(LogLevel level, const LogField *fields, const char *text)
{
    static const struct sockaddr_un journald = {.sun_family = AF_UNIX,
                                                .sun_path = "/run/systemd/journal/socket"};
    _cleanup_buf_ Buf b = BUF_INIT;
    char number[16];
    snprintf(number, sizeof(number), "%d", priorities[level]);
    add_field(&b, "MESSAGE", text);
    add_field(&b, "PRIORITY", number);
    add_field(&b, "SYSLOG_IDENTIFIER", log_state.identifier);
    for (; fields && fields->name; fields++)
        add_field(&b, fields->name, fields->value);
    return sendto(log_state.journal, b.data, b.len, MSG_NOSIGNAL, (const struct sockaddr *)&journald,
                  sizeof(journald)) >= 0;
}

static bool send_kernel(LogLevel level, const char *text)
{
    for (const char *end; *text; text = *end ? end + 1 : end) {
        char line[976]; /* the kernel refuses longer records */
        end = strchrnul(text, '\n');
        int n = snprintf(line, sizeof(line), "<%d>%s[%d]: %.*s", priorities[level], log_state.identifier,
                         (int)getpid(), (int)(end - text), text);
        size_t len = n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1;
        if (write(log_state.kernel, line, len) < 0)
            return false;
    }
    return true;
}

static void emit(LogLevel level, const LogField *fields, const char *text)
{
    if (log_state.tee >= 0)
        dprintf(log_state.tee, "%s%s\n", prefixes[level], text);
    if (level > log_state.level)
        return;
    bool sent = false;
    if (log_state.target == LOG_TARGET_JOURNAL)
        sent = (log_state.journal >= 0 && send_journal(level, fields, text)) ||
               (log_state.kernel >= 0 && send_kernel(level, text));
    if (!sent)
        fprintf(stderr, "%s%s\n", prefixes[level], text);
}

static void format_and_emit(LogLevel level, const LogField *fields, const char *format, va_list ap)
{
    if (level > log_state.level && log_state.tee < 0)
        return;
    char *text = NULL;
    if (vasprintf(&text, format, ap) < 0)
        abort();
    emit(level, fields, text);
    free(text);
}

void log_line(LogLevel level, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    format_and_emit(level, NULL, format, ap);
    va_end(ap);
}

void log_structured(LogLevel level, const LogField *fields, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    format_and_emit(level, fields, format, ap);
    va_end(ap);
}
