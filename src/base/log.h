#pragma once
/* Messages for people and for the journal. Libraries log at debug only; programs say the rest. Nothing secret
 * is ever passed here. Not for a program's results: those go to stdout. */
#include <stdbool.h>

#include "base/cleanup.h"

typedef enum LogLevel { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;

/* Where lines go: stderr (programs of the admin), or the journal's native socket with kmsg and then stderr
 * behind it (programs of the initramfs and the node). */
typedef enum LogTarget { LOG_TARGET_STDERR, LOG_TARGET_JOURNAL } LogTarget;

typedef struct LogField {
    const char *name, *value; /* NAME as the journal wants it: capitals, digits, underscore */
} LogField;

void log_open(LogTarget target, const char *identifier, LogLevel level);
void log_line(LogLevel level, const char *format, ...) _printf_(2, 3);
/* The same with journal fields (MESSAGE_ID and friends); `fields` ends with a NULL name. Targets other than
 * the journal print the message alone. */
void log_structured(LogLevel level, const LogField *fields, const char *format, ...) _printf_(3, 4);
/* Also append every line, at debug level, to this open file (kept by the caller); -EBADF ends it. */
void log_tee(int fd);

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
